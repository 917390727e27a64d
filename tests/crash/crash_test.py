"""Kills a loaded Penstock with SIGKILL at random moments, again and again, and counts every event afterwards.

  crash_test.py [--kills N] [--seed S] [--binary PATH] [--keep]

Load comes from an HTTP source (several clients) and a followed file that is appended to and rotated; output goes to a file
and to webhooks. Meanwhile somebody asks for replays, sends dead letters again and takes backups. The oracle (oracle.py):
  - a request that was answered 200: each of its events stands exactly once in the log `events`
  - a request without an answer is sent again until it has one, and still each of its events stands there exactly once; only
    the last one of a client, when the test ends, stays without: its events stand there at most once, all or none of them
  - a line written to the file: exactly once
  - per distinct id the log has the order of sending, and so have the first deliveries to the file and to a webhook with
    `order: key`, which is not always there
  - every event of the log reached the file and the webhook at least once; what others refuse, or an app of a destination
    fails on, is a dead letter there, one however often it was sent again, and reaches them once they take it
  - what a destination's app makes of an event arrives whole, and is the same whenever it comes
  - a replay that was accepted brings everything that was there
  - from a backup, also one that was killed before it was answered, a pipeline goes on: all that was accepted before it and
    every line, each exactly once
Each life of the process has another number of workers.
The seed is printed; it decides when the kills fall, not how the kernel schedules.
"""
import json
import sys
import threading

import oracle
from lives import Penstock, Settled, free_port, main
from load import FileWriter, HttpClient
from orders import Orders
from peers import Receiver

# oracle.py knows what it does.
APP = """
local M = {}
function M.transform(event, app)
  local n = event.properties.sequence
  if n %% 11 == 0 then return nil end
  if n %% 89 == 0 and not %s then error('as it should') end
  local parts = {}
  for i = 1, 2 do
    parts[i] = { event = event.event, distinct_id = event.distinct_id, uuid = event.uuid,
                 properties = { sequence = n, part = i, of = event.uuid, now = app.now(), id = app.uuid() } }
  end
  return parts
end
return M
"""


def write_app(folder, mended):
    (folder / "apps" / "split" / "app.lua").write_text(APP % ("true" if mended else "false"))


def write_config(folder, source_port, receiver):
    (folder / "in").mkdir()
    (folder / "apps" / "split").mkdir(parents=True)
    (folder / "apps" / "split" / "app.yaml").write_text("name: split\nversion: 1.0.0\nsummary: Splits, drops and fails.\n")
    write_app(folder, mended=False)
    webhooks = ""
    for name, more in {"plain": "", "fussy": "suspend: { share: 1 }, ", "made": "apps: [{ use: split, suspend: { then: never } }], ",
                       "ordered": "order: key, suspend: { share: 1 }, "}.items():
        webhooks += (f'  - {{ name: {name}, type: webhook, url: "{receiver.url(name)}", format: ndjson, body: envelope, {more}'
                     "batch: { within: 20ms } }\n")
    (folder / "penstock.yaml").write_text(f"""
data: ${{env:DATA}}
workers: ${{env:WORKERS}}
log: {{ type: local, segment: 1MiB }}
sources:
  - {{ name: web, type: http, listen: "127.0.0.1:{source_port}" }}
  - {{ name: lines, type: file, path: ./in/lines.ndjson, follow: true }}
destinations:
  - {{ name: out, type: file, path: "./${{env:DATA}}.ndjson", format: envelope, batch: {{ within: 20ms }} }}
{webhooks}""")


def settle(penstock):
    """What /ordered takes is found out event by event: after many kills there is much to find out."""
    penstock.wait_until("everything read and delivered", Settled(), 600)


def letters_of(penstock):
    return {stage: penstock.dead_letters(stage) for stage in ("fussy", "ordered", "made")}


def delivered_to_file(penstock):
    return [json.loads(line) for line in (penstock.folder / f"{penstock.data}.ndjson").read_text().splitlines()]


def live_under_load(args, penstock, receiver, source_port):
    stop, stop_orders = threading.Event(), threading.Event()
    clients = [HttpClient(f"user-{i}", source_port, stop) for i in range(4)]
    writer = FileWriter(str(penstock.folder / "in" / "lines.ndjson"), stop)
    orders = Orders(penstock, receiver, clients, stop_orders)
    penstock.start()
    writer.start()
    # What was rotated before a source has ever seen the path is none of its input.
    penstock.wait_until("the first lines are in the log", lambda s: s["ingest"]["kept"] > 0, 30)
    writer.may_rotate.set()
    for thread in [*clients, orders]:
        thread.start()
    penstock.live_and_die(args.kills, args.pause)
    stop_orders.set()
    orders.join()
    orders.make_up()
    stop.set()
    for thread in [*clients, writer]:
        thread.join()
    return clients, writer, orders


def send_letters_again(penstock, receiver):
    """Nothing is refused any more, and the app is mended."""
    receiver.lenient = True
    write_app(penstock.folder, mended=True)
    penstock.start()
    penstock.wait_until("ready for the letters", lambda s: s["state"] == "running", 30)
    penstock.cli("dead", "replay", "--all", "--data", penstock.data)
    settle(penstock)
    penstock.stop()


def go_on_from(backup, args, penstock):
    """The pipeline's log and what it wrote to its file, once it has done everything there is to do."""
    restored = Penstock(args.binary, penstock.folder, backup.folder.name)
    restored.start()
    settle(restored)
    restored.stop()
    return restored.events_in_log(), delivered_to_file(restored)


def run(args, folder):
    problems = []
    receiver = Receiver()
    source_port = free_port()
    write_config(folder, source_port, receiver)
    penstock = Penstock(args.binary, folder)
    clients, writer, orders = live_under_load(args, penstock, receiver, source_port)
    settle(penstock)
    penstock.stop()

    logged, delivered, letters = penstock.events_in_log(), delivered_to_file(penstock), letters_of(penstock)
    oracle.judge_log(clients, writer, logged, problems)
    oracle.judge_plain(logged, delivered, receiver, problems)
    oracle.judge_replays(logged, receiver, orders.replays, problems)
    oracle.judge_fussy(logged, receiver, letters, problems)
    oracle.judge_made(logged, receiver, letters["made"], True, problems)

    send_letters_again(penstock, receiver)
    letters = letters_of(penstock)
    oracle.judge_mended(logged, receiver, letters, problems)
    oracle.judge_made(logged, receiver, letters["made"], False, problems)

    for backup in orders.backups[-(1 + args.kills // 100):]:
        restored, delivered_there = go_on_from(backup, args, penstock)
        oracle.judge_backup(backup, writer, logged, restored, delivered + delivered_there, problems)
    print(f"dead letters sent again {orders.letters_sent_again} times while it was killed; backups: {orders.backups_begun} begun, "
          f"{len(orders.backups)} made")
    return problems


if __name__ == "__main__":
    sys.exit(main(run, __doc__.splitlines()[0], kills=6, kills_long=200))
