"""What the tests of faults share: telemetry by name, a port that the pipeline chose, suites that run side by side."""
import concurrent.futures
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

    def assert_health(self, name, word, metrics):
        """Exactly one state of the gauge is on."""
        states = {key: value for key, value in metrics.values.items()
                  if key.startswith(f'penstock_delivery_health{{destination="{name}"')}
        on = [key for key, value in states.items() if float(value)]
        self.assertEqual(on, [f'penstock_delivery_health{{destination="{name}",state="{word}"}}'])


class Metrics:
    def __init__(self, values):
        self.values = values

    def get(self, name, **labels):
        """0 for what was never counted."""
        key = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        return float(self.values.get(f"{name}{{{key}}}" if key else name, 0))

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
