#!/usr/bin/env python3
"""The quickstart on Kafka does what the README promises: from one topic to another and a file, and Ctrl-C ends everything."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PENSTOCK_BINARY", str(ROOT / "build/release/penstock"))
BROKER = [ROOT / "tests/services/kafka", "--name", "ctest-quickstart"]
PATIENCE_SECONDS = 90


class QuickstartOnKafka(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="penstock-quickstart-")
        self.addCleanup(folder.cleanup)
        self.addCleanup(subprocess.run, [*BROKER, "stop", "--remove"], check=True)
        self.folder = pathlib.Path(folder.name)
        self.output, self.said = self.folder / "out/kafka-events.ndjson", self.folder / "said.txt"

    def config(self):
        text = (ROOT / "examples/quickstart_kafka.yaml").read_text()
        for old, new in (("../data/quickstart-kafka", "./data"), ("../data/out", "./out")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        path = self.folder / "quickstart.yaml"
        path.write_text(text)
        return path

    def events(self):
        if not self.output.exists():
            return []
        return [json.loads(line) for line in self.output.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def written(self):
        """By Kafka's own account, all partitions."""
        tool = subprocess.run([*BROKER, "tool", "org.apache.kafka.tools.GetOffsetShell", "--topic-partitions", "shop.clean"],
                              capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
        return sum(int(line.rpartition(":")[2]) for line in tool.stdout.split())

    def test_events_go_from_topic_to_topic_and_ctrl_c_ends_everything(self):
        with open(self.said, "wb") as said:
            process = subprocess.Popen([sys.executable, ROOT / "tools/quickstart_kafka.py", "--binary", BINARY, "--config",
                                        self.config(), "--broker", "ctest-quickstart"], stdout=said, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.events()) < 20:
            if process.poll() is not None or time.monotonic() > deadline:
                process.terminate()
                self.fail(f"20 events did not come; exit code {process.poll()}; it said:\n{self.said.read_text()}")
            time.sleep(0.05)  # polls the condition
        written = self.written()
        process.send_signal(signal.SIGINT)
        self.assertEqual(0, process.wait(PATIENCE_SECONDS), self.said.read_text())
        self.assertGreater(written, 0)
        self.assertNotEqual(0, subprocess.run([*BROKER, "topics"], capture_output=True).returncode, "the broker still runs")
        self.assertTrue(re.search(r"^stream: ends; \d+ written, 0 not", self.said.read_text(), re.M))
        self.assertEqual({"demo"}, {event["properties"]["env"] for event in self.events()})
        uuids = [event["uuid"] for event in self.events()]
        self.assertEqual(len(uuids), len(set(uuids)))


if __name__ == "__main__":
    unittest.main()
