#!/usr/bin/env python3
"""The log on a real broker: what goes in comes out, exactly once in the topic of events, whatever is killed meanwhile."""
import json
import pathlib
import random
import shutil
import signal
import subprocess
import unittest
import urllib.request
import uuid

from kafka_oracle import AHEAD, Writer, check_once_in_order
from kafka_proxy import Proxy
from kafka_rig import broker, write_counter
from rig import BINARY, START_WITHIN, FlowTest, event, free_port, wait_until

COUNT, PARTITIONS = 20_000, 4
KILLS = 8


class LogOnKafka(FlowTest):
    BROKER = "ctest-log"  # of its own, for it is killed

    def setUp(self):
        super().setUp()
        self.kafka = broker(self.BROKER)
        self.prefix = f"p-{uuid.uuid4().hex[:8]}"
        self.seen = 0
        write_counter(self)

    def play(self, destinations="  []", sources=None, log="", more="", partitions=PARTITIONS):
        self.config(destinations, sources, f'log: {{ type: kafka, brokers: ["{self.kafka.address}"], prefix: {self.prefix}, '
                                           f"partitions: {partitions}, create: true{log} }}\n{more}")
        return self.start()

    def kill(self):
        self.processes[-1].send_signal(signal.SIGKILL)
        self.processes[-1].wait()

    def bodies(self, topic):
        return [json.loads(message.value()) for message in self.kafka.messages(topic)]

    def assert_once_in_order_and_counted(self, bodies, count=COUNT):
        check_once_in_order(self, bodies, count, "count")

    def metrics(self):
        return urllib.request.urlopen(self.control("/metrics")).read().decode()

    def committed(self, topic):
        """As far as the broker has told."""
        self.seen = max(self.seen, self.kafka.written(topic) or 0)
        return self.seen

    def test_what_is_pushed_is_delivered_and_stays_when_the_process_is_killed(self):
        self.play("  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }", more="apps:\n  - use: counter\n")
        for first in range(0, 3000, 100):
            self.accept([event(n) for n in range(first, first + 100)])
            if first % 1000 == 500:
                self.kill()
                self.start()
        wait_until(lambda: {line["properties"]["n"] for line in self.lines()} == set(range(3000)), "all of it is delivered", 60)
        wait_until(lambda: self.destination("out")["lag_events"] == 0, "nothing is left")
        self.assert_once_in_order_and_counted(self.bodies(self.prefix + ".events"), 3000)
        wait_until(lambda: self.kafka.group_offsets(self.prefix + ".out", self.prefix + ".events", PARTITIONS) >= 3000,
                   "its group shows how far the destination is")
        self.assertEqual(self.post(["{", json.dumps(event(3000))])[1]["accepted"], 1)
        wait_until(lambda: [letter["code"] for letter in self.dead()] == ["invalid_json"], "what is no JSON is a dead letter")
        self.stop(self.processes[-1])
        told = self.cli("log", "cat", "data")
        self.assertIn("Kafka", told.stderr)

    def test_the_direct_route_is_exactly_once_whatever_is_killed(self):
        source, clean = f"in-{self.prefix}", f"clean-{self.prefix}"
        self.kafka.create(f"{source}:{PARTITIONS}")
        self.kafka.create(f"{clean}:{PARTITIONS}")
        self.play(sources=f'  - {{ name: in, type: kafka, brokers: ["{self.kafka.address}"], topics: [{source}] }}',
                  log=f", events: {clean}", more="apps:\n  - use: counter\n")
        writing = Writer(self.kafka, source, COUNT, lambda: self.committed(clean))
        chance = random.Random(7)
        for kill in range(KILLS):
            reached = COUNT * (kill + 1) // (KILLS + 2) + chance.randrange(500)
            wait_until(lambda: self.committed(clean) >= reached, "more is committed", 60)
            self.kill()
            if kill == 3:
                self.kafka.restart("--kill")
            if kill % 3 == 2:  # all that is needed is on Kafka
                shutil.rmtree(self.folder / "data")
            self.start()
        writing.join()
        wait_until(lambda: len(self.kafka.messages(clean)) >= COUNT, "all of it is there", 60)
        self.stop(self.processes[-1])
        messages = self.kafka.messages(clean)
        self.assert_once_in_order_and_counted([json.loads(message.value()) for message in messages])
        for message in messages:
            self.assertEqual(message.key().decode(), json.loads(message.value())["distinct_id"])
            self.assertEqual([name for name, _ in message.headers()], ["facts"])

    def test_the_direct_route_keeps_what_a_message_has_besides_its_body(self):
        source, clean = f"in-{self.prefix}", f"clean-{self.prefix}"
        self.kafka.create(f"{source}:1", f"{clean}:{PARTITIONS}")
        bodies = [json.dumps(event(n)) for n in range(4)]
        self.kafka.write(source, [
            ("user-0", bodies[0], {"headers": [("h", b"1"), ("h", b"\xff"), ("none", None)], "timestamp": 1_700_000_000_123}),
            ("order-7", bodies[1], {"timestamp": 1_600_000_000_000}),
            (None, bodies[2]),
            ("user-0", None, {"headers": [("why", b"gone")], "timestamp": 1_700_000_000_124}),
            ("user-3", "{no json"),
            ("user-3", bodies[3], {"headers": [("facts", b"of another pipeline")]})])
        self.play("  - { name: out, type: file, path: ./out.ndjson, format: envelope, from: earliest, batch: { within: 20ms } }",
                  sources=f'  - {{ name: in, type: kafka, brokers: ["{self.kafka.address}"], topics: [{source}] }}',
                  log=f", events: {clean}", more="apps:\n  - use: counter\n")
        wait_until(lambda: len(self.lines()) == 4, "the events are delivered")
        self.assertEqual(sorted(line["distinct_id"] for line in self.lines()), [f"user-{n}" for n in range(4)])
        self.assertEqual([letter["place"] for letter in self.dead()], [f"{source}[0] at 4"])
        self.assertIn('penstock_kafka_tombstones_total{source="in"} 1', self.metrics())
        self.stop(self.processes[-1])
        found = {}
        for message in self.kafka.messages(clean):
            n = json.loads(message.value())["properties"]["n"] if message.value() else "tombstone"
            found[n] = message
        others = {n: [(name, value) for name, value in message.headers() or [] if name != "facts"] for n, message in found.items()}
        self.assertEqual(others[0], [("h", b"1"), ("h", b"\xff"), ("none", None)])
        self.assertEqual([others[n] for n in (1, 2, 3)], [[], [], []])
        self.assertEqual(others["tombstone"], [("why", b"gone")])
        self.assertEqual([found[n].key() for n in (0, 1, 2, "tombstone")], [b"user-0", b"order-7", b"user-2", b"user-0"])
        self.assertEqual([found[n].timestamp()[1] for n in (0, 1, "tombstone")], [1_700_000_000_123, 1_600_000_000_000, 1_700_000_000_124])
        self.assertEqual(found["tombstone"].partition(), found[0].partition())
        self.assertGreater(found["tombstone"].offset(), found[0].offset())

    def test_what_is_no_event_in_a_shared_topic_is_told_and_the_rest_is_delivered(self):
        clean = f"clean-{self.prefix}"
        self.kafka.create(f"{clean}:{PARTITIONS}")
        self.kafka.write(clean, [("k", "no event"), ("k", None), (None, "[]", {"headers": [("facts", b"\x01")]})])
        self.play("  - { name: out, type: file, path: ./out.ndjson, from: earliest, batch: { within: 20ms } }", log=f", events: {clean}")
        self.accept([event(n) for n in range(3)])
        self.kafka.write(clean, [("k", "neither")])
        self.accept([event(n) for n in range(3, 6)])
        wait_until(lambda: {line["properties"]["n"] for line in self.lines()} == set(range(6)), "the events are delivered")
        wait_until(lambda: "penstock_kafka_foreign_messages_total 3" in self.metrics(), "what is no event is counted")
        self.assertIn("is no event", self.log())
        self.stop(self.processes[-1])

    def test_what_is_too_large_for_the_topic_is_a_dead_letter_and_the_rest_goes_on(self):
        clean = f"clean-{self.prefix}"
        self.kafka.create(f"{clean}:{PARTITIONS}", max_message_bytes=3000)
        self.play(log=f", events: {clean}", more="apps:\n  - use: counter\n")
        self.accept([event(0), event(7, text="x" * 5000), event(14)])
        wait_until(lambda: len(self.kafka.messages(clean)) == 2, "the others are there")
        self.assertEqual([letter["code"] for letter in self.dead()], ["output_too_large"])
        self.assertEqual([body["properties"]["count"] for body in self.bodies(clean)], [1, 2])
        self.stop(self.processes[-1])

    def test_state_is_whole_after_the_broker_has_compacted_it(self):
        state = self.prefix + ".state"
        self.kafka.create(f"{state}:1", cleanup_policy="compact", segment_ms=500, min_cleanable_dirty_ratio=0.001,
                          max_message_bytes=33554432)
        self.play("  - { name: out, type: discard }", more="apps:\n  - use: counter\n")
        written = 0

        def compacted():
            nonlocal written
            self.accept([event(n) for n in range(written, written + 10)])  # a new segment has to begin for the old to be compacted
            written += 10
            offsets = [message.offset() for message in self.kafka.messages(state)]
            return len(offsets) < offsets[-1] // 3

        wait_until(compacted, "the broker has compacted the topic", 180)
        self.stop(self.processes[-1])
        shutil.rmtree(self.folder / "data")
        self.start()
        self.accept([event(n) for n in range(written, written + 100)])
        wait_until(lambda: len(self.kafka.messages(self.prefix + ".events")) == written + 100, "all of it is there")
        self.assert_once_in_order_and_counted(self.bodies(self.prefix + ".events"), written + 100)

    def test_a_start_waits_for_a_broker_that_is_being_restarted(self):
        self.play("  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }")
        self.accept([event(0)])
        self.stop(self.processes[-1])
        # Nobody is at this address yet. A real broker may take longer to start on a busy machine than anybody wants to wait for it.
        port = free_port()
        config = self.folder / "penstock.yaml"
        config.write_text(config.read_text().replace(self.kafka.address, f"127.0.0.1:{port}"))
        process = self.spawn()
        wait_until(lambda: "trying for 30 s" in self.log(), "it says that it waits", 60)
        road = Proxy(port, int(self.kafka.address.split(":")[1]))
        self.addCleanup(road.close)
        wait_until(lambda: process.poll() is not None or self.answers(), "it runs", START_WITHIN)
        self.assertIsNone(process.poll(), self.log())
        self.accept([event(1)])
        wait_until(lambda: len(self.lines()) == 2, "both are delivered")
        self.stop(self.processes[-1])

    def test_a_start_that_waits_for_a_broker_ends_as_soon_as_it_is_asked_to(self):
        self.play("  []")
        self.stop(self.processes[-1])
        for said, gone, come in (("trying for 30 s", self.kafka.stop, self.kafka.start),
                                 (None, lambda: self.kafka.freeze(True), lambda: self.kafka.freeze(False))):
            before = len(self.log())
            gone()
            try:
                process = self.spawn()
                wait_until(lambda: self.takes_signals(process), "it is starting")
                if said:
                    wait_until(lambda: said in self.log()[before:], "it says that it waits")
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(timeout=1), 0, self.log())
            finally:
                come()
            self.assertIn("asked to end while it was starting", self.log()[before:])

    @staticmethod
    def takes_signals(process):
        """SIGTERM is blocked, and so somebody waits for it."""
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text().split("SigBlk:")[1].split()[0]
        return int(status, 16) >> (signal.SIGTERM - 1) & 1

    def test_who_pushes_is_told_to_come_again_while_no_broker_answers(self):
        self.play("  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }")
        self.accept([event(n) for n in range(100)])
        self.kafka.freeze(True)
        try:
            self.assertEqual(self.post([event(100)])[0], 503)  # it may be written all the same
        finally:
            self.kafka.freeze(False)
        wait_until(lambda: self.post([event(101)])[0] == 200, "it is taken again", 60)
        self.accept([event(n) for n in range(102, 200)])
        wait_until(lambda: {line["properties"]["n"] for line in self.lines()} | {100} == set(range(200)), "all of it is delivered")
        self.stop(self.processes[-1])

    def test_a_second_process_takes_over_and_the_first_ends(self):
        destination = "  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }"
        first = self.play(destination, more="apps:\n  - use: counter\n")
        self.accept([event(n) for n in range(100)])
        wait_until(lambda: len(self.lines()) == 100, "the first delivers")
        other_port = free_port()
        settings = (self.folder / "penstock.yaml").read_text()
        self.write("second/penstock.yaml", settings.replace(str(self.port), str(other_port)))
        shutil.copytree(self.folder / "apps", self.folder / "second/apps")
        with open(self.folder / "second.log", "wb") as log:
            self.processes.append(subprocess.Popen([BINARY, "run", "second/penstock.yaml"], cwd=self.folder, stdin=subprocess.DEVNULL,
                                                   stdout=log, stderr=log))
        wait_until((self.folder / "second/data/control.json").exists, "the second runs")
        self.accept([event(n) for n in range(100, 200)])  # by the first, and so it is kept
        self.assertNotEqual(first.wait(timeout=60), 0)
        self.assertIn("another process has taken over the log", self.log())
        self.port = other_port
        self.accept([event(n) for n in range(200, 300)])
        wait_until(lambda: len(self.kafka.messages(self.prefix + ".events")) >= 300, "all of it is there")
        self.assert_once_in_order_and_counted(self.bodies(self.prefix + ".events"), 300)

    def test_a_broker_that_is_away_for_a_while_loses_and_doubles_nothing(self):
        self.write("in.ndjson", "")
        self.play(sources="  - { name: lines, type: file, path: ./in.ndjson, follow: true }", more="apps:\n  - use: counter\n")
        with open(self.folder / "in.ndjson", "a", encoding="utf-8") as lines:
            for n in range(COUNT):
                lines.write(json.dumps(event(n)) + "\n")
                if n % 1000 == 0:
                    lines.flush()
                    wait_until(lambda: n - self.committed(self.prefix + ".events") < AHEAD, "what was written is committed", 60)
                if n == COUNT // 3:
                    self.kafka.restart("--kill")
                if n == COUNT // 2:
                    lines.flush()
                    # Nothing is left of the broker that was killed.
                    wait_until(lambda: len(self.kafka.messages(self.prefix + ".events")) > n, "all of it is committed", 60)
                    wait_until(lambda: "sources wait" not in self.status()["verdict"], "sources go on", 60)
                if n == COUNT // 2 + 1:
                    self.kafka.freeze(True)
                    try:
                        lines.flush()
                        wait_until(lambda: "sources wait" in self.status()["verdict"], "a transaction fails", 60)
                    finally:
                        self.kafka.freeze(False)
        wait_until(lambda: len(self.kafka.messages(self.prefix + ".events")) >= COUNT, "all of it is there", 90)
        self.stop(self.processes[-1])
        self.assert_once_in_order_and_counted(self.bodies(self.prefix + ".events"))

    def test_who_has_nothing_to_do_says_that_no_broker_answers_and_ends_when_it_is_asked_to(self):
        process = self.play("  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }")
        self.accept([event(1)])
        wait_until(lambda: len(self.lines()) == 1, "it is delivered")
        self.kafka.freeze(True)
        try:
            wait_until(lambda: "the brokers of the log: " in self.status()["verdict"], "it is told", 60)
            self.assertEqual(self.cli("status").returncode, 1)
            self.stop(process)
        finally:
            self.kafka.freeze(False)
        process = self.start()
        self.accept([event(2)])
        wait_until(lambda: self.status()["verdict"] == "healthy", "it is told no more")
        self.stop(process)

    def test_a_destination_behind_the_beginning_of_the_topic_misses_what_is_gone_and_goes_on(self):
        nobody = f'  - {{ name: crm, type: webhook, url: "http://127.0.0.1:{free_port()}/", batch: {{ within: 20ms }} }}'
        process = self.play(nobody)
        self.accept([event(n) for n in range(200)])
        wait_until(lambda: self.status()["ingest"]["kept"] == 200, "ingest has it")
        self.stop(process)
        topic = self.prefix + ".events"
        (self.folder / "gone.json").write_text(json.dumps({"version": 1, "partitions": [
            {"topic": topic, "partition": part, "offset": -1} for part in range(PARTITIONS)]}))
        self.kafka.tool("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", str(self.folder / "gone.json"))
        self.play("  - { name: crm, type: file, path: ./out.ndjson, batch: { within: 20ms } }")
        self.accept([event(n) for n in range(200, 300)])
        wait_until(lambda: {line["properties"]["n"] for line in self.lines()} == set(range(200, 300)), "it goes on with what is there")
        self.assertGreaterEqual(self.destination("crm")["skipped"], 200)  # offsets, also those of transactions
        self.stop(self.processes[-1])

    def test_partitions_that_are_added_to_the_events_are_used_from_the_next_start_on(self):
        count = iter(range(0, 100_000, 200))
        def push_some():
            first = next(count)
            self.accept([event(n) | {"distinct_id": f"user-{n}"} for n in range(first, first + 200)])
            wait_until(lambda: len(self.lines()) == first + 200, "all of it is delivered")
        destination = "  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }"
        process = self.play(destination)
        push_some()
        self.kafka.grow(f"{self.prefix}.events", PARTITIONS + 2)
        push_some()
        self.stop(process)
        self.play(destination, partitions=PARTITIONS + 2)
        push_some()
        self.stop(self.processes[-1])
        self.assertEqual(sorted(line["properties"]["n"] for line in self.lines()), list(range(600)))
        self.assertIn(f"`events` has {PARTITIONS + 2} partitions now, and had {PARTITIONS}", self.log())
        self.assertEqual({message.partition() for message in self.kafka.messages(f"{self.prefix}.events")}, set(range(PARTITIONS + 2)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
