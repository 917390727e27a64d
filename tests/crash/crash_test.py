"""Kills a loaded Penstock with SIGKILL at random moments, again and again, and counts every event afterwards.

  crash_test.py [--kills N] [--seed S] [--binary PATH] [--keep]

Load comes from an HTTP source (several clients) and a followed file that is appended to and rotated; output goes to a file
and to a webhook. The oracle:
  - a request that was answered 200: each of its events stands exactly once in the log `events`
  - a request without an answer is sent again until it has one, and still each of its events stands there exactly once; only
    the last one of a client, when the test ends, stays without: its events stand there at most once, all or none of them
  - a line written to the file: exactly once
  - per distinct id the log has the order of sending, and so have the first deliveries to the file
  - every event of the log reached the file and the webhook at least once; a second webhook refuses some, and each of those
    is among its dead letters, once, while the others reached it
Each life of the process has another number of workers.
The seed is printed; it decides when the kills fall, not how the kernel schedules.
"""
import argparse
import collections
import http.client
import http.server
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_refused(event):
    """What the fussy webhook does not take."""
    return event["data"]["properties"].get("sequence", 1) % 97 == 0


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook that remembers the uuid of everything it answered 200 to; at /fussy it refuses what is_refused says."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ReceiverRequest)
        self.lock = threading.Lock()
        self.uuids = collections.Counter()
        self.fussy_uuids = collections.Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()


    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # the killed process resets its connections
            super().handle_error(request, client_address)


class ReceiverRequest(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True  # the process was killed in the middle of it
            return
        events = [json.loads(line) for line in body.splitlines()]
        fussy = self.path == "/fussy"
        refused = fussy and any(map(is_refused, events))
        with self.server.lock:
            for event in events if not refused else ():
                (self.server.fussy_uuids if fussy else self.server.uuids)[event["uuid"]] += 1
        self.send_response(422 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class HttpClient(threading.Thread):
    """Sends batches of one distinct id, in order, each until it is answered; notes which were, and which was not in the end."""

    sends_again = True

    def __init__(self, name, port, stop):
        super().__init__(daemon=True)
        self.who, self.port, self.stop_flag = name, port, stop
        self.sequence = 0
        self.resent = 0
        self.acknowledged, self.unanswered = [], []  # lists of batches, as make_batch gives them

    def make_batch(self):
        """What to remember of a batch, here (uuid, sequence) of each event, and the request's body."""
        batch = []
        for _ in range(random.randrange(1, 30)):
            self.sequence += 1
            batch.append((str(uuid.uuid4()), self.sequence))
        return batch, "\n".join(json.dumps({"event": "sent", "uuid": u, "distinct_id": self.who,
                                            "properties": {"sequence": s}}) for u, s in batch)

    def run(self):
        connection = batch = None
        while not self.stop_flag.is_set():
            if batch is None:
                batch, body = self.make_batch()
                asked = False
            if connection is None:
                connection = self.connect()
                if connection is None:
                    break
            try:
                asked = True
                connection.request("POST", "/events", body, {"Content-Type": "application/x-ndjson"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
                if self.sends_again:
                    self.resent += 1
                else:
                    self.unanswered.append(batch)
                    batch = None
                continue
            if answer.status == 200:
                self.acknowledged.append(batch)
                batch = None
            elif answer.status == 503:
                self.stop_flag.wait(0.02)  # refused whole, so nothing of it may appear
            else:
                raise SystemExit(f"the source answered {answer.status}")
        if batch is not None and asked:
            self.unanswered.append(batch)

    def connect(self):
        """Waits until the killed process is back."""
        while not self.stop_flag.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.connect()
                return connection
            except OSError:
                self.stop_flag.wait(0.01)
        return None


class FileWriter(threading.Thread):
    """Appends lines to a file that it renames again and again, as logrotate does, once `may_rotate` is set."""

    def __init__(self, path, stop):
        super().__init__(daemon=True)
        self.path, self.stop_flag, self.may_rotate = path, stop, threading.Event()
        self.lines, self.sequence, self.rotations = [], 0, 0

    def run(self):
        out = open(self.path, "ab", buffering=0)
        rotate_at = 0
        while not self.stop_flag.is_set():
            for _ in range(random.randrange(1, 40)):
                self.sequence += 1
                identity = str(uuid.uuid4())
                self.lines.append((identity, self.sequence))
                line = json.dumps({"event": "written", "uuid": identity, "distinct_id": "file",
                                   "properties": {"sequence": self.sequence}}) + "\n"
                cut = random.randrange(len(line))
                out.write(line[:cut].encode())
                out.write(line[cut:].encode())
            self.stop_flag.wait(0.003)
            if self.may_rotate.is_set() and time.monotonic() > rotate_at:
                # So often that files come and go between two lives of the process.
                rotate_at = time.monotonic() + random.uniform(0.05, 0.4)
                out.close()
                self.rotations += 1
                os.rename(self.path, f"{self.path}.{self.rotations}")
                out = open(self.path, "ab", buffering=0)
        out.close()


class Penstock:
    """`penstock run` in a folder with a penstock.yaml, each time with another number of workers: ${env:WORKERS}."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.workers = itertools.cycle([1, 2, 4, 2, 16])
        self.process = None

    def start(self):
        log = open(self.folder / "penstock.log", "ab")
        self.process = subprocess.Popen([self.binary, "run", "penstock.yaml"], cwd=self.folder, stdout=log, stderr=log,
                                        env=dict(os.environ, WORKERS=str(next(self.workers))))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=30) != 0:
            raise SystemExit(f"SIGTERM: exit code {self.process.returncode}")

    def status(self):
        answer = subprocess.run([self.binary, "status", "--json", "--data", "data"], cwd=self.folder,
                                capture_output=True, text=True, timeout=30)
        return json.loads(answer.stdout) if answer.returncode in (0, 1) and answer.stdout.startswith("{") else None

    def wait_until(self, what, condition, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise SystemExit(f"penstock ended by itself with {self.process.returncode}; see penstock.log")
            status = self.status()
            if status and condition(status):
                return
            time.sleep(0.05)  # between two questions; the condition decides
        raise SystemExit(f"not within {seconds} s: {what}; last status: {json.dumps(status)}")

    def dead_letters(self, stage):
        letters, after = [], []
        while True:
            answer = subprocess.run([self.binary, "dead", "list", "--json", "--data", "data", "--stage", stage, "--limit",
                                     "1000", *after], cwd=self.folder, capture_output=True, text=True, check=True)
            page = json.loads(answer.stdout)
            letters += page["dead_letters"]
            if page["next"] is None:
                return letters
            after = ["--after", page["next"]]

    def events_in_log(self):
        answer = subprocess.run([self.binary, "log", "cat", "data"], cwd=self.folder, capture_output=True, text=True)
        if answer.returncode != 0:
            raise SystemExit(answer.stderr)
        return [json.loads(line) for line in answer.stdout.splitlines()]


def write_config(folder, source_port, hook_port):
    (folder / "in").mkdir()
    (folder / "penstock.yaml").write_text(f"""
data: ./data
workers: ${{env:WORKERS}}
log: {{ type: local, segment: 1MiB }}
sources:
  - {{ name: web, type: http, listen: "127.0.0.1:{source_port}" }}
  - {{ name: lines, type: file, path: ./in/lines.ndjson, follow: true }}
destinations:
  - {{ name: out, type: file, path: ./out.ndjson, format: envelope, batch: {{ within: 20ms }} }}
  - {{ name: hook, type: webhook, url: "http://127.0.0.1:{hook_port}/", format: ndjson, body: envelope, batch: {{ within: 20ms }} }}
  - {{ name: fussy, type: webhook, url: "http://127.0.0.1:{hook_port}/fussy", format: ndjson, body: envelope,
      batch: {{ within: 20ms }}, suspend: {{ share: 1 }} }}
""")


def check(condition, problems, text):
    if not condition:
        problems.append(text)


def check_order(events, problems, where):
    last = {}
    seen = set()
    for event in events:
        if event["uuid"] in seen:
            continue  # a redelivery comes later
        seen.add(event["uuid"])
        who, sequence = event["distinct_id"], event["data"]["properties"]["sequence"]
        check(last.get(who, 0) < sequence, problems, f"{where}: {who} has {sequence} after {last.get(who)}")
        last[who] = sequence


def judge_fussy(logged, fussy_uuids, letters, problems):
    dead = collections.Counter(letter["uuid"] for letter in letters)
    for event in logged:
        u = event["uuid"]
        if is_refused(event):
            check(dead[u] == 1, problems, f"{u}, which fussy refuses, is {dead[u]} times among its dead letters")
        else:
            check(fussy_uuids[u] >= 1, problems, f"{u} is in the log but not at fussy")
            check(dead[u] == 0, problems, f"{u} is a dead letter of fussy, which takes it")
    print(f"refused by fussy and among its dead letters: {len(letters)}")


def judge(clients, writer, logged, delivered, hook_uuids):
    problems = []
    count = collections.Counter(event["uuid"] for event in logged)
    acknowledged = [u for c in clients for batch in c.acknowledged for u, _ in batch]
    unanswered = [[u for u, _ in batch] for c in clients for batch in c.unanswered]
    for u in acknowledged:
        check(count[u] == 1, problems, f"acknowledged {u} is {count[u]} times in the log")
    for batch in unanswered:
        there = {count[u] for u in batch}
        check(there in ({0}, {1}), problems, f"an unanswered batch is in the log {sorted(there)} times")
    for u, s in writer.lines:
        check(count[u] == 1, problems, f"line {s} ({u}) is {count[u]} times in the log")
    known = set(acknowledged) | {u for batch in unanswered for u in batch} | {u for u, _ in writer.lines}
    check(set(count) <= known, problems, "the log has events nobody sent")
    delivered_uuids = collections.Counter(event["uuid"] for event in delivered)
    for u in count:
        check(delivered_uuids[u] >= 1, problems, f"{u} is in the log but not in the file")
        check(hook_uuids[u] >= 1, problems, f"{u} is in the log but not at the webhook")
    check(set(delivered_uuids) <= set(count), problems, "the file has events the log has not")
    check_order(logged, problems, "log")
    check_order(delivered, problems, "file")
    print(f"sent and acknowledged {len(acknowledged)}, requests sent again {sum(c.resent for c in clients)}, unanswered "
          f"{sum(map(len, unanswered))}, lines {len(writer.lines)} "
          f"in {writer.rotations + 1} files; in the log {sum(count.values())}; delivered more than once: file "
          f"{sum(1 for n in delivered_uuids.values() if n > 1)}, webhook {sum(1 for n in hook_uuids.values() if n > 1)}")
    return problems


def run(args, folder):
    receiver = Receiver()
    source_port = free_port()
    write_config(folder, source_port, receiver.server_address[1])
    penstock = Penstock(args.binary, folder)
    stop = threading.Event()
    clients = [HttpClient(f"user-{i}", source_port, stop) for i in range(4)]
    writer = FileWriter(str(folder / "in" / "lines.ndjson"), stop)
    penstock.start()
    writer.start()
    # What was rotated before a source has ever seen the path is none of its input.
    penstock.wait_until("the first lines are in the log", lambda s: s["ingest"]["kept"] > 0, 30)
    writer.may_rotate.set()
    for client in clients:
        client.start()
    for _ in range(args.kills):
        time.sleep(random.uniform(0.02, args.pause))  # the random moment
        penstock.kill()
        penstock.start()
    penstock.wait_until("ready after the last kill", lambda s: s["state"] == "running", 30)
    stop.set()
    for thread in [*clients, writer]:
        thread.join()
    penstock.wait_until("everything read and delivered", Settled(), 120)
    penstock.stop()
    delivered = [json.loads(line) for line in (folder / "out.ndjson").read_text().splitlines()]
    logged = penstock.events_in_log()
    problems = judge(clients, writer, logged, delivered, receiver.uuids)
    judge_fussy(logged, receiver.fussy_uuids, penstock.dead_letters("fussy"), problems)
    return problems


class Settled:
    """Nothing to read and nothing to deliver, several times in a row: a followed file is never finished, only idle."""

    def __init__(self):
        self.in_a_row = 0

    def __call__(self, status):
        settled = status["ingest"]["idle"] and all(d["lag_events"] == 0 for d in status["destinations"])
        self.in_a_row = self.in_a_row + 1 if settled else 0
        return self.in_a_row >= 4


def main(run, summary, kills, kills_long):
    """`run(args, folder)` gives the problems it found."""
    parser = argparse.ArgumentParser(description=summary)
    long_run = bool(os.environ.get("PENSTOCK_TEST_LONG"))
    parser.add_argument("--kills", type=int, default=kills_long if long_run else kills)
    parser.add_argument("--pause", type=float, default=1.5, help="longest time between two kills, seconds")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--binary", default=os.environ.get("PENSTOCK_BINARY", str(ROOT / "build/release/penstock")))
    parser.add_argument("--keep", action="store_true", help="keep the folder even when all is well")
    args = parser.parse_args()
    args.binary = str(pathlib.Path(args.binary).resolve())
    print(f"seed {args.seed}, {args.kills} kills")
    random.seed(args.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-crash-"))
    problems = run(args, folder)
    for problem in problems[:20]:
        print("WRONG:", problem)
    print(f"{len(problems)} problems" if problems else f"every event accounted for after {args.kills} kills")
    if not problems and not args.keep:
        shutil.rmtree(folder)
    else:
        print("left for you to look at:", folder)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(run, __doc__.splitlines()[0], kills=8, kills_long=200))
