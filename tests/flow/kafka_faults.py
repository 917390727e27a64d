"""What a Kafka cluster and its topics can do to a destination; each costs that destination only."""
import json
import os
import unittest
import uuid

from fault_rig import FILE_OUT, FaultTest, numbers
from kafka_rig import broker
from rig import event, wait_until

COUNT = 60


@unittest.skipUnless(os.environ.get("PENSTOCK_KAFKA"), "these start brokers: ./dev test --kafka, or PENSTOCK_KAFKA=1")
class KafkaTest(FaultTest):
    BROKER, HOW = "ctest", ()

    def setUp(self):
        super().setUp()
        self.kafka = broker(self.BROKER, *self.HOW)
        self.topic = f"faults-{uuid.uuid4().hex[:8]}"

    def destination_for(self, name, topic, settings):
        return (f'\n  - {{ name: {name}, type: kafka, brokers: ["{self.kafka.address}"], topic: "{topic}", drain: 2s, '
                f"batch: {{ within: 20ms }}, retry: {{ attempts_max: 3, wait_min: 20ms, wait_max: 400ms }}{settings} }}")

    def play(self, settings="", others="", timeout="2s"):
        self.config(FILE_OUT + self.destination_for("bus", self.topic, f", timeout: {timeout}{settings}") + others)
        return self.start()

    def bus(self, **wanted):
        row = self.destinations()["bus"]
        return row if all(row[key] == value for key, value in wanted.items()) else None

    def arrived(self, topic):
        return sorted(json.loads(message.value())["properties"]["n"] for message in self.kafka.messages(topic))

    def wait_until_down(self, reason, code):
        row = wait_until(lambda: self.bus(health="unavailable"), "the destination is unavailable")
        self.assertRegex(row["reason"], reason)
        self.assertEqual((row["dead"], row["retries"]), (0, 0))
        if code:
            count = self.metrics().get("penstock_delivery_unavailable_total", code=code, destination="bus")
            self.assertGreaterEqual(count, 1, self.metrics().labels("penstock_delivery_unavailable_total"))

    def assert_told_briefly(self, most=10):
        """In few lines, however often it happens."""
        lines = [line for line in self.log().splitlines() if "kafka" in line or "warning" in line]
        self.assertLessEqual(len(lines), most, self.log())

    def others_have(self, count):
        wait_until(lambda: numbers(self.lines()) == list(range(count)), "the file has everything")

    def wait_until_all_arrived(self):
        wait_until(lambda: self.bus(health="healthy", lag_events=0, reason=""), "everything is healthy again", 40)
        self.assertEqual(sorted(set(self.arrived(self.topic))), list(range(COUNT)))
        self.assertEqual(self.dead(), [])


class KafkaOutages(KafkaTest):
    """A broker of its own, for it is killed."""
    BROKER = "ctest-outages"

    def test_a_broker_that_is_gone_or_frozen_is_named_and_nothing_is_lost(self):
        patient = f"{self.topic}-patient"
        self.kafka.create(f"{self.topic}:2", f"{patient}:2")
        process = self.play(others=self.destination_for("patient", patient, ", timeout: 2m"))
        self.accept([event(n) for n in range(20)])
        wait_until(lambda: self.bus(lag_events=0), "the first have arrived")
        self.kafka.freeze(True)
        self.accept([event(n) for n in range(20, 40)])
        self.wait_until_down("the brokers did not answer in time", "msg_timed_out")
        self.others_have(40)
        self.kafka.freeze(False)
        wait_until(lambda: self.bus(health="healthy", lag_events=0), "it goes on")
        self.kafka.stop()
        self.accept([event(n) for n in range(40, COUNT)])
        self.wait_until_down("(did not answer in time|no broker can be reached): .*(Connection refused|Disconnected)",
                             "msg_timed_out")
        self.others_have(COUNT)
        told = wait_until(lambda: self.destinations()["patient"]["reason"], "what has time yet tells why it waits")
        self.assertRegex(told, "without an answer for [0-9]+ s: .*(Connection refused|Disconnected)")
        self.kafka.start()
        self.wait_until_all_arrived()
        wait_until(lambda: self.destinations()["patient"]["lag_events"] == 0, "what waits for longer has everything, too")
        self.assertEqual(self.arrived(patient), list(range(COUNT)), "once each: it was no outage")
        self.stop(process)


class KafkaTopics(KafkaTest):
    def test_a_topic_that_is_not_there_is_named_until_somebody_makes_it(self):
        process = self.play()
        self.accept([event(n) for n in range(COUNT)])
        self.wait_until_down(f"topic '{self.topic}' does not exist; create it, or correct its name", None)
        self.others_have(COUNT)
        self.kafka.create(f"{self.topic}:1")
        self.wait_until_all_arrived()
        self.stop(process)

    def test_events_that_a_topic_finds_too_large_are_dead_letters_and_no_others(self):
        self.kafka.create(f"{self.topic}:1", max_message_bytes=5000)
        # Nothing that was sent in vain for too long is sent again: each arrives once.
        process = self.play(settings=", in_flight_max: 16", timeout="30s")
        large = [n for n in range(COUNT) if n % 10 == 3]
        self.accept([event(n, pad="x" * (6000 if n in large else 900)) for n in range(COUNT)])
        wait_until(lambda: self.bus(lag_events=0), "everything is settled")
        self.assertEqual(self.arrived(self.topic), [n for n in range(COUNT) if n not in large])
        letters = self.dead("--limit", "1000")
        self.assertEqual({letter["code"] for letter in letters}, {"msg_size_too_large"})
        self.assertEqual(len(letters), len(large))
        self.assert_told({"web": (COUNT, 0)}, {"out": (COUNT, 0), "bus": (COUNT - len(large), len(large))})
        self.assertEqual(self.bus()["health"], "healthy")
        self.stop(process)


class KafkaInput(KafkaTest):
    """The source `kafka`, beside one that nothing happens to."""

    def play(self, settings=""):
        web = '  - { name: web, type: http, listen: "127.0.0.1:0" }'
        self.config(FILE_OUT, f'{web}\n  - {{ name: in, type: kafka, brokers: ["{self.kafka.address}"], '
                              f"topics: [{self.topic}], refresh: 300ms{settings} }}")
        return self.start()

    def write_events(self, first, end):
        self.kafka.write(self.topic, [(f"user-{n}", json.dumps(event(n))) for n in range(first, end)])

    def others_go_on(self):
        self.accept([event(1000)])
        wait_until(lambda: 1000 in numbers(self.lines()), "the other source goes on")

    def wait_until_read(self, expected):
        wait_until(lambda: [n for n in numbers(self.lines()) if n < 1000] == list(expected), "all of it is read, once")

    def counted(self, name):
        return wait_until(lambda: self.metrics().get(name, source="in"), f"{name} counts it")

    def test_a_topic_that_is_not_there_is_told_and_read_when_it_is(self):
        process = self.play()
        self.counted("penstock_source_warnings_total")
        self.assertRegex(self.log(), f"source in: topic '{self.topic}' does not exist; create it, or correct its name")
        self.others_go_on()
        self.kafka.create(f"{self.topic}:2")
        self.write_events(0, COUNT)
        self.wait_until_read(range(COUNT))
        self.stop(process)

    def test_messages_that_are_gone_are_a_loss_that_is_told_and_the_rest_is_read(self):
        self.kafka.create(f"{self.topic}:1")
        self.write_events(0, 10)
        process = self.play()
        self.wait_until_read(range(10))
        self.stop(process)
        self.write_events(10, 30)
        gone = {"version": 1, "partitions": [{"topic": self.topic, "partition": 0, "offset": 20}]}
        path = self.write("gone.json", json.dumps(gone))
        self.kafka.tool("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", str(path))
        process = self.start()
        self.wait_until_read([*range(10), *range(20, 30)])
        self.assertEqual(self.counted("penstock_source_losses_total"), 1)
        self.assertIn(f"{self.topic}[0]: the messages 10 to 19 were gone before they could be read", self.log())
        self.others_go_on()
        self.stop(process)

    def test_messages_that_are_no_events_are_dead_letters_with_their_place(self):
        self.kafka.create(f"{self.topic}:1")
        self.kafka.write(self.topic, [("a", json.dumps(event(0))), ("b", b"\xffnot json"), ("c", None),
                                      ("d", "x" * 2000), ("e", json.dumps(event(1)))])
        process = self.play(", message_max: 1KiB")
        self.wait_until_read([0, 1])
        letters = wait_until(lambda: self.dead() if len(self.dead()) == 2 else None, "both are dead letters")
        places = {letter["place"]: letter["code"] for letter in letters}
        self.assertEqual(places, {f"{self.topic}[0] at 1": "invalid_json", f"{self.topic}[0] at 3": "too_large"})
        self.assertEqual(self.counted("penstock_kafka_tombstones_total"), 1)
        self.assert_told({"in": (2, 2)}, {"out": (2, 0)})
        self.stop(process)

    def test_a_topic_that_is_deleted_is_told_and_read_from_its_beginning_when_it_is_made_anew(self):
        self.kafka.create(f"{self.topic}:1")
        self.write_events(0, 20)
        process = self.play()
        self.wait_until_read(range(20))
        self.kafka.delete(self.topic)
        self.counted("penstock_source_warnings_total")
        self.others_go_on()
        self.stop(process)
        self.kafka.create(f"{self.topic}:1")
        self.write_events(20, 30)
        process = self.start()
        self.wait_until_read(range(30))
        self.assertEqual(self.counted("penstock_source_losses_total"), 1)
        self.kafka.delete(self.topic)
        self.counted("penstock_source_warnings_total")
        self.kafka.create(f"{self.topic}:1")
        self.write_events(30, 35)
        self.wait_until_read(range(35))
        self.stop(process)


class KafkaInputOutages(KafkaTest):
    """A broker of its own, for it is killed."""
    BROKER = "ctest-input-outages"

    def test_a_source_whose_broker_is_frozen_or_gone_reads_on_when_it_is_back(self):
        self.kafka.create(f"{self.topic}:1")
        self.config(FILE_OUT, f'  - {{ name: web, type: http, listen: "127.0.0.1:0" }}\n  - {{ name: in, type: kafka, '
                              f'brokers: ["{self.kafka.address}"], topics: [{self.topic}], refresh: 300ms }}')
        process = self.start()

        def write(first, end):
            self.kafka.write(self.topic, [(f"user-{n}", json.dumps(event(n))) for n in range(first, end)])

        write(0, 20)
        self.others_have(20)
        self.kafka.freeze(True)
        self.accept([event(20)])
        self.others_have(21)
        self.kafka.freeze(False)
        write(21, 40)
        self.others_have(40)
        self.kafka.stop()
        self.accept([event(40)])
        self.others_have(41)
        self.stop(process)  # while it is nowhere to be reached
        process = self.start()
        self.kafka.start()
        write(41, COUNT)
        wait_until(lambda: numbers(self.lines()) == list(range(COUNT)), "all of it is read, once", 40)
        kept = self.metrics().get("penstock_ingest_events_total", source="in", outcome="kept")
        self.assertEqual(kept, COUNT - 41)
        self.stop(process)
