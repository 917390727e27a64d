#!/usr/bin/env python3
"""Runs the quickstart on Kafka: quickstart_kafka.py --binary PATH --config FILE [--broker NAME]

Starts a real broker (tests/services/kafka, which fetches what is missing), makes the two topics, starts penstock and a stream
of events, and prints what to try. On Ctrl-C all of them end in the order in which events flow; the broker keeps its topics for
the next time.
"""
import argparse
import os
import pathlib
import subprocess
import sys

import quickstart

BROKER = quickstart.ROOT / "tests/services/kafka"
PARTITIONS = 4
ORDER = ("stream", "penstock")

NEXT = """
Events now flow: stream → topic shop.events → three apps → topic shop.clean and {out}.
In a second terminal, in this folder, try:

  {binary} status --data {data}
  tail -f {out}

and Kafka's own tools, on the broker at {address}:

  {kafka} tool org.apache.kafka.tools.consumer.ConsoleConsumer --topic shop.clean --from-beginning --max-messages 5 \\
      --property print.key=true --property print.headers=true
  {kafka} tool org.apache.kafka.tools.GetOffsetShell --topic-partitions 'shop.*'
  {kafka} restart --kill                # as after a power cut: status says so, and it goes on

Kill it however you like and run it again: each message is read once. Ctrl-C here ends everything; the topics stay.
Without them: {kafka} stop --remove; rm -r {data}
"""


class Broker:
    def __init__(self, name):
        self.command = [BROKER, "--name", name]

    def run(self, *arguments):
        # In a session of its own, for Ctrl-C must not end what it starts before what needs it.
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              start_new_session=True, check=False)
        if done.returncode != 0:
            sys.exit(f"quickstart: {done.stderr.strip()}")
        return done.stdout.strip()


def flow(children, arguments, broker):
    print("quickstart: starting a Kafka broker; the first time its jars are fetched, some 60 MB", flush=True)
    address = broker.run("start")
    broker.run("topics", f"shop.events:{PARTITIONS}", f"shop.clean:{PARTITIONS}")
    os.environ["KAFKA"] = address
    if children.ended.is_set():
        return
    children.start("penstock", [arguments.binary.resolve(), "run", arguments.config.resolve()])
    stream = quickstart.TOOLS / "kafka_stream.py"
    children.start("stream", [sys.executable, stream, "--brokers", address, "--topic", "shop.events"])
    print(NEXT.format(binary=arguments.binary, address=address, data="data/quickstart-kafka",
                      out="data/out/kafka-events.ndjson", kafka=" ".join(map(str, [BROKER.relative_to(quickstart.ROOT),
                                                                                  *broker.command[1:]]))), flush=True)
    children.ended.wait()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", required=True, type=pathlib.Path)
    options.add_argument("--config", required=True, type=pathlib.Path)
    options.add_argument("--broker", default="quickstart", help="its name among the brokers of this folder")
    arguments = options.parse_args()
    broker = Broker(arguments.broker)
    try:
        quickstart.play(lambda children: flow(children, arguments, broker), ORDER)
    finally:
        broker.run("stop")


if __name__ == "__main__":
    main()
