#!/usr/bin/env python3
"""Apps of a destination: what they make is seen by it alone, and what goes wrong in them is mended without losing anything."""
import unittest
import urllib.request
import uuid

import rig
from rig import event, wait_until

APP = "local M = {}\nfunction M.transform(event, app)\n  local n = event.properties.n\n  %s\n  return event\nend\nreturn M\n"
MANIFEST = "name: %s\nversion: 1.0.0\nsummary: A test.\n"
SPLIT = """do
    local parts = {}
    for i = 1, 2 do
      parts[i] = { event = event.event, distinct_id = event.distinct_id, uuid = event.uuid,
                   properties = { n = n, part = i, now = app.now(), id = app.uuid() } }
    end
    return parts
  end"""
PLAIN = "  - { name: plain, type: file, path: ./plain.ndjson, batch: { within: 20ms } }\n"


def out(name, apps, more=""):
    entries = "".join(f"      - {app}\n" for app in apps)
    return f"  - name: {name}\n    type: file\n    path: ./{name}.ndjson\n    batch: {{ within: 20ms }}\n{more}    apps:\n{entries}"


class DestinationApps(rig.FlowTest):
    def app(self, name, lua, more="", cases=None):
        self.write(f"apps/{name}/app.yaml", MANIFEST % name + more)
        if cases:
            self.write(f"apps/{name}/cases.yaml", cases)
        self.write(f"apps/{name}/app.lua", APP % lua)

    def numbers(self, name):
        return sorted(line["properties"]["n"] for line in self.lines(f"{name}.ndjson"))

    def app_of(self, destination):
        return self.destination(destination)["apps"][0]

    def settled(self, *names):
        return all(self.destination(name)["lag_events"] == 0 for name in names)

    def metrics(self):
        return urllib.request.urlopen(self.control("/metrics")).read().decode()

    def test_two_destinations_make_different_things_of_the_same_events(self):
        self.app("tag", "event.properties.tag = app.settings.word", "settings: { word: { type: string, doc: What. } }\n")
        self.app("picky", f"if n % 4 == 0 then return nil end\n  if n % 4 == 1 then error('no odd ones') end\n"
                          f"  if n % 4 == 2 then {SPLIT} end")
        self.config(PLAIN + out("tagged", ["{ use: tag, with: { word: a } }"]) +
                    out("picky", ["{ use: tag, name: first, with: { word: b } }", "{ use: picky }"],
                        "    when: event.properties.n < 40\n"))
        self.start()
        sent = [event(n) for n in range(50)]
        self.accept(sent)
        wait_until(lambda: self.status()["log"]["events"]["events"] == 50 and self.settled("plain", "tagged", "picky"),
                   "all is settled")
        self.assertEqual(sorted(map(str, self.lines("plain.ndjson"))), sorted(map(str, sent)), "others do not see it")
        self.assertEqual(self.numbers("tagged"), list(range(50)))
        self.assertEqual({line["properties"]["tag"] for line in self.lines("tagged.ndjson")}, {"a"})
        made = sorted(line["properties"]["n"] for line in self.lines("picky.ndjson"))
        self.assertEqual(made, sorted(2 * list(range(2, 40, 4)) + list(range(3, 40, 4))))

        letters = self.dead()
        self.assertEqual({(d["stage"], d["app"], d["code"]) for d in letters}, {("picky", "picky", "app_error")})
        self.assertEqual(len(letters), 10)
        shown = self.cli("dead", "show", letters[0]["id"]).stdout
        self.assertNotIn('"tag"', shown, "it is the event as it stands in the log")
        self.assertIn("app.lua:5: no odd ones", shown)

        status = self.destination("picky")
        self.assertEqual((status["filtered"], status["dead"], status["delivered"]), (10, 10, 30))
        wait_until(lambda: [a["events"] for a in self.destination("picky")["apps"]] == [40, 40], "the counts are published")
        second = self.destination("picky")["apps"][1]
        self.assertEqual((second["name"], second["dropped"], second["errors"]), ("picky", 10, 10))
        self.assertEqual(self.status()["apps"], [])
        metrics = self.metrics()
        self.assertIn('penstock_delivery_app_dropped_total{app="picky",destination="picky"} 10', metrics)
        self.assertIn('penstock_delivery_app_errors_total{app="picky",destination="picky",kind="error"} 10', metrics)
        self.assertIn('penstock_delivery_app_events_total{app="tag",destination="tagged"} 50', metrics)
        self.assertIn("app picky 1.0.0", self.cli("status").stdout)

    def test_a_mended_app_gets_its_dead_letters_again_and_only_its_destination_is_restarted(self):
        self.app("mine", "event.properties.by = nil .. 'x'")
        self.config(PLAIN + out("crm", ["{ use: mine }"]), extra="ingest: { watch_apps: false }\n")
        self.start()
        self.accept([event(n) for n in range(20)])
        wait_until(lambda: len(self.dead()) == 20 and self.settled("plain", "crm"), "all are dead")
        ids = sorted(letter["id"] for letter in self.dead())

        self.assertEqual(self.cli("dead", "replay", "--all").returncode, 0)
        wait_until(lambda: all(letter["attempts"] == 2 for letter in self.dead()), "they died again")
        self.assertEqual(sorted(letter["id"] for letter in self.dead()), ids, "and are the same letters")

        self.app("mine", "event.properties.by = 'mended'",
                 cases="- name: it says who\n  in: { event: a, properties: {} }\n"
                       "  out: { event: a, properties: { by: nobody } }\n")
        refused = self.cli("reload")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("app mine: 1 of 1 cases fail", refused.stderr)
        (self.folder / "apps/mine/cases.yaml").unlink()
        reloaded = self.cli("reload")
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        self.assertEqual(reloaded.stdout.count("restarted"), 1, reloaded.stdout)
        self.assertIn("destination crm: restarted, its apps changed", reloaded.stdout)

        self.assertEqual(self.cli("dead", "replay", "--all").returncode, 0)
        wait_until(lambda: not self.dead(), "all are delivered")
        self.assertEqual(self.numbers("crm"), list(range(20)))
        self.assertEqual({line["properties"]["by"] for line in self.lines("crm.ndjson")}, {"mended"})
        self.assertEqual(self.numbers("plain"), list(range(20)), "nobody else got them again")

    def test_what_a_receiver_rejects_of_a_split_event_goes_through_the_apps_again(self):
        self.app("split", SPLIT)
        crm = rig.Receiver(lambda bodies: 422 if any(b["properties"]["part"] == 2 for b in bodies) else 200)
        self.config(f"  - name: crm\n    type: webhook\n    url: {crm.url}\n    batch: {{ within: 20ms }}\n"
                    "    apps: [{ use: split }]\n")
        self.start()
        self.accept([event(n, part=0) for n in range(5)])
        wait_until(lambda: len(self.dead()) == 5 and self.settled("crm"), "one letter for each event")
        self.assertEqual({b["properties"]["part"] for b in crm.received}, {1})
        letter = self.dead()[0]
        self.assertRegex(letter["reason"], r"422.*; that was [0-9a-f-]{36}, which apps made of it")
        self.assertEqual(letter["app"], "")
        self.assertIn('"part":0', self.cli("dead", "show", letter["id"]).stdout.replace(" ", ""))
        crm.answer = lambda bodies: 200
        self.assertEqual(self.cli("dead", "replay", "--all").returncode, 0)
        wait_until(lambda: not self.dead(), "all are delivered")
        self.assertEqual(sorted(b["properties"]["n"] for b in crm.received if b["properties"]["part"] == 2), list(range(5)))
        self.assertEqual(self.cli("replay", "crm", "--from", "earliest").returncode, 0)
        wait_until(lambda: len(crm.received) >= 25, "a replay goes through the apps, too")

    def test_kill_9_loses_nothing_and_what_comes_twice_is_the_same(self):
        self.app("split", SPLIT)
        crm = rig.Receiver(lambda bodies: 200 if len(crm.received) < self.most else 503)
        self.config(f"  - name: crm\n    type: webhook\n    url: {crm.url}\n    batch: {{ within: 5ms, events: 7 }}\n"
                    "    apps: [{ use: split }]\n")
        sent = [{"uuid": str(uuid.uuid4()), **event(n)} for n in range(1500)]
        self.most = 0
        process = self.start()
        for part in range(3):
            self.accept(sent[part * 500:(part + 1) * 500])
            self.most = len(crm.received) + 300
            wait_until(lambda: len(crm.received) >= self.most, "some of it is delivered, and more is under way")
            process.kill()
            process.wait()
            process = self.start()
        self.most = 1_000_000
        wait_until(lambda: self.settled("crm") and self.status()["log"]["events"]["events"] == 1500, "the rest follows")
        by_uuid = {}
        for body in crm.received:
            by_uuid.setdefault(body["uuid"], set()).add(str(body))
        self.assertEqual(len(by_uuid), 3000)
        self.assertTrue(all(len(bodies) == 1 for bodies in by_uuid.values()), "the same uuid is the same event")
        self.assertEqual({(b["properties"]["n"], b["properties"]["part"]) for b in crm.received},
                         {(n, part) for n in range(1500) for part in (1, 2)})
        self.assertEqual(self.dead(), [])

    def test_an_app_that_keeps_failing_holds_its_destination_alone_until_it_is_mended(self):
        self.app("mine", "event.properties.by = nil .. 'x'")
        self.config(PLAIN + out("crm", ["{ use: mine, suspend: { events: 20, retry: 1h } }"]))
        self.start()
        self.accept([event(n) for n in range(30)])
        wait_until(lambda: self.destination("crm")["health"] == "suspended", "it is suspended")
        self.assertRegex(self.destination("crm")["reason"], r"^app mine failed on 11 of its last 11 events")
        self.assertIn("crm is suspended (app mine failed", self.status()["verdict"])
        self.assertIn('penstock_delivery_app_suspended{app="mine",destination="crm"} 1', self.metrics())
        wait_until(lambda: self.numbers("plain") == list(range(30)), "the other one goes on")
        self.assertEqual(self.destination("crm")["lag_events"], 19)
        self.app("mine", "event.properties.by = 'mended'")  # the files are watched
        wait_until(lambda: len(self.lines("crm.ndjson")) == 19, "what waited is let through")
        wait_until(lambda: self.status()["healthy"], "all is well")
        self.assertEqual(len(self.dead()), 11)

    def test_resume_tries_a_suspended_app_at_once_and_what_it_fails_on_again_waits_on(self):
        self.app("mine", "if n < 22 then error('too small') end")
        self.config(PLAIN + out("crm", ["{ use: mine, suspend: { events: 20, retry: 1h } }"]))
        self.start()
        self.accept([event(n) | {"distinct_id": "ann"} for n in range(50)])  # so they keep their order
        wait_until(lambda: self.destination("crm")["health"] == "suspended", "it is suspended")
        wait_until(lambda: len(self.dead()) == 11, "what it failed on is dead")
        self.assertEqual(self.cli("resume", "crm").stdout, "crm goes on\n")
        wait_until(lambda: "failed on 6 of its last 6 events" in self.destination("crm")["reason"], "it fails again")
        self.assertEqual((self.lines("crm.ndjson"), len(self.dead())), ([], 11), "the trial leaves no trace")
        self.assertIn('app_errors_total{app="mine",destination="crm",kind="error"} 11', self.metrics())
        self.accept([event(n) | {"distinct_id": "ann"} for n in range(50, 60)])
        self.app("mine", "if n < 15 then error('too small') end")
        wait_until(lambda: self.settled("crm") and self.status()["healthy"], "it does well with what comes then")
        self.assertEqual(self.numbers("crm"), list(range(15, 60)))
        self.assertEqual(len(self.dead()), 15)

    def test_trials_of_an_app_that_stays_broken_make_no_dead_letters_whatever_waits(self):
        self.app("mine", "error('broken')")
        self.config(PLAIN + out("crm", ["{ use: mine, suspend: { events: 20, retry: 100ms } }"]))
        self.start()
        self.accept([event(n) | {"distinct_id": "ann"} for n in range(50)])
        wait_until(lambda: self.log().count('"app crm/mine","message":"suspended') >= 5, "it was tried several times")
        self.assertEqual(len(self.dead()), 11)
        self.assertEqual(self.destination("crm")["lag_events"], 39)

    def test_an_app_that_passes_while_it_is_suspended_lets_events_by_and_says_so(self):
        self.app("mine", "error('never')")
        self.config(out("crm", ["{ use: mine, suspend: { events: 20, retry: 1h, then: pass } }"]))
        self.start()
        self.accept([event(n) for n in range(30)])
        wait_until(lambda: len(self.lines("crm.ndjson")) == 19, "the rest passes it by")
        wait_until(lambda: self.app_of("crm")["suspended"], "it is suspended")
        self.assertEqual(self.destination("crm")["health"], "healthy")
        self.assertIn("app mine of crm is suspended (failed on 11 of its last 11 events", self.status()["verdict"])

    def test_a_file_whose_cases_fail_is_not_taken_by_the_destination(self):
        self.app("mine", "event.properties.by = 'first'")
        self.config(out("crm", ["{ use: mine }"]))
        self.start()
        self.app("mine", "event.properties.by = 'second'",
                 cases="- name: it says who\n  in: { event: a, properties: {} }\n"
                       "  out: { event: a, properties: { by: nobody } }\n")
        wait_until(lambda: "1 of 1 cases fail" in self.status()["apps_refused"], "the failing case is in the status")
        self.accept([event(1)])
        wait_until(lambda: [line["properties"]["by"] for line in self.lines("crm.ndjson")] == ["first"], "the old one runs")

    def test_validate_says_where_an_entry_is_wrong(self):
        self.app("counts", "app.state.incr('n')", "permissions: { state: true }\n")
        self.app("tag", "event.properties.tag = app.settings.word", "settings: { word: { type: string, doc: What. } }\n")
        self.config(PLAIN + out("crm", ["{ use: tag, with: { wrod: a } }"]))
        wrong = self.cli("validate", "penstock.yaml").stderr
        self.assertRegex(wrong, r"penstock.yaml:\d+:\d+: destinations\[1\] \(crm\)\.apps\[0\] \(tag\).*wrod.*did you mean 'word'")
        self.config(PLAIN + out("crm", ["{ use: tag }", "{ use: counts }", "{ use: nobody, when: evnt.x }"]))
        wrong = self.cli("validate", "penstock.yaml").stderr
        self.assertRegex(wrong, r"destinations\[1\] \(crm\)\.apps\[2\] \(nobody\).*unknown app 'nobody'")
        self.config(PLAIN + out("crm", ["{ use: tag, when: evnt.x }", "{ use: counts }"]))
        wrong = self.cli("validate", "penstock.yaml").stderr
        self.assertRegex(wrong, r"penstock.yaml:\d+:\d+: destinations\[1\] \(crm\)\.apps\[1\] \(counts\): app counts uses app.state")
        self.config(PLAIN + out("crm", ["{ use: tag, when: evnt.x }"]))
        wrong = self.cli("validate", "penstock.yaml").stderr
        self.assertRegex(wrong, r"destinations\[1\] \(crm\)\.apps\[0\] \(tag\)\.when.*there is no 'evnt'")
        self.config(PLAIN + out("crm", ["{ use: tag }"]))
        self.assertIn("1 app,", self.cli("validate", "penstock.yaml").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
