"""Apps that change, break and fail while the pipeline runs."""
import os
import sys
import unittest
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from rig import FlowTest, event, wait_until  # noqa: E402

FILE_OUT = "  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }"
APP = "local M = {}\nfunction M.transform(event, app)\n  %s\n  return event\nend\nreturn M\n"
MANIFEST = "name: mine\nversion: %s\nsummary: Says who it is.\n"
CASES = "- name: it says who\n  in: { event: a, distinct_id: u, properties: {} }\n" \
        "  out: { event: a, distinct_id: u, properties: { by: %s } }\n"


class AppFiles(FlowTest):
    def app(self, by, cases=None, version="1.0.0"):
        self.write("apps/mine/cases.yaml", CASES % (cases or by))
        self.write("apps/mine/app.yaml", MANIFEST % version)
        self.write("apps/mine/app.lua", APP % f"event.properties.by = '{by}'")

    def by(self):
        return [line["properties"]["by"] for line in self.lines()]

    def start_with(self, entry, extra=""):
        self.config(FILE_OUT, extra=f"{extra}apps:\n  - {entry}\n")
        self.start()

    def test_a_changed_file_is_taken_once_its_cases_pass_and_not_before(self):
        self.app("first")
        self.start_with("{ use: mine }")
        before = self.status()["apps"][0]
        self.accept([event(1)])
        wait_until(lambda: self.by() == ["first"], "the first event")
        self.app("second", cases="somebody else", version="1.1.0")
        wait_until(lambda: "1 of 1 cases fail" in self.status()["apps_refused"], "the failing case is in the status")
        self.assertIn('properties.by: expected "somebody else", got "second"', self.status()["apps_refused"])
        self.assertIn("the apps on disk are not those that run", self.cli("status").stdout)
        self.assertIn("cases.yaml:1", self.log())
        self.accept([event(2)])
        wait_until(lambda: len(self.by()) == 2, "the second event")
        self.app("second", version="1.1.0")
        wait_until(lambda: [app["version"] for app in self.status()["apps"]] == ["1.1.0"], "the new version alone in the status")
        after = self.status()
        self.assertEqual(after["apps_refused"], "")
        self.assertNotEqual(after["apps"][0]["checksum"], before["checksum"])
        self.accept([event(3)])
        wait_until(lambda: len(self.by()) == 3, "the third event")
        self.assertEqual(self.by(), ["first", "first", "second"])
        metrics = urllib.request.urlopen(self.control("/metrics")).read().decode()
        self.assertRegex(metrics, r'penstock_app_info\{app="mine",checksum="\w+",version="1.1.0"\} 1')

    def test_a_reload_names_the_failing_case_and_changes_nothing(self):
        self.app("first")
        self.start_with("{ use: mine }", "ingest: { watch_apps: false }\n")
        self.app("second", cases="nobody")
        refused = self.cli("reload")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("app mine: 1 of 1 cases fail", refused.stderr)
        self.accept([event(1)])
        wait_until(lambda: self.by() == ["first"], "the old one runs")

    def test_an_app_that_always_fails_is_suspended_and_holds_what_comes_until_it_is_mended(self):
        self.write("apps/mine/app.yaml", MANIFEST % "1.0.0")
        self.write("apps/mine/app.lua", APP % "event.properties.by = nil .. 'x'")
        self.start_with("{ use: mine, suspend: { events: 20, retry: 1h } }", "workers: 1\n")
        self.accept([event(n) for n in range(15)])
        wait_until(lambda: self.status()["apps"][0]["suspended"], "it is suspended")
        status = self.status()
        self.assertFalse(status["healthy"])
        self.assertIn("app mine is suspended (failed on 11 of its last 11 events", status["verdict"])
        self.assertIn("ingest waits for it", status["verdict"])
        metrics = urllib.request.urlopen(self.control("/metrics")).read().decode()
        self.assertIn('penstock_app_suspended{app="mine"} 1', metrics)
        self.accept([event(n) for n in range(15, 30)])
        self.app("mended")
        wait_until(lambda: len(self.lines()) == 15, "what waited is let through")
        self.assertEqual(sorted(e["properties"]["n"] for e in self.lines()), list(range(15, 30)))
        self.assertEqual(len(self.dead()), 15, "what it failed on before")
        self.assertTrue(self.status()["healthy"])
        letter = self.dead()[0]
        self.assertEqual(letter["app"], "mine")
        self.assertIn("app.lua:3: attempt to concatenate a nil value", letter["reason"])

    def test_an_app_that_is_tried_again_and_fails_makes_no_more_dead_letters(self):
        self.write("apps/mine/app.yaml", MANIFEST % "1.0.0")
        self.write("apps/mine/app.lua", APP % "if not event.properties.good then error('bad') end event.properties.by = 'it'")
        self.start_with("{ use: mine, suspend: { events: 20, retry: 200ms } }")
        self.accept([event(n) for n in range(15)])
        wait_until(lambda: self.status()["apps"][0]["suspended"], "it is suspended")
        wait_until(lambda: len(self.dead()) == 15, "what it failed on before")
        errors = self.status()["apps"][0]["errors"]
        self.accept([event(15)])
        self.accept([event(16)])
        self.accept([event(17)])
        wait_until(lambda: self.log().count("suspended: it failed on") >= 5, "it has been tried four times")
        status = self.status()
        self.assertEqual(len(self.dead()), 15)
        self.assertEqual(status["apps"][0]["errors"], errors)
        self.assertEqual(status["ingest"]["dead"], 15)
        waits = next(i for i in status["inputs"] if i["name"] == "captured")
        self.assertGreater(waits["lag_events"], 0)
        self.assertIn("input captured: ", self.cli("status").stdout)
        metrics = urllib.request.urlopen(self.control("/metrics")).read().decode()
        self.assertRegex(metrics, r'penstock_ingest_lag_events\{input="captured"\} [1-9]')
        self.assertRegex(metrics, r'penstock_ingest_lag_seconds\{input="captured"\} [0-9.]*[1-9]')
        # Good ones come, so the three bad ones at the head are not its fault any more.
        self.accept([event(n, good=True) for n in range(18, 54)])
        wait_until(lambda: len(self.lines()) == 36, "the good ones are let through")
        wait_until(lambda: len(self.dead()) == 18, "the bad ones are dead letters")
        wait_until(lambda: self.status()["healthy"], "it works again")

    def test_an_app_that_is_changed_while_it_is_held_and_is_still_broken_makes_no_more_dead_letters(self):
        self.write("apps/mine/app.yaml", MANIFEST % "1.0.0")
        self.write("apps/mine/app.lua", APP % "error('first')")
        self.start_with("{ use: mine, suspend: { events: 20, retry: 1h } }")
        self.accept([event(n) for n in range(15)])
        wait_until(lambda: len(self.dead()) == 15, "what it failed on before")
        self.accept([event(n) for n in range(15, 45)])
        self.write("apps/mine/app.lua", APP % "error('second')")
        wait_until(lambda: "second" in self.status()["verdict"], "the new one is suspended")
        self.assertEqual(len(self.dead()), 15)
        self.app("mended")
        wait_until(lambda: len(self.lines()) == 30, "what waited is let through")


if __name__ == "__main__":
    unittest.main(verbosity=2)
