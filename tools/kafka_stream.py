#!/usr/bin/env python3
"""An endless, modest stream of events into a Kafka topic, keyed by person: kafka_stream.py --brokers HOST:PORT --topic NAME

The events are those of event_stream.py. Ends on SIGTERM or SIGINT, when what it has sent is written.
"""
import argparse
import json
import random
import signal
import threading

import confluent_kafka  # Debian's python3-confluent-kafka

from event_stream import FLUSH_SECONDS, make_event

REPORT_SECONDS = 10.0
FLUSH_SECONDS_MAX = 10


class Counts:
    def __init__(self):
        self.written = self.failed = 0

    def report(self, error, _message):
        if error is None:
            self.written += 1
        else:
            self.failed += 1


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--brokers", required=True)
    options.add_argument("--topic", required=True)
    options.add_argument("--rate", type=int, default=20, help="events per second")
    options.add_argument("--seed", type=int, default=None)
    arguments = options.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    producer = confluent_kafka.Producer({"bootstrap.servers": arguments.brokers, "enable.idempotence": True,
                                         "log_level": 2})  # an outage is the broker's to tell
    rng, counts, report_in = random.Random(arguments.seed), Counts(), 0.0
    while not stop.wait(FLUSH_SECONDS):
        for _ in range(max(1, int(arguments.rate * FLUSH_SECONDS))):
            event = make_event(rng)
            producer.produce(arguments.topic, json.dumps(event, separators=(",", ":")), event["distinct_id"], callback=counts.report)
        producer.poll(0)
        report_in -= FLUSH_SECONDS
        if report_in <= 0:
            report_in = REPORT_SECONDS
            print(f"stream: {counts.written} events written, {len(producer)} waiting", flush=True)
    left = producer.flush(FLUSH_SECONDS_MAX)
    print(f"stream: ends; {counts.written} written, {left + counts.failed} not", flush=True)


if __name__ == "__main__":
    main()
