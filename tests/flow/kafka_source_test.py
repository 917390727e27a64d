#!/usr/bin/env python3
"""The source `kafka` on a real broker: every message once, in the order of its partition, whatever is killed meanwhile."""
import collections
import json
import signal
import threading
import time
import unittest
import uuid

from kafka_rig import broker
from rig import FlowTest, event, wait_until

COUNT, PARTITIONS = 20_000, 4
KILLS = 4


class FromKafka(FlowTest):
    BROKER = "ctest-source"  # of its own, for it is killed

    def setUp(self):
        super().setUp()
        self.kafka = broker(self.BROKER)
        self.topic = f"in-{uuid.uuid4().hex[:8]}"
        self.written = 0

    def play(self, settings="", extra=""):
        self.config("  - { name: none, type: discard, from: earliest }",
                    f'  - {{ name: in, type: kafka, brokers: ["{self.kafka.address}"], topics: ["{self.topic}*"], '
                    f"refresh: 300ms{settings} }}", extra)
        return self.start()

    def events_in_log(self):
        return self.status()["log"]["events"]["events"]

    def logged(self):
        """The bodies in the log `events`, in its order. Nothing runs."""
        lines = self.cli("log", "cat", "data").stdout.splitlines()
        return [json.loads(line)["data"] for line in lines]

    def test_killed_again_and_again_and_the_broker_too_every_message_is_there_once(self):
        self.kafka.create(f"{self.topic}:{PARTITIONS}")
        self.play()
        writing = threading.Thread(target=self.write_slowly)
        writing.start()
        for kill in range(KILLS):
            reached = COUNT * (kill + 1) // (KILLS + 2)
            wait_until(lambda: self.written >= reached, "more is written", 60)
            self.processes[-1].send_signal(signal.SIGKILL)
            self.processes[-1].wait()
            if kill == 1:
                self.kafka.restart("--kill")
            self.start()
        writing.join()
        self.assertEqual(len(self.kafka.messages(self.topic)), COUNT)
        wait_until(lambda: self.events_in_log() >= COUNT, "all of it is read", 60)
        self.stop(self.processes[-1])
        bodies = self.logged()
        counts = collections.Counter(body["properties"]["n"] for body in bodies)
        self.assertEqual([n for n, times in counts.items() if times > 1], [])
        self.assertEqual(len(counts), COUNT)
        last = {}
        for body in bodies:
            self.assertGreater(body["properties"]["n"], last.get(body["distinct_id"], -1), "the order of a key")
            last[body["distinct_id"]] = body["properties"]["n"]

    def test_from_the_latest_and_partitions_that_come_later(self):
        self.kafka.create(f"{self.topic}:1")
        self.kafka.write(self.topic, [("k", json.dumps(event(0)))])
        self.play(settings=", from: latest")
        wait_until(lambda: self.position_is_noted(), "where it begins is committed")
        self.kafka.write(self.topic, [("k", json.dumps(event(1)))])
        wait_until(lambda: self.events_in_log() == 1, "what came later is read")
        self.stop(self.processes[-1])
        self.kafka.tool("org.apache.kafka.tools.TopicCommand", "--alter", "--topic", self.topic, "--partitions", "2")
        self.kafka.write(self.topic, [("k", json.dumps(event(2)), {"partition": 1}), ("k", json.dumps(event(3)), {"partition": 0})])
        self.start()
        wait_until(lambda: self.events_in_log() == 3, "what came meanwhile is read, also in the new partition")
        self.stop(self.processes[-1])
        self.assertEqual(sorted(body["properties"]["n"] for body in self.logged()), [1, 2, 3])

    def test_from_a_time(self):
        self.kafka.create(f"{self.topic}:2")
        self.kafka.write(self.topic, [("k", json.dumps(event(n)), {"timestamp": 1_790_000_000_000 + n * 1000}) for n in range(10)])
        self.play(settings=", from: 2026-09-21T14:13:26Z")  # 1,790,000,006 s
        wait_until(lambda: self.events_in_log() == 4, "those from that time on are read")
        self.stop(self.processes[-1])
        self.assertEqual(sorted(body["properties"]["n"] for body in self.logged()), [6, 7, 8, 9])

    def position_is_noted(self):
        """There is a commit: the other log has nothing but its beginning."""
        log = self.status()["log"]
        return log["events"]["bytes"] > log["captured"]["bytes"]

    def write_slowly(self):
        writer = self.kafka.writer()
        for n in range(COUNT):
            one = event(n)
            writer.produce(self.topic, json.dumps(one), one["distinct_id"])
            if n % 200 == 0:
                writer.flush(30)
                time.sleep(0.02)  # a random moment for each kill, and not all is written before the first
            self.written = n
        writer.flush(30)
        self.written = COUNT


if __name__ == "__main__":
    unittest.main(verbosity=2)
