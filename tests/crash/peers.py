"""The webhook that destinations of the crash test write to. It remembers what it took, by the path it was sent to."""
import collections
import http.server
import json
import random
import sys
import threading


def sequence_of(event):
    return event["data"]["properties"].get("sequence", 1)


def is_refused(event):
    """What receivers that are fussy do not take, unless they are lenient just now."""
    return sequence_of(event) % 97 == 0


class Receiver(http.server.ThreadingHTTPServer):
    """Four receivers in one, each at its path:
      /plain    takes everything, and tells what a replay brought from what is live
      /fussy    refuses requests with an event that is_refused, but while it is `lenient`
      /ordered  the same, and now and then it is not there for a moment (503)
      /made     takes everything that apps made of events
    """
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), ReceiverRequest)
        self.lock = threading.Lock()
        self.lenient = False
        self.uuids = collections.Counter()
        self.replayed = collections.Counter()
        self.fussy_uuids = collections.Counter()
        self.ordered = []  # events, in the order of their arrival
        self.in_order = []  # of these, those that had not been refused before
        self.refused = set()  # uuids of events that /ordered refused when they were alone: only these are dead letters
        self.made = collections.defaultdict(set)  # by uuid: the bodies it came with
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"

    def take(self, path, events, headers):
        """The status of the answer, or None for none at all. What is answered 200 is remembered; under the lock."""
        if path == "/ordered" and random.random() < 0.02:
            return 503
        if path in ("/fussy", "/ordered") and not self.lenient and any(map(is_refused, events)):
            if path == "/ordered" and len(events) == 1:
                self.refused.add(events[0]["uuid"])
            return 422
        if path == "/ordered":
            self.ordered += events
            self.in_order += [event for event in events if event["uuid"] not in self.refused]
        for event in events:
            if path == "/plain":
                (self.replayed if event.get("replayed") else self.uuids)[event["uuid"]] += 1
            elif path == "/fussy":
                self.fussy_uuids[event["uuid"]] += 1
            elif path == "/made":
                self.made[event["uuid"]].add(json.dumps(event["data"]))
        return 200

    def delivered_so_far(self):
        """To /plain, with the log's word that they are in it."""
        with self.lock:
            return set(self.uuids)

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
        with self.server.lock:
            status = self.server.take(self.path, events, self.headers)
        if status is None:
            self.server.hang()
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass
