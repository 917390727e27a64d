#!/usr/bin/env python3
"""How old is an event when a healthy destination has it, how soon does Penstock accept events, and what does it weigh at rest?

  age.py --build build/release [--seconds N] [--kills N] [--kafka]

With the defaults, 100 events a second are pushed one by one to the http source, each on time whether or not the one before was answered
late, and go to a webhook. An event's age is counted from the first attempt to send it until it stands in the webhook's body. Then the
same while the process is killed with -9 and started again at once, --kills times; who pushes tries again with the same uuid until an
event is accepted. `start` is from the process's start to the first answer of 200, on a new folder and after such a kill. RSS at rest is
that of a process that is asked for nothing.

With --kafka the log is a broker's, started by tests/services/kafka. Checked first: each accepted event arrived, and without a kill once.
"""
import argparse
import contextlib
import http.client
import http.server
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

from measured import Penstock, cores, free_port, pinned

ROOT = pathlib.Path(__file__).resolve().parent.parent
SERVICE = ROOT / "tests/services/kafka"
RATE = 100
CONNECTIONS = 8  # that push by turns: one that waits for an answer keeps nobody
RETRY_SECONDS = 0.02
REST_SECONDS = 3
STARTS = 5
PADDING = "x" * 330


class Receiver:
    """A webhook that notes when each event came."""

    def __init__(self):
        self.came, self.lock = {}, threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.note(time.monotonic(), body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def note(self, now, body):
        with self.lock:
            for line in body.splitlines():
                self.came.setdefault(json.loads(line)["uuid"], []).append(now)

    def has(self, ids):
        with self.lock:
            return all(one in self.came for one in ids)

    @property
    def address(self):
        return "127.0.0.1:%d" % self.server.server_address[1]


class Source:
    """Pushes one event at a time, again and again until it is accepted."""

    def __init__(self, port):
        self.port, self.connection = port, None

    def try_once(self, one):
        body = json.dumps({"uuid": one, "event": "viewed", "distinct_id": f"person-{one[-3:]}", "properties": {"padding": PADDING}})
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            self.connection.request("POST", "/events", body)
            answer = self.connection.getresponse()
            return answer.read() and answer.status == 200
        except (OSError, http.client.HTTPException):
            self.connection = None
            return False

    def push(self, one):
        while not self.try_once(one):
            time.sleep(RETRY_SECONDS)  # as a client does


def write_pipeline(folder, port, address, log):
    (folder / "penstock.yaml").write_text(
        f"data: {folder}/data\n{log}sources:\n  - {{ name: web, type: http, listen: \"127.0.0.1:{port}\" }}\n"
        f"destinations:\n  - {{ name: hook, type: webhook, url: \"http://{address}/\", format: ndjson, body: envelope }}\n")


def push_for(seconds, port):
    """{uuid: when it was sent first}; all of them are accepted."""
    sent, began = {}, time.monotonic()

    def run(number):
        source = Source(port)
        for n in range(number, int(seconds * RATE), CONNECTIONS):
            due = began + n / RATE
            time.sleep(max(0.0, due - time.monotonic()))  # until it is due
            one = str(uuid.uuid4())
            sent[one] = due
            source.push(one)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    return sent, threads


def first_accepted(binary, folder, port):
    """A process, and seconds from its start to the first event accepted."""
    began = time.monotonic()
    penstock = Penstock(binary, folder)
    source = Source(port)
    while not source.try_once(str(uuid.uuid4())):
        if penstock.process.poll() is not None:
            penstock.fail("it ended")
        time.sleep(0.002)  # between two attempts
    return penstock, time.monotonic() - began


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def report_ages(what, receiver, sent):
    ages = [receiver.came[one][0] - when for one, when in sent.items()]
    print(f"  age {what:28} {statistics.median(ages):6.3f} s median, {percentile(ages, 0.99):.3f} s p99, {max(ages):.3f} s at most; "
          f"{len(ages)} events", flush=True)


def measure(binary, folder, log, seconds, kills):
    receiver, port = Receiver(), free_port()
    write_pipeline(folder, port, receiver.address, log.replace("PREFIX", "p0"))
    clean, killed = [], []
    for turn in range(STARTS):
        if turn:
            write_pipeline(folder, port, receiver.address, log.replace("PREFIX", f"p{turn}"))
            subprocess.run(["rm", "-rf", folder / "data"], check=True)
        penstock, took = first_accepted(binary, folder, port)
        clean.append(took)
        if turn + 1 < STARTS:
            penstock.stop()
    with contextlib.ExitStack() as running:
        running.callback(lambda: penstock.stop())
        time.sleep(REST_SECONDS)  # nothing happens: that is what is measured
        rest = penstock.resident_mib()
        sent, threads = push_for(seconds, port)
        for thread in threads:
            thread.join()
        penstock.wait_for(lambda: receiver.has(sent), "the webhook has everything")
        if any(len(receiver.came[one]) != 1 for one in sent):
            sys.exit("an event came twice without a kill")
        report_ages("at rest", receiver, sent)
        again, threads = push_for(seconds, port)
        for kill in range(kills):
            time.sleep(seconds / (kills + 1))  # a moment in the run, which is no condition
            penstock.kill()
            penstock, took = first_accepted(binary, folder, port)
            killed.append(took)
        for thread in threads:
            thread.join()
        penstock.wait_for(lambda: receiver.has(again), "the webhook has everything")
        report_ages(f"with {kills} kills", receiver, again)
    for what, times in (("on a new folder", clean), ("after kill -9", killed)):
        print(f"  start {what:26} {statistics.median(times):6.3f} s to the first event accepted ({min(times):.3f}–{max(times):.3f})")
    print(f"  RSS at rest                    {rest:4.0f} MiB", flush=True)


def kafka_log(address):
    return (f"log: {{ type: kafka, brokers: [\"{address}\"], prefix: PREFIX, create: true }}\n")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", required=True, type=pathlib.Path)
    options.add_argument("--seconds", type=int, default=30)
    options.add_argument("--kills", type=int, default=5)
    options.add_argument("--kafka", action="store_true")
    arguments = options.parse_args()
    binary = arguments.build.resolve() / "penstock"
    with tempfile.TemporaryDirectory(prefix="penstock-age-") as temporary, contextlib.ExitStack() as broker:
        log = ""
        if arguments.kafka:
            def service(*words):
                return subprocess.run([SERVICE, "--name", "age", *words], check=True, text=True, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, preexec_fn=pinned(cores()[1])).stdout.strip()
            log = kafka_log(service("start"))
            broker.callback(service, "stop", "--remove")
        print("  the log on Kafka:" if log else "  the log on disk:", flush=True)
        measure(binary, pathlib.Path(temporary), log, arguments.seconds, arguments.kills)


if __name__ == "__main__":
    main()
