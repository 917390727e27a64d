#!/usr/bin/env python3
"""The quickstart does what the README promises: events reach the file and the webhook, and Ctrl-C ends everything.

Runs the released binary (PENSTOCK_BINARY) with examples/quickstart.yaml, on free ports and in a temporary folder.
"""
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PENSTOCK_BINARY", str(ROOT / "build/release/penstock"))
PATIENCE_SECONDS = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Quickstart(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="penstock-quickstart-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.intake, self.receiver = free_port(), free_port()
        self.output = self.folder / "out/events.ndjson"
        self.said = self.folder / "said.txt"

    def config(self):
        """The example with other ports and folders, everything else as it stands."""
        text = (ROOT / "examples/quickstart.yaml").read_text()
        for old, new in ((":8000", f":{self.intake}"), (":9000", f":{self.receiver}"), ("../data/quickstart", "./data"),
                         ("../data/out", "./out")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        path = self.folder / "quickstart.yaml"
        path.write_text(text)
        return path

    def start(self):
        command = [sys.executable, ROOT / "tools/quickstart.py", "--binary", BINARY, "--config", self.config(),
                   "--intake-port", str(self.intake), "--receiver-port", str(self.receiver)]
        with open(self.said, "wb") as said:
            process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)

    def wait_for(self, what, condition, process):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if process.poll() is not None or time.monotonic() > deadline:
                self.fail(f"{what} did not happen; exit code {process.poll()}; it said:\n{self.said.read_text()}")
            time.sleep(0.05)  # polls the condition

    def events(self):
        if not self.output.exists():
            return []
        return [json.loads(line) for line in self.output.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def has_said(self, pattern):
        return re.search(pattern, self.said.read_text(), re.M) is not None

    def test_events_flow_and_ctrl_c_ends_everything(self):
        process = self.start()
        self.wait_for("40 events in the file", lambda: len(self.events()) >= 40, process)
        self.wait_for("a delivered sign-up", lambda: self.has_said(r"^webhook: 200 .*signup"), process)
        self.wait_for("a refused sign-up", lambda: self.has_said(r"^webhook: 422 /signups: 1 of 1"), process)

        process.send_signal(signal.SIGINT)
        self.assertEqual(0, process.wait(PATIENCE_SECONDS), self.said.read_text())
        for port in (self.intake, self.receiver):
            with socket.socket() as probe:
                self.assertNotEqual(0, probe.connect_ex(("127.0.0.1", port)), f"port {port} is still served")

        events = self.events()
        self.assertEqual({"demo"}, {event["properties"]["env"] for event in events})
        self.assertFalse([event for event in events if "@" in event["properties"].get("email", "")])
        self.assertFalse([event for event in events if "bot" in event["properties"]["$raw_user_agent"].lower()])
        uuids = [event["uuid"] for event in events]
        accepted = int(re.search(r"^stream: ends; (\d+) accepted", self.said.read_text(), re.M).group(1))
        self.assertEqual(len(uuids), len(set(uuids)))
        self.assertLessEqual(len(uuids), accepted)

    def test_a_port_in_use_is_named(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", self.intake))
            holder.listen()
            process = self.start()
            self.assertEqual(1, process.wait(PATIENCE_SECONDS))
        self.assertTrue(self.has_said(rf"port {self.intake} on 127\.0\.0\.1, for the http source, is in use"))


if __name__ == "__main__":
    unittest.main()
