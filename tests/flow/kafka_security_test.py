#!/usr/bin/env python3
"""Kafka with TLS, SASL, client certificates and permissions, on a real broker that asks for them."""
import json
import pathlib
import sys
import unittest
import uuid

from kafka_rig import broker
from rig import FlowTest, event, wait_until

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "services"))
from kafka_security import SECRET  # noqa: E402  beside the service

COUNT = 200
ACL = "kafka.admin.AclCommand"


class SecureKafka(FlowTest):
    @classmethod
    def setUpClass(cls):
        cls.kafka = broker("ctest-secure", "--secure")
        cls.listeners, cls.certificates = cls.kafka.listeners(), cls.kafka.folder / "security"

    def setUp(self):
        super().setUp()
        self.topic = f"secure-{uuid.uuid4().hex[:8]}"
        self.kafka.create(f"{self.topic}:2")

    def tls(self, authority="ca.pem", **more):
        settings = {"security.protocol": "ssl", "ssl.ca.location": self.certificates / authority}
        return settings | {name.replace("_", "."): value for name, value in more.items()}

    def certificate(self):
        return self.tls(ssl_certificate_location=self.certificates / "client.pem",
                        ssl_key_location=self.certificates / "client.key")

    def sasl(self, mechanism, user="penstock", password=SECRET):
        return self.tls(security_protocol="sasl_ssl", sasl_mechanism=mechanism, sasl_username=user, sasl_password=password)

    def configure(self, listener, client):
        """Requests go to the topic, and what is read from it into a file."""
        settings = ", ".join(f'{name}: "{value}"' for name, value in client.items())
        kafka = f'type: kafka, brokers: ["{self.listeners[listener]}"], client: {{ {settings} }}'
        self.config(
            f'  - {{ name: bus, {kafka}, topic: {self.topic}, when: "facts.source == \'web\'", batch: {{ within: 20ms }}, '
            "timeout: 2s, drain: 1s, retry: { wait_min: 20ms, wait_max: 400ms } }\n"
            '  - { name: out, type: file, path: ./out.ndjson, when: "facts.source == \'back\'", batch: { within: 20ms } }',
            f'  - {{ name: web, type: http, listen: "127.0.0.1:{self.port}" }}\n'
            f"  - {{ name: back, {kafka}, topics: [{self.topic}], refresh: 300ms }}")

    def came_back(self):
        return sorted(line["properties"]["n"] for line in self.lines())

    def assert_works(self, listener, client):
        self.configure(listener, client)
        process = self.start()
        self.accept([event(n) for n in range(COUNT)])
        wait_until(lambda: self.came_back() == list(range(COUNT)), f"everything came back over {listener}", 40)
        self.assertEqual(self.destination("bus")["health"], "healthy")
        self.stop(process)

    def assert_told(self, listener, client, sentence, of_source=None):
        """The sentence stands in the status, and in the log for the source; what was accepted is kept."""
        self.configure(listener, client)
        process = self.start()
        self.accept([event(n) for n in range(COUNT)])
        row = wait_until(lambda: self.unavailable(), "the destination is unavailable")
        self.assertRegex(row["reason"], sentence)
        self.assertNotRegex(row["reason"], SECRET)
        self.assertEqual((row["dead"], row["lag_events"]), (0, COUNT))
        wait_until(lambda: "source back: " in self.log(), "the source tells, too")
        self.assertRegex(self.log(), f"source back: {of_source or sentence}")
        back = wait_until(lambda: self.source_unavailable(), "the source is unavailable")
        self.assertRegex(back["reason"], of_source or sentence)
        self.assertNotRegex(back["reason"], SECRET)
        return process

    def source_unavailable(self):
        return next((s for s in self.status()["sources"] if s["name"] == "back" and s["health"] == "unavailable"), None)

    def unavailable(self):
        row = self.destination("bus")
        return row if row["health"] == "unavailable" else None

    def test_events_go_and_come_over_tls(self):
        self.assert_works("TLS", self.tls())

    def test_events_go_and_come_with_a_client_certificate(self):
        self.assert_works("MTLS", self.certificate())

    def test_events_go_and_come_with_a_password(self):
        self.assert_works("SASL", self.sasl("PLAIN"))

    def test_events_go_and_come_with_a_password_that_is_not_sent(self):
        self.assert_works("SASL", self.sasl("SCRAM-SHA-256"))

    def test_a_wrong_password_is_told(self):
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            self.assert_told("SASL", self.sasl(mechanism, password="wrong"),
                             "the brokers do not accept this user and password: .*SASL authentication error")
            self.begin_anew()

    def test_a_mechanism_that_is_not_offered_is_told(self):
        self.assert_told("SASL", self.sasl("SCRAM-SHA-512"), "the brokers do not offer this sasl.mechanism: .*PLAIN,SCRAM")

    def test_an_authority_that_is_not_trusted_is_told(self):
        self.assert_told("TLS", self.tls("other.pem"),
                         "the brokers' certificate is not trusted; set ssl.ca.location to the authority that signed it: ")

    def test_a_missing_client_certificate_is_told(self):
        self.assert_told("MTLS", self.tls(), "the brokers want a client certificate.*ssl.certificate.location")

    def test_a_listener_that_wants_encryption_is_told(self):
        self.assert_told("TLS", {}, "no broker can be reached: .*incorrect security.protocol")

    def test_permissions_that_are_missing_are_told_and_enough_when_they_are_given(self):
        process = self.assert_told("SASL", self.sasl("PLAIN", user="guest"),
                                   f"no permission for topic '{self.topic}'; allow this user to describe it and to write to it",
                                   f"no permission for topic '{self.topic}'; allow this user to describe it and to read it")
        allow = ("--add", "--allow-principal", "User:guest", "--operation", "Describe", "--operation", "Write", "--operation", "Read")
        self.kafka.tool(ACL, *allow, "--topic", self.topic)
        wait_until(lambda: self.came_back() == list(range(COUNT)), "it goes on by itself", 40)
        self.assertEqual(self.destination("bus")["reason"], "")
        wait_until(lambda: self.source_unavailable() is None, "the source is well too", 30)
        self.stop(process)

    def play_log(self):
        """As guest, who may read and write the topics of the log."""
        self.prefix = f"log-{self.topic}"
        topics = [f"{self.prefix}.{name}" for name in ("captured", "events", "state")]
        self.kafka.create(topics[0] + ":1", topics[1] + ":2")
        self.kafka.create(topics[2] + ":1", cleanup_policy="compact")
        for topic in topics:
            self.kafka.tool(ACL, *self.allow("Describe", "DescribeConfigs", "Read", "Write"), "--topic", topic)
        settings = ", ".join(f'{name}: "{value}"' for name, value in self.sasl("PLAIN", user="guest").items())
        self.config("  - { name: out, type: file, path: ./out.ndjson }", None,
                    f'log: {{ type: kafka, brokers: ["{self.listeners["SASL"]}"], prefix: {self.prefix}, client: {{ {settings} }} }}\n')

    @staticmethod
    def allow(*operations):
        return ("--add", "--allow-principal", "User:guest", *[word for each in operations for word in ("--operation", each)])

    def test_a_log_without_permission_for_transactions_or_groups_says_which_and_ends(self):
        self.play_log()
        process = self.spawn()
        self.assertNotEqual(process.wait(timeout=60), 0)
        self.assertIn("no permission for the transactional id; allow this user DESCRIBE and WRITE on it", self.log())
        self.assertLess(self.log().count("\n"), 40)
        self.kafka.tool(ACL, *self.allow("Describe", "Write"), "--transactional-id", self.prefix, "--resource-pattern-type", "prefixed")
        process = self.start()
        self.accept([event(n) for n in range(COUNT)])
        wait_until(lambda: len(self.lines()) == COUNT, "all of it is delivered", 40)
        wait_until(lambda: "allow this user READ on the group" in self.log(), "it is told that groups show nothing", 40)
        self.stop(process)

    def begin_anew(self):
        self.tearDown()
        self.setUp()


if __name__ == "__main__":
    unittest.main()
