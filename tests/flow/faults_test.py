#!/usr/bin/env python3
"""Every source and destination under every fault that can befall it. Who adds a connector says here how it fails.

Arguments: names of test classes, to run only those.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import fault_contract  # noqa: E402
from fault_rig import FaultTest, run_side_by_side  # noqa: E402
from http_source_faults import BadRequests, OddClients  # noqa: E402
from input_faults import FilesReadOnce, FollowedFiles, StandardInput  # noqa: E402
from kafka_faults import KafkaInput, KafkaInputOutages, KafkaOutages, KafkaTopics  # noqa: E402
from kafka_leader_faults import KafkaWithoutLeader  # noqa: E402
from kafka_road_faults import KafkaInputRoads, KafkaLogRoads, KafkaRoads  # noqa: E402
from kafka_topic_faults import KafkaInputChanges, KafkaTopicChanges  # noqa: E402
from local_faults import Discarded, Files, StandardOutput  # noqa: E402
from webhook_faults import Answers, Outages, Stops  # noqa: E402

# By the registry's names: the classes that hold its faults.
FAULTS = {
    "sources": {
        "file": [FilesReadOnce, FollowedFiles],
        "http": [BadRequests, OddClients],
        "kafka": [KafkaInput, KafkaInputOutages, KafkaInputRoads, KafkaLogRoads, KafkaInputChanges, KafkaWithoutLeader],
        "stdin": [StandardInput],
    },
    "destinations": {
        "discard": [Discarded],
        "file": [Files],
        "kafka": [KafkaOutages, KafkaTopics, KafkaRoads, KafkaTopicChanges, KafkaWithoutLeader],
        "stdout": [StandardOutput],
        "webhook": [Outages, Answers, Stops],
    },
}


class Registry(FaultTest):
    def registered(self):
        found, kind = {}, None
        for line in self.cli("connectors", "list").stdout.splitlines():
            if line.startswith("  "):
                found[kind].add(line.split()[0])
            else:
                kind = line
                found[kind] = set()
        return found

    def problems(self, cells):
        return fault_contract.problems(cells, self.registered(), FAULTS)

    def test_every_connector_has_its_faults(self):
        self.assertEqual({kind: set(faults) for kind, faults in FAULTS.items()}, self.registered(),
                         "say in FAULTS of tests/flow/faults_test.py which faults can befall the connector, and test them")

    def test_every_fault_of_every_connector_has_a_test_or_a_reason(self):
        self.assertEqual(self.problems(fault_contract.CELLS), [], "see tests/flow/fault_contract.py")

    def test_holes_and_names_of_tests_that_are_not_there_are_found(self):
        for kind, name, cell, problem in (
                ("sources", "file", None, "sources: file: slow: a hole"),
                ("sources", "file", fault_contract.shown(), "sources: file: slow: a hole"),
                ("sources", "stdin", fault_contract.never(" "), "sources: stdin: slow: a hole with a reason that says nothing"),
                *((kind, name, fault_contract.shown(test), f"{kind}: {name}: slow: there is no test {test}") for kind, name, test in (
                    ("destinations", "webhook", "Outages.test_nothing"), ("destinations", "webhook", "play"),
                    ("destinations", "webhook", fault_contract.OUTAGE("bored")),
                    ("destinations", "webhook", "FollowedFiles.test_truncated"),
                    ("sources", "http", "connectors/sources/http/http_source_test.cc: it has a bad day")))):
            row = {**fault_contract.CELLS[kind][name], "slow": cell}
            if cell is None:
                del row["slow"]
            self.assertEqual(self.problems({**fault_contract.CELLS, kind: {**fault_contract.CELLS[kind], name: row}}), [problem])
        sources = {"carrier_pigeon": fault_contract.SOURCES["file"], **fault_contract.SOURCES}
        del sources["http"]
        self.assertEqual(self.problems({**fault_contract.CELLS, "sources": sources})[:2],
                         ["sources: http is registered and has no row", "sources: carrier_pigeon has a row and is not registered"])


def classes():
    found = [Registry]
    for kind in FAULTS.values():
        for faults in kind.values():
            found += [each for each in faults if each not in found]
    return found


if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_side_by_side([each for each in classes() if not wanted or each.__name__ in wanted]))
