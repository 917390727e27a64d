"""What the tests of faults share: telemetry by name, a port that the pipeline chose, suites that run side by side."""
import concurrent.futures
import contextlib
import re
import socket
import subprocess
import unittest
import urllib.request

from rig import BINARY, FlowTest, wait_until

FILE_OUT = "  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }"


SIDE_BY_SIDE = 12


def cases(table):
    """Says of a test which cases it has, so that fault_contract.py can name them."""
    def tell(test):
        test.cases = tuple(table)
        return test
    return tell


def numbers(events):
    return sorted(e["properties"]["n"] for e in events)


class FaultTest(FlowTest):
    """The port of the http source is the system's choice: tests that run side by side must not take each other's."""

    def setUp(self):
        super().setUp()
        self.port = 0

    def start(self, command=(BINARY, "run", "penstock.yaml"), **streams):
        with open(self.folder / "penstock.log", "wb") as log:
            process = subprocess.Popen(command, cwd=self.folder,
                                       **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **streams})
        self.processes.append(process)
        wait_until(lambda: process.poll() is not None or self.answers(), "penstock answers on its control port")
        self.assertIsNone(process.poll(), self.log())
        listening = re.search(r"source web listens on 127\.0\.0\.1:(\d+)", self.log())
        self.port = int(listening.group(1)) if listening else 0
        return process

    def config(self, destinations, sources='  - { name: web, type: http, listen: "127.0.0.1:0" }', extra=""):
        return super().config(destinations, sources, extra)

    def metrics(self):
        text = urllib.request.urlopen(self.control("/metrics"), timeout=20).read().decode()
        return Metrics(dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")))

    def destinations(self):
        return {row["name"]: row for row in self.status()["destinations"]}

    def listens_no_more(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

    def assert_told(self, sources=None, destinations=None):
        """That telemetry says what the test knows. sources: name → (kept, dead); destinations: name → (delivered, dead)."""
        def same():
            return self.told(sources or {}, destinations or {}) == ([], [])
        with contextlib.suppress(AssertionError):
            wait_until(same, "the gauges, which follow once a second")
        self.assertEqual(self.told(sources or {}, destinations or {}), ([], []), "(told, known) that differ")

    def told(self, sources, destinations):
        """What /metrics and status say otherwise: of counters, and of anybody's health."""
        status, metrics = self.status(), self.metrics()
        rows = {row["name"]: row for row in status["destinations"]}
        facts = []
        for name, (kept, dead) in sources.items():
            facts += [(f"{name} {outcome}", metrics.get("penstock_ingest_events_total", source=name, outcome=outcome), count)
                      for outcome, count in (("kept", kept), ("dead", dead), ("dropped", 0), ("duplicate", 0))]
            facts.append((f"{name} records", metrics.get("penstock_source_records_total", source=name), kept + dead))
        for name, known in destinations.items():
            for outcome, count in zip(("delivered", "dead"), known):
                facts.append((f"{name} {outcome}", metrics.get("penstock_delivery_events_total", destination=name, outcome=outcome),
                              count))
                facts.append((f"{name} {outcome} in status", rows[name][outcome], count))
            letters = [float(metrics.values[key]) for key in metrics.labels("penstock_delivery_dead_letters_total")
                       if f'destination="{name}"' in key]
            facts.append((f"{name} dead letters by code", sum(letters), known[1]))
        health = [(name, metrics.states(name), row["health"]) for name, row in rows.items() if metrics.states(name) != [row["health"]]]
        return [fact for fact in facts if fact[1] != fact[2]], health

    def assert_health(self, name, word, metrics):
        """Exactly one state of the gauge is on."""
        self.assertEqual(metrics.states(name), [word])


class Metrics:
    def __init__(self, values):
        self.values = values

    def get(self, name, **labels):
        """0 for what was never counted."""
        key = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        return float(self.values.get(f"{name}{{{key}}}" if key else name, 0))

    def states(self, destination):
        """Those that the gauge of health says it is in, which is one."""
        start = f'penstock_delivery_health{{destination="{destination}",state="'
        return [key[len(start):-2] for key, value in self.values.items() if key.startswith(start) and float(value)]

    def labels(self, name):
        return sorted(key for key in self.values if key.startswith(name + "{"))


def run_side_by_side(classes):
    """Tests that mostly wait, each with processes of its own. 0 when all went well."""
    loader = unittest.TestLoader()
    tests = [test for each in classes for test in loader.loadTestsFromTestCase(each)]

    def run(test):
        result = unittest.TestResult()
        test.run(result)
        return result

    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        results = list(pool.map(run, tests))
    for test, result in zip(tests, results):
        skipped = "".join(f"skipped: {reason}" for _, reason in result.skipped)
        print(f"{test.id()}: {skipped or ('ok' if result.wasSuccessful() else 'FAILED')}")
        for case, trace in result.failures + result.errors:
            print(f"{case}\n{trace}")
    return 0 if all(result.wasSuccessful() for result in results) else 1
