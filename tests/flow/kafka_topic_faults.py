"""What can happen to topics while we write to them or read them: it costs that topic, and no other."""
import json
import re

from fault_rig import FILE_OUT, numbers
from kafka_faults import KafkaTest
from kafka_rig import confluent_kafka
from rig import event, wait_until

ACL = "kafka.admin.AclCommand"
GUEST = "{ security.protocol: sasl_ssl, ssl.ca.location: '%s', sasl.mechanism: PLAIN, sasl.username: guest, sasl.password: correct-horse }"
KINDS = ("good", "bad", "other")


class KafkaChanges(KafkaTest):
    BROKER, HOW = "ctest-topics", ("--secure",)

    def setUp(self):
        super().setUp()
        self.topics = {kind: f"{self.topic}.{kind}" for kind in KINDS}

    def guest(self):
        """The address and the settings of a user who may do what somebody allows."""
        return self.kafka.listeners()["SASL"], GUEST % (self.kafka.folder / "security/ca.pem")

    def allow(self, operation, *kinds):
        self.change_permissions(["--add"], operation, kinds)

    def forbid(self, operation, *kinds):
        self.change_permissions(["--remove", "--force"], operation, kinds)

    def change_permissions(self, how, operation, kinds):
        self.kafka.tool(ACL, *how, "--allow-principal", "User:guest", "--operation", "Describe", "--operation", operation,
                        *[word for kind in kinds for word in ("--topic", self.topics[kind])])

    def add_partitions(self, topic, count):
        admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": self.kafka.address})
        for future in admin.create_partitions([confluent_kafka.admin.NewPartitions(topic, count)]).values():
            future.result(20)


class KafkaTopicChanges(KafkaChanges):
    """To the destination `kafka`, which writes to several topics."""
    PATIENT = "attempts_max: 1000, wait_min: 20ms, wait_max: 400ms"

    def play(self, settings="", address=None, retry=PATIENT):
        self.config(FILE_OUT + f'\n  - {{ name: bus, type: kafka, brokers: ["{address or self.kafka.address}"], '
                    f'topic: "{self.topic}.{{event}}", batch: {{ within: 20ms, events: 20 }}, retry: {{ {retry} }}, drain: 2s{settings} }}')
        return self.start()

    def accept_each(self, first, end):
        for n in range(first, end, 30):
            self.accept([event(n, KINDS[n % 3]) for n in range(n, n + 30)])

    @staticmethod
    def expected(kind, end, first=0):
        return [n for n in range(first, end) if KINDS[n % 3] == kind]

    def wait_until_others_have(self, end):
        for kind in ("good", "other"):
            wait_until(lambda: self.arrived(self.topics[kind])[-1:] == self.expected(kind, end)[-1:], f"{kind} goes on", 12)
            self.assertEqual(self.arrived(self.topics[kind]), self.expected(kind, end), "once each")

    def assert_named(self, reason):
        row = self.bus(health="healthy", dead=0)
        self.assertRegex(row["reason"], f"some events fail while others are delivered: {reason}")
        self.assertGreater(row["retries"], 0)

    def wait_until_settled(self):
        wait_until(lambda: self.bus(health="healthy", lag_events=0, reason=""), "everything is settled", 40)

    def wait_until_all_arrived(self, end, first_of_bad=0):
        self.wait_until_settled()
        for kind in KINDS:
            self.assertEqual(self.arrived(self.topics[kind]), self.expected(kind, end, first_of_bad if kind == "bad" else 0))
        self.assertEqual(self.dead(), [])
        self.assert_told({"web": (end, 0)}, {"out": (end, 0), "bus": (end, 0)})

    def test_one_topic_that_is_not_there_holds_up_no_other(self):
        self.kafka.create(self.topics["good"], self.topics["other"])
        process = self.play()
        self.accept_each(0, 300)
        self.wait_until_others_have(300)
        self.assert_named(f"topic '{self.topics['bad']}' does not exist; create it, or correct its name")
        self.accept_each(300, 600)
        self.wait_until_others_have(600)
        self.kafka.create(self.topics["bad"])
        self.wait_until_all_arrived(600)
        self.assert_told_briefly()
        self.stop(process)

    def test_one_topic_that_stays_away_ends_in_dead_letters_that_go_when_it_is_there(self):
        self.kafka.create(self.topics["good"], self.topics["other"])
        process = self.play(retry="attempts_max: 3, wait_min: 20ms, wait_max: 400ms")
        self.accept_each(0, 300)
        count = 300

        def settled():  # while others are delivered: nothing else tells it from an outage
            nonlocal count
            self.accept([event(count, "good")])
            count += 1
            return self.bus()["dead"] == 100

        wait_until(settled, "what goes nowhere is dead")
        wait_until(lambda: self.bus(health="healthy", lag_events=0), "everything is settled")
        letters = self.dead("--limit", "1000")
        self.assertEqual(len(letters), 100)
        self.assertEqual({letter["code"] for letter in letters}, {"unknown_topic"})
        self.assert_told({"web": (count, 0)}, {"out": (count, 0), "bus": (count - 100, 100)})
        self.kafka.create(self.topics["bad"])
        self.cli("dead", "replay", "--all")
        wait_until(lambda: self.arrived(self.topics["bad"]) == self.expected("bad", 300), "the letters have gone", 20)
        wait_until(lambda: self.dead() == [], "none is left")
        self.stop(process)

    def test_one_topic_that_is_forbidden_holds_up_no_other(self):
        address, client = self.guest()
        self.kafka.create(*self.topics.values())
        self.allow("Write", "good", "other")
        process = self.play(f", client: {client}", address)
        self.accept_each(0, 300)
        self.wait_until_others_have(300)
        why = f"no permission for topic '{self.topics['bad']}'; allow this user to describe it and to write to it"
        self.assert_named(why)
        self.allow("Write", "bad")
        self.wait_until_all_arrived(300)
        self.forbid("Write", "bad")
        self.accept_each(300, 600)
        self.wait_until_others_have(600)
        self.assert_named(why)
        self.allow("Write", "bad")
        self.wait_until_all_arrived(600)
        self.assert_told_briefly()
        self.stop(process)

    def test_one_topic_that_is_deleted_holds_up_no_other_and_goes_on_when_it_is_made_anew(self):
        self.kafka.create(*self.topics.values())
        process = self.play()
        self.accept_each(0, 300)
        self.wait_until_all_arrived(300)
        self.kafka.delete(self.topics["bad"])
        self.accept_each(300, 600)
        self.wait_until_others_have(600)
        self.assert_named(f"topic '{self.topics['bad']}' does not exist; create it, or correct its name")
        self.kafka.create(self.topics["bad"])
        self.wait_until_all_arrived(600, first_of_bad=300)
        self.assert_told_briefly()
        self.stop(process)

    def test_partitions_that_are_added_are_written_to(self):
        self.kafka.create(*(f"{topic}:2" for topic in self.topics.values()))
        process = self.play(", client: { topic.metadata.refresh.interval.ms: 500 }")
        self.accept_each(0, 300)
        self.wait_until_settled()
        self.add_partitions(self.topics["good"], 6)
        written = 300

        def used():
            nonlocal written
            self.accept_each(written, written + 30)
            written += 30
            return {message.partition() for message in self.kafka.messages(self.topics["good"])} > {0, 1}

        wait_until(used, "the new ones are used")
        self.wait_until_all_arrived(written)
        self.assert_told_briefly()
        self.stop(process)


class KafkaInputChanges(KafkaChanges):
    """To the source `kafka`, which reads several topics."""

    def play(self, settings="", address=None):
        topics = ", ".join(self.topics.values())
        self.config(FILE_OUT, '  - { name: web, type: http, listen: "127.0.0.1:0" }\n'
                              f'  - {{ name: in, type: kafka, brokers: ["{address or self.kafka.address}"], topics: [{topics}], '
                              f"refresh: 300ms{settings} }}")
        return self.start()

    def write_events(self, kind, first, end):
        self.kafka.write(self.topics[kind], [(f"user-{n}", json.dumps(event(n))) for n in range(first, end)])

    def wait_until_read(self, *ranges):
        expected = [n for first, end in ranges for n in range(first, end)]
        wait_until(lambda: len(self.lines()) >= len(expected), "all of it is read", 30)
        self.assertEqual(numbers(self.lines()), sorted(expected), "once each")
        self.assert_told({"in": (len(expected), 0)}, {"out": (len(expected), 0)})

    def losses(self):
        return self.metrics().get("penstock_source_losses_total", source="in")

    def count_told(self, sentence):
        return len(re.findall(sentence, self.log()))

    def wait_until_told(self, sentence):
        wait_until(lambda: self.count_told(sentence), f"it is told: {sentence}")

    def test_one_topic_that_is_not_there_holds_up_no_other(self):
        self.kafka.create(self.topics["good"], self.topics["other"])
        process = self.play()
        self.wait_until_told(f"source in: topic '{self.topics['bad']}' does not exist; create it, or correct its name")
        self.write_events("good", 0, 30)
        self.write_events("other", 30, 60)
        self.wait_until_read((0, 60))
        self.kafka.create(f"{self.topics['bad']}:2")
        self.write_events("bad", 60, 90)
        self.wait_until_read((0, 90))
        self.assertEqual((self.losses(), self.count_told("source in: ")), (0, 1), self.log())
        self.stop(process)

    def test_one_topic_that_is_forbidden_holds_up_no_other_and_is_read_on_when_it_is_allowed(self):
        address, client = self.guest()
        self.kafka.create(*self.topics.values())
        for kind, n in zip(KINDS, range(0, 90, 30)):
            self.write_events(kind, n, n + 30)
        self.allow("Read", "good", "other")
        process = self.play(f", client: {client}", address)
        why = f"no permission for topic '{self.topics['bad']}'; allow this user to describe it and to read it"
        self.wait_until_told(why)
        self.wait_until_read((0, 30), (60, 90))
        self.allow("Read", "bad")
        self.wait_until_read((0, 90))
        self.forbid("Read", "bad")
        self.write_events("good", 90, 120)
        self.wait_until_read((0, 120))
        wait_until(lambda: self.count_told(why) >= 2, "it is told again")
        self.write_events("bad", 120, 150)
        self.allow("Read", "bad")
        self.wait_until_read((0, 150))
        self.assertEqual(self.losses(), 0)
        self.assert_told_briefly()
        self.stop(process)

    def test_one_topic_that_is_deleted_holds_up_no_other_and_is_read_from_its_beginning_when_it_is_made_anew(self):
        self.kafka.create(*(f"{topic}:2" for topic in self.topics.values()))
        for kind, n in zip(KINDS, range(0, 90, 30)):
            self.write_events(kind, n, n + 30)
        process = self.play()
        self.wait_until_read((0, 90))
        self.kafka.delete(self.topics["bad"])
        self.write_events("good", 90, 120)
        self.wait_until_read((0, 120))
        self.wait_until_told(f"topic '{self.topics['bad']}' does not exist; create it, or correct its name")
        for n in range(90, 108):  # it looks again and again meanwhile
            self.write_events("other", n + 100, n + 101)
            wait_until(lambda: n + 100 in numbers(self.lines()), "the other one goes on")
        self.kafka.create(f"{self.topics['bad']}:3")
        self.write_events("bad", 120, 130)  # less than there was in each partition: more could not be told from what was read
        self.wait_until_read((0, 130), (190, 208))
        self.assertGreaterEqual(self.losses(), 1)
        self.assert_told_briefly()
        self.stop(process)

    def test_partitions_that_are_added_are_read_from_their_beginning(self):
        self.kafka.create(*self.topics.values())
        self.write_events("good", 0, 30)
        process = self.play(", from: latest")
        wait_until(lambda: any(key.startswith("penstock_source_lag_messages{") and self.topics["other"] in key
                               for key in self.metrics().values), "it has looked where the topics end")
        self.write_events("other", 30, 60)
        self.wait_until_read((30, 60))
        self.add_partitions(self.topics["good"], 4)
        self.kafka.write(self.topics["good"], [("key", json.dumps(event(n)), {"partition": n % 4}) for n in range(60, 100)])
        self.wait_until_read((30, 100))
        self.assertEqual((self.losses(), self.count_told("warning")), (0, 0), self.log())
        self.stop(process)
