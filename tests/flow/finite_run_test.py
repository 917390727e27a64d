"""Runs of files that end: what a user sees when something keeps them from their end."""
import json
import os
import re
import signal
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from rig import FlowTest, Receiver, event, wait_until  # noqa: E402

FILE_OUT = "  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }"
FILE_IN = "  - { name: lines, type: file, path: ./in.ndjson }"


class FiniteRun(FlowTest):
    def setUp(self):
        super().setUp()
        self.write("in.ndjson", "".join(json.dumps(event(n)) + "\n" for n in range(30)))

    def run_to_the_end(self):
        """Nothing is asked of it: it may be over before it could answer."""
        ran = self.cli("run", "penstock.yaml")
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def test_a_destination_that_never_takes_anything_is_named_until_ctrl_c_which_keeps_all_for_the_next_run(self):
        status = 401
        receiver = Receiver(lambda bodies: status)
        self.config(FILE_OUT + f'\n  - {{ name: hook, type: webhook, url: "{receiver.url}" }}', FILE_IN)
        process = self.start()
        said = re.compile(r"this run cannot end yet: destination hook is unavailable \(.*401.*\), waiting for it: 30 events"
                          r"\. Ctrl-C ends it; everything is kept for the next run")
        wait_until(lambda: said.search(self.log()), "it is said")
        self.assertNotIn("destination out", self.log(), "what has settled is not named")
        self.stop(process, signal.SIGINT)
        self.assertEqual(receiver.received, [])
        status = 200
        self.run_to_the_end()
        self.assertEqual(sorted(e["properties"]["n"] for e in receiver.received), list(range(30)))
        self.assertEqual(len(self.lines()), 30)

    def test_an_app_that_holds_the_sources_is_named_too(self):
        self.write("apps/mine/app.yaml", "name: mine\nversion: 1.0.0\nsummary: Fails.\n")
        self.write("apps/mine/app.lua", "local M = {}\nfunction M.transform(event, app)\n  error('no')\nend\nreturn M\n")
        self.config(FILE_OUT, FILE_IN, "apps:\n  - { use: mine, suspend: { events: 20, retry: 1h } }\n")
        process = self.start()
        wait_until(lambda: "this run cannot end yet: app mine is suspended (it failed on 11 of its last 11 events" in self.log(),
                   "the app is named")
        self.stop(process, signal.SIGINT)
        dead = len(self.dead())
        self.write("apps/mine/app.lua", "return { transform = function(event) return event end }\n")
        self.run_to_the_end()
        self.assertEqual(len(self.lines()), 30 - dead)


if __name__ == "__main__":
    unittest.main(verbosity=2)
