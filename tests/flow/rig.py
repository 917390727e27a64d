"""A real Penstock in a temporary folder, and peers that behave as a test says. Waits are for conditions, with a deadline."""
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PENSTOCK_BINARY", str(ROOT / "build/release/penstock"))
# Seconds, more than a start takes before it gives up by itself: a log on Kafka waits 30 s for a broker, and then 60 s for what the
# process before it left.
START_WITHIN = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)  # between two looks; the condition decides
    raise AssertionError(f"not within {seconds} s: {what}")


def may_leave_out(what):
    """Where a machine cannot do what a test needs, the test is left out; but in CI every one runs, or fails."""
    if os.environ.get("CI") or os.environ.get("PENSTOCK_CI"):
        raise AssertionError(f"left out, which CI must not: {what}")
    return what


class Receiver(http.server.ThreadingHTTPServer):
    """A webhook. `answer(bodies)` gives the status of each request; what got 2xx is remembered in `received`."""
    daemon_threads = True

    def __init__(self, answer=lambda bodies: 200, headers=()):
        self.answer, self.headers = answer, dict(headers)
        self.received, self.requests = [], 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Request)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def handle_error(self, request, client_address):
        pass  # a peer that went away is part of the game


class _Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        bodies = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.answer(bodies)
        with self.server.lock:
            self.server.requests += 1
            if 200 <= status < 300:
                self.server.received.extend(bodies)
        self.send_response(status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


class FlowTest(unittest.TestCase):
    """A folder of its own; every process it starts is ended by its id."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-flow-"))
        self.processes = []
        self.port = free_port()

    def tearDown(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def config(self, destinations, sources=None, extra=""):
        sources = sources or f'  - {{ name: web, type: http, listen: "127.0.0.1:{self.port}" }}'
        return self.write("penstock.yaml", f"data: ./data\nsources:\n{sources}\n{extra}destinations:\n{destinations}\n")

    def spawn(self, *arguments):
        with open(self.folder / "penstock.log", "ab") as log:
            process = subprocess.Popen([BINARY, "run", "penstock.yaml", *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def start(self, *arguments):
        process = self.spawn(*arguments)
        wait_until(lambda: process.poll() is not None or self.answers(), "penstock answers on its control port",
                   START_WITHIN)
        self.assertIsNone(process.poll(), self.log())
        return process

    def answers(self):
        return self.cli("status", "--json").returncode in (0, 1)

    def cli(self, *arguments, **options):
        return subprocess.run([BINARY, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60,
                              stdin=options.pop("stdin", subprocess.DEVNULL), **options)

    def log(self):
        return (self.folder / "penstock.log").read_text()

    def control(self, path):
        return json.loads((self.folder / "data/control.json").read_text())["url"] + path

    def status(self):
        return json.loads(self.cli("status", "--json").stdout)

    def destination(self, name):
        return next(d for d in self.status()["destinations"] if d["name"] == name)

    def dead(self, *arguments):
        return json.loads(self.cli("dead", "list", "--json", *arguments).stdout)["dead_letters"]

    def post(self, events, headers=()):
        body = "\n".join(event if isinstance(event, str) else json.dumps(event) for event in events)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/events", body, dict(headers))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if text.startswith("{") else text

    def accept(self, events):
        status, answer = self.post(events)
        self.assertEqual(status, 200, answer)
        self.assertEqual(answer["accepted"], len(events), answer)

    def lines(self, name="out.ndjson"):
        path = self.folder / name
        if not path.exists():
            return []
        whole = path.read_bytes().rpartition(b"\n")[0]  # what comes after is being written
        return [json.loads(line) for line in whole.splitlines()]

    def stop(self, process, how=signal.SIGTERM):
        process.send_signal(how)
        self.assertEqual(process.wait(timeout=30), 0, self.log())


def event(n, name="signup", **properties):
    return {"event": name, "distinct_id": f"user-{n % 7}", "properties": {"n": n, **properties}}
