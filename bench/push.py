#!/usr/bin/env python3
"""What does it cost to accept events over HTTP?

  push.py --build build/release [--requests N] [--runs N]

Requests of 100 events of about 950 bytes are pushed to the http source over 16 connections, an event durable in `captured` before its
request is answered; ingest and a destination that discards go on beside it. Penstock has one core, who pushes the other. Two figures,
both CPU of one core: of the threads that accept (the source's and the log's), which is what capture would cost alone, and of the whole
process until every event is settled. Checked first: every event was accepted and is settled, none was refused.
"""
import argparse
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from measured import Penstock, cores, free_port, pinned

HERE = pathlib.Path(__file__).resolve().parent
EVENTS_PER_REQUEST = 100
CONNECTIONS = 16
ACCEPTING = ("web", "log-captured")


def write_pipeline(folder, port):
    (folder / "penstock.yaml").write_text(
        f"data: {folder}/data\nsources:\n  - {{ name: web, type: http, listen: \"127.0.0.1:{port}\" }}\n"
        f"destinations:\n  - {{ name: out, type: discard }}\n")


def requests(count):
    """As bytes: who pushes has no time to make them."""
    made = subprocess.run([sys.executable, HERE / "workload/generate.py", "web", str(count * EVENTS_PER_REQUEST)], check=True,
                          stdout=subprocess.PIPE).stdout.splitlines()
    for first in range(0, len(made), EVENTS_PER_REQUEST):
        body = b"\n".join(made[first:first + EVENTS_PER_REQUEST])
        yield b"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def answer_of(connection):
    answer = b""
    while True:
        head, end, body = answer.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if end and lengths and len(body) >= int(lengths[0].partition(b":")[2]):
            return answer
        got = connection.recv(65536)
        if not got:
            return answer
        answer += got


def push(port, mine, refused):
    """One after another on one connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for request in mine:
            connection.sendall(request)
            answer = answer_of(connection)
            if not answer.startswith(b"HTTP/1.1 200 ") or b'"rejected":0' not in answer.replace(b" ", b""):
                refused.append(answer)
                return


def run_once(build, folder, made):
    folder.mkdir()
    port, refused, count = free_port(), [], len(made) * EVENTS_PER_REQUEST
    write_pipeline(folder, port)
    with Penstock(build / "penstock", folder) as penstock:
        penstock.wait_until_it_answers()
        at_rest = penstock.cpu()
        threads = [threading.Thread(target=push, args=(port, made[number::CONNECTIONS], refused)) for number in range(CONNECTIONS)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - began
        if refused:
            penstock.fail(f"a request was not accepted: {refused[0].decode(errors='replace')}")
        penstock.wait_for(lambda: penstock.destinations()["out"]["delivered"] >= count, "every event is settled")
        if penstock.destinations()["out"]["delivered"] != count:
            penstock.fail("more events are settled than were pushed")
        accepting = sum(seconds for name, seconds in penstock.cpu_by_thread().items() if name in ACCEPTING)
        return accepting / count, (penstock.cpu() - at_rest) / count, count / took, penstock.take_rss()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", required=True, type=pathlib.Path)
    options.add_argument("--requests", type=int, default=3000)
    options.add_argument("--runs", type=int, default=5)
    arguments = options.parse_args()
    made, build = list(requests(arguments.requests)), arguments.build.resolve()
    pinned(cores()[1])()
    with tempfile.TemporaryDirectory(prefix="penstock-push-") as temporary:
        runs = [run_once(build, pathlib.Path(temporary) / f"run{turn}", made) for turn in range(arguments.runs)]
    accepting, whole, rate, rss = zip(*runs)
    for what, values in (("to accept", accepting), ("with ingest and delivery", whole)):
        print(f"  {what:26} {statistics.median(values) * 1e6:6.2f} µs CPU an event ({min(values) * 1e6:.2f}–{max(values) * 1e6:.2f}), "
              f"{1e-3 / statistics.median(values):.0f} k events/s of one core")
    print(f"  {statistics.median(rate) / 1000:.0f} k events/s were accepted; RSS up to {max(rss):.0f} MiB")


if __name__ == "__main__":
    main()
