#!/usr/bin/env python3
"""What settings and orders make of a destination: where it begins, how fast it goes, its replays, its health, its reload."""
import datetime
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
import fault_peer as peer  # noqa: E402
from fault_rig import FILE_OUT, FaultTest, numbers, run_side_by_side  # noqa: E402
from rig import Receiver, event, wait_until  # noqa: E402

LATE = 15  # seconds that a busy machine may be late by


def webhook(name, url, more=""):
    batch = "" if "batch:" in more else ", batch: { within: 20ms }"
    return f"\n  - {{ name: {name}, type: webhook, url: {url}{batch}{more} }}"


class Timed(Receiver):
    """Remembers when how many bodies came, as (seconds, events)."""

    def __init__(self):
        self.came = []
        super().__init__(self.note)

    def note(self, bodies):
        with self.lock:
            self.came.append((time.monotonic(), len(bodies)))
        return 200

    def seconds(self):
        """From the first write to the last."""
        return self.came[-1][0] - self.came[0][0]


class OrdersTest(FaultTest):
    def receiver(self, made=None):
        made = made or Receiver()
        self.addCleanup(made.server_close)
        self.addCleanup(made.shutdown)
        return made

    def settled(self, *names):
        rows = self.destinations()
        return all(rows[name]["lag_events"] == 0 for name in names)


class Beginnings(OrdersTest):
    def test_a_new_destination_begins_at_the_time_it_is_told(self):
        self.config(FILE_OUT)
        process = self.start()
        self.accept([event(n) for n in range(20)])
        wait_until(lambda: len(self.lines()) == 20, "the first are there")
        between = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(milliseconds=1)
        wait_until(lambda: datetime.datetime.now(datetime.timezone.utc) > between + datetime.timedelta(milliseconds=1), "later")
        self.accept([event(n) for n in range(20, 40)])
        wait_until(lambda: len(self.lines()) == 40, "the second are there")
        self.stop(process)
        late = self.receiver()
        self.config(FILE_OUT + webhook("late", late.url, f', from: "{between.isoformat(timespec="milliseconds")[:-6]}Z"'))
        process = self.start()
        wait_until(lambda: self.settled("late"), "it has what came since then")
        self.accept([event(40)])
        wait_until(lambda: 40 in numbers(late.received), "and what comes")
        self.assertEqual(numbers(late.received), list(range(20, 41)))
        self.stop(process)
        process = self.start()
        wait_until(lambda: self.settled("late"), "it goes on")
        self.assertEqual(numbers(late.received), list(range(20, 41)), "it begins there once")
        self.stop(process)


class Rates(OrdersTest):
    def test_a_rate_in_bytes_is_kept(self):
        crm = self.receiver(Timed())
        self.config(webhook("crm", crm.url, ", in_flight_max: 1, batch: { within: 0s, events: 5 }, rate: { bytes: 100KiB }"))
        process = self.start()
        self.accept([event(n, pad="x" * 960) for n in range(300)])  # some 300 KiB, of which a second's worth goes at once
        wait_until(lambda: self.settled("crm"), "all is delivered")
        self.assertGreater(crm.seconds(), 1.7)
        self.assertLess(crm.seconds(), 3 + LATE)
        self.assertEqual(numbers(crm.received), list(range(300)))
        self.stop(process)

    def test_a_replay_keeps_its_rate_and_holds_up_nothing_live(self):
        crm = self.receiver(Timed())
        self.config(webhook("crm", crm.url, ", in_flight_max: 1, batch: { within: 0s, events: 5 }"))
        process = self.start()
        self.accept([event(n) for n in range(300)])
        wait_until(lambda: self.settled("crm"), "all is delivered")
        self.assertEqual(len(crm.received), 300)
        crm.came.clear()
        self.assertEqual(self.cli("replay", "crm", "--from", "1h", "--rate", "100").returncode, 0)
        self.accept([event(1000)])
        wait_until(lambda: 1000 in numbers(crm.received), "a live event goes beside it")
        self.assertIsNotNone(self.destination("crm")["replay_left"])
        wait_until(lambda: self.destination("crm")["replay_left"] is None, "it is through")
        self.assertGreater(crm.seconds(), 1.7)
        self.assertLess(crm.seconds(), 3 + LATE)
        self.assertEqual(numbers(crm.received), sorted([*range(300), *range(300), 1000]))
        self.stop(process)


class Replays(OrdersTest):
    def test_one_that_runs_can_be_ended_and_another_begun(self):
        crm = self.receiver()
        self.config(webhook("crm", crm.url, ", body: envelope, in_flight_max: 1, batch: { within: 0s, events: 5 }"))
        process = self.start()
        self.accept([event(n) for n in range(300)])
        wait_until(lambda: self.settled("crm"), "all is delivered")

        def replayed():
            return [one for one in list(crm.received) if one.get("replayed")]

        self.assertEqual(self.cli("replay", "crm", "--from", "1h", "--rate", "20").returncode, 0)
        wait_until(replayed, "it runs")
        ended = self.cli("replay", "crm", "--cancel")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        wait_until(lambda: self.destination("crm")["replay_left"] is None and self.destination("crm")["in_flight"] == 0, "ended")
        count = len(replayed())
        self.assertLess(count, 300)
        self.assertIn("crm has no replay", self.cli("replay", "crm", "--cancel").stderr)
        self.stop(process)
        process = self.start()
        self.assertIsNone(self.destination("crm")["replay_left"], "a restart does not bring it back")
        self.accept([event(300)])
        wait_until(lambda: len(crm.received) == 301 + count, "live events go on")
        self.assertEqual(len(replayed()), count)
        self.assertEqual(self.cli("replay", "crm", "--from", "1h").returncode, 0)
        wait_until(lambda: self.destination("crm")["replay_left"] is None, "another one is through")
        self.assertEqual(len(replayed()), count + 301)
        self.assertEqual(self.destination("crm")["health"], "healthy")
        self.stop(process)


class Reloads(OrdersTest):
    def test_a_changed_destination_leaves_the_write_and_the_connection_of_another_alone(self):
        may_answer, connections = threading.Event(), []

        def answers_later(exchange):
            events = exchange.body()
            connections.append(exchange.connection.getpeername())
            may_answer.wait()
            exchange.remember(events)
            return exchange.answer(200)

        slow, other = peer.FaultyPeer(answers_later), self.receiver()
        self.addCleanup(slow.close)
        self.addCleanup(may_answer.set)
        slow_one = webhook("slow", slow.url, ", in_flight_max: 1, timeout: 1m")
        self.config(slow_one + webhook("other", other.url))
        process = self.start()
        self.accept([event(n) for n in range(10)])
        wait_until(lambda: self.settled("other") and self.destination("slow")["in_flight"] == 1, "one write is under way")
        newer = self.receiver()
        self.config(slow_one + webhook("other", newer.url, ", batch: { within: 10ms, events: 3 }"))
        reloaded = self.cli("reload")
        self.assertEqual(reloaded.returncode, 0, reloaded.stderr)
        self.accept([event(n) for n in range(10, 20)])
        wait_until(lambda: numbers(newer.received) == list(range(10, 20)), "the other goes by its new settings")
        self.assertEqual((len(connections), self.destination("slow")["in_flight"]), (1, 1), "the write still waits, as it did")
        may_answer.set()
        wait_until(lambda: self.settled("slow"), "it is answered")
        self.assertEqual(slow.numbers(), list(range(20)), "each once")
        self.assertEqual(len(set(connections)), 1, connections)
        self.assertEqual(numbers(other.received), list(range(10)))
        self.assert_told({"web": (20, 0)}, {"slow": (20, 0)})
        self.stop(process)


class Health(OrdersTest):
    def test_status_and_gauge_say_the_same_of_paused_suspended_and_blocked(self):
        refusing = self.receiver(Receiver(lambda bodies: 422))
        one_refused = self.receiver(Receiver(lambda bodies: 422 if any(b["properties"]["n"] == 3 for b in bodies) else 200))
        self.config(FILE_OUT + webhook("paused", refusing.url) +
                    webhook("suspended", refusing.url, ", suspend: { events: 10, retry: 1h }") +
                    webhook("blocked", one_refused.url, ", order: key, on_dead: block"))
        process = self.start()
        self.assertEqual(self.cli("pause", "paused").returncode, 0)
        self.accept([event(n) for n in range(40)])
        wanted = {"paused": "paused", "suspended": "suspended", "blocked": "blocked", "out": "healthy"}
        wait_until(lambda: {name: row["health"] for name, row in self.destinations().items()} == wanted and self.settled("blocked"),
                   f"{wanted}")
        behind = len(range(3, 40, 7))  # all of the distinct id of 3
        self.assert_told({"web": (40, 0)}, {"out": (40, 0), "paused": (0, 0), "blocked": (40 - behind, behind)})
        self.assertEqual(self.metrics().get("penstock_delivery_blocked_keys", destination="blocked"), 1)
        refusing.answer = one_refused.answer = lambda bodies: 200
        for name in ("paused", "suspended"):
            self.assertEqual(self.cli("resume", name).returncode, 0)
        self.assertEqual(self.cli("dead", "replay", "--all").returncode, 0)
        wait_until(lambda: {row["health"] for row in self.destinations().values()} == {"healthy"} and self.settled(*wanted),
                   "all are well")
        wait_until(lambda: self.dead() == [], "and nothing is dead")
        self.assertEqual(numbers(one_refused.received), list(range(40)))
        self.assert_told()
        self.stop(process)


class Letters(OrdersTest):
    def memory(self, process, key):
        """VmRSS, what it has now, or VmHWM, the most that it has had; bytes."""
        with open(f"/proc/{process.pid}/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith(f"{key}:"))

    def test_large_ones_that_are_sent_again_are_not_all_in_memory(self):
        count, event_bytes = 100, 1_000_000
        crm = self.receiver(Receiver(lambda bodies: 422))
        self.config(webhook("crm", crm.url, ", suspend: { share: 1 }, in_flight_max: 2"),
                    '  - { name: web, type: http, listen: "127.0.0.1:0", body_max: 8MiB, in_flight_max: 8MiB }\n',
                    "workers: 1\nmemory_max: 128MiB\nlog: { pending_max: 8MiB }\ningest: { commit_bytes: 1MiB, dedup: { uuids: 0 } }\n")
        process = self.start()
        for n in range(count):
            self.accept([event(n, noise=os.urandom(event_bytes // 2).hex())])
        wait_until(lambda: self.destination("crm")["dead"] == count, "all are dead")
        self.stop(process)
        crm.answer = lambda bodies: 200
        process = self.start()  # anew, so that the most it has had is from now on
        idle = self.memory(process, "VmRSS")
        self.assertEqual(self.cli("dead", "replay", "--all").returncode, 0)
        wait_until(lambda: len(crm.received) == count, "all are sent again")
        most = self.memory(process, "VmHWM")
        self.assertLess(most, 128 << 20)
        self.assertLess(most - idle, count * event_bytes // 2, "a few letters at a time")
        wait_until(lambda: self.dead() == [], "no letter is left")
        self.assertEqual(numbers(crm.received), list(range(count)))
        self.stop(process)


if __name__ == "__main__":
    wanted = sys.argv[1:]
    suites = [Beginnings, Rates, Replays, Reloads, Health, Letters]
    sys.exit(run_side_by_side([each for each in suites if not wanted or each.__name__ in wanted]))
