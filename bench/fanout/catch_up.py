#!/usr/bin/env python3
"""A destination that was dead while a million events came, and is healed: what that costs, and how fast it catches up.

  catch_up.py --build build/release [--count N] [--runs N]

The events are read from a file and go to a file and to a webhook whose port is closed. Once the file destination has them all,
the webhook's receiver is started. Printed: what a healthy destination's events cost meanwhile, the highest RSS before and
after, how long the webhook took from then on and what CPU. Penstock has one core, the receiver the other. Checked first: the
file and the receiver have every event once, and nothing is a dead letter.
"""
import argparse
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import json
import urllib.request

import run as fanout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_pipeline(folder, source, port):
    (folder / "penstock.yaml").write_text(
        f"data: {folder}/data\nlog: {{ partitions: 8 }}\nsources:\n  - {{ name: events, type: file, path: {source} }}\n"
        f"destinations:\n  - {{ name: kept, type: file, path: {folder}/kept.ndjson }}\n"
        f"  - {{ name: dead, type: webhook, url: \"http://127.0.0.1:{port}/well/dead\", format: ndjson, body: envelope }}\n")


def destinations(folder):
    control = json.loads((folder / "data/control.json").read_text())
    request = urllib.request.Request(control["url"] + "/api/status", headers={"Authorization": "Bearer " + control["token"]})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return {found["name"]: found for found in json.load(answer)["destinations"]}


class Process:
    """Penstock on its core, with the highest RSS seen."""

    def __init__(self, build, folder):
        self.folder, self.rss = folder, 0.0
        self.log = open(folder / "penstock.log", "wb")
        self.process = subprocess.Popen([build / "penstock", "run", folder / "penstock.yaml", "--keep-running"],
                                        stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        preexec_fn=fanout.pinned(fanout.cores()[0]))

    def wait_for(self, condition, what):
        deadline = time.monotonic() + 900
        while not condition():
            self.rss = max(self.rss, fanout.resident_mib(self.process.pid))
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"it did not come to this: {what}\n{(self.folder / 'penstock.log').read_text()[-4000:]}")
            time.sleep(0.05)

    def take_rss(self):
        highest, self.rss = self.rss, 0.0
        return highest

    def cpu(self):
        return fanout.cpu_seconds(self.process.pid)

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()


def run_once(build, source, count, folder):
    folder.mkdir()
    port = free_port()
    write_pipeline(folder, source, port)
    penstock = Process(build, folder)
    try:
        penstock.wait_for((folder / "data/control.json").exists, "it answers")
        penstock.wait_for(lambda: destinations(folder)["kept"]["delivered"] >= count, "the file has everything")
        kept_cpu, dead_rss = penstock.cpu(), penstock.take_rss()
        before = destinations(folder)["dead"]
        if before["delivered"] or before["dead"] or before["health"] != "unavailable":
            sys.exit(f"the webhook cannot have been dead: {before}")
        program = [build / "bench" / "receiver", str(port)]
        with fanout.receiving(program) as address:
            began = time.monotonic()
            penstock.wait_for(lambda: fanout.counts(address).get("dead", {}).get("events", 0) >= count, "it has caught up")
            took, got = time.monotonic() - began, fanout.counts(address)["dead"]
        if got["events"] != count or got["distinct"] != count or destinations(folder)["dead"]["dead"]:
            sys.exit(f"the webhook got {got}, {destinations(folder)['dead']}")
        cpu, healed_rss = penstock.cpu() - kept_cpu, penstock.take_rss()
    finally:
        penstock.stop()
    with open(folder / "kept.ndjson", "rb") as kept:
        lines = kept.readlines()
    if len(lines) != count or len(set(lines)) != count:
        sys.exit(f"the file has {len(lines)} events, {len(set(lines))} of them distinct, not {count}")
    return kept_cpu / count * 1e6, dead_rss, count / took / 1000, cpu / count * 1e6, healed_rss


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", required=True, type=pathlib.Path)
    options.add_argument("--count", type=int, default=1_000_000)
    options.add_argument("--runs", type=int, default=3)
    arguments = options.parse_args()
    build = arguments.build.resolve()
    runs = []
    with tempfile.TemporaryDirectory(prefix="penstock-catch-up-") as temporary:
        source = pathlib.Path(temporary) / "events.ndjson"
        fanout.generate(arguments.count, source)
        for turn in range(arguments.runs):
            runs.append(run_once(build, source, arguments.count, pathlib.Path(temporary) / f"run{turn}"))
    said = ["µs CPU an event while it was dead", "MiB RSS while it was dead", "k events/s once it was healed",
            "µs CPU an event then", "MiB RSS then"]
    for values, what in zip(zip(*runs), said):
        print(f"  {statistics.median(values):8.2f} {what} ({min(values):.2f}–{max(values):.2f})")


if __name__ == "__main__":
    main()
