#!/usr/bin/env python3
"""A webhook's other end, on this machine only: webhook_receiver.py [--port N]

Prints one line per request. It insists on `properties.plan` in every event and answers 422 to a request in which one lacks
it, as a strict CRM would; so the sender has to find the guilty event. Ends on SIGTERM or SIGINT.
"""
import argparse
import gzip
import http.server
import json
import signal
import sys
import threading
import zlib

BODY_BYTES_MAX = 16 << 20


def events_of(body):
    """An array, one object, or one object per line."""
    text = body.decode()
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return whole if isinstance(whole, list) else [whole]


def without_plan(events):
    bodies = [event.get("data", event) for event in events]
    return [body for body in bodies if "plan" not in body.get("properties", {})]


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        try:
            events = events_of(self._body())
        except (ValueError, OSError, EOFError, zlib.error) as error:
            return self._answer(400, f"not JSON: {error}")
        refused = without_plan(events)
        if refused:
            return self._answer(422, f"{len(refused)} of {len(events)} without properties.plan")
        names = sorted({str(event.get("data", event).get("event")) for event in events})
        return self._answer(200, f"{len(events)} events ({', '.join(names)})")

    def _body(self):
        size = int(self.headers.get("Content-Length", 0))
        if size > BODY_BYTES_MAX:
            self.close_connection = True
            raise ValueError(f"{size} bytes, at most {BODY_BYTES_MAX}")
        body = self.rfile.read(size)
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, status, what):
        print(f"webhook: {status} {self.path}: {what}", flush=True)
        body = json.dumps({"message": what}).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass  # _answer prints


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=9000, help="0 takes any free one and prints it")
    arguments = options.parse_args()
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Receiver)
    except OSError as error:
        sys.exit(f"webhook_receiver: cannot listen on 127.0.0.1:{arguments.port}: {error.strerror}")
    server.daemon_threads = True
    print(f"webhook: listening on http://127.0.0.1:{server.server_port}", flush=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stop.wait()
    server.shutdown()
    server.server_close()


if __name__ == "__main__":
    main()
