"""What can happen between a Kafka broker and us, or when the broker holds us back: everything arrives, and nothing twice."""
import itertools
import json
import os
import re

from fault_rig import FILE_OUT, numbers
from kafka_faults import KafkaTest
from kafka_oracle import Writer, check_once_in_order
from kafka_rig import write_counter
from rig import event, wait_until

LONG = bool(os.environ.get("PENSTOCK_TEST_LONG"))
EVENTS, LOGGED = 600, 60_000 if LONG else 6000
RESETS = 200 if LONG else 12
PAD = "x" * 400


def padded(first, end):
    return [event(n, pad=PAD) for n in range(first, end)]


class KafkaRoad(KafkaTest):
    """A broker that has ways to it: each test has one of its own."""
    BROKER, HOW = "ctest-roads", ("--doors", "12")

    def setUp(self):
        super().setUp()
        self.road = self.kafka.door()
        self.addCleanup(self.road.close)

    def go_on_until_it_was_broken(self, write):
        """Writes on, so that there is always something under way, and tells how much."""
        written = 0
        while self.road.resets < RESETS:
            before = self.road.resets
            for _ in range(10):
                write(written, written + 20)
                written += 20
            wait_until(lambda: self.road.resets > before, "a connection breaks again", 30)
        return written


class KafkaRoads(KafkaRoad):
    """To the destination `kafka`."""

    def play(self, settings="", others=""):
        self.kafka.create(f"{self.topic}:2")
        self.config(FILE_OUT + f'\n  - {{ name: bus, type: kafka, brokers: ["{self.road.address}"], topic: "{self.topic}", '
                    f"client: {{ client.id: {self.topic}, statistics.interval.ms: 200, reconnect.backoff.max.ms: 200 }}, batch: {{ within: 20ms }}, "
                    f"retry: {{ wait_min: 20ms, wait_max: 400ms }}{settings} }}")
        return self.start()

    def wait_until_all_arrived(self, count=EVENTS, once=True, seconds=40):
        wait_until(lambda: self.bus(health="healthy", lag_events=0, reason=""), "everything is healthy, and delivered", seconds)
        arrived = self.arrived(self.topic)
        self.assertEqual(arrived if once else sorted(set(arrived)), list(range(count)))
        self.assertEqual(self.dead(), [])
        self.assert_told({"web": (count, 0)}, {"out": (count, 0), "bus": (count, 0)})

    def test_a_slow_connection_is_waited_for(self):
        process = self.play()
        self.road.rate = 40_000
        self.accept(padded(0, EVENTS))
        self.others_have(EVENTS)
        self.assertEqual(self.bus()["health"], "healthy")
        self.assertGreater(self.bus()["lag_events"], 0)
        self.wait_until_all_arrived()
        self.assertEqual(self.bus()["retries"], 0)
        self.stop(process)

    def test_a_connection_that_is_too_slow_for_the_timeout_is_named_and_nothing_is_lost(self):
        process = self.play(", timeout: 1s")
        self.road.rate = 10_000
        self.accept(padded(0, EVENTS))
        self.wait_until_down("the brokers did not answer in time", "msg_timed_out")
        self.others_have(EVENTS)
        self.road.mend()
        self.wait_until_all_arrived(once=False)
        self.stop(process)

    def test_connections_that_break_in_the_middle_of_requests_and_of_answers_lose_and_double_nothing(self):
        process = self.play()
        self.road.cut((5_000, 40_000), (600, 3000))
        count = self.go_on_until_it_was_broken(lambda first, end: self.accept(padded(first, end)))
        self.others_have(count)
        self.road.mend()
        self.wait_until_all_arrived(count)
        self.assertEqual(self.bus()["retries"], 0)
        self.assert_told_briefly()
        self.stop(process)

    def test_a_broker_that_holds_a_client_back_is_told_and_waited_for(self):
        self.kafka.limit(self.topic, "producer_byte_rate", 18_000)
        process = self.play()
        for first in range(0, EVENTS, 20):
            self.accept(padded(first, first + 20))
        wait_until(lambda: self.metrics().get("penstock_kafka_broker_throttle_seconds", broker=self.road.address, destination="bus"),
                   "the metric tells")
        held = f"{self.road.address}(/1)? holds this client back, which is over its quota"
        self.assertRegex(wait_until(lambda: self.bus()["reason"], "the reason tells"), held)
        self.assertEqual(self.bus()["health"], "healthy")
        self.wait_until_all_arrived()
        self.assertEqual(len(re.findall(held, self.log())), 1, self.log())
        self.assert_told_briefly()
        self.stop(process)


class KafkaInputRoads(KafkaRoad):
    """To the source `kafka`."""

    def play(self, fetch=1 << 20):
        web = '  - { name: web, type: http, listen: "127.0.0.1:0" }'
        self.config(FILE_OUT, f'{web}\n  - {{ name: in, type: kafka, brokers: ["{self.road.address}"], topics: [{self.topic}], '
                              f"client: {{ client.id: {self.topic}, statistics.interval.ms: 200, reconnect.backoff.max.ms: 200, "
                              f"fetch.message.max.bytes: {fetch} }}, refresh: 300ms }}")
        return self.start()

    def write_events(self, first, end):
        self.kafka.write(self.topic, [(one["distinct_id"], json.dumps(one)) for one in padded(first, end)])

    def wait_until_all_read(self, count=EVENTS):
        wait_until(lambda: len(self.lines()) >= count, "all of it is read", 40)
        self.assertEqual(numbers(self.lines()), list(range(count)), "once each")
        self.assert_told({"in": (count, 0)}, {"out": (count, 0)})
        self.assertEqual(self.metrics().get("penstock_source_losses_total", source="in"), 0)

    def test_a_slow_connection_is_read_as_it_comes(self):
        self.kafka.create(f"{self.topic}:2")
        self.write_events(0, EVENTS)
        self.road.rate = 60_000
        process = self.play(fetch=20_000)
        wait_until(lambda: 0 < len(self.lines()) < EVENTS, "some of it is read")
        self.wait_until_all_read()
        self.assert_told_briefly()
        self.stop(process)

    def test_connections_that_break_in_the_middle_of_requests_and_of_answers_lose_and_double_nothing(self):
        self.kafka.create(f"{self.topic}:2")
        process = self.play()
        self.road.cut((300, 2000), (1500, 30_000))
        count = self.go_on_until_it_was_broken(self.write_events)
        self.road.mend()
        self.wait_until_all_read(count)
        self.assert_told_briefly()
        self.stop(process)

    def test_a_broker_that_holds_a_client_back_is_told_and_waited_for(self):
        self.kafka.create(f"{self.topic}:2")
        self.kafka.limit(self.topic, "consumer_byte_rate", 22_000)
        self.write_events(0, EVENTS)
        process = self.play()
        wait_until(lambda: self.metrics().get("penstock_kafka_broker_throttle_seconds", broker=self.road.address, source="in"),
                   "the metric tells")
        self.wait_until_all_read()
        self.assertRegex(self.log(), f"in: {self.road.address}(/1)? holds this client back, which is over its quota")
        self.assert_told_briefly()
        self.stop(process)


class KafkaLogRoads(KafkaRoad):
    """To the log on Kafka: the direct route from topic to topic stays exactly once."""

    def play(self, direct_source=False):
        self.clean = f"{self.topic}.clean"
        self.kafka.create(f"{self.topic}:2", f"{self.clean}:2")
        write_counter(self)
        kafka = f'brokers: ["{self.road.address}"], client: {{ client.id: {self.topic}, reconnect.backoff.max.ms: 200 }}'
        source = kafka.replace(self.road.address, self.kafka.address) if direct_source else kafka
        self.config("  []", f"  - {{ name: in, type: kafka, {source}, topics: [{self.topic}] }}",
                    f"log: {{ type: kafka, {kafka}, prefix: p-{self.topic}, partitions: 2, create: true, events: {self.clean} }}\n"
                    "apps:\n  - use: counter\n")
        return self.start()

    def committed(self):
        return self.kafka.written(self.clean) or 0

    def wait_until_all_committed(self):
        wait_until(lambda: len(self.kafka.messages(self.clean)) >= LOGGED, "all of it is in the log", 60)
        check_once_in_order(self, [json.loads(message.value()) for message in self.kafka.messages(self.clean)], LOGGED, "count")
        self.assert_told({"in": (LOGGED, 0)})

    def test_connections_that_break_in_the_middle_of_requests_and_of_answers_lose_and_double_nothing(self):
        process = self.play()
        self.road.cut((2_000, 30_000), (400, 20_000))
        writing = Writer(self.kafka, self.topic, LOGGED, self.committed)
        wait_until(lambda: self.road.resets >= RESETS, "it has been broken off again and again", 60)
        self.road.mend()
        writing.join()
        self.wait_until_all_committed()
        self.assertLessEqual(len(self.log().splitlines()), 40, self.log())
        self.stop(process)

    def test_a_broker_that_holds_it_back_is_told_and_waited_for(self):
        process = self.play()
        self.kafka.limit(self.topic, "producer_byte_rate", 10_000)
        writing = Writer(self.kafka, self.topic, LOGGED, self.committed)
        why = (f"sources wait: a commit has waited for its brokers for more than 5 s: .*{self.road.address}(/1)? "
               "holds this client back, which is over its quota")
        wait_until(lambda: re.search(why, self.status()["verdict"]), "the verdict tells", 60)
        self.kafka.limit(self.topic, "producer_byte_rate", None)
        self.wait_until_all_committed()
        writing.join()
        wait_until(lambda: self.status()["verdict"] == "healthy", "it is healthy again")
        self.assertEqual(self.log().count("it can be written again"), self.log().count("; sources wait"))
        self.stop(process)

    def test_a_commit_that_takes_longer_than_a_transaction_may_is_given_more_time(self):
        count = 4000
        process = self.play(direct_source=True)
        wait_until(lambda: self.status()["verdict"] == "healthy", "it has begun")
        self.road.rate = 120_000
        self.kafka.write(self.topic, [(one["distinct_id"], json.dumps(one)) for one in padded(0, count)])
        longer = "the brokers have not taken a commit within its time; the next may take 20 s"
        wait_until(lambda: longer in self.log(), "one was too long", 60)
        wait_until(lambda: self.committed() >= count, "all of it is in the log, as slow as ever", 90)
        self.road.mend()
        more = itertools.count(count)
        writer = self.kafka.writer()

        def goes_on():
            writer.produce(self.topic, json.dumps(event(next(more))), "key")
            writer.flush(20)
            return "the brokers take commits quickly again; the next may take 10 s as before" in self.log()
        wait_until(goes_on, "it takes back what is not needed any more", 60)
        count = next(more)
        wait_until(lambda: len(self.kafka.messages(self.clean)) >= count, "what came since is there, too")
        self.assertEqual(numbers([json.loads(message.value()) for message in self.kafka.messages(self.clean)]), list(range(count)))
        self.stop(process)
