"""Receivers of the pressure test, and what people tell its pipeline while it is killed."""
import collections
import json
import random
import subprocess
import threading
import time

from peers import Receiver, is_refused, sequence_of


class PressureReceiver(Receiver):
    """Receivers in one, each at its path:
      /keeper   takes everything
      /held     takes everything, but while it is `dead`, for seconds at a time: 503
      /frozen   never answers and takes nothing, until it is `thawed`
      /ordered  refuses requests with an event that is_refused, but while it is `lenient`; now and then 503. What it answered, when,
                and to which life of the process, stands in FOLDER/ordered.ndjson
    """

    def __init__(self, folder):
        super().__init__()
        self.answers = open(folder / "ordered.ndjson", "w", buffering=1)
        self.dead = False
        self.thawed = threading.Event()
        self.took = {name: collections.Counter() for name in ("keeper", "held", "frozen", "ordered")}
        self.first_life = {}  # by uuid: which life of the process brought an event to /ordered first

    def take(self, path, events, headers):
        if path == "/frozen" and not self.thawed.is_set():
            return None
        if path == "/held" and self.dead or path == "/ordered" and random.random() < 0.02:
            return 503
        if path == "/ordered":
            status = 422 if not self.lenient and any(map(is_refused, events)) else 200
            who = [(event["distinct_id"], sequence_of(event)) for event in events]
            self.answers.write(json.dumps([time.time(), int(headers["X-Life"]), status, who]) + "\n")
            if status != 200:
                return status
            self.ordered += events
            for event in events:
                self.first_life.setdefault(event["uuid"], int(headers["X-Life"]))
        self.took[path[1:]].update(event["uuid"] for event in events)
        return 200

    def hang(self):
        self.thawed.wait()

    def arrived(self, name):
        with self.lock:
            return set(self.took[name])


class PressureOrders(threading.Thread):
    """Pauses, rates, discards, dead letters once more, reloads and illnesses of a receiver, each round in another order, until
    `stop` is set. Kills fall before, into and after them."""

    def __init__(self, penstock, receiver, write_config, stop):
        super().__init__(daemon=True)
        self.penstock, self.receiver, self.write_config, self.stop_flag = penstock, receiver, write_config, stop
        self.taken = collections.Counter()  # by kind, orders that were answered well
        self.discards_begun = 0
        self.discarded = []  # pairs: which life said that it had, and the uuids of letters that it had before
        self.random = random.Random(random.random())  # the seed's, whatever other threads draw

    def run(self):
        discards = [self.discard] if self.random.random() < 0.5 else []
        kinds = [self.pause, self.resume, self.resume, self.rate, *discards, self.dead_replay, self.dead_replay, self.reload,
                 self.turn_lenience, self.die_or_heal]
        while not self.stop_flag.is_set():
            self.random.shuffle(kinds)
            for give in kinds:
                if self.stop_flag.wait(self.random.uniform(0.02, 0.2)):
                    return
                give()

    def cli(self, *arguments):
        """Its output, or None when it was not told that all is well."""
        answer = subprocess.run([self.penstock.binary, *arguments, "--data", self.penstock.data], cwd=self.penstock.folder,
                                capture_output=True, text=True, timeout=60)
        if answer.returncode != 0:
            return None
        self.taken[arguments[0] if arguments[0] != "dead" else f"dead {arguments[1]}"] += 1
        return answer.stdout

    def ask(self, *arguments):
        """The same of a process that runs: without an address, it would take the folder from the one that is about to start."""
        try:
            control = json.loads((self.penstock.folder / self.penstock.data / "control.json").read_text())
        except (OSError, ValueError):
            return None
        answer = subprocess.run([self.penstock.binary, *arguments, "--url", control["url"], "--token", control["token"]],
                                capture_output=True, text=True, timeout=60)
        return answer.stdout if answer.returncode == 0 else None

    def pause(self):
        self.cli("pause", self.random.choice(["keeper", "held", "ordered"]), "--note", "as it should")

    def resume(self):
        self.cli("resume", self.random.choice(["keeper", "held", "ordered"]))

    def rate(self):
        how = self.random.choice([["--events", "500"], ["--bytes", "200000"], ["--reset"]])
        self.cli("rate", self.random.choice(["keeper", "held", "ordered"]), *how)

    def discard(self):
        self.discards_begun += 1
        which, life = ["--stage", "ordered", "--code", "http_422"], self.penstock.life
        there = self.ask("dead", "list", "--json", "--limit", "1000", *which)
        if self.cli("dead", "discard", *which) and there and self.penstock.life == life:
            self.discarded.append((life, {letter["uuid"] for letter in json.loads(there)["dead_letters"]}))

    def dead_replay(self):
        self.cli("dead", "replay", "--stage", "ordered", *self.random.choice([["--all"], ["--code", "http_422"]]))

    def reload(self):
        self.write_config(self.random.choice(["keeper", "held", "frozen", "ordered"]), self.random.randrange(10, 60))
        self.cli("reload")

    def turn_lenience(self):
        with self.receiver.lock:
            self.receiver.lenient = not self.receiver.lenient

    def die_or_heal(self):
        with self.receiver.lock:
            self.receiver.dead = not self.receiver.dead

    def came_back(self):
        """Letters that were discarded, and came in a later life and in none before it. What is in flight when its letter is
        discarded may arrive."""
        with self.receiver.lock:
            return [u for life, uuids in self.discarded for u in uuids if self.receiver.first_life.get(u, life) > life]

    def heal(self):
        """Once the thread has ended, and the last process runs."""
        with self.receiver.lock:
            self.receiver.dead, self.receiver.lenient = False, True
            self.receiver.thawed.set()
        for name in ("keeper", "held", "ordered"):
            self.penstock.cli("resume", name, "--data", self.penstock.data)
            self.penstock.cli("rate", name, "--reset", "--data", self.penstock.data)
        self.penstock.cli("dead", "replay", "--all", "--stage", "ordered", "--data", self.penstock.data)
