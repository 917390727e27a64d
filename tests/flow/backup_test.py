"""Backups of a pipeline under load, and derived state that is lost, damaged or made anew."""
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from rig import BINARY, FlowTest, wait_until  # noqa: E402

PEOPLE = [f"user-{n}" for n in range(7)]
COUNTER = """
local M = {}
function M.transform(event, app)
  event.properties.count = app.state.incr('count')
  return event
end
return M
"""


def line(identity, who):
    return json.dumps({"event": "a", "distinct_id": who, "properties": {"id": identity}})


class Counting(FlowTest):
    """An app counts the events of each distinct id in app.state, and writes the count into them."""

    def configure(self, data="./data", out="out.ndjson", extra="", follow="true"):
        self.write("apps/counter/app.lua", COUNTER)
        self.write("apps/counter/app.yaml",
                   "name: counter\nversion: 1.0.0\nsummary: Counts.\npermissions: { state: true }\n")
        self.write("in.ndjson", (self.folder / "in.ndjson").read_text() if (self.folder / "in.ndjson").exists() else "")
        self.write("penstock.yaml", f"""
data: {data}
{extra}
sources:
  - {{ name: web, type: http, listen: "127.0.0.1:{self.port}" }}
  - {{ name: lines, type: file, path: ./in.ndjson, follow: {follow} }}
apps:
  - use: counter
destinations:
  - {{ name: out, type: file, path: ./{out}, batch: {{ within: 20ms }} }}
""")

    def kill_at_a_moment(self, process, seconds):
        """At a random one within so many seconds, unless it has ended by then."""
        try:
            process.wait(timeout=random.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def post_ids(self, identities):
        status, answer = self.post([line(i, random.choice(PEOPLE)) for i in identities])
        self.assertEqual(status, 200, answer)

    def append_lines(self, identities):
        with open(self.folder / "in.ndjson", "a", encoding="utf-8") as lines:
            lines.write("".join(line(i, random.choice(PEOPLE)) + "\n" for i in identities))

    def wait_until_read(self, lines):
        wait_until(lambda: self.status()["ingest"]["kept"] >= lines and self.status()["ingest"]["idle"], f"{lines} are read")

    def logged(self, data):
        """Of the events in the log of a stopped pipeline, in its order: (id, whose, count). A source that is read in place has
        rows of its own, so it is counted by itself."""
        cat = self.cli("log", "cat", data)
        self.assertEqual(cat.returncode, 0, cat.stderr)
        events = [json.loads(text) for text in cat.stdout.splitlines()]
        return [(e["data"]["properties"]["id"], (e["source"], e["distinct_id"]), e["data"]["properties"]["count"]) for e in events]

    def check_counts(self, logged, since_the_start=True):
        counts = collections.Counter()
        for identity, who, count in logged:
            counts[who] = counts[who] + 1 if since_the_start or counts[who] else count
            self.assertEqual(count, counts[who], f"{identity} of {who}")
        self.assertEqual(len({identity for identity, _, _ in logged}), len(logged), "something is in `events` twice")


class Load:
    """Posts and appends until it is told to stop, and knows what was accepted."""

    def __init__(self, test):
        self.test, self.stopping = test, threading.Event()
        self.accepted, self.written = [], []
        self.threads = [threading.Thread(target=self.run, args=(act, name, done), daemon=True) for act, name, done in
                        ((test.post_ids, "http", self.accepted), (test.append_lines, "file", self.written))]
        for thread in self.threads:
            thread.start()

    def run(self, act, name, done):
        n = 0
        while not self.stopping.is_set():
            identities = [f"{name}-{n + i}" for i in range(random.randrange(1, 40))]
            n += len(identities)
            try:
                act(identities)
            except OSError:  # the process is gone: nobody said "accepted"
                continue
            done.extend(identities)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class Backups(Counting):
    def test_a_restore_has_all_that_was_accepted_before_and_goes_on_exactly_once(self):
        self.configure(extra="log: { segment: 1MiB }")
        original = self.start()
        load = Load(self)
        wait_until(lambda: len(load.accepted) > 2000 and len(load.written) > 2000, "some load")
        accepted = list(load.accepted)
        backup = self.cli("backup", "./backup", "--data", "./data")
        self.assertEqual(backup.returncode, 0, backup.stderr)
        self.assertIn("goes on from there", backup.stdout)
        at_backup = len(load.accepted)
        wait_until(lambda: len(load.accepted) > at_backup + 500, "the original goes on")
        original.kill()
        original.wait()
        load.stop()

        self.configure(data="./backup", out="restored.ndjson")
        restored = self.start()
        wait_until(lambda: self.status()["ingest"]["idle"] and self.destination("out")["lag_events"] == 0, "everything again")
        self.post_ids(["probe"])
        self.append_lines(["last line"])
        wait_until(lambda: self.lines("restored.ndjson") and
                   {"probe", "last line"} <= {e["properties"]["id"] for e in self.lines("restored.ndjson")}, "the last")
        self.stop(restored)
        logged = self.logged("backup")
        self.check_counts(logged)
        there = {identity for identity, _, _ in logged}
        self.assertLessEqual(set(accepted), there, "accepted before the backup")
        self.assertLessEqual(set(load.written), there, "lines of the file")
        delivered = {e["properties"]["id"] for e in self.lines() + self.lines("restored.ndjson")}
        self.assertLessEqual(there, delivered, "what is in the log was delivered before or after")

    def test_a_process_that_is_killed_leaves_a_whole_backup_or_none(self):
        self.configure(extra="log: { segment: 1MiB }", follow="false")
        self.append_lines(f"{n} {os.urandom(100).hex()}" for n in range(20_000))
        made = 0
        for attempt in range(8):
            process = self.start("--keep-running")
            wait_until(lambda: self.status()["log"]["events"]["events"] == 20_000, "everything is read")
            to = self.folder / f"backup-{attempt}"
            asking = subprocess.Popen([BINARY, "backup", str(to)], cwd=self.folder, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            self.processes.append(asking)
            self.kill_at_a_moment(process, 0.4)
            asking.wait(timeout=30)
            if to.exists():
                made += 1
                self.assertEqual(self.logged(to.name), self.logged("data"))
                self.assertEqual(self.cli("dead", "list", "--data", to.name).returncode, 0, "its databases open")
            partial = self.folder / f"{to.name}.partial"
            if partial.exists() and not (partial / "FORMAT").exists():
                self.assertEqual(self.cli("log", "cat", partial.name).returncode, 3)
        print(f"{made} of 8 backups came to their end", file=sys.stderr)

    def test_a_stopped_pipeline_is_backed_up_too_and_only_into_nothing(self):
        self.configure(follow="false")
        self.append_lines(range(50))
        process = self.start("--keep-running")
        self.wait_until_read(50)
        self.stop(process)
        self.write("full/file", "")
        refused = self.cli("backup", "full")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("is not an empty folder", refused.stderr)
        self.assertEqual(self.cli("backup", "backup").returncode, 0)
        self.assertEqual(self.logged("backup"), self.logged("data"))
        self.check_a_copy_on_another_file_system()
        self.configure(data="./backup", follow="false")
        second = self.start("--keep-running")
        self.post_ids(["probe"])
        self.wait_until_read(1)
        self.stop(second)
        self.check_counts(self.logged("backup"))
        self.assertEqual(len(self.logged("backup")), 51)


    def check_a_copy_on_another_file_system(self):
        memory = pathlib.Path("/dev/shm")
        if not memory.is_dir() or memory.stat().st_dev == self.folder.stat().st_dev:
            return
        with tempfile.TemporaryDirectory(prefix="penstock-", dir=memory) as folder:
            self.assertEqual(self.cli("backup", folder).returncode, 0, "an empty folder that is there")
            self.assertEqual(self.logged(folder), self.logged("data"))
            self.assertEqual(self.cli("dead", "list", "--data", folder).returncode, 0, "its databases open")


class LostState(Counting):
    RETENTION = "log: { segment: 1MiB, retention: { events: { bytes: 1MiB } } }\nstate: { checkpoint_every: 1s }"

    def run_until_the_log_has_lost_its_beginning(self):
        self.configure(extra=self.RETENTION)
        process = self.start()
        sent = 0
        while "from the old end of events" not in self.log():
            self.append_lines(f"{sent + i} {os.urandom(300).hex()}" for i in range(1000))
            sent += 1000
            self.wait_until_read(sent)
        wait_until(lambda: "took a checkpoint" in self.log(), "a checkpoint")
        self.stop(process)
        return sent

    def probe(self):
        """How many events each distinct id had before, as the app has it."""
        counts = {}
        with open(self.folder / "in.ndjson", "a", encoding="utf-8") as lines:
            lines.write("".join(line(f"probe {who}", who) + "\n" for who in PEOPLE))
        wait_until(lambda: self.status()["ingest"]["kept"] >= len(PEOPLE), "the probe is read")
        wait_until(lambda: self.destination("out")["lag_events"] == 0, "the probe is written")
        for event in self.lines():
            if event["properties"]["id"].startswith("probe"):
                counts[event["distinct_id"]] = event["properties"]["count"] - 1
        return counts

    def test_a_lost_or_damaged_state_is_made_again_from_a_checkpoint_and_nothing_is_read_twice(self):
        sent = self.run_until_the_log_has_lost_its_beginning()
        for harm in ("lost", "damaged"):
            if harm == "lost":
                shutil.rmtree(self.folder / "data/state")
            else:
                for table in (self.folder / "data/state").glob("*.sst"):
                    table.unlink()
            process = self.start()
            self.assertIn("it starts from the checkpoint", self.log())
            self.assertEqual(sum(self.probe().values()), sent, harm)
            sent += len(PEOPLE)
            self.stop(process)
            (self.folder / "penstock.log").unlink()
            (self.folder / "out.ndjson").unlink()

    def test_without_a_checkpoint_it_is_said_what_is_lost_and_what_goes_on_anyway(self):
        self.run_until_the_log_has_lost_its_beginning()
        shutil.rmtree(self.folder / "data/state")
        shutil.rmtree(self.folder / "data/checkpoints")
        refused = self.cli("run", "penstock.yaml")
        self.assertEqual(refused.returncode, 3)
        for said in ("there is no state in", "begins at record", "rows of app.state", "penstock rebuild-state"):
            self.assertIn(said, refused.stderr)
        rebuild = self.cli("rebuild-state", "data")
        self.assertEqual(rebuild.returncode, 3)
        self.assertIn("--from-start", rebuild.stderr)
        rebuild = self.cli("rebuild-state", "data", "--from-start")
        self.assertEqual(rebuild.returncode, 0, rebuild.stderr)
        self.assertIn("it is complete from 20", rebuild.stdout)
        self.stop(self.start())


class Rebuilding(Counting):
    EVENTS = 30_000

    def test_it_is_refused_while_a_process_has_the_folder(self):
        self.configure()
        self.start()
        refused = self.cli("rebuild-state", "data")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("is in use", refused.stderr)

    def test_killed_at_any_moment_it_leaves_a_state_that_is_right(self):
        self.configure(follow="false")
        self.append_lines(range(self.EVENTS))
        self.assertEqual(self.run_finite().returncode, 0)
        for _ in range(12):
            rebuild = subprocess.Popen([BINARY, "rebuild-state", "data", "--from-start"], cwd=self.folder,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.processes.append(rebuild)
            self.kill_at_a_moment(rebuild, 0.25)
        whole = self.cli("rebuild-state", "data", "--from-start")
        self.assertEqual(whole.returncode, 0, whole.stderr)
        self.assertIn("it is complete\n", whole.stdout)
        self.assertEqual(sorted(os.listdir(self.folder / "data")).count("state.old"), 0)
        self.append_lines(["probe"])
        process = self.start("--keep-running")
        self.wait_until_read(1)
        self.stop(process)
        logged = self.logged("data")
        self.check_counts(logged)
        self.assertEqual(len(logged), self.EVENTS + 1)

    def run_finite(self):
        self.configure(follow="false")
        process = self.start("--keep-running")
        wait_until(lambda: self.status()["ingest"]["kept"] == self.EVENTS, "everything is read")
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        return process


if __name__ == "__main__":
    unittest.main(verbosity=2)
