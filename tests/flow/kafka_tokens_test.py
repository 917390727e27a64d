#!/usr/bin/env python3
"""Kafka that wants tokens (OAUTHBEARER), and an endpoint that issues them, or not."""
import base64
import json
import unittest
import uuid

from kafka_rig import broker
from rig import FlowTest, event, wait_until
from token_endpoint import TokenEndpoint, bad, good, never, unsigned_token

ID, SECRET = "pen:stock", "s3cret/=+"
GRANT = "grant_type=client_credentials&scope=kafka"
SHORT = 5  # seconds


class KafkaWithTokens(FlowTest):
    @classmethod
    def setUpClass(cls):
        cls.kafka = broker("ctest-tokens", "--secure")
        cls.address = cls.kafka.listeners()["OAUTH"]

    def setUp(self):
        super().setUp()
        self.endpoint = TokenEndpoint()
        self.name = f"tokens-{uuid.uuid4().hex[:8]}"
        self.kafka.create(f"{self.name}:2")

    def tearDown(self):
        super().tearDown()
        self.endpoint.close()

    def login(self, **more):
        settings = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "OAUTHBEARER"} | more
        return ", ".join(f'{name}: "{value}"' for name, value in settings.items())

    def fetched(self):
        return self.login(**{"sasl.oauthbearer.method": "oidc", "sasl.oauthbearer.token.endpoint.url": self.endpoint.url,
                             "sasl.oauthbearer.client.id": ID, "sasl.oauthbearer.client.secret": SECRET,
                             "sasl.oauthbearer.scope": "kafka", "sasl.oauthbearer.extensions": "tenant=7"})

    def configure(self, client, log=""):
        """Requests go to the topic, and what is read from it into a file."""
        kafka = f'type: kafka, brokers: ["{self.address}"], client: {{ {client} }}'
        self.config(
            f'  - {{ name: bus, {kafka}, topic: {self.name}, when: "facts.source == \'web\'", batch: {{ within: 20ms }}, '
            "timeout: 2s, drain: 1s, retry: { wait_min: 20ms, wait_max: 400ms } }\n"
            '  - { name: out, type: file, path: ./out.ndjson, when: "facts.source == \'back\'", batch: { within: 20ms } }',
            f'  - {{ name: web, type: http, listen: "127.0.0.1:{self.port}" }}\n'
            f"  - {{ name: back, {kafka}, topics: [{self.name}], refresh: 300ms }}", log)

    def came_back(self, count):
        numbers = sorted(line["properties"]["n"] for line in self.lines())
        return numbers == list(range(count))

    def assert_reason(self, sentence):
        wait_until(lambda: sentence in self.destination("bus")["reason"], f"the destination tells: {sentence}", 40)
        wait_until(lambda: f"source back: {sentence}" in self.log(), "the source tells, too", 40)

    def test_an_endpoint_in_trouble_is_told_and_asked_again_and_tokens_are_refreshed(self):
        self.configure(self.fetched())
        process = self.start()
        self.accept([event(n) for n in range(100)])
        host = self.endpoint.url.removeprefix("http://").removesuffix("/token")
        self.assert_reason(f"no token to log in with: {host} refused the connection")
        for answer, sentence in ((never, f"{host} gave no complete answer within 10s"),
                                 (bad(500, "oops"), f"{host} answered 500"),
                                 (bad(200, f"<html>{SECRET}</html>"), f"{host} answered 200, but not with an access_token in JSON"),
                                 (bad(401, '{"error": "invalid_client"}'), f"{host} does not know this sasl.oauthbearer.client.id"),
                                 (good(life=0), f"the one from {host} has expired already")):
            self.endpoint.open(answer)
            self.assert_reason(f"no token to log in with: {sentence}")
        self.assertEqual((self.destination("bus")["dead"], self.destination("bus")["lag_events"]), (0, 100))

        self.endpoint.open(good(life=SHORT))
        wait_until(lambda: self.came_back(100), "it goes on by itself", 60)
        basic = base64.b64encode(b"pen%3Astock:s3cret%2F%3D%2B").decode()
        self.assertEqual(set(self.endpoint.asked), {(f"Basic {basic}", GRANT)})

        # Connections end with their token, so going on needs new ones; source and destination share each.
        asked, count = len(self.endpoint.asked), 100
        while len(self.endpoint.asked) < asked + 4:
            self.accept([event(count)])
            count += 1
            wait_until(lambda: self.came_back(count), "events go on while tokens change")
        self.assertEqual(self.destination("bus")["health"], "healthy")
        self.stop(process)
        self.assertNotIn(SECRET, self.log())
        self.assertNotIn(basic, self.log())

    def test_a_token_that_the_brokers_do_not_take_is_told(self):
        expired = json.dumps({"access_token": unsigned_token("penstock", -60), "expires_in": 60})
        self.endpoint.open(bad(200, expired))
        self.configure(self.fetched())
        process = self.start()
        self.accept([event(1)])
        self.assert_reason("the brokers do not accept this token")
        self.stop(process)

    def test_the_log_on_kafka_waits_for_a_token_at_start(self):
        login = self.fetched()
        self.configure(login, f'log: {{ type: kafka, brokers: ["{self.address}"], prefix: {self.name}, create: true, '
                              f"client: {{ {login} }} }}\n")
        process = self.spawn()
        wait_until(lambda: "no token to log in with: " in self.log(), "it tells why it waits")
        self.assertIsNone(process.poll())
        self.endpoint.open(good(life=SHORT))
        wait_until(self.answers, "it starts when there is a token", 60)
        asked, count = len(self.endpoint.asked), 0
        while len(self.endpoint.asked) < asked + 3:
            self.accept([event(count)])
            count += 1
            wait_until(lambda: self.came_back(count), "events go on while tokens change")
        self.stop(process)

    def test_a_stop_does_not_wait_for_the_endpoint(self):
        self.endpoint.open(never)
        self.configure(self.fetched())
        process = self.start()
        wait_until(lambda: self.endpoint.asked, "the endpoint is asked")
        self.stop(process)

    def test_tokens_that_librdkafka_makes_itself_are_enough_where_nobody_asks_for_a_signature(self):
        self.configure(self.login(**{"enable.sasl.oauthbearer.unsecure.jwt": "true",
                                     "sasl.oauthbearer.config": "principal=penstock lifeSeconds=60"}))
        process = self.start()
        self.accept([event(n) for n in range(50)])
        wait_until(lambda: self.came_back(50), "everything came back", 40)
        self.stop(process)


if __name__ == "__main__":
    unittest.main()
