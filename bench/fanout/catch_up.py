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
import statistics
import sys
import tempfile
import time

import run as fanout
from measured import Penstock, free_port


def write_pipeline(folder, source, port):
    (folder / "penstock.yaml").write_text(
        f"data: {folder}/data\nlog: {{ partitions: 8 }}\nsources:\n  - {{ name: events, type: file, path: {source} }}\n"
        f"destinations:\n  - {{ name: kept, type: file, path: {folder}/kept.ndjson }}\n"
        f"  - {{ name: dead, type: webhook, url: \"http://127.0.0.1:{port}/well/dead\", format: ndjson, body: envelope }}\n")


def run_once(build, source, count, folder):
    folder.mkdir()
    port = free_port()
    write_pipeline(folder, source, port)
    with Penstock(build / "penstock", folder) as penstock:
        penstock.wait_until_it_answers()
        penstock.wait_for(lambda: penstock.destinations()["kept"]["delivered"] >= count, "the file has everything")
        kept_cpu, dead_rss = penstock.cpu(), penstock.take_rss()
        before = penstock.destinations()["dead"]
        if before["delivered"] or before["dead"] or before["health"] != "unavailable":
            sys.exit(f"the webhook cannot have been dead: {before}")
        program = [build / "bench" / "receiver", str(port)]
        with fanout.receiving(program) as address:
            began = time.monotonic()
            penstock.wait_for(lambda: fanout.counts(address).get("dead", {}).get("events", 0) >= count, "it has caught up")
            took, got = time.monotonic() - began, fanout.counts(address)["dead"]
        dead = penstock.destinations()["dead"]
        if got["events"] != count or got["distinct"] != count or dead["dead"]:
            sys.exit(f"the webhook got {got}, {dead}")
        cpu, healed_rss = penstock.cpu() - kept_cpu, penstock.take_rss()
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
