"""The only broker stops for longer than anybody waits for an answer: a source, destinations, and a log on it."""
import json
import os
import re
import subprocess

from fault_rig import FILE_OUT, numbers
from kafka_faults import KafkaTest
from kafka_oracle import check_once_in_order
from kafka_rig import write_counter
from rig import BINARY, START_WITHIN, event, wait_until

STOPPED = 60 if os.environ.get("PENSTOCK_TEST_LONG") else 20  # seconds
BEFORE, COUNT = 300, 900


class KafkaWithoutLeader(KafkaTest):
    BROKER = "ctest-stopped"  # of its own, for it is stopped

    def setUp(self):
        super().setUp()
        self.clean, self.patient = f"{self.topic}.clean", f"{self.topic}.patient"
        self.kafka.create(*(f"{topic}:2" for topic in (self.topic, self.clean, self.patient)))

    def play(self):
        """One with a log on disk, which writes to the topic, and reads it; one with a log on Kafka."""
        kafka = f'brokers: ["{self.kafka.address}"]'
        web = 'when: "facts.source == \'web\'"'
        self.config(FILE_OUT + self.destination_for("bus", self.topic, f", timeout: 2s, {web}")
                    + self.destination_for("patient", self.patient, f", timeout: 5m, {web}"),
                    '  - { name: web, type: http, listen: "127.0.0.1:0" }\n'
                    f"  - {{ name: in, type: kafka, {kafka}, topics: [{self.patient}], refresh: 300ms }}")
        write_counter(self)
        (self.folder / "second").mkdir()
        (self.folder / "apps").rename(self.folder / "second/apps")
        self.write("second/penstock.yaml",
                   f"data: ./data\nlog: {{ type: kafka, {kafka}, prefix: p-{self.topic}, partitions: 2, create: true, events: {self.clean} }}\n"
                   f"apps:\n  - use: counter\nsources:\n  - {{ name: in, type: kafka, {kafka}, topics: [{self.patient}] }}\n"
                   "destinations: []\n")
        with open(self.folder / "second/penstock.log", "wb") as log:
            second = subprocess.Popen([BINARY, "run", "penstock.yaml"], cwd=self.folder / "second", stdin=subprocess.DEVNULL,
                                      stdout=log, stderr=log)
        self.processes.append(second)
        first = self.start()
        wait_until(lambda: second.poll() is not None or self.second_status(), "the second answers", START_WITHIN)
        self.assertIsNone(second.poll(), self.second_log())
        return first, second

    def second_log(self):
        return (self.folder / "second/penstock.log").read_text()

    def second_status(self):
        said = subprocess.run([BINARY, "status", "--json"], cwd=self.folder / "second", capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL).stdout
        return json.loads(said) if said.startswith("{") else None

    def waited(self):
        found = re.search("without an answer for ([0-9]+) s", self.destinations()["patient"]["reason"])
        return int(found.group(1)) if found else 0

    def accept_all(self, first, end):
        for n in range(first, end, 20):
            self.accept([event(m) for m in range(n, n + 20)])

    def clean_bodies(self):
        return [json.loads(message.value()) for message in self.kafka.messages(self.clean)]

    def test_all_that_use_it_wait_and_go_on_by_themselves(self):
        first, second = self.play()
        self.accept_all(0, BEFORE)
        wait_until(lambda: len(self.lines()) == 2 * BEFORE, "what was written comes back")
        wait_until(lambda: len(self.clean_bodies()) == BEFORE, "and goes into the log on Kafka")
        writer = self.kafka.writer()

        def write(first, end):
            for n in range(first, end):
                one = {**event(n), "distinct_id": f"other-{n % 7}"}
                writer.produce(self.patient, json.dumps(one), one["distinct_id"])
                writer.poll(0)

        write(2 * BEFORE, COUNT - 200)
        self.assertEqual(writer.flush(30), 0)
        write(COUNT - 200, COUNT - 100)  # on its way through all of them
        self.kafka.freeze(True)
        try:
            self.accept_all(BEFORE, 2 * BEFORE)
            write(COUNT - 100, COUNT)
            self.wait_until_down("the brokers did not answer in time", "msg_timed_out")
            wait_until(lambda: self.waited() >= STOPPED, "the broker is away for long", STOPPED + 20)
            self.assertEqual(self.destinations()["patient"]["health"], "healthy")
            wait_until(lambda: set(range(2 * BEFORE)) <= set(numbers(self.lines())), "others go on")
        finally:
            self.kafka.freeze(False)
        self.assertEqual(writer.flush(30), 0)
        wait_until(lambda: self.bus(health="healthy", lag_events=0, reason=""), "the destination is healthy again", 40)
        wait_until(lambda: self.destinations()["patient"]["lag_events"] == 0, "so is the patient one")
        wait_until(lambda: len(self.clean_bodies()) >= COUNT, "the log on Kafka has all of it", 60)
        wait_until(lambda: len(self.lines()) >= COUNT + 2 * BEFORE, "the source has read all of it")
        self.assertEqual(sorted(set(self.arrived(self.topic))), list(range(2 * BEFORE)))
        self.assertEqual(self.arrived(self.patient), list(range(COUNT)), "once each: it was no outage")
        self.assertEqual(numbers(self.lines()), sorted([*range(COUNT), *range(2 * BEFORE)]), "once each")
        check_once_in_order(self, self.clean_bodies(), COUNT, "count")
        self.assert_told({"web": (2 * BEFORE, 0), "in": (COUNT, 0)}, {"out": (COUNT + 2 * BEFORE, 0), "patient": (2 * BEFORE, 0)})
        for log in (self.log(), self.second_log()):
            self.assertLessEqual(len(log.splitlines()), 25, log)
        for process in (first, second):
            self.stop(process)
