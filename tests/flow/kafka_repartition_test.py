#!/usr/bin/env python3
"""A topic that is not keyed by distinct id, with `key: repartition`: every message once, its distinct id's counters right, whatever is killed."""
import collections
import json
import random
import shutil
import signal
import unittest
import uuid

from kafka_oracle import Writer
from kafka_rig import broker, write_counter
from rig import FlowTest, event, wait_until

COUNT, PARTITIONS, KEYS = 12_000, 4, 13
KILLS = 6


def key_of(one):
    return f"order-{one['properties']['n'] % KEYS}"


class Repartition(FlowTest):
    BROKER = "ctest-repartition"  # of its own, for it is killed

    def setUp(self):
        super().setUp()
        self.kafka = broker(self.BROKER)
        self.topic = f"in-{uuid.uuid4().hex[:8]}"
        self.kafka.create(f"{self.topic}:{PARTITIONS}")
        write_counter(self)
        self.seen = 0

    def play(self, extra=""):
        self.config("  - { name: none, type: discard, from: earliest }",
                    f'  - {{ name: in, type: kafka, brokers: ["{self.kafka.address}"], topics: [{self.topic}], key: repartition, '
                    "refresh: 300ms }", f"workers: 3\n{extra}apps:\n  - use: counter\n")
        self.start()

    def play_with_kills(self, committed, complete, wipe=False):
        def look():
            self.seen = max(self.seen, committed() or 0)
            return self.seen

        writing = Writer(self.kafka, self.topic, COUNT, lambda: self.seen, key_of)
        chance = random.Random(11)
        for kill in range(KILLS):
            reached = COUNT * (kill + 1) // (KILLS + 2) + chance.randrange(300)
            wait_until(lambda: look() >= reached, "more is committed", 120)
            self.processes[-1].send_signal(signal.SIGKILL)
            self.processes[-1].wait()
            if kill == 3:
                self.kafka.restart("--kill")
            if wipe and kill % 2 == 1:  # all that is needed is on Kafka
                shutil.rmtree(self.folder / "data")
            self.start()
        wait_until(lambda: look() >= COUNT and complete(), "all of it is read", 120)
        writing.join()
        self.stop(self.processes[-1])

    def assert_once_and_counted(self, bodies):
        times = collections.Counter(body["properties"]["n"] for body in bodies)
        self.assertEqual([n for n, number in times.items() if number > 1], [])
        self.assertEqual(len(times), COUNT)
        by_id, by_key = collections.defaultdict(list), collections.defaultdict(list)
        for body in bodies:
            by_id[body["distinct_id"]].append(body["properties"]["count"])
            by_key[body["distinct_id"], key_of(body)].append(body["properties"]["n"])
        for counts in by_id.values():
            self.assertEqual(counts, list(range(1, len(counts) + 1)))
        for numbers in by_key.values():
            self.assertEqual(numbers, sorted(numbers), "the order of a partition of the topic")

    def test_through_a_log_on_disk(self):
        self.play()
        self.play_with_kills(lambda: self.status()["log"]["events"]["events"], lambda: True)
        self.assert_once_and_counted([json.loads(line)["data"] for line in self.cli("log", "cat", "data").stdout.splitlines()])

    def test_through_a_log_on_kafka(self):
        prefix = f"p-{self.topic}"
        self.play(f'log: {{ type: kafka, brokers: ["{self.kafka.address}"], prefix: {prefix}, partitions: {PARTITIONS}, create: true }}\n')
        topic = f"{prefix}.events"
        self.play_with_kills(lambda: self.kafka.written(topic), lambda: len(self.kafka.messages(topic)) >= COUNT, wipe=True)
        self.assert_once_and_counted([json.loads(message.value()) for message in self.kafka.messages(topic)])

    def test_what_is_no_event_is_a_dead_letter_with_its_place(self):
        self.play()
        self.kafka.write(self.topic, [("k", "{", {"partition": 2}), ("k", json.dumps(event(1)), {"partition": 2}), ("k", None, {"partition": 2})])
        wait_until(lambda: self.status()["log"]["events"]["events"] == 1, "the event is read")
        self.assertEqual([letter["place"] for letter in self.dead()], [f"{self.topic}[2] at 0"])
        self.stop(self.processes[-1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
