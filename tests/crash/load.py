"""What a killed Penstock is loaded with: clients that push, and a file that is appended to and rotated."""
import http.client
import json
import os
import random
import threading
import time
import uuid


class HttpClient(threading.Thread):
    """Sends batches of a few dozen distinct ids, in order, each until it is answered; notes which were, and which was not in
    the end."""

    sends_again = True
    distinct_ids = 50
    padding = 0  # bytes that each event is larger, of what cannot be compressed

    def __init__(self, name, port, stop):
        super().__init__(daemon=True)
        self.who, self.port, self.stop_flag = name, port, stop
        self.sequence = 0
        self.resent = self.refused = 0
        self.acknowledged, self.unanswered = [], []  # lists of batches, as make_batch gives them

    def make_batch(self):
        """What to remember of a batch, here (uuid, sequence) of each event, and the request's body."""
        batch = []
        for _ in range(random.randrange(1, 30)):
            self.sequence += 1
            batch.append((str(uuid.uuid4()), self.sequence))
        return batch, "\n".join(self.line(u, s) for u, s in batch)

    def line(self, identity, sequence):
        properties = {"sequence": sequence}
        if self.padding:
            properties["padding"] = random.randbytes(self.padding // 2).hex()
        return json.dumps({"event": "sent", "uuid": identity, "properties": properties,
                           "distinct_id": f"{self.who}-{random.randrange(self.distinct_ids)}"})

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
                self.refused += 1
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

    def __init__(self, path, stop, pause=0.003):
        super().__init__(daemon=True)
        self.path, self.stop_flag, self.pause, self.may_rotate = path, stop, pause, threading.Event()
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
            self.stop_flag.wait(self.pause)
            if self.may_rotate.is_set() and time.monotonic() > rotate_at:
                # So often that files come and go between two lives of the process.
                rotate_at = time.monotonic() + random.uniform(0.05, 0.4)
                out.close()
                self.rotations += 1
                os.rename(self.path, f"{self.path}.{self.rotations}")
                out = open(self.path, "ab", buffering=0)
        out.close()
