"""What a Kafka cluster and its topics can do to a destination; each costs that destination only."""
import json
import uuid

from fault_rig import FILE_OUT, FaultTest, numbers
from kafka_rig import broker
from rig import event, wait_until

COUNT = 60


class KafkaTest(FaultTest):
    BROKER = "ctest"

    def setUp(self):
        super().setUp()
        self.kafka = broker(self.BROKER)
        self.topic = f"faults-{uuid.uuid4().hex[:8]}"

    def destination_for(self, name, topic, settings):
        return (f'\n  - {{ name: {name}, type: kafka, brokers: ["{self.kafka.address}"], topic: "{topic}", drain: 2s, '
                f"batch: {{ within: 20ms }}, retry: {{ attempts_max: 3, wait_min: 20ms, wait_max: 400ms }}{settings} }}")

    def play(self, settings="", others=""):
        self.config(FILE_OUT + self.destination_for("bus", self.topic, f", timeout: 2s{settings}") + others)
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
        self.kafka.start()
        self.wait_until_all_arrived()
        wait_until(lambda: self.destinations()["patient"]["lag_events"] == 0, "what waits for longer has everything, too")
        self.assertEqual(self.arrived(patient), list(range(COUNT)), "once each: it was no outage")
        self.stop(process)


class KafkaTopics(KafkaTest):
    def test_a_topic_that_is_not_there_is_named_until_somebody_makes_it(self):
        process = self.play()
        self.accept([event(n) for n in range(COUNT)])
        self.wait_until_down(f"topic '{self.topic}' does not exist; create it, or correct `topic`", None)
        self.others_have(COUNT)
        self.kafka.create(f"{self.topic}:1")
        self.wait_until_all_arrived()
        self.stop(process)

    def test_events_that_a_topic_finds_too_large_are_dead_letters_and_no_others(self):
        self.kafka.create(f"{self.topic}:1", max_message_bytes=5000)
        process = self.play(settings=", in_flight_max: 16")
        large = [n for n in range(COUNT) if n % 10 == 3]
        self.accept([event(n, pad="x" * (6000 if n in large else 900)) for n in range(COUNT)])
        wait_until(lambda: self.bus(lag_events=0), "everything is settled")
        self.assertEqual(self.arrived(self.topic), [n for n in range(COUNT) if n not in large])
        letters = self.dead("--limit", "1000")
        self.assertEqual({letter["code"] for letter in letters}, {"msg_size_too_large"})
        self.assertEqual(len(letters), len(large))
        self.assertEqual(self.bus()["health"], "healthy")
        self.stop(process)
