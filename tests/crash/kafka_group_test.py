#!/usr/bin/env python3
"""Processes that share one log on Kafka, killed in turn: what an independent reader finds is every event once, in the order of its key,
counted by a state that moves along. Long with PENSTOCK_TEST_LONG."""
import collections
import http.client
import itertools
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "flow"))
from kafka_rig import broker  # noqa: E402
from rig import BINARY, START_WITHIN, FlowTest, Receiver, free_port, wait_until  # noqa: E402

LONG = bool(os.environ.get("PENSTOCK_TEST_LONG"))
SEED = int(os.environ.get("PENSTOCK_TEST_SEED", "1"))
SHARDS, PARTITIONS, KEYS = 4, 8, 40
KILLS = 100 if LONG else 6
LINES_OF_A_LIFE = 20  # at most, on average: it was 9
STORM = 120 if LONG else 20  # seconds
BETWEEN_KILLS = 1.5  # seconds, about: while a member is being missed, after others have taken over, and in between
COUNTER = """local M = {}
function M.transform(event, app)
  if event.properties.fails then error('it fails') end
  event.properties.count = app.state.incr('count')
  return event
end
return M
"""


def event(n):
    return {"event": "signup", "distinct_id": f"user-{n % KEYS}", "properties": {"n": n}}


class Member:
    """One process of the group, with a folder of its own."""

    def __init__(self, test, number):
        self.test, self.folder, self.port = test, test.folder / f"p{number}", free_port()
        self.process = None

    def start(self):
        with open(self.folder / "penstock.log", "ab") as log:
            self.process = subprocess.Popen([BINARY, "run", "penstock.yaml"], cwd=self.folder, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.test.processes.append(self.process)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.signal(signal.SIGTERM)
        self.test.assertEqual(self.process.wait(timeout=60), 0, self.log())

    def log(self):
        return (self.folder / "penstock.log").read_text()

    def cli(self, *arguments):
        return subprocess.run([BINARY, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    def status(self):
        said = self.cli("status", "--json").stdout
        return json.loads(said) if said.startswith("{") else {}

    def letters(self):
        listed = json.loads(self.cli("dead", "list", "--json").stdout)["dead_letters"]
        return [(letter["id"], letter["attempts"]) for letter in listed]

    def shards(self):
        return set((self.status().get("group") or {}).get("here", []))


class Arrivals:
    """When events of each shard were written, seen by a reader that is not ours. Whoever is killed in a transaction holds up who reads
    only what is committed, also of shards that others go on with, until it is missed."""

    def __init__(self, test):
        self.shard_of = {message.key().decode(): message.partition() % SHARDS for message in test.kafka.messages(test.source)}
        self.reader = test.kafka.reader(test.clean)
        self.times, self.over = collections.defaultdict(list), threading.Event()
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        while not self.over.is_set():
            message = self.reader.poll(0.2)
            if message is not None and not message.error():
                self.times[self.shard_of[json.loads(message.value())["distinct_id"]]].append(time.monotonic())
        self.reader.close()

    def stop(self):
        self.over.set()
        self.thread.join()

    def longest_gap(self, shards, begin, end):
        longest = 0
        for shard in shards:
            times = [begin, *(t for t in list(self.times[shard]) if begin < t < end), end]
            longest = max(longest, max(b - a for a, b in zip(times, times[1:])))
        return longest


class GroupOnKafka(FlowTest):
    BROKER = "ctest-group"

    def setUp(self):
        super().setUp()
        self.kafka = broker(self.BROKER)
        self.prefix = f"g-{uuid.uuid4().hex[:8]}"
        self.clean, self.source = f"clean-{self.prefix}", f"in-{self.prefix}"
        self.kafka.create(f"{self.source}:{PARTITIONS}")
        self.chance = random.Random(SEED)
        self.written, self.members = 0, []

    def join(self, count, destinations="  []", sources=""):
        for _ in range(count):
            member = Member(self, len(self.members))
            self.write(f"{member.folder.name}/apps/counter/app.yaml",
                       "name: counter\nversion: 1.0.0\nsummary: Counts.\npermissions: { state: true }\n")
            self.write(f"{member.folder.name}/apps/counter/app.lua", COUNTER)
            self.write(f"{member.folder.name}/penstock.yaml",
                       f"data: ./data\nlog: {{ type: kafka, brokers: [\"{self.kafka.address}\"], prefix: {self.prefix}, "
                       f"partitions: {PARTITIONS}, shards: {SHARDS}, create: true, events: {self.clean}, "
                       "client: { session.timeout.ms: 3000 } }\n"
                       f"apps:\n  - use: counter\nsources:\n  - {{ name: in, type: kafka, brokers: [\"{self.kafka.address}\"], "
                       f"topics: [{self.source}] }}\n{sources.format(port=member.port)}destinations:\n{destinations}\n")
            member.start()
            self.members.append(member)

    def write_for(self, seconds, enough=None):
        """A keyed stream, slow enough that every moment has something under way."""
        writer, started = self.kafka.writer(), time.monotonic()
        while time.monotonic() - started < seconds and not (enough and enough.is_set()):
            for _ in range(50):
                one = event(self.written)
                writer.produce(self.source, json.dumps(one), one["distinct_id"])
                self.written += 1
            writer.flush(60)
            time.sleep(0.03)  # a random moment for each kill, and not all is written before the first
        writer.flush(60)

    def assert_once_in_order_and_counted(self):
        bodies = [json.loads(message.value()) for message in self.kafka.messages(self.clean)]
        times = collections.Counter(body["properties"]["n"] for body in bodies)
        self.assertEqual([n for n, number in times.items() if number > 1], [], "twice")
        self.assertEqual(sorted(set(range(self.written)) - set(times)), [], "lost")
        seen = collections.defaultdict(list)
        for body in bodies:
            seen[body["distinct_id"]].append(body["properties"])
        for of_key in seen.values():
            self.assertEqual([p["n"] for p in of_key], sorted(p["n"] for p in of_key), "the order of a key")
            self.assertEqual([p["count"] for p in of_key], list(range(1, len(of_key) + 1)), "its state")

    def all_here(self, members=None):
        shards = [shard for member in members or self.members for shard in member.shards()]
        return sorted(shards) == list(range(SHARDS))

    def finish(self):
        try:
            wait_until(lambda: len(self.kafka.messages(self.clean)) >= self.written, "all of it is there", START_WITHIN + 30)
        except AssertionError as late:
            raise AssertionError(f"{late}: {len(self.kafka.messages(self.clean))} of {self.written}; {self.all_they_say()}") from late
        for member in self.members:
            if member.process.poll() is None:
                member.stop()
        self.assert_once_in_order_and_counted()

    def all_they_say(self):
        return "".join(f"\n{member.folder.name}, {'ended' if member.process.poll() is not None else 'runs'}: {json.dumps(member.status())}\n"
                       f"{member.log()[-20_000:]}" for member in self.members)

    def play_kills(self, processes):
        self.join(processes)
        wait_until(self.all_here, "all shards are somewhere", START_WITHIN)
        seconds = KILLS * BETWEEN_KILLS + 5
        writing = threading.Thread(target=self.write_for, args=(seconds,))
        writing.start()
        for kill in range(KILLS):
            member = self.members[kill % processes]
            time.sleep(self.chance.uniform(0.2, BETWEEN_KILLS))  # a random moment
            member.kill()
            if self.chance.random() < 0.5:
                time.sleep(self.chance.uniform(0, 2 * BETWEEN_KILLS))  # a random moment: others may have taken over, or not yet
            if LONG and kill % 10 == 9:
                self.kafka.restart(*(["--kill"] if kill % 20 == 19 else []))
            member.start()
        writing.join()
        self.finish()

    def test_two_processes_killed_in_turn_lose_and_double_nothing(self):
        self.play_kills(2)

    def test_three_processes_killed_in_turn_lose_and_double_nothing(self):
        self.play_kills(3)

    def play_storm(self):
        """Somebody goes or comes every second, by a signal or without a word."""
        over = time.monotonic() + STORM
        while time.monotonic() < over:
            time.sleep(self.chance.uniform(0.7, 1.3))  # a random moment
            member = self.chance.choice(self.members)
            if member.process.poll() is not None:
                member.start()
            elif self.chance.random() < 0.5:
                member.kill()
            else:
                member.signal(signal.SIGTERM)

    def test_processes_that_come_and_go_every_second_lose_and_double_nothing_and_say_little(self):
        self.join(3)
        wait_until(self.all_here, "all shards are somewhere", START_WITHIN)
        writing = threading.Thread(target=self.write_for, args=(STORM,))
        writing.start()
        self.play_storm()
        for member in self.members:
            wait_until(lambda: member.process.poll() is not None or "stopping" not in member.log().rpartition("runs penstock.yaml")[2],
                       "who was asked to end has ended", 60)
            if member.process.poll() is not None:
                member.start()
        writing.join()
        wait_until(self.all_here, "all shards are somewhere", START_WITHIN)
        self.finish()
        said = "".join(member.log() for member in self.members)
        starts = said.count("runs penstock.yaml")
        self.assertGreaterEqual(starts, len(self.members) + STORM // 5)
        self.assertLess(len(said.splitlines()), LINES_OF_A_LIFE * starts, said)

    def test_processes_that_come_and_go_share_the_work_and_hand_over(self):
        self.join(1)
        wait_until(self.all_here, "one has all shards", START_WITHIN)
        self.write_for(1)  # all keys
        arrivals = Arrivals(self)
        self.addCleanup(arrivals.stop)
        enough = threading.Event()
        self.addCleanup(enough.set)
        writing = threading.Thread(target=self.write_for, args=(300, enough))
        writing.start()
        wait_until(lambda: len(arrivals.times) == SHARDS, "all of them are at work", 30)
        begin = time.monotonic()
        self.join(1)
        wait_until(lambda: self.all_here() and all(len(member.shards()) == SHARDS // 2 for member in self.members),
                   "each has half of them", 30)
        first, second = self.members
        self.tell(arrivals, "one joins", second.shards(), first.shards(), begin, 3)
        moving, staying, begin = first.shards(), second.shards(), time.monotonic()
        first.stop()
        wait_until(lambda: self.all_here([second]), "the other has all of them", 30)
        self.tell(arrivals, "one is stopped", moving, staying, begin, 3)
        first.start()
        wait_until(lambda: self.all_here() and len(first.shards()) == SHARDS // 2, "it has some again", 30)
        moving, staying, begin = first.shards(), second.shards(), time.monotonic()
        first.kill()
        wait_until(lambda: self.all_here([second]), "the other has all of them", 30)
        self.tell(arrivals, "one is killed, and missed after 3 s", moving, staying, begin, 6)
        first.start()
        enough.set()
        writing.join()
        self.finish()

    def tell(self, arrivals, what, moved, stayed, begin, most):
        here = time.monotonic()
        wait_until(lambda: all(arrivals.times[shard][-1] > here for shard in moved), "those that came are at work", 30)
        end = time.monotonic()
        gap, other = arrivals.longest_gap(moved, begin, end), arrivals.longest_gap(stayed, begin, end)
        print(f"{what}: shards {sorted(moved)} moved and were silent for {gap:.2f} s; the others for {other:.2f} s at most", flush=True)
        told = self.all_they_say()
        self.assertLess(gap, most + 1, f"shards that move: {told}")
        self.assertLess(other, 2, f"shards that stay do not stop: {told}")

    def test_who_was_stopped_for_a_while_and_comes_back_commits_nothing_old(self):
        self.join(2)
        wait_until(lambda: self.all_here() and all(member.shards() for member in self.members), "each has some", START_WITHIN)
        writing = threading.Thread(target=self.write_for, args=(25,))
        writing.start()
        for _ in range(2):
            time.sleep(self.chance.uniform(1, 2))  # a random moment
            first, second = self.members
            first.signal(signal.SIGSTOP)
            try:
                wait_until(lambda: self.all_here([second]), "the other has all of them", 40)
            finally:
                first.signal(signal.SIGCONT)
            wait_until(lambda: self.all_here() and first.shards(), "it has some again", 40)
            self.members.reverse()
        writing.join()
        self.finish()

    def test_dead_letters_go_with_their_shards_and_with_the_event_that_is_sent_again(self):
        self.join(2)
        wait_until(lambda: self.all_here() and all(member.shards() for member in self.members), "each has some", START_WITHIN)
        failing = [{**event(n), "properties": {"n": n, "fails": True}} for n in range(PARTITIONS)]
        # In every partition of the topic, wherever their distinct ids belong.
        self.kafka.write(self.source, [("key", json.dumps(one), {"partition": n}) for n, one in enumerate(failing)])
        first, second = self.members

        def letters():
            return sorted(first.letters() + second.letters())

        wait_until(lambda: len(letters()) == PARTITIONS, "all are letters", 30)
        has = {member: [letter for letter, _ in member.letters()] for member in self.members}
        before = letters()
        self.assertEqual({attempts for _, attempts in before}, {1})
        for member, ids in has.items():  # one that goes to the other is not sent by it once more
            self.assertEqual(member.cli("dead", "replay", *ids).returncode, 0)
        wait_until(lambda: letters() == [(letter, 2) for letter, _ in before], "each has failed again, and is there once", 30)
        for member in self.members:
            self.assertEqual(member.cli("dead", "discard", "--all").returncode, 0)
        self.assertEqual(letters(), [])
        # To a folder that has not heard of it.
        self.write_for(1)
        wait_until(lambda: len(self.kafka.messages(self.clean)) >= self.written, "what came after it is there", 30)
        first.stop()
        wait_until(lambda: self.all_here([second]), "the other has all of them", 30)
        self.assertEqual(second.letters(), [])
        self.finish()

    def test_sources_that_are_not_the_same_everywhere_are_told_and_nothing_waits_for_it(self):
        web = '  - {{{{ name: web, type: http, listen: "127.0.0.1:{{port}}"{} }}}}\n'
        self.join(1, sources=web.format(""))
        wait_until(self.all_here, "one has all shards", START_WITHIN)
        self.join(1, sources=web.format(", map: {{ event: type }}"))
        wait_until(lambda: self.all_here() and all(member.shards() for member in self.members), "each has some", START_WITHIN)
        told = "source web has another `type`, `project` or `map` in the configuration of the process"
        for member in self.members:
            wait_until(lambda: told in member.status().get("verdict", ""), "it is in the verdict", 40)
            self.assertIn(told, member.status()["group"]["sources_differ"])
            self.assertEqual(member.log().count(told), 1)
        self.write_for(1)
        wait_until(lambda: len(self.kafka.messages(self.clean)) >= self.written, "all of it is there", 30)
        first, second = self.members
        second.stop()
        wait_until(lambda: self.all_here([first]) and first.status()["healthy"], "those of one process agree", 40)
        self.finish()

    def push(self, numbers):
        """Says the same to one process after another until one has accepted it, as a client would."""
        body = "\n".join(json.dumps({**event(n), "uuid": str(uuid.UUID(int=n))}) for n in numbers)

        def takes_it(member):
            connection = http.client.HTTPConnection("127.0.0.1", member.port, timeout=30)
            try:
                connection.request("POST", "/events", body)
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False  # it was killed, and is being started
            finally:
                connection.close()

        wait_until(lambda: any(takes_it(member) for member in self.members), "somebody takes what is pushed", 120)

    def test_what_is_pushed_to_any_is_there_once_and_delivered_whoever_is_killed(self):
        receiver = Receiver()
        self.join(2, f"  - {{ name: hook, type: webhook, url: \"{receiver.url}\", batch: {{ within: 20ms }} }}",
                  '  - {{ name: web, type: http, listen: "127.0.0.1:{port}" }}\n')
        wait_until(self.all_here, "all shards are somewhere", START_WITHIN)
        pushing, over = threading.Event(), []

        def push_all():
            for first in itertools.count(0, 20):
                if pushing.is_set():
                    return over.append(first)
                self.push(range(first, first + 20))

        thread = threading.Thread(target=push_all)
        thread.start()
        for kill in range(KILLS):
            time.sleep(self.chance.uniform(0.5, BETWEEN_KILLS))  # a random moment
            member = self.members[kill % 2]
            member.kill()
            if kill % 3 == 2:
                wait_until(lambda: self.all_here([self.members[1 - kill % 2]]), "the other takes over", 40)
            member.start()
        wait_until(self.all_here, "all shards are somewhere", START_WITHIN)
        pushing.set()
        thread.join()
        self.written = over[0]
        wait_until(lambda: {body["properties"]["n"] for body in receiver.received} == set(range(self.written)),
                   "all of it is delivered", 90)
        wait_until(lambda: self.kafka.group_offsets(f"{self.prefix}.hook", self.clean, PARTITIONS) >= self.written,
                   "its group shows how far the destination is, over all processes", 30)
        self.finish()


if __name__ == "__main__":
    unittest.main(verbosity=2)
