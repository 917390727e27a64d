"""Several workers: what they make together is what one would have made, and they are one to who looks at them."""
import collections
import os
import pathlib
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from rig import FlowTest, wait_until  # noqa: E402

APP = """local M = {}
function M.transform(event, app)
  event.properties.count = app.state.incr('count')
  event.properties.by = '%s'
  return event
end
return M
"""
PEOPLE = [f"u{n}" for n in range(12)]


class Workers(FlowTest):
    def app(self, by):
        self.write("apps/counter/app.yaml", "name: counter\nversion: 1.0.0\nsummary: Counts.\npermissions: { state: true }\n")
        self.write("apps/counter/app.lua", APP % by)

    def start_with(self, workers):
        self.config("  - { name: out, type: file, path: ./out.ndjson, format: envelope, batch: { within: 20ms } }",
                    f'  - {{ name: web, type: http, listen: "127.0.0.1:{self.port}" }}\n'
                    "  - { name: lines, type: file, path: ./in.ndjson, follow: true }",
                    f"workers: {workers}\ningest: {{ watch_apps: false }}\napps:\n  - use: counter\n")
        return self.start()

    def send(self, rounds):
        """To both sources, the same distinct ids."""
        for _ in range(rounds):
            self.accept([{"event": "e", "distinct_id": who, "properties": {}} for who in PEOPLE])
        with open(self.folder / "in.ndjson", "a", encoding="utf-8") as lines:
            for who in PEOPLE * rounds:
                lines.write(f'{{"event":"e","distinct_id":"{who}","properties":{{}}}}\n')

    def delivered(self):
        """Each event at its first delivery: a kill makes some come again."""
        first = {}
        for line in self.lines():
            first.setdefault(line["uuid"], line)
        return list(first.values())

    def counts(self):
        """Of each source and distinct id, in the order of delivery."""
        counts = collections.defaultdict(list)
        for line in self.delivered():
            counts[line["source"], line["distinct_id"]].append(line["data"]["properties"]["count"])
        return counts

    def wait_for_counts(self, rounds):
        expected = {(source, who): list(range(1, rounds + 1)) for source in ("web", "lines") for who in PEOPLE}
        wait_until(lambda: len(self.delivered()) >= 2 * rounds * len(PEOPLE), f"{rounds} rounds are delivered")
        self.assertEqual(self.counts(), expected)

    def threads(self, process):
        names = [task.read_text().strip() for task in pathlib.Path(f"/proc/{process.pid}/task").glob("*/comm")]
        return sorted(name for name in names if name.startswith("worker-"))

    def test_counters_and_order_are_those_of_one_worker_also_when_their_number_changes(self):
        self.app("first")
        rounds = 0
        for workers in (3, 1, 16):
            process = self.start_with(workers)
            rounds += 5
            self.send(5)
            self.wait_for_counts(rounds)
            self.assertEqual(len(self.threads(process)), workers)
            self.assertEqual(self.status()["ingest"]["workers"], workers)
            everything = 2 * 5 * len(PEOPLE)
            wait_until(lambda: self.status()["ingest"]["kept"] == everything, "what all workers kept")
            wait_until(lambda: [app["events"] for app in self.status()["apps"]] == [everything], "the app's count of all workers")
            process.kill()
            process.wait()

    def test_a_reload_reaches_every_worker(self):
        self.app("first")
        self.start_with(4)
        self.send(1)
        self.wait_for_counts(1)
        before = self.status()["ingest"]["chain_version"]
        self.app("second")
        self.assertEqual(self.cli("reload").returncode, 0)
        wait_until(lambda: self.status()["ingest"]["chain_version"] != before, "every worker has the new chain")
        self.send(1)
        self.wait_for_counts(2)
        self.assertEqual([line["data"]["properties"]["by"] for line in self.delivered()][2 * len(PEOPLE):],
                         ["second"] * 2 * len(PEOPLE))

    def test_their_number_is_not_for_a_reload(self):
        self.app("first")
        self.start_with(2)
        path = self.folder / "penstock.yaml"
        path.write_text(path.read_text().replace("workers: 2", "workers: 3"))
        refused = self.cli("reload")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("workers cannot be changed by a reload", refused.stderr)


if __name__ == "__main__":
    unittest.main()
