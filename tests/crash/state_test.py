"""Kills a Penstock whose app keeps counters in app.state, again and again, and checks every counter afterwards.

  state_test.py [--kills N] [--seed S] [--binary PATH] [--keep]

Several clients send events of the same few distinct ids, a followed file those of another. The app counts in state and writes
the count into the event; some events it drops after it has counted them apart, on some it fails after it has counted. The oracle:
  - per distinct id the counts in the log `events` are 1, 2, … n in the order of the log, n being the events logged
  - what an event found of the one before it is what that one stored
  - after the last kill, and again after data/state was deleted, an event finds n, and as many dropped ones as were accepted
  - no event that failed is in the log, and each accepted one is among the dead letters
"""
import collections
import http.client
import json
import random
import shutil
import sys
import threading
import uuid

from lives import Penstock, free_port, main
from load import FileWriter, HttpClient
from oracle import check

PEOPLE = [f"user-{n}" for n in range(5)]
APP = """
local M = {}
function M.transform(event, app)
  local state, properties = app.state, event.properties
  if event.event == 'dropped' then
    state.incr('dropped')
    return nil
  end
  properties.count = state.incr('count')
  properties.dropped = state.get('dropped') or 0
  properties.before = (state.get('last') or {}).uuid or app.null
  state.set('last', {uuid = event.uuid, at = app.now()}, 3600)
  if event.event == 'failed' then error('as it should') end
  return event
end
return M
"""


class Client(HttpClient):
    """A batch is a list of (uuid, distinct id, event); at least one event of it goes through. None is sent again: what an app
    dropped or failed on is not in the log, so it would be counted again."""
    sends_again = False

    def make_batch(self):
        kinds = ["sent"] + random.choices(["sent", "dropped", "failed"], [20, 3, 1], k=random.randrange(0, 30))
        batch = [(str(uuid.uuid4()), random.choice(PEOPLE), kind) for kind in kinds]
        return batch, "\n".join(event_line(*event) for event in batch)


def event_line(identity, who, kind):
    return json.dumps({"event": kind, "uuid": identity, "distinct_id": who, "properties": {}})


def write_config(folder, port):
    (folder / "in").mkdir()
    app = folder / "apps" / "counter"
    app.mkdir(parents=True)
    (app / "app.lua").write_text(APP)
    (app / "app.yaml").write_text("name: counter\nversion: 1.0.0\nsummary: Counts.\npermissions: { state: true }\n")
    (folder / "penstock.yaml").write_text(f"""
data: ./data
workers: ${{env:WORKERS}}
log: {{ type: local, segment: 1MiB }}
sources:
  - {{ name: web, type: http, listen: "127.0.0.1:{port}" }}
  - {{ name: lines, type: file, path: ./in/lines.ndjson, follow: true }}
apps:
  - use: counter
destinations:
  - {{ name: out, type: discard }}
""")


class Idle:
    """Ingest has nothing to do, several times in a row: a followed file is never finished, only idle."""

    def __init__(self):
        self.in_a_row = 0

    def __call__(self, status):
        self.in_a_row = self.in_a_row + 1 if status["ingest"]["idle"] else 0
        return self.in_a_row >= 4


def probe(penstock, port):
    """One more event of each distinct id; what its count and its number of dropped ones then must be, the log says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    uuids = {who: str(uuid.uuid4()) for who in PEOPLE}
    connection.request("POST", "/events", "\n".join(event_line(u, who, "probe") for who, u in uuids.items()),
                       {"Content-Type": "application/x-ndjson"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SystemExit(f"the probe was answered {answer.status}")
    connection.close()
    penstock.wait_until("the probe read", Idle(), 30)
    return set(uuids.values())


def judge_log(logged, problems):
    """Every count and every look at the event before, in the order of the log. Returns how many events each distinct id has."""
    counts, last = collections.Counter(), {}
    for event in logged:
        who, properties = event["distinct_id"], event["data"]["properties"]
        counts[who] += 1
        check(properties["count"] == counts[who], problems, f"{who}: event {counts[who]} counted {properties['count']}")
        check(properties["before"] == last.get(who), problems, f"{who}: event {counts[who]} found another one before it")
        last[who] = event["uuid"]
    return counts


def judge_batches(clients, logged, problems):
    """What became of each batch: all of it or nothing. Returns the dropped events by distinct id, and the failed ones."""
    there = {event["uuid"] for event in logged}
    dropped, failed, accepted = collections.Counter(), set(), 0
    for client in clients:
        for batch in client.acknowledged + client.unanswered:
            sent = [u for u, _, kind in batch if kind == "sent"]
            found = sum(u in there for u in sent)
            check(found in (0, len(sent)), problems, f"{found} of the {len(sent)} events of a batch are in the log")
            check(found or batch in client.unanswered, problems, "an acknowledged batch is not in the log")
            check(not any(u in there for u, _, kind in batch if kind != "sent"), problems, "a dropped or failed event is in the log")
            if not found:
                continue
            accepted += len(batch)
            dropped.update(who for _, who, kind in batch if kind == "dropped")
            failed.update(u for u, _, kind in batch if kind == "failed")
    return dropped, failed, accepted


def run(args, folder):
    port = free_port()
    write_config(folder, port)
    penstock = Penstock(args.binary, folder)
    stop = threading.Event()
    clients = [Client(f"client-{i}", port, stop) for i in range(4)]
    writer = FileWriter(str(folder / "in" / "lines.ndjson"), stop)
    penstock.start()
    for thread in [*clients, writer]:
        thread.start()
    penstock.live_and_die(args.kills, args.pause)
    stop.set()
    for thread in [*clients, writer]:
        thread.join()
    penstock.wait_until("everything read", Idle(), 120)
    probes = [probe(penstock, port)]
    penstock.stop()
    shutil.rmtree(folder / "data" / "state")
    penstock.start()
    penstock.wait_until("ready without its state", lambda s: s["state"] == "running", 60)
    probes.append(probe(penstock, port))
    penstock.stop()

    problems = []
    logged = penstock.events_in_log()
    counts = judge_log(logged, problems)
    dropped, failed, accepted = judge_batches(clients, logged, problems)
    for uuids in probes:
        found = {e["distinct_id"]: e["data"]["properties"]["dropped"] for e in logged if e["uuid"] in uuids}
        check(found == {who: dropped[who] for who in PEOPLE}, problems, f"dropped: {found}, should be {dict(dropped)}")
    dead = collections.Counter(letter["uuid"] for letter in penstock.dead_letters("ingest"))
    check(set(dead) == failed and all(n == 1 for n in dead.values()), problems,
          f"{len(failed)} accepted events failed, {sum(dead.values())} dead letters of {len(dead)} events")
    check(counts["file"] == len(writer.lines), problems, f"{counts['file']} of {len(writer.lines)} lines")
    print(f"accepted {accepted} of the clients' events ({sum(dropped.values())} dropped, {len(failed)} failed) and "
          f"{len(writer.lines)} lines; counted in the log: {dict(sorted(counts.items()))}")
    return problems


if __name__ == "__main__":
    sys.exit(main(run, __doc__.splitlines()[0], kills=4, kills_long=40))
