#!/usr/bin/env python3
"""The workload on Kafka: shop events from a topic of 8 partitions through three Lua apps and the log, to nothing and to a topic.

  run.py --build build/release [--count N] [--rounds N]

Penstock has one core, the broker (a real one, tests/services/kafka) the other. What comes out of a first run is checked event by
event; only then is anything measured. A round has these runs in turn: to nothing; to a topic, acks=all and idempotent, by way of the
local log; to four topics; to a topic that is the log, in one transaction with the positions, exactly once; the same from lz4 to lz4, and
with settings that somebody might tune (shop_tuned.yaml); and what librdkafka alone costs (kafka_floor.cc) to consume the same messages,
and to produce them.

How throughput grows is asked without cores of their own, for then the broker is in nobody's way: to nothing with one worker and with
two (of two sources, for a source is one worker's), and to a topic that is the log with one shard, with two in one process, and with two
in two processes. Those rates are from the first event on, without the start.

CPU is of our whole process, user and system, divided by the events read: from its start until all of them are settled.
"""
import argparse
import contextlib
import itertools
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing
import zlib

import confluent_kafka  # Debian's python3-confluent-kafka

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from measured import Penstock, cores, pinned

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVICE = ROOT / "tests/services/kafka"
PARTITIONS = 8
LOOK_SECONDS, RUN_SECONDS = 0.1, 300
DIRECT, TUNED, SHARDS = "shop_direct.yaml", "shop_tuned.yaml", "shop_shards.yaml"


class Variant(typing.NamedTuple):
    pipeline: str
    compression: str = "none"  # of what it reads and writes
    topics: int = 1            # that it writes to
    processes: int = 1
    pinned: bool = True


VARIANTS = {"kafka → 3 apps → discard": Variant("shop_discard.yaml"), "kafka → 3 apps → kafka": Variant("shop_kafka.yaml"),
            "the same, four topics": Variant("shop_four.yaml", topics=4), "kafka → 3 apps → direct": Variant(DIRECT),
            "the same, lz4": Variant(DIRECT, compression="lz4"), "the same, tuned": Variant(TUNED)}
GROWTH = {"discard, one worker": Variant("shop_discard.yaml", pinned=False),
          "discard, two workers": Variant("shop_workers.yaml", pinned=False),
          "direct, one shard": Variant(DIRECT, pinned=False), "direct, two shards": Variant(SHARDS, pinned=False),
          "direct, two processes": Variant(SHARDS, processes=2, pinned=False)}
CHECKED = ["kafka → 3 apps → kafka", "kafka → 3 apps → direct", "the same, lz4", "direct, two processes"]
SOURCES = {"none": "ev", "lz4": "ev-lz4"}  # by compression
HALVES = ["ev-a", "ev-b"]
FLOORS = {"librdkafka: consume": "consume", "librdkafka: produce": "produce"}


class Run(typing.NamedTuple):
    cpu: float    # seconds
    wall: float   # seconds from the start
    flow: float   # events a second from the first on
    rss: float    # MiB, the highest of all processes together


class Broker:
    def __init__(self, core):
        self.core = core
        self.address = self.run("start")

    def run(self, *arguments):
        return subprocess.run([SERVICE, "--name", "bench", *arguments], check=True, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, preexec_fn=pinned(self.core)).stdout.strip()

    def make(self, topic, number=1):
        """With a number, so many beside each other: t, t-1, …"""
        self.run("topics", *[f"{topic}{f'-{n}' if n else ''}:{PARTITIONS}" for n in range(number)])

    def delete(self, topic):
        self.run("topics", "--delete", topic)


def fill(address, topics, path, compression):
    """Spreads the lines over the topics, those of a user into one."""
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "linger.ms": 20, "partitioner": "murmur2_random",
                                         "enable.idempotence": True, "log_level": 3, "compression.type": compression})
    with open(path, "rb") as lines:
        for line in lines:
            while True:
                try:
                    user = json.loads(line)["user_id"]
                    producer.produce(topics[zlib.crc32(user.encode()) % len(topics)], line.rstrip(b"\n"), user)
                    break
                except BufferError:
                    producer.poll(1)
            producer.poll(0)
    if producer.flush(60):
        sys.exit(f"{topics} could not be filled")


def drain(address, topic, path):
    """Writes the topic's messages to a file, until there are no more."""
    reader = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": "bench", "enable.auto.commit": False,
                                       "enable.partition.eof": True, "isolation.level": "read_committed"})
    reader.assign([confluent_kafka.TopicPartition(topic, part, confluent_kafka.OFFSET_BEGINNING) for part in range(PARTITIONS)])
    ended = 0
    with open(path, "wb") as out:
        while ended < PARTITIONS:
            for message in reader.consume(1000, 20):
                if message.error() is None:
                    out.write(message.value() + b"\n")
                elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    ended += 1
                else:
                    sys.exit(f"reading {topic}: {message.error()}")
    reader.close()


def settled(penstock, pipeline):
    """How many events every destination is done with, or, where the log is the destination, ingest."""
    if pipeline in (DIRECT, TUNED, SHARDS):
        return penstock.status()["ingest"]["kept"]
    return min(found["delivered"] for found in penstock.destinations().values())


def run_once(build, variant, address, topic, folder, expected):
    """One run of the variant from nothing, until `expected` events are delivered."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with contextlib.ExitStack() as running:
        began, processes = time.monotonic(), []
        for number in range(variant.processes):
            data = f"data{number}"
            environment = dict(os.environ, WORKLOAD_DATA=str(folder / data), WORKLOAD_KAFKA=address, WORKLOAD_TOPIC=topic,
                               WORKLOAD_FROM=SOURCES[variant.compression], WORKLOAD_COMPRESSION=variant.compression)
            processes.append(running.enter_context(Penstock(build / "penstock", folder, HERE / variant.pipeline, environment,
                                                            cores()[0] if variant.pinned else None, data)))
        for process in processes:
            process.wait_until_it_answers()
        first = looked = None
        while True:
            done = sum(settled(process, variant.pipeline) for process in processes)
            looked, last = (time.monotonic(), done), looked
            first = first or (looked if done else None)
            if done >= expected:
                break
            for process in processes:
                if process.process.poll() is not None or looked[0] - began > RUN_SECONDS:
                    process.fail(f"{variant}: {done} of {expected} events")
            time.sleep(LOOK_SECONDS)  # between two looks
        flow = (done - first[1]) / (looked[0] - first[0]) if last and looked[0] > first[0] else 0.0
        return Run(sum(process.cpu() for process in processes), looked[0] - began, flow,
                   sum(process.resident_mib(highest=True) for process in processes))


def run_floor(build, what, address, topic, argument):
    done = subprocess.run([build / "bench/kafka_floor", what, address, topic, str(argument)], check=True, text=True,
                          stdout=subprocess.PIPE, preexec_fn=pinned(cores()[0]))
    _, cpu, wall = done.stdout.split()
    return Run(float(cpu), float(wall), 0.0, 0.0)


def expected_of(source):
    with open(source, encoding="utf-8") as lines:
        return sum(1 for event in map(json.loads, lines)
                   if event["event"] != "heartbeat" and event["properties"]["is_bot"] is not True)


def check(source, output):
    verdict = subprocess.run([sys.executable, HERE.parent / "workload/check.py", source, output], text=True,
                             stdout=subprocess.PIPE, check=False)
    print(f"check: {verdict.stdout.strip()}", flush=True)
    if verdict.returncode != 0:
        sys.exit("the output is not what the apps should have made; nothing was measured")


def report(name, runs, count):
    micros = [run.cpu / count * 1e6 for run in runs]
    rates = [(run.flow if name in GROWTH else count / run.wall) / 1000 for run in runs]
    memory = "" if name in FLOORS else f", RSS {max(run.rss for run in runs):.0f} MiB"
    print(f"{name:24} {statistics.median(micros):6.2f} µs CPU per event ({min(micros):.2f}–{max(micros):.2f}), "
          f"{statistics.median(rates):6.0f} k events/s ({min(rates):.0f}–{max(rates):.0f}){memory}", flush=True)


def measure(arguments, broker, source, folder, expected):
    measured = {name: [] for name in [*VARIANTS, *FLOORS, *GROWTH]}
    names = (f"out-{number}" for number in itertools.count())
    for _ in range(arguments.rounds):
        for name, variant in {**VARIANTS, **GROWTH}.items():
            topic = next(names)
            broker.make(topic, variant.topics)
            measured[name].append(run_once(arguments.build, variant, broker.address, topic, folder, expected))
        for name, what in FLOORS.items():
            about = ("ev", arguments.count) if what == "consume" else (topic, source)
            measured[name].append(run_floor(arguments.build, what, broker.address, *about))
    for name, runs in measured.items():
        if runs:
            report(name, runs, arguments.count)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", required=True, type=pathlib.Path)
    options.add_argument("--count", type=int, default=600_000)
    options.add_argument("--rounds", type=int, default=5)
    arguments = options.parse_args()
    arguments.build = arguments.build.resolve()
    broker = Broker(cores()[1])
    try:
        with tempfile.TemporaryDirectory(prefix="penstock-kafka-") as temporary:
            source, folder = pathlib.Path(temporary) / "in.ndjson", pathlib.Path(temporary) / "run"
            with open(source, "wb") as out:
                subprocess.run([sys.executable, HERE.parent / "workload/generate.py", "shop", str(arguments.count)], stdout=out,
                               check=True)
            for topics, compression in (([SOURCES["none"]], "none"), ([SOURCES["lz4"]], "lz4"), (HALVES, "none")):
                for topic in topics:
                    broker.make(topic)
                fill(broker.address, topics, source, compression)
            expected = expected_of(source)
            for number, name in enumerate(CHECKED):
                topic = f"checked-{number}"
                broker.make(topic)
                run_once(arguments.build, {**VARIANTS, **GROWTH}[name], broker.address, topic, folder, expected)
                drain(broker.address, topic, folder / "out.ndjson")
                check(source, folder / "out.ndjson")
            measure(arguments, broker, source, folder, expected)
    finally:
        broker.run("stop", "--remove")


if __name__ == "__main__":
    main()
