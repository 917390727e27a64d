#!/usr/bin/env python3
"""Every source and destination under every fault that can befall it. Who adds a connector says here how it fails.

Arguments: names of test classes, to run only those.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from fault_rig import FaultTest, run_side_by_side  # noqa: E402
from http_source_faults import BadRequests, OddClients  # noqa: E402
from input_faults import FilesReadOnce, FollowedFiles, StandardInput  # noqa: E402
from kafka_faults import KafkaInput, KafkaOutages, KafkaTopics  # noqa: E402
from local_faults import Files, StandardOutput  # noqa: E402
from webhook_faults import Answers, Outages, Stops  # noqa: E402

# By the registry's names: the classes that hold its faults, or the reason why there are none.
FAULTS = {
    "sources": {
        "file": [FilesReadOnce, FollowedFiles],
        "http": [BadRequests, OddClients],
        "kafka": [KafkaInput],
        "stdin": [StandardInput],
    },
    "destinations": {
        "discard": "it has no peer, opens nothing and keeps nothing: a batch is delivered before its call returns",
        "file": [Files],
        "kafka": [KafkaOutages, KafkaTopics],
        "stdout": [StandardOutput],
        "webhook": [Outages, Answers, Stops],
    },
}


class Registry(FaultTest):
    def test_every_connector_has_its_faults(self):
        registered, kind = {}, None
        for line in self.cli("connectors", "list").stdout.splitlines():
            if line.startswith("  "):
                registered[kind].add(line.split()[0])
            else:
                kind = line
                registered[kind] = set()
        self.assertEqual({kind: set(faults) for kind, faults in FAULTS.items()}, registered,
                         "say in FAULTS of tests/flow/faults_test.py which faults can befall the connector, and test them")


def classes():
    yield Registry
    for kind in FAULTS.values():
        for faults in kind.values():
            yield from [] if isinstance(faults, str) else faults


if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_side_by_side([each for each in classes() if not wanted or each.__name__ in wanted]))
