"""The tools of who writes apps, as they are typed: new, test, check, run, bench, list, show, reference."""
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import unittest

import rig


class AppTools(rig.FlowTest):
    def setUp(self):
        super().setUp()
        made = self.cli("app", "new", "demo")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.app = self.folder / "apps" / "demo"

    def replace(self, name, old, new):
        path = self.app / name
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    def test_a_new_app_passes_its_cases_runs_every_line_and_has_nothing_to_say(self):
        tested = self.cli("app", "test", "demo", "--coverage")
        self.assertEqual(tested.returncode, 0, tested.stdout)
        self.assertRegex(tested.stdout, r"demo +6 passed, 0 failed\n  app\.lua 100 %")
        self.assertIn("nothing to say", self.cli("app", "check", "demo").stdout)
        self.write("penstock.yaml", "data: ./data\nsources: [{ name: in, type: stdin }]\napps: [{ use: demo }]\n"
                   "destinations: [{ name: out, type: discard }]\n")
        self.assertEqual(self.cli("validate").returncode, 0)

    def test_new_refuses_bad_names_and_folders_that_exist(self):
        for name, code, part in (("Demo", 2, "lower-case"), ("../x", 2, "lower-case"), ("", 2, ""), ("demo", 1, "exists")):
            refused = self.cli("app", "new", name)
            self.assertEqual(refused.returncode, code, name)
            self.assertIn(part, refused.stderr)
        self.assertEqual(self.cli("app", "new", "other", "--dir", "more/apps").returncode, 0)
        self.assertEqual(self.cli("app", "test", "./more/apps/other").returncode, 0)

    def test_a_failing_case_shows_what_differs_and_where(self):
        self.replace("cases.yaml", "plan: pro }", "plan: prox, n: 1 }")
        failed = self.cli("app", "test", "demo")
        self.assertEqual(failed.returncode, 1)
        for line in ("FAIL apps/demo/cases.yaml:4:3: the plan is written in lower case", '- properties.plan: "prox"',
                     '+ properties.plan: "pro"', "- properties.n: 1",
                     'expected {"event":"signup","properties":{"plan":"prox","n":1}}'):
            self.assertIn(line, failed.stdout)
        self.assertNotIn("\x1b", failed.stdout)
        report = json.loads(self.cli("app", "test", "demo", "--json").stdout)["apps"][0]
        self.assertEqual((report["passed"], report["failed"]), (5, 1))
        self.assertIn('properties.plan: expected "prox", got "pro"', report["cases"][0]["problems"])

    def test_an_error_comes_with_its_traceback(self):
        self.replace("app.lua", "properties.plan = plan:lower()", "error('no ' .. plan)")
        failed = self.cli("app", "test", "demo")
        self.assertIn("expected no error, got app.lua:16: no PRO", failed.stdout)
        self.assertIn("app.lua:16: in", failed.stdout)

    def test_update_writes_what_came_out_and_nothing_else(self):
        before = (self.app / "cases.yaml").read_text()
        self.replace("cases.yaml", "plan: pro }", "plan: prox }")
        for arguments, environment in ((["--update"], {}), ([], {"UPDATE": "1"})):
            updated = self.cli("app", "test", "demo", *arguments, env={**os.environ, **environment})
            self.assertEqual(updated.returncode, 0, updated.stdout)
            self.assertEqual((self.app / "cases.yaml").read_text(), before)
            self.replace("cases.yaml", "plan: pro }", "plan: prox }")
        self.assertIn("updated: apps/demo/cases.yaml:4:3", updated.stderr)

    def test_coverage_names_the_lines_that_no_case_ran(self):
        text = (self.app / "cases.yaml").read_text()
        (self.app / "cases.yaml").write_text(text[:text.index("- name: an internal")])
        tested = self.cli("app", "test", "demo", "--coverage")
        line = (self.app / "app.lua").read_text().split("\n").index("    return nil -- drops the event") + 1
        self.assertIn(f"never run: {line}\n", tested.stdout)
        covered = json.loads(self.cli("app", "test", "demo", "--coverage", "--json").stdout)["apps"][0]["coverage"][0]
        self.assertEqual((covered["lines"] - covered["ran"], covered["never_run"]), (1, [line]))

    def test_watch_runs_again_at_every_change_until_it_is_interrupted(self):
        out = open(self.folder / "watch.txt", "w+")
        watching = subprocess.Popen([rig.BINARY, "app", "test", "demo", "--watch"], cwd=self.folder, stdout=out,
                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.processes.append(watching)
        seen = (self.folder / "watch.txt").read_text
        rig.wait_until(lambda: seen().count("watching") == 1, "the first run")
        self.replace("app.lua", "plan:lower()", "plan")
        rig.wait_until(lambda: seen().count("watching") == 2, "a run after a change")
        self.assertIn("1 failed", seen())
        self.replace("app.lua", "properties.plan = plan", "properties.plan = plan:lower()")
        rig.wait_until(lambda: seen().count("watching") == 3, "a run after another")
        self.app.rename(self.folder / "away")
        rig.wait_until(lambda: seen().count("watching") == 4, "a run when the folder has gone")
        self.assertIn("unknown app 'demo'", seen())
        (self.folder / "away").rename(self.app)
        rig.wait_until(lambda: seen().count("watching") == 5, "a run when it is back")
        shutil.copytree(self.folder / "apps", self.folder / "others")
        (self.folder / "apps").rename(self.folder / "away")
        (self.folder / "others").rename(self.folder / "apps")
        rig.wait_until(lambda: seen().count("watching") == 6, "a run after all apps were replaced")
        self.replace("app.lua", "plan:lower()", "plan")
        rig.wait_until(lambda: seen().count("watching") == 7, "a run after a change in the new folder")
        self.replace("app.lua", "properties.plan = plan", "properties.plan = plan:lower()")
        rig.wait_until(lambda: seen().count("watching") == 8, "and another")
        watching.send_signal(signal.SIGINT)
        self.assertEqual(watching.wait(timeout=10), 0)
        out.close()

    def test_what_is_wrong_with_the_app_itself_is_told_once_and_not_for_each_case(self):
        good = (self.app / "app.lua").read_text()
        for lua, message in (("local M = {\nreturn M\n", "app.lua:2: "), ("local x = y.z\nreturn {}\n", "app.lua:1: ")):
            (self.app / "app.lua").write_text(lua)
            tested = self.cli("app", "test", "demo")
            self.assertEqual(tested.returncode, 1)
            self.assertEqual(tested.stdout.count(message), 1, tested.stdout)
            self.assertIn("cannot be tested", tested.stdout)
            self.assertIn(message, json.loads(self.cli("app", "test", "demo", "--json").stdout)["apps"][0]["error"])
        (self.app / "app.lua").write_text(good)
        self.assertEqual(self.cli("app", "test", "demo").returncode, 0)

    def test_files_may_begin_with_a_byte_order_mark(self):
        for name in ("app.lua", "app.yaml", "cases.yaml"):
            (self.app / name).write_text("\ufeff" + (self.app / name).read_text())
        self.assertEqual(self.cli("app", "test", "demo").returncode, 0)
        self.assertEqual(self.cli("app", "check", "demo").returncode, 0)
        (self.app / "cases.yaml").write_text("\ufeffinn: 1\n")
        self.assertIn("cases.yaml:1:1: expected a list", self.cli("app", "test", "demo").stdout)
        (self.app / "app.lua").write_text("\ufefflocal x = y\nlocal M = {}\nfunction M.transform(e) return e end\nreturn M\n")
        self.assertIn("app.lua:1:11: ", self.cli("app", "check", "demo").stdout)

    def test_run_shows_what_changes_and_goes_on_after_lines_that_are_no_events(self):
        self.write("events.ndjson", '{"event":"a","properties":{"plan":"PRO"}}\n{"event":"b","properties":{"internal":true}}\n'
                   'nonsense\n\n{"event":"c"}\n')
        shown = self.cli("app", "run", "demo", "--in", "events.ndjson", "-s", "drop_internal=true")
        self.assertEqual(shown.returncode, 1)
        for line in ('line 1 changed\n  - properties.plan: "PRO"\n  + properties.plan: "pro"\n', "line 2 dropped",
                     "line 3 invalid\n  no event: invalid JSON", "line 5 unchanged",
                     "3 events: 1 changed, 1 unchanged, 1 dropped; 1 line was no event", "µs an event (median)"):
            self.assertIn(line, shown.stdout)
        with open(self.folder / "events.ndjson") as events:
            as_json = self.cli("app", "run", "demo", "--in", "-", "--json", "--limit", "1", stdin=events)
        lines = [json.loads(line) for line in as_json.stdout.splitlines()]
        self.assertEqual(len(lines), 1)
        self.assertEqual(lines[0]["changes"], [{"path": "properties.plan", "before": "PRO", "after": "pro"}])
        refused = self.cli("app", "run", "demo", "--in", "events.ndjson", "-s", "drop_intern=true")
        self.assertIn("did you mean 'drop_internal'?", refused.stderr)
        self.assertEqual(self.cli("app", "run", "demo", "--in", "missing").returncode, 3)

    def test_check_finds_mistyped_names_with_line_and_column(self):
        self.replace("app.lua", "plan:lower()", "app.sha265(plan)")
        checked = self.cli("app", "check", "demo")
        self.assertEqual(checked.returncode, 1)
        self.assertIn("apps/demo/app.lua:16:27: there is no app.sha265, did you mean 'app.sha256'?", checked.stdout)
        finding = json.loads(self.cli("app", "check", "demo", "--json").stdout)["findings"][0]
        self.assertEqual((finding["line"], finding["column"], finding["severity"]), (16, 27, "error"))

    def test_check_has_nothing_to_say_of_the_apps_that_come_along(self):
        shutil.rmtree(self.app)
        checked = self.cli("app", "check")
        self.assertEqual(checked.returncode, 0, checked.stdout)
        self.assertRegex(checked.stdout, r"redact +nothing to say")
        self.assertNotIn("hint", checked.stdout)

    def test_bench_measures_and_advises(self):
        self.replace("app.lua", "local plan = ", "for k in pairs(properties) do local _ = { k } end\n  local plan = ")
        measured = json.loads(self.cli("app", "bench", "demo", "--events", "500", "--json").stdout)
        self.assertGreater(measured["nanoseconds"], 0)
        self.assertGreater(measured["members_visited"], 1)
        self.write("events.ndjson", json.dumps({"event": "e", "properties": {str(n): n for n in range(20)}}) + "\n")
        shown = self.cli("app", "bench", "demo", "--events", "500", "--in", "events.ndjson").stdout
        self.assertIn("It visits 20 members", shown)
        self.assertRegex(shown, r"\d+ ns an event")

    def test_list_and_show_say_where_an_app_comes_from_and_what_it_takes(self):
        apps = {app["name"]: app for app in json.loads(self.cli("app", "list", "--json").stdout)}
        self.assertEqual((apps["demo"]["folder"], apps["demo"]["bundled"]), ("apps/demo", False))
        self.assertTrue(apps["hash_fields"]["bundled"])
        self.assertIn("comes with penstock", self.cli("app", "list").stdout)
        shown = json.loads(self.cli("app", "show", "hash_fields", "--json").stdout)
        self.assertTrue(next(s for s in shown["settings"] if s["name"] == "fields")["required"])
        self.assertIn("- use: hash_fields\n    with: {", shown["example"])
        unknown = self.cli("app", "show", "hash_feilds")
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("did you mean 'hash_fields'?", unknown.stderr)

    def test_the_apps_that_come_along_need_nothing_but_the_binary(self):
        bare = self.folder / "elsewhere" / "penstock"
        bare.parent.mkdir()
        shutil.copy(rig.BINARY, bare)
        self.write("elsewhere/penstock.yaml", "data: ./data\nsources: [{ name: in, type: stdin }]\n"
                   "apps: [{ use: set_fields, with: { fields: { properties.env: dev } } }]\n"
                   "destinations: [{ name: out, type: stdout }]\n")
        ran = subprocess.run([bare, "run"], cwd=bare.parent, input='{"event":"a","distinct_id":"d","properties":{}}\n',
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(json.loads(ran.stdout.splitlines()[0])["properties"], {"env": "dev"})
        tested = subprocess.run([bare, "app", "test", "--coverage"], cwd=bare.parent, capture_output=True, text=True, timeout=120)
        self.assertEqual(tested.returncode, 0, tested.stdout)
        self.assertGreaterEqual(len(re.findall(r"^\w+ +\d+ passed, 0 failed$", tested.stdout, re.M)), 16)

    def test_an_app_in_a_folder_goes_before_one_of_the_same_name_that_comes_along(self):
        for place, environment in (("apps", {}), ("plugins", {}), ("more", {"PENSTOCK_PLUGINS": "more"})):
            self.assertEqual(self.cli("app", "new", "redact", "--dir", place).returncode, 0)
            env = {**os.environ, **environment}
            self.assertIn(f"{place}/redact)", self.cli("app", "show", "redact", env=env).stdout)
            self.assertRegex(self.cli("app", "test", env=env).stdout, r"demo +6 passed, 0 failed\nredact +6 passed, 0 failed\n$")
            shutil.rmtree(self.folder / place / "redact")
        self.assertIn("comes with penstock)", self.cli("app", "show", "redact").stdout)
        wrong = self.cli("app", "list", env={**os.environ, "PENSTOCK_PLUGINS": "nowhere"})
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("PENSTOCK_PLUGINS names nowhere, where there is no folder", wrong.stderr)

    def test_the_same_failure_has_the_same_code_everywhere(self):
        self.write("events.ndjson", '{"event":"a"}\n')
        for command in ("show", "test", "check", "run", "bench"):
            more = ["--in", "events.ndjson"] if command == "run" else []
            unknown = self.cli("app", command, "hash_feilds", *more)
            self.assertEqual(unknown.returncode, 2, command)
            self.assertIn("did you mean 'hash_fields'?", unknown.stderr)
        for command in ("run", "bench"):
            wrong = self.cli("app", command, "demo", "--in", "events.ndjson", "-s", "drop_intern=1")
            self.assertEqual(wrong.returncode, 2, command)
            missing = self.cli("app", command, "demo", "--in", "missing")
            self.assertEqual(missing.returncode, 3, command)
        for words, says in ((["statsu"], "'statsu', did you mean 'status'?"), (["app", "tset"], "did you mean 'app test'?"),
                            (["nonsense"], "see `penstock --help`")):
            unknown = self.cli(*words)
            self.assertEqual(unknown.returncode, 2, words)
            self.assertIn(says, unknown.stderr)

    def test_run_says_what_is_wrong_with_its_input(self):
        self.write("events.ndjson", '{"type":"a"}\n')
        with gzip.open(self.folder / "events.ndjson.gz", "wt") as packed:
            packed.write('{"event":"a"}\n')
        for arguments, code, says in ((["--in", "."], 3, ". is a folder"),
                                      (["--in", "events.ndjson.gz"], 2, "is compressed: zcat FILE |"),
                                      (["--in", "events.ndjson", "--limit", "-3"], 2, "-3 not in range 0"),
                                      (["--in", "events.ndjson", "--map", "evnt=type"], 2, "expected event, distinct_id")):
            refused = self.cli("app", "run", "demo", *arguments)
            self.assertEqual(refused.returncode, code, arguments)
            self.assertIn(says, refused.stderr)
        nameless = self.cli("app", "run", "demo", "--in", "events.ndjson")
        self.assertEqual(nameless.returncode, 1)
        self.assertIn("'event' is missing; a pipeline would refuse it too, unless the `map:`", nameless.stdout)
        mapped = self.cli("app", "run", "demo", "--in", "events.ndjson", "--map", "event=type")
        self.assertEqual(mapped.returncode, 0, mapped.stdout)
        self.assertIn("1 event: 0 changed, 1 unchanged", mapped.stdout)

    def test_the_app_of_the_documentation_works_as_it_stands_there(self):
        blocks = re.findall(r"^```(?:lua|yaml)\n(.*?)^```", (rig.ROOT / "docs/writing-apps.md").read_text(), re.S | re.M)
        for name, start in (("app.lua", "local M"), ("app.yaml", "name: mask_email"), ("cases.yaml", "- name: the address")):
            self.write(f"apps/mask_email/{name}", next(block for block in blocks if block.startswith(start)))
        tested = self.cli("app", "test", "mask_email", "--coverage")
        self.assertEqual(tested.returncode, 0, tested.stdout)
        self.assertIn("6 passed, 0 failed", tested.stdout)
        self.assertIn("nothing to say", self.cli("app", "check", "mask_email").stdout)

    def test_every_command_has_help_with_an_example(self):
        for command in ("new", "test", "run", "bench", "check", "list", "show", "reference"):
            self.assertIn(f"penstock app {command}", self.cli("app", command, "--help").stdout)


if __name__ == "__main__":
    unittest.main()
