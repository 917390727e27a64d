#!/usr/bin/env python3
"""The workload on Kafka: shop events from a topic of 8 partitions through three Lua apps and the log, to nothing and to a topic.

  run.py --build build/release [--count N] [--rounds N]

Penstock has one core, the broker (a real one, tests/services/kafka) the other. What comes out of a first run is checked event by
event; only then is anything measured. A round has these runs in turn: to nothing, with one worker and with two (of two sources, for a
source is one worker's); to a topic, acks=all and idempotent, by way of the local log; to four topics; to a topic that is the log, in one
transaction with the positions, exactly once; the same from lz4 to lz4; and what librdkafka alone costs (kafka_floor.cc) to consume the
same messages, and to produce them.

CPU is of our whole process, user and system, divided by the events read: from its start until all of them are settled.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib

import confluent_kafka  # Debian's python3-confluent-kafka

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVICE = ROOT / "tests/services/kafka"
PARTITIONS = 8
LOOK_SECONDS, RUN_SECONDS = 0.1, 300
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
DIRECT = "shop_direct.yaml"
# The pipeline, the compression of what it reads and writes, and how many topics it writes to.
VARIANTS = {"kafka → 3 apps → discard": ("shop_discard.yaml", "none", 1), "the same, two workers": ("shop_workers.yaml", "none", 1),
            "kafka → 3 apps → kafka": ("shop_kafka.yaml", "none", 1), "the same, four topics": ("shop_four.yaml", "none", 4),
            "kafka → 3 apps → direct": (DIRECT, "none", 1), "the same, lz4": (DIRECT, "lz4", 1)}
CHECKED = ["kafka → 3 apps → kafka", "kafka → 3 apps → direct", "the same, lz4"]
SOURCES = {"none": "ev", "lz4": "ev-lz4"}  # by compression
HALVES = ["ev-a", "ev-b"]
FLOORS = {"librdkafka: consume": "consume", "librdkafka: produce": "produce"}


def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


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


def settled(folder, pipeline):
    """How many events every destination is done with, or, where the log is the destination, ingest."""
    with contextlib.suppress(OSError, ValueError):
        control = json.loads((folder / "data/control.json").read_text())
        request = urllib.request.Request(control["url"] + "/api/status", headers={"Authorization": "Bearer " + control["token"]})
        with urllib.request.urlopen(request, timeout=10) as answer:
            status = json.load(answer)
        return status["ingest"]["kept"] if pipeline == DIRECT else min(d["delivered"] for d in status["destinations"])
    return 0


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def rss_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def run_once(build, variant, address, topic, core, folder, expected):
    """One run of the variant from nothing: (CPU s, wall s, MiB RSS) until `expected` events are delivered."""
    pipeline, compression, _ = variant
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    environment = dict(os.environ, WORKLOAD_DATA=str(folder / "data"), WORKLOAD_KAFKA=address, WORKLOAD_TOPIC=topic,
                       WORKLOAD_FROM=SOURCES[compression], WORKLOAD_COMPRESSION=compression)
    with open(folder / "penstock.log", "wb") as log:
        started = time.monotonic()
        process = subprocess.Popen([build / "penstock", "run", HERE / pipeline], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, env=environment, preexec_fn=pinned(core))
    try:
        while (done := settled(folder, pipeline)) < expected:
            if process.poll() is not None or time.monotonic() - started > RUN_SECONDS:
                sys.exit(f"{pipeline}: {done} of {expected} events:\n{(folder / 'penstock.log').read_text()[-4000:]}")
            time.sleep(LOOK_SECONDS)  # between two looks
        wall = time.monotonic() - started
        return cpu_seconds(process.pid), wall, rss_mib(process.pid)
    finally:
        process.terminate()
        process.wait()


def run_floor(build, what, address, topic, argument, core):
    done = subprocess.run([build / "bench/kafka_floor", what, address, topic, str(argument)], check=True, text=True,
                          stdout=subprocess.PIPE, preexec_fn=pinned(core))
    _, cpu, wall = done.stdout.split()
    return float(cpu), float(wall), 0.0


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
    micros = [cpu / count * 1e6 for cpu, _, _ in runs]
    walls = [count / wall / 1000 for _, wall, _ in runs]
    memory = "" if name in FLOORS else f", RSS {max(rss for _, _, rss in runs):.0f} MiB"
    print(f"{name:24} {statistics.median(micros):6.2f} µs CPU per event ({min(micros):.2f}–{max(micros):.2f}), "
          f"{statistics.median(walls):6.0f} k events/s ({min(walls):.0f}–{max(walls):.0f}){memory}", flush=True)


def measure(arguments, broker, source, folder, expected, core):
    measured = {name: [] for name in [*VARIANTS, *FLOORS]}
    for number in range(arguments.rounds):
        for name, variant in VARIANTS.items():
            topic = f"out-{number}-{variant[0].partition('.')[0]}-{variant[1]}"
            broker.make(topic, variant[2])
            measured[name].append(run_once(arguments.build, variant, broker.address, topic, core, folder, expected))
        for name, what in FLOORS.items():
            about = ("ev", arguments.count) if what == "consume" else (topic, source)
            measured[name].append(run_floor(arguments.build, what, broker.address, *about, core))
    for name, runs in measured.items():
        if runs:
            report(name, runs, arguments.count)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", required=True, type=pathlib.Path)
    options.add_argument("--count", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=5)
    arguments = options.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    broker = Broker(cores[-1])
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
                run_once(arguments.build, VARIANTS[name], broker.address, topic, cores[0], folder, expected)
                drain(broker.address, topic, folder / "out.ndjson")
                check(source, folder / "out.ndjson")
            measure(arguments, broker, source, folder, expected, cores[0])
    finally:
        broker.run("stop", "--remove")


if __name__ == "__main__":
    main()
