"""Behaviours of the whole program, each as a user would meet it."""
import json
import os
import signal
import subprocess
import threading
import sys
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from rig import BINARY, FlowTest, Receiver, event, wait_until  # noqa: E402

FILE_OUT = "  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }"


def numbers(events):
    return sorted(e["properties"]["n"] for e in events)


class FiniteRuns(FlowTest):
    SOURCE = "  - { name: lines, type: file, path: ./in.ndjson }"

    def test_ends_by_itself_with_a_summary_and_adds_nothing_when_run_again(self):
        self.config(FILE_OUT, self.SOURCE)
        self.write("in.ndjson", "".join(json.dumps(event(n)) + "\n" for n in range(500)) + "{broken\n")
        first = self.cli("run", "penstock.yaml")
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("ingest: 500 kept, 0 dropped, 1 dead", first.stdout)
        self.assertIn("out: 500 delivered", first.stdout)
        self.assertEqual(numbers(self.lines()), list(range(500)))
        self.assertEqual([d["code"] for d in self.dead()], ["invalid_json"], "dead letters outlive the process")
        second = self.cli("run", "penstock.yaml")
        self.assertIn("ingest: 0 kept", second.stdout)
        self.assertEqual(len(self.lines()), 500)

    def test_standard_input_is_a_source(self):
        self.config(FILE_OUT, "  - { name: in, type: stdin }")
        text = "".join(json.dumps(event(n)) + "\n" for n in range(100))
        done = subprocess.run([BINARY, "run", "penstock.yaml"], cwd=self.folder, input=text, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(numbers(self.lines()), list(range(100)))

    def test_values_keep_their_bytes(self):
        self.config(FILE_OUT, self.SOURCE, "apps:\n  - { use: set_fields, with: { fields: { env: prod } } }\n")
        body = '{"event":"a","distinct_id":"u","x":1.0,"big":18446744073709551617,"huge":1e400,"list":[],"no":null,"s":"\\u00e9"'
        self.write("in.ndjson", body + "}\n")
        self.assertEqual(self.cli("run", "penstock.yaml").returncode, 0)
        self.assertEqual((self.folder / "out.ndjson").read_text(), body + ',"env":"prod"}\n')


class Configuration(FlowTest):
    BROKEN = "sources:\n  - { name: web, type: htpt }\ndestinations:\n  - { name: out, type: file, pth: x }\n"

    def test_run_and_validate_say_the_same_and_all_at_once(self):
        self.write("penstock.yaml", self.BROKEN)
        validated, started = self.cli("validate", "penstock.yaml"), self.cli("run", "penstock.yaml")
        self.assertEqual((validated.returncode, started.returncode), (1, 1))
        for text in ("penstock.yaml:2:24: sources[0] (web).type: unknown type 'htpt', did you mean 'http'?",
                     "missing required field 'path'", "unknown field 'pth', did you mean 'path'?"):
            self.assertIn(text, validated.stderr)
            self.assertIn(text, started.stderr)
        self.assertFalse((self.folder / "data").exists())

    def test_what_init_writes_validates(self):
        self.assertEqual(self.cli("init", "new").returncode, 0)
        self.assertEqual(self.cli("validate", "new/penstock.yaml").returncode, 0)
        self.assertEqual(self.cli("init", "new").returncode, 1)

    def test_an_example_of_every_connector_validates(self):
        for kind, names in self.connectors().items():
            for name in names:
                shown = self.cli("connectors", "show", name).stdout
                entry = shown[shown.index("# " + kind.capitalize()[:-1]):].split("```yaml\n")[1].split("```")[0]
                other = ("destinations:\n  - { name: o, type: discard }\n" if kind == "sources" else
                         "sources:\n  - { name: i, type: stdin }\n")
                self.write("penstock.yaml", f"{kind}:\n{entry}\n{other}")
                checked = self.cli("validate", "penstock.yaml", env=EnvironmentWithEverything())
                self.assertEqual(checked.returncode, 0, f"{kind} {name}: {checked.stderr}{entry}")

    def connectors(self):
        found, kind = {}, None
        for line in self.cli("connectors", "list").stdout.splitlines():
            if line.startswith("  "):
                found[kind].append(line.split()[0])
            else:
                kind = line
                found[kind] = []
        return found


def EnvironmentWithEverything():
    """Examples name variables for their secrets."""
    return dict(os.environ, **{name: "http://127.0.0.1:9/x" for name in ("CRM_URL", "CRM_TOKEN", "WEB_TOKEN", "WEBHOOK_TOKEN",
                                                                       "INTAKE_TOKEN", "TOKEN", "PENSTOCK_TOKEN")})


class Destinations(FlowTest):
    def hook(self, receiver, extra=""):
        return (f'{FILE_OUT}\n  - {{ name: hook, type: webhook, url: "{receiver.url}", batch: {{ within: 20ms, events: 50 }}, '
                f"retry: {{ wait_min: 20ms, wait_max: 100ms }}{extra} }}")

    def test_one_guilty_event_becomes_one_dead_letter_and_the_rest_arrives(self):
        receiver = Receiver(lambda bodies: 400 if any(b["properties"]["n"] == 33 for b in bodies) else 200)
        self.config(self.hook(receiver))
        self.start()
        self.accept([event(n) for n in range(100)])
        wait_until(lambda: len(receiver.received) == 99, "99 events at the webhook")
        dead = wait_until(lambda: self.dead("--stage", "hook"), "a dead letter")
        self.assertEqual([d["code"] for d in dead], ["http_400"])
        shown = json.loads(self.cli("dead", "show", "--json", dead[0]["id"]).stdout)
        self.assertEqual(json.loads(shown["body"])["properties"]["n"], 33)
        self.assertEqual(numbers(receiver.received), [n for n in range(100) if n != 33])

    def test_many_frozen_destinations_take_no_connection_from_a_healthy_one(self):
        thaw = threading.Event()
        self.addCleanup(thaw.set)
        frozen, healthy = Receiver(lambda bodies: thaw.wait() and 200), Receiver()
        self.config("\n".join(f'  - {{ name: frozen{n}, type: webhook, url: "{frozen.url}", in_flight_max: 40, timeout: 10m, '
                              "batch: { events: 1 } }" for n in range(8)) +
                    f'\n  - {{ name: healthy, type: webhook, url: "{healthy.url}", batch: {{ within: 20ms }} }}')
        self.start()
        self.accept([event(n) for n in range(100)])
        wait_until(lambda: all(self.destination(f"frozen{n}")["in_flight"] == 40 for n in range(8)), "all of them are frozen")
        self.accept([event(n) for n in range(100, 200)])
        wait_until(lambda: len(healthy.received) == 200, "the healthy one has everything")

    def test_an_outage_holds_the_cursor_makes_no_dead_letters_and_stalls_nobody(self):
        down = {"now": True}
        receiver = Receiver(lambda bodies: 500 if down["now"] else 200)
        self.config(self.hook(receiver))
        self.start()
        self.accept([event(n) for n in range(300)])
        wait_until(lambda: len(self.lines()) == 300, "the file has everything")
        wait_until(lambda: self.destination("hook")["health"] == "unavailable", "the hook is unavailable")
        self.assertEqual(self.cli("status").returncode, 1)
        self.assertIn("500", self.destination("hook")["reason"])
        wait_until(lambda: receiver.requests >= 5, "it is tried again")
        down["now"] = False
        wait_until(lambda: len(receiver.received) >= 300, "everything arrives")
        wait_until(lambda: self.destination("hook")["lag_events"] == 0, "the cursor has moved")
        self.assertEqual(numbers(receiver.received), list(range(300)))
        self.assertEqual(self.dead(), [])

    def test_a_rate_limit_has_a_name_and_its_wait_is_kept(self):
        limited = {"now": True}
        receiver = Receiver(lambda bodies: 429 if limited["now"] else 200, {"Retry-After": "1"})
        self.config(self.hook(receiver))
        self.start()
        self.accept([event(1)])
        wait_until(lambda: self.destination("hook")["health"] == "limited", "the hook is limited")
        limited["now"] = False
        wait_until(lambda: len(receiver.received) == 1, "it arrives after the wait")

    def test_filters_choose_what_a_destination_gets(self):
        receiver = Receiver()
        self.config(self.hook(receiver, ", events: [signup], when: 'event.properties.plan ~= \"free\"'"))
        self.start()
        self.accept([event(1, plan="free"), event(2, plan="pro"), event(3, "login", plan="pro"), event(4, plan="team")])
        wait_until(lambda: numbers(receiver.received) == [2, 4], "two events at the webhook")
        wait_until(lambda: self.destination("hook")["filtered"] == 2, "two were filtered")


class Control(FlowTest):
    APP = "local M = {}\nfunction M.transform(event, app)\n  event.properties.by = '%s'\n  return event\nend\nreturn M\n"

    def with_app(self, text):
        self.write("apps/mine/app.yaml", "name: mine\nversion: 1.0.0\nsummary: Says who it is.\n")
        self.write("apps/mine/app.lua", text)

    def test_a_reload_takes_a_changed_app_and_refuses_a_broken_one(self):
        self.with_app(self.APP % "first")
        self.config(FILE_OUT, extra="ingest: { watch_apps: false }\napps:\n  - use: mine\n")
        self.start()
        self.accept([event(1)])
        wait_until(lambda: len(self.lines()) == 1, "the first event")
        self.with_app(self.APP % "second")
        self.assertIn("apps: the chain is now", self.cli("reload").stdout)
        self.accept([event(2)])
        wait_until(lambda: len(self.lines()) == 2, "the second event")
        self.with_app("this is not Lua")
        broken = self.cli("reload")
        self.assertEqual(broken.returncode, 1)
        self.assertIn("app.lua:1:", broken.stderr)
        self.accept([event(3)])
        wait_until(lambda: len(self.lines()) == 3, "the third event")
        self.assertEqual([line["properties"]["by"] for line in self.lines()], ["first", "second", "second"])

    def test_what_senders_chose_moves_no_cursor_and_forges_no_line(self):
        self.with_app("local M = {}\nfunction M.transform(event, app)\n  app.log('warning', event.event)\n  error(event.event)\nend\n"
                      "return M\n")
        self.config(FILE_OUT, extra="apps:\n  - use: mine\n")
        self.start("--log-format", "text")
        self.accept([{"event": "\x1b[2J\x1b]0;mine\x07\nerror forged: line\u202e", "distinct_id": "u"}] * 2)
        wait_until(lambda: "dead letters, 2 new" in self.log(), "the log tells of them")
        dead = self.cli("dead", "list").stdout
        shown = self.cli("dead", "show", dead.split()[0]).stdout
        status = self.cli("status").stdout
        for text in (dead, shown, status, self.log()):
            self.assertNotRegex(text, "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]|\nerror forged")
        for text in (dead, shown, self.log()):
            self.assertIn("\\x1b[2J\\x1b]0;mine\\x07", text)
        self.assertEqual(json.loads(self.cli("dead", "list", "--json").stdout)["dead_letters"][0]["event"][:4], "\x1b[2J")

    def test_the_log_tells_of_failures_and_dead_letters_of_ingest_once_in_a_while(self):
        self.with_app("local M = {}\nfunction M.transform(event, app)\n  if event.properties.n == 0 then return event end\n"
                      "  if event.properties.n % 2 == 0 then while true do end end\n  error('bad one')\nend\nreturn M\n")
        self.config(FILE_OUT, extra="apps:\n  - { use: mine, suspend: { then: never } }\n")
        self.start()
        self.accept([event(n) for n in range(9)])
        wait_until(lambda: len(self.dead()) == 8, "all are dead")
        wait_until(lambda: "(app_error)" in self.log() and "(app_instruction_limit)" in self.log(), "the log tells of each kind")
        for _ in range(50):
            self.accept([event(1)])
        lines = [json.loads(line) for line in self.log().splitlines()]
        failures = [line["message"] for line in lines if line["component"] == "app mine"]
        self.assertRegex("\n".join(failures), r"failed on \d events? \(app_error\); \S+ ?\S*: [0-9a-f-]{36}: app.lua:5: bad one")
        self.assertLessEqual(len(failures), 4)
        deaths = [line["message"] for line in lines if line["component"] == "ingest"]
        self.assertRegex(deaths[0], r"dead letters, \d new; the first one: [0-9a-f-]{36} of source web: mine: app.lua:\d: .+"
                                    r"\(app_\w+\)$")
        self.assertLessEqual(len(deaths), 2)

    def test_a_reload_adds_changes_and_removes_destinations_and_loses_nothing(self):
        receiver = Receiver()
        self.config(FILE_OUT)
        process = self.start()
        self.accept([event(n) for n in range(10)])
        hook = f'  - {{ name: hook, type: webhook, url: "{receiver.url}", from: earliest, batch: {{ within: 20ms }} }}'
        self.config(FILE_OUT + "\n" + hook)
        self.assertIn("destination hook: added", self.cli("reload").stdout)
        wait_until(lambda: numbers(receiver.received) == list(range(10)), "the log from its beginning")
        self.config(FILE_OUT.replace("20ms", "30ms"))
        said = self.cli("reload").stdout
        self.assertIn("destination hook: removed", said)
        self.assertIn("destination out: restarted", said)
        self.accept([event(n) for n in range(10, 20)])
        wait_until(lambda: numbers(self.lines()) == list(range(20)), "all in the file, once")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "nothing differs" in self.log(), "SIGHUP reloads too")

    def test_what_cannot_be_reloaded_is_named_and_changes_nothing(self):
        self.config(FILE_OUT)
        self.start()
        self.config(FILE_OUT, sources='  - { name: other, type: http, listen: "127.0.0.1:0" }')
        refused = self.cli("reload")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("sources cannot be changed by a reload", refused.stderr)
        self.accept([event(1)])

    def test_the_control_port_wants_its_token_but_for_health_and_metrics(self):
        self.config(FILE_OUT)
        self.start()
        address = json.loads((self.folder / "data/control.json").read_text())
        self.assertEqual((self.folder / "data/control.json").stat().st_mode & 0o777, 0o600)
        for path in ("/health", "/ready", "/metrics"):
            self.assertEqual(urllib.request.urlopen(address["url"] + path).status, 200)
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address["url"] + "/api/status")
        self.assertEqual(refused.exception.code, 401)
        wrong = self.cli("status", "--url", address["url"], "--token", "wrong")
        self.assertEqual(wrong.returncode, 3)
        self.assertIn("send the token of data/control.json", wrong.stderr)


class Lives(FlowTest):
    def test_sigterm_ends_in_order_and_what_was_accepted_is_there_after_the_next_start(self):
        self.config(FILE_OUT)
        process = self.start()
        self.accept([event(n) for n in range(200)])
        self.stop(process)
        process = self.start()
        wait_until(lambda: numbers(self.lines()) == list(range(200)), "all of them, once")
        self.stop(process, signal.SIGINT)
        self.assertFalse((self.folder / "data/control.json").exists())

    def test_a_second_process_on_the_same_data_is_refused_with_the_first_ones_id(self):
        self.config(FILE_OUT)
        process = self.start()
        second = self.cli("run", "penstock.yaml")
        self.assertEqual(second.returncode, 3)
        self.assertIn(str(process.pid), second.stderr)
        self.accept([event(1)])

    def test_data_of_a_newer_version_is_refused_with_both_versions(self):
        self.config(FILE_OUT)
        self.stop(self.start())
        text = (self.folder / "data/FORMAT").read_text()
        (self.folder / "data/FORMAT").write_text(text.replace("penstock-data 1", "penstock-data 7"))
        refused = self.cli("run", "penstock.yaml")
        self.assertEqual(refused.returncode, 3)
        self.assertRegex(refused.stderr, "7.*1|1.*7")


if __name__ == "__main__":
    unittest.main(verbosity=2)
