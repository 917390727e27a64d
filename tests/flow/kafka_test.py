#!/usr/bin/env python3
"""The destination `kafka` on a real broker, as an independent reader sees it."""
import json
import signal
import unittest
import uuid

from kafka_rig import broker
from rig import FlowTest, event, wait_until

COUNT = 3000
IN_A_REQUEST = 100
FILE_OUT = "  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }\n"


class ToKafka(FlowTest):
    @classmethod
    def setUpClass(cls):
        cls.kafka = broker("ctest")

    def setUp(self):
        super().setUp()
        self.topic = f"ev-{uuid.uuid4().hex[:8]}"

    def settings(self, topic, more=""):
        return (f'  - {{ name: bus, type: kafka, brokers: ["{self.kafka.address}"], topic: "{topic}", '
                f"batch: {{ within: 20ms }}, retry: {{ wait_min: 20ms, wait_max: 400ms }}{more} }}")

    def accept_all(self, count=COUNT, between=lambda first: None):
        for first in range(0, count, IN_A_REQUEST):
            self.accept([event(n) for n in range(first, first + IN_A_REQUEST)])
            between(first)

    def settled(self):
        wait_until(lambda: self.destination("bus")["lag_events"] == 0, "everything is settled", 60)

    def numbers(self, messages):
        return [json.loads(message.value())["properties"]["n"] for message in messages]

    def assert_order_of_keys(self, messages):
        """First deliveries, by key."""
        seen = {}
        for message in messages:
            body = json.loads(message.value())
            self.assertEqual(message.key().decode(), body["distinct_id"])
            numbers = seen.setdefault(message.key(), [])
            if body["properties"]["n"] not in numbers:
                numbers.append(body["properties"]["n"])
        for numbers in seen.values():
            self.assertEqual(numbers, sorted(numbers))

    def test_one_event_too_large_for_a_topic_that_is_named_by_facts_takes_no_others_with_it(self):
        self.kafka.create(f"{self.topic}.small:1", max_message_bytes=2000)
        self.config(self.settings(f"{self.topic}.{{event}}") + "\n")
        process = self.start()
        self.accept([event(n, "small", pad="x" * (3000 if n == 50 else 10)) for n in range(100)])
        self.settled()
        self.assertEqual(sorted(self.numbers(self.kafka.messages(f"{self.topic}.small"))), [n for n in range(100) if n != 50])
        self.assertEqual([letter["code"] for letter in self.dead()], ["msg_size_too_large"])
        self.stop(process)

    def test_every_event_arrives_once_in_the_order_of_its_key_with_what_belongs_to_it(self):
        self.kafka.create(f"{self.topic}:4")
        self.config(self.settings(self.topic, ', order: key, compression: lz4, headers: { id: "{uuid}", name: "{event}" }'))
        process = self.start()
        self.accept_all()
        self.settled()
        messages = self.kafka.messages(self.topic)
        self.assertEqual(sorted(self.numbers(messages)), list(range(COUNT)))
        self.assert_order_of_keys(messages)
        partitions = {}
        for message in messages:
            partitions.setdefault(message.key(), set()).add(message.partition())
            headers = dict(message.headers())
            self.assertEqual(headers["name"], b"signup")
            self.assertEqual(str(uuid.UUID(headers["id"].decode())), headers["id"].decode())
        self.assertEqual({len(each) for each in partitions.values()}, {1})
        self.assertEqual(len({dict(message.headers())["id"] for message in messages}), COUNT)
        self.assertEqual(self.dead(), [])
        self.stop(process)

    def test_each_event_has_its_topic(self):
        names = {f"{self.topic}.signup": "signup", f"{self.topic}._pageview": "$pageview"}
        self.kafka.create(*names)
        self.config(self.settings(f"{self.topic}.{{event}}"))
        process = self.start()
        self.accept([event(n, name) for n, name in enumerate(names.values())])
        self.settled()
        for topic, name in names.items():
            self.assertEqual([json.loads(message.value())["event"] for message in self.kafka.messages(topic)], [name])
        self.stop(process)

    def test_a_topic_that_does_not_exist_holds_up_no_others(self):
        """Its events wait by themselves until it does."""
        present, missing = f"{self.topic}.signup", f"{self.topic}.refund"
        self.kafka.create(present)
        patient = self.settings(f"{self.topic}.{{event}}", ", client: { topic.metadata.propagation.max.ms: 1000 }")
        self.config(patient.replace("wait_max", "attempts_max: 1000, wait_max"))
        process = self.start()
        for first in range(0, COUNT, IN_A_REQUEST):
            self.accept([event(n, "refund" if n % 50 == 0 else "signup") for n in range(first, first + IN_A_REQUEST)])
        wait_until(lambda: self.destination("bus")["delivered"] == COUNT - COUNT // 50, "all others are delivered", 60)
        state = self.destination("bus")
        self.assertEqual(state["health"], "healthy")
        self.assertIn(missing, state["reason"])
        self.kafka.create(missing)
        # What is set aside is proven by others, and delivered like others.
        wait_until(lambda: self.destination("bus")["lag_events"] == 0, "everything is settled", 120)
        self.assertEqual(sorted(self.numbers(self.kafka.messages(missing))), list(range(0, COUNT, 50)))
        self.assertEqual(self.dead(), [])
        self.stop(process)

    def test_killed_again_and_again_it_loses_nothing(self):
        self.kafka.create(f"{self.topic}:2")
        self.config(FILE_OUT + self.settings(self.topic))
        self.start()

        def kill_now_and_then(first):
            if first % 1000 == 500:
                self.processes[-1].send_signal(signal.SIGKILL)
                self.processes[-1].wait()
                self.start()

        self.accept_all(between=kill_now_and_then)
        self.settled()
        self.assertEqual(sorted(set(self.numbers(self.kafka.messages(self.topic)))), list(range(COUNT)))
        self.stop(self.processes[-1])


if __name__ == "__main__":
    unittest.main(verbosity=2)
