#!/usr/bin/env python3
"""A steady stream to a file and three bad webhooks, for a while: does memory stay flat?

  soak.py --build build/release [--seconds N] [--rate N]

Events of about 520 bytes are pushed to the http source at --rate a second. They go to a file and to three webhooks: `nobody`, where
nobody listens; `frozen`, which never answers; `limited`, which may get 50 events a second. Printed: the RSS of the process at the
start, after a third of the time and at the end, and its highest; it is looked at every ten seconds. Penstock has one core, who pushes
and who receives the other. Checked first: each event was accepted and is in the file once, `nobody` and `frozen` were delivered
nothing, `limited` as much as it may get and none twice, and nothing is a dead letter.
"""
import argparse
import http.client
import json
import pathlib
import sys
import tempfile
import time

import run as fanout
from measured import Penstock, free_port

LIMIT = 50  # events a second
TICKS = 10  # requests a second
IN_A_REQUEST_MAX = 1000  # where the machine was busy and much is due
LOOK_SECONDS = 10
PADDING = "x" * 330


def write_pipeline(folder, source_port, address):
    def webhook(name, url, more):
        return f"  - {{ name: {name}, type: webhook, url: \"http://{url}/{name}\", format: ndjson, body: envelope, {more} }}\n"
    (folder / "penstock.yaml").write_text(
        f"data: {folder}/data\nsources:\n  - {{ name: web, type: http, listen: \"127.0.0.1:{source_port}\" }}\n"
        f"destinations:\n  - {{ name: kept, type: file, path: {folder}/kept.ndjson }}\n"
        + webhook("nobody", f"127.0.0.1:{free_port()}/well", "in_flight_max: 4")
        + webhook("frozen", f"{address}/frozen", "timeout: 10m")
        + webhook("limited", f"{address}/well", f"rate: {{ events: {LIMIT} }}"))


def body(first, end):
    return "\n".join(json.dumps({"uuid": f"{n:08x}-0000-4000-8000-{n * 2654435761 % 2**48:012x}", "event": f"event {n % 20}",
                                 "distinct_id": f"person-{n * 7919 % 10_000}", "timestamp": "2026-01-01T00:00:00Z",
                                 "properties": {"n": n, "price": 19.90, "padding": PADDING}}) for n in range(first, end))


class Pushing:
    """One connection that pushes at a pace."""

    def __init__(self, port, rate):
        self.connection, self.rate, self.count = http.client.HTTPConnection("127.0.0.1", port, timeout=60), rate, 0

    def push_until(self, seconds):
        """What is due so many seconds after the start."""
        due = int(seconds * self.rate)
        while self.count < due:
            self._push(min(due, self.count + IN_A_REQUEST_MAX))

    def _push(self, due):
        self.connection.request("POST", "/events", body(self.count, due))
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200 or json.loads(text)["accepted"] != due - self.count:
            sys.exit(f"events were not accepted: {answer.status} {text.decode()}")
        self.count = due


def push(penstock, port, rate, seconds):
    """Events pushed, and (seconds, MiB) of RSS."""
    pushing, looks, began = Pushing(port, rate), [], time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        if penstock.process.poll() is not None:
            penstock.fail("it ended")
        pushing.push_until(now)
        if now >= len(looks) * LOOK_SECONDS:
            looks.append((now, penstock.resident_mib()))
        time.sleep(1 / TICKS)
    pushing.push_until(seconds)
    looks.append((time.monotonic() - began, penstock.resident_mib()))
    return pushing.count, looks


def check_file(path, count):
    seen = bytearray(count)
    with open(path, "rb") as kept:
        for line in kept:
            n = json.loads(line)["properties"]["n"]
            if seen[n]:
                sys.exit(f"event {n} is in the file twice")
            seen[n] = 1
    if sum(seen) != count:
        sys.exit(f"the file has {sum(seen)} of {count} events")


def check_webhooks(rows, got, seconds):
    for name in ("nobody", "frozen"):
        if rows[name]["delivered"]:
            sys.exit(f"{name} cannot have been delivered anything: {rows[name]}")
    limited, most = got["limited"], LIMIT * (seconds + 2) + 500  # what was saved up, and a batch that went into debt
    if limited["events"] != limited["distinct"] or not LIMIT * seconds / 2 <= limited["events"] <= most:
        sys.exit(f"limited got {limited}, and may get at most {most:.0f}, each once")
    if rows["nobody"]["health"] != "unavailable" or any(row["dead"] for row in rows.values()):
        sys.exit(f"an outage is to be told, and to make no dead letters: {rows}")


def soak(build, folder, seconds, rate):
    with fanout.receiving([build / "bench" / "receiver"]) as address:
        port = free_port()
        write_pipeline(folder, port, address)
        with Penstock(build / "penstock", folder) as penstock:
            penstock.wait_until_it_answers()
            began = time.monotonic()
            count, looks = push(penstock, port, rate, seconds)
            penstock.wait_for(lambda: penstock.destinations()["kept"]["delivered"] >= count, "the file has everything")
            rows, got, took = penstock.destinations(), fanout.counts(address), time.monotonic() - began
            cpu = penstock.cpu()
    check_webhooks(rows, got, took)
    check_file(folder / "kept.ndjson", count)
    return count, looks, cpu, got["limited"]["events"]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", required=True, type=pathlib.Path)
    options.add_argument("--seconds", type=int, default=600)
    options.add_argument("--rate", type=int, default=4600)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="penstock-soak-") as temporary:
        count, looks, cpu, limited = soak(arguments.build.resolve(), pathlib.Path(temporary), arguments.seconds, arguments.rate)
    third = next(look for look in looks if look[0] >= arguments.seconds / 3)
    said = ", ".join(f"{mib:.0f} after {seconds:.0f} s" for seconds, mib in (looks[0], third, looks[-1]))
    print(f"  MiB RSS: {said}, {max(mib for _, mib in looks):.0f} at most; {count} events, {cpu / count * 1e6:.1f} µs CPU each; "
          f"limited got {limited}")


if __name__ == "__main__":
    main()
