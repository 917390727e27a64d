#!/usr/bin/env python3
"""The source `kafka` on a real broker: every message once, in the order of its partition, whatever is killed meanwhile."""
import json
import shutil
import signal
import unittest
import uuid

from kafka_oracle import Writer, check_once_in_order
from kafka_rig import broker
from rig import FlowTest, event, free_port, wait_until

COUNT, PARTITIONS = 20_000, 4
KILLS = 4


class FromKafka(FlowTest):
    BROKER = "ctest-source"  # of its own, for it is killed

    def setUp(self):
        super().setUp()
        self.kafka = broker(self.BROKER)
        self.topic = f"in-{uuid.uuid4().hex[:8]}"
        self.seen = 0

    def play(self, settings="", extra=""):
        self.config("  - { name: none, type: discard, from: earliest }",
                    f'  - {{ name: in, type: kafka, brokers: ["{self.kafka.address}"], topics: ["{self.topic}*"], '
                    f"refresh: 300ms{settings} }}", extra)
        return self.start()

    def look(self):
        """How many events the log has; the writer looks at it too."""
        self.seen = self.events_in_log()
        return self.seen

    def events_in_log(self):
        return self.status()["log"]["events"]["events"]

    def logged(self):
        """The bodies in the log `events`, in its order. Nothing runs."""
        lines = self.cli("log", "cat", "data").stdout.splitlines()
        return [json.loads(line)["data"] for line in lines]

    def test_killed_again_and_again_and_the_broker_too_every_message_is_there_once(self):
        self.kafka.create(f"{self.topic}:{PARTITIONS}")
        self.play()
        writing = Writer(self.kafka, self.topic, COUNT, lambda: self.seen)
        for kill in range(KILLS):
            reached = COUNT * (kill + 1) // (KILLS + 2)
            wait_until(lambda: self.look() >= reached, "more is committed", 60)
            self.processes[-1].send_signal(signal.SIGKILL)
            self.processes[-1].wait()
            if kill == 1:
                self.kafka.restart("--kill")
            self.start()
        wait_until(lambda: self.look() >= COUNT, "all of it is read", 60)
        writing.join()
        self.assertEqual(len(self.kafka.messages(self.topic)), COUNT)
        self.stop(self.processes[-1])
        check_once_in_order(self, self.logged(), COUNT)

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

    def test_a_group_shows_how_far_it_is_and_tells_another_pipeline_where_to_begin(self):
        self.kafka.create(f"{self.topic}:2")
        self.kafka.write(self.topic, [("k", json.dumps(event(n)), {"partition": n % 2}) for n in range(10)])
        group = f"shop.{self.topic}"
        self.play(settings=f", group: {group}")
        wait_until(lambda: self.kafka.group_offsets(group, self.topic, 2) == 10, "the group shows it while it runs")
        self.kafka.write(self.topic, [("k", json.dumps(event(n)), {"partition": n % 2}) for n in range(10, 15)])
        wait_until(lambda: self.events_in_log() == 15, "more is read")
        self.stop(self.processes[-1])
        self.assertEqual(self.kafka.group_offsets(group, self.topic, 2), 15)  # and once more at the end
        self.kafka.write(self.topic, [("k", json.dumps(event(15)), {"partition": 1})])
        shutil.rmtree(self.folder / "data")
        self.play(settings=f", group: {group}, from: stored")
        wait_until(lambda: self.events_in_log() == 1, "another pipeline begins where the group stands")
        self.stop(self.processes[-1])
        self.assertEqual([body["properties"]["n"] for body in self.logged()], [15])

    def test_what_could_never_work_is_refused(self):
        def refused(settings="", log=""):
            self.config("  - { name: none, type: discard }",
                        f"  - {{ name: in, type: kafka, brokers: [k:1], topics: [a]{settings} }}", log)
            return self.cli("validate", "penstock.yaml").stderr

        self.assertEqual(refused(), "")
        self.assertIn("map: what this source reads has no `event` of its own; say with `map` where it is", refused(", codec: raw"))
        self.assertEqual(refused(", codec: raw, map: { event: value.name }"), "")
        on_kafka = "log: { type: kafka, brokers: [k:1], prefix: p, partitions: 4, shards: %d }\n"
        self.assertIn("log.shards: of 8 shards some would have none of the 4 `partitions`", refused(log=on_kafka % 8))
        self.assertEqual(refused(log=on_kafka % 4), "")

    def test_status_names_a_source_that_cannot_read_and_why(self):
        def said():
            status = self.cli("status")
            source = self.status()["sources"][0]
            return status.returncode, source["health"], source["reason"], status.stdout.splitlines()[-1]

        def is_said(reason):
            wait_until(lambda: said()[2] == reason, f"status says: {reason}", 30)
            verdict = f"source in is unavailable ({reason})" if reason else "healthy"
            self.assertEqual(said(), (1 if reason else 0, "unavailable" if reason else "healthy", reason, verdict))

        named = f'  - {{ name: in, type: kafka, brokers: ["%s"], topics: [{self.topic}], refresh: 300ms }}'
        self.config("  - { name: none, type: discard }", named % self.kafka.address)
        self.start()
        is_said(f"topic '{self.topic}' does not exist; create it, or correct its name")
        self.assertIn("source in (kafka): unavailable: topic", self.cli("status").stdout)
        self.kafka.create(f"{self.topic}:1")
        is_said("")
        self.kafka.stop()
        wait_until(lambda: said()[2].startswith("no broker can be reached: "), "that the broker is away", 30)
        self.assertEqual(said()[:2], (1, "unavailable"))
        self.kafka.start()
        is_said("")
        self.stop(self.processes[-1])
        nowhere = free_port()
        self.config("  - { name: none, type: discard }", named % f"127.0.0.1:{nowhere}")
        self.start()
        wait_until(lambda: said()[2].startswith("no broker can be reached: "), "that there is none", 30)
        self.stop(self.processes[-1])

    def write_events(self, first, end, partitions=2, times=None):
        """`times`: of the first, in ms; the others follow."""
        def at(n):
            return {"partition": n % partitions} | ({"timestamp": times + n - first} if times else {})
        self.kafka.write(self.topic, [("k", json.dumps(event(n)), at(n)) for n in range(first, end)])

    def make_anew(self):
        self.kafka.delete(self.topic)
        wait_until(lambda: self.topic not in self.kafka.names(), "it is gone")
        if self.processes[-1].poll() is None:
            wait_until(lambda: "does not exist" in self.log(), "that it is gone is told")
        self.kafka.create(f"{self.topic}:2")

    def assert_all_once(self, count):
        wait_until(lambda: self.events_in_log() >= count, "all of it is read", 30)
        self.stop(self.processes[-1])
        lines = [json.loads(line) for line in self.cli("log", "cat", "data").stdout.splitlines()]
        self.assertEqual(sorted(line["data"]["properties"]["n"] for line in lines), list(range(count)))
        self.assertEqual(len({line["uuid"] for line in lines}), count, "the places are the same, and the uuids are not")
        self.assertEqual(self.log().count(f"topic '{self.topic}' was deleted and made anew: it is read from its beginning"), 1, self.log())

    def test_a_topic_made_anew_while_it_is_read_is_read_from_its_beginning(self):
        for fewer in (True, False):  # than were read of the old one, when it is seen again
            with self.subTest(fewer=fewer):
                self.kafka.create(f"{self.topic}:2")
                self.write_events(0, 10)
                self.play()
                wait_until(lambda: self.events_in_log() == 10, "the old one is read")
                self.make_anew()
                self.write_events(10, 14 if fewer else 40)
                self.assert_all_once(14 if fewer else 40)
            self.tearDown()
            self.setUp()

    def test_a_topic_made_anew_while_nothing_runs_is_read_from_its_beginning(self):
        self.kafka.create(f"{self.topic}:2")
        self.write_events(0, 10)
        self.play()
        wait_until(lambda: self.events_in_log() == 10, "the old one is read")
        self.stop(self.processes[-1])
        self.make_anew()
        self.write_events(10, 40)
        self.start()
        self.assert_all_once(40)

    def test_where_brokers_have_lost_the_newest_messages_what_comes_after_them_is_read_and_nothing_again(self):
        """As after an election of a leader that was behind: the oldest are those that were read."""
        self.kafka.create(f"{self.topic}:2")
        long_ago = 1_700_000_000_000
        self.write_events(0, 20, times=long_ago)
        self.play()
        wait_until(lambda: self.events_in_log() == 20, "what there is is read")
        self.stop(self.processes[-1])
        self.make_anew()
        self.write_events(0, 12, times=long_ago)
        self.write_events(100, 104)
        self.start()
        wait_until(lambda: self.events_in_log() == 24, "what has come since is read")
        self.stop(self.processes[-1])
        lines = [json.loads(line) for line in self.cli("log", "cat", "data").stdout.splitlines()]
        self.assertEqual(sorted(line["data"]["properties"]["n"] for line in lines), [*range(20), *range(100, 104)])
        self.assertEqual(len({line["uuid"] for line in lines}), 24, "also of those that have an offset that another had")
        for partition in range(2):
            self.assertIn(f"{self.topic}[{partition}]: the message 9 that was read last is gone, though older ones are there: the "
                          "brokers have lost the newest. What is younger than it is read, from 6 on", self.log())
        self.assertNotIn("made anew", self.log())

    def test_from_the_latest_what_is_written_to_a_topic_before_it_is_found_is_read(self):
        self.kafka.create(f"{self.topic}:1")
        self.write_events(0, 5, partitions=1)
        self.play(settings=", from: latest")
        wait_until(self.position_is_noted, "it knows where to begin")
        old, self.topic = self.topic, f"{self.topic}-later"
        self.kafka.create(f"{self.topic}:1")
        self.write_events(5, 10, partitions=1)
        wait_until(lambda: self.events_in_log() == 5, "what is new is read")
        self.topic = old
        self.write_events(10, 12, partitions=1)
        wait_until(lambda: self.events_in_log() == 7, "and what comes to the other")
        self.stop(self.processes[-1])
        self.assertEqual(sorted(body["properties"]["n"] for body in self.logged()), list(range(5, 12)))

    def test_the_topics_of_its_own_log_are_no_input(self):
        log = f"log: {{ type: kafka, brokers: [\"{self.kafka.address}\"], prefix: {self.topic}, partitions: 2, create: true }}\n"
        self.kafka.create(f"{self.topic}.orders:1")
        self.kafka.write(f"{self.topic}.orders", [("k", json.dumps(event(n))) for n in range(10)])
        self.play(extra=log)  # the pattern finds them all
        wait_until(lambda: self.destination("none")["delivered"] == 10, "what is not its own is read")
        wait_until(lambda: "for they are of this pipeline's own log" in self.log(), "it is told")
        self.stop(self.processes[-1])
        self.assertEqual(len(self.kafka.messages(f"{self.topic}.events")), 10)
        self.config("  - { name: none, type: discard }", f'  - {{ name: in, type: kafka, brokers: ["{self.kafka.address}"], '
                    f"topics: [a, {self.topic}.events] }}", log)
        refused = self.cli("validate", "penstock.yaml")
        self.assertEqual(refused.returncode, 1)
        self.assertIn(f"topics: '{self.topic}.events' is a topic of this pipeline's own log: what is read from it would be written "
                      "to it again, without end", refused.stderr)

    def position_is_noted(self):
        """There is a commit: the other log has nothing but its beginning."""
        log = self.status()["log"]
        return log["events"]["bytes"] > log["captured"]["bytes"]


if __name__ == "__main__":
    unittest.main(verbosity=2)
