"""Kills a Penstock whose log is too small for what comes, and counts every event: what arrived, is dead, is still pending, or
was removed by retention from a destination that allows it.

  pressure_test.py [--kills N] [--seed S] [--binary PATH] [--keep]

Clients push more than the log keeps, so retention removes and takes checkpoints all the time. One destination never answers
and loses what retention removes; three say `hold`: one that is well, one that is dead for seconds at a time, and one with
`order: key` and `on_dead: block`. While the log is full, sources wait. Meanwhile somebody pauses, resumes, limits, discards,
sends dead letters again and reloads with a changed destination. The oracle:
  - with no process there, before the next one starts: each event of a request that was answered 200 has arrived at each
    destination that holds, or is its dead letter, or is in a log; and the next process counts what has not arrived as its lag
  - in the end what was answered 200, and each line, is at each destination that holds; nothing is in the log twice
  - the one with `on_dead: block` got each distinct id in the order of sending, without any exception; what was discarded does
    not come in a later life; and every other run discards nothing, so there all comes
  - the one that lost events tells how many they were, to the event
"""
import collections
import json
import os
import sys
import threading

from lives import Penstock, Settled, free_port, main
from load import FileWriter, HttpClient
from oracle import acknowledged_by, check, check_order
from pressure_peers import PressureOrders, PressureReceiver

HOLDING = ("keeper", "held", "ordered")
JUDGED_KILLS = 40  # of a long run; each takes seconds


class Client(HttpClient):
    padding = 600


def config_writer(folder, source_port, receiver):
    """A function that writes the configuration, as a whole or not at all, with another setting of one destination."""
    within = {name: 20 for name in (*HOLDING, "frozen")}
    more = {"keeper": "hold: true", "held": "hold: true", "frozen": "timeout: 1s",
            "ordered": "hold: true, order: key, on_dead: block, suspend: { share: 1 }"}

    def write(name, milliseconds):
        within[name] = milliseconds
        destinations = "".join(
            f'  - {{ name: {n}, type: webhook, url: "{receiver.url(n)}", format: ndjson, body: envelope, {more[n]},\n'
            f'      headers: {{ X-Life: "${{env:LIFE}}" }},\n'
            f"      retry: {{ wait_min: 20ms, wait_max: 500ms }}, batch: {{ within: {within[n]}ms }} }}\n" for n in more)
        (folder / "penstock.yaml.new").write_text(f"""
data: ${{env:DATA}}
workers: ${{env:WORKERS}}
log:
  type: local
  segment: 1MiB
  retention: {{ events: {{ bytes: 4MiB }}, captured: {{ age: 1s, bytes: 1MiB }}, free_min: 0B }}
sources:
  - {{ name: web, type: http, listen: "127.0.0.1:{source_port}" }}
  - {{ name: lines, type: file, path: ./in/lines.ndjson, follow: true }}
destinations:
{destinations}""")
        os.replace(folder / "penstock.yaml.new", folder / "penstock.yaml")

    (folder / "in").mkdir()
    write("keeper", 20)
    return write


class Pending:
    """What must not be lost over a kill, destination by destination."""

    def __init__(self, args, penstock, receiver, clients, problems):
        self.penstock, self.receiver, self.clients, self.problems = penstock, receiver, clients, problems
        self.every = max(1, args.kills // JUDGED_KILLS)
        self.judged = 0
        self.acknowledged, self.logged, self.captured = set(), set(), set()

    def when_dead(self, kill):
        if kill % self.every:
            return
        self.acknowledged = set(acknowledged_by(self.clients))
        self.logged = {event["uuid"] for event in self.penstock.events_in_log()}
        self.captured = {event["uuid"] for event in self.penstock.events_in_log("captured")}

    def when_back(self, kill):
        """Retention may remove what has arrived by now, but nothing that was pending."""
        if kill % self.every:
            return
        self.penstock.wait_until("back, to say what is pending", lambda s: s["state"] == "running", 120)
        lag = {d["name"]: d["lag_events"] for d in self.penstock.status()["destinations"]}
        letters = {letter["uuid"] for letter in self.penstock.dead_letters("ordered")}
        for name in HOLDING:
            settled = self.receiver.arrived(name)  # read after the letters: one that went meanwhile has arrived
            if name == "ordered":
                settled |= letters | self.discardable()
            gone = self.acknowledged - settled - self.logged - self.captured
            check(not gone, self.problems, f"kill {kill}: {len(gone)} accepted events are neither at {name}, nor dead, nor in a log")
            pending = self.logged - settled
            if name != "ordered":  # what was discarded is no lag either
                check(lag[name] >= len(pending), self.problems,
                      f"kill {kill}: {name} says it lags by {lag[name]}, but {len(pending)} events of the log have not arrived")
        self.judged += 1

    def discardable(self):
        return {u for client in self.clients for batch in client.acknowledged for u, s in batch if s % 97 == 0}


def live_under_load(args, penstock, receiver, source_port, write_config, problems):
    stop, stop_orders = threading.Event(), threading.Event()
    clients = [Client(f"user-{i}", source_port, stop) for i in range(4)]
    writer = FileWriter(str(penstock.folder / "in" / "lines.ndjson"), stop, pause=0.1)
    orders = PressureOrders(penstock, receiver, write_config, stop_orders)
    pending = Pending(args, penstock, receiver, clients, problems)
    penstock.start()
    writer.start()
    penstock.wait_until("the first lines are in the log", lambda s: s["ingest"]["kept"] > 0, 30)
    writer.may_rotate.set()
    for thread in [*clients, orders]:
        thread.start()
    penstock.live_and_die(args.kills, args.pause, pending.when_dead, pending.when_back)
    stop_orders.set()
    orders.join()
    stop.set()
    for thread in [*clients, writer]:
        thread.join()
    return clients, writer, orders, pending


def judge_hold(clients, writer, receiver, orders, problems):
    """Everything accepted is where it is held for. Returns everything that was ever in the log."""
    logged = receiver.arrived("keeper")
    for u in acknowledged_by(clients):
        check(u in logged, problems, f"acknowledged {u} is not at keeper")
    for u, s in writer.lines:
        check(u in logged, problems, f"line {s} ({u}) is not at keeper")
    unanswered = [[u for u, _ in batch] for c in clients for batch in c.unanswered]
    for batch in unanswered:
        check(len({u in logged for u in batch}) == 1, problems, "an unanswered batch is in the log in part")
    known = set(acknowledged_by(clients)) | {u for batch in unanswered for u in batch} | {u for u, _ in writer.lines}
    check(logged <= known, problems, "keeper has events nobody sent")
    check(receiver.arrived("held") == logged, problems,
          f"held and keeper differ in {len(receiver.arrived('held') ^ logged)} events")
    check(receiver.arrived("frozen") <= logged, problems, "frozen has what the log has not")

    refused = {u for client in clients for u, s in sum(client.acknowledged + client.unanswered, []) if s % 97 == 0}
    refused |= {u for u, s in writer.lines if s % 97 == 0}
    missing = logged - receiver.arrived("ordered")
    check(missing <= refused, problems, f"{len(missing - refused)} events, never refused, are not at ordered")
    check(not missing or orders.discards_begun, problems, "events are not at ordered that nobody discarded")
    check_order(receiver.ordered, problems, "ordered")
    came_back = orders.came_back()
    check(not came_back, problems, f"{len(came_back)} events came to ordered after they were discarded: {came_back[:3]}")
    return logged


def judge_removed(logged, receiver, status, kept_log, problems):
    of = {d["name"]: d for d in status["destinations"]}
    skipped, arrived = of["frozen"]["skipped"], len(receiver.arrived("frozen"))
    check(skipped + arrived == len(logged), problems,
          f"{len(logged)} events were logged; frozen got {arrived} and says that it missed {skipped}")
    check(skipped > 0, problems, "nothing was removed before frozen had read it; the test's log is not small enough")
    for name in HOLDING:
        check(of[name]["skipped"] == 0, problems, f"{name} holds, and missed {of[name]['skipped']}")
    count = collections.Counter(event["uuid"] for event in kept_log)
    check(all(n == 1 for n in count.values()), problems, "something is in the log twice")
    check(len(count) < len(logged), problems, "nothing was removed")
    check_order(kept_log, problems, "log")
    print(f"logged {len(logged)}, of which {len(count)} are kept; frozen got {arrived} and missed {skipped}")


def run(args, folder):
    problems = []
    receiver = PressureReceiver(folder)
    source_port = free_port()
    write_config = config_writer(folder, source_port, receiver)
    penstock = Penstock(args.binary, folder)
    clients, writer, orders, pending = live_under_load(args, penstock, receiver, source_port, write_config, problems)
    orders.heal()  # sends all letters again that there are; some may be behind one that is just dying
    penstock.wait_until("everything delivered", Settled(), 300)
    penstock.cli("dead", "replay", "--all", "--stage", "ordered", "--data", penstock.data)
    penstock.wait_until("the dead letters delivered", Settled(), 300)
    status, letters = penstock.status(), penstock.dead_letters("ordered")
    check(not letters, problems, f"{len(letters)} dead letters are left, although all were sent again")
    penstock.stop()

    logged = judge_hold(clients, writer, receiver, orders, problems)
    judge_removed(logged, receiver, status, penstock.events_in_log(), problems)
    messages = [json.loads(line)["message"] for line in (folder / "penstock.log").read_text().splitlines()]
    overtaken = [m for m in messages if "was overtaken by retention" in m and "destination frozen " not in m]
    check(not overtaken, problems, f"although it holds: {overtaken[:1]}")
    print(f"sent and acknowledged {len(acknowledged_by(clients))}, refused for a while {sum(c.refused for c in clients)} times; "
          f"checkpoints {sum(m.startswith('took a checkpoint') for m in messages)}, pending judged after {pending.judged} kills; "
          + ", ".join(f"{kind} {n}" for kind, n in sorted(orders.taken.items())))
    return problems


if __name__ == "__main__":
    sys.exit(main(run, __doc__.splitlines()[0], kills=6, kills_long=200))
