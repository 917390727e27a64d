#!/usr/bin/env python3
"""memory_max: what buffers hold together stays below it, with one destination frozen and one slow, and the others go on."""
import os
import re
import threading
import unittest
import urllib.request

import rig
from rig import event, wait_until

EVENTS, IN_A_REQUEST, EVENT_BYTES = 30_000, 500, 2_000
MIB = 1 << 20
SETTINGS = """workers: 1
memory_max: 214MiB
log: { pending_max: 8MiB }
ingest: { commit_bytes: 1MiB, dedup: { uuids: 0 } }
"""


class Memory(rig.FlowTest):
    def gauge(self, name):
        with urllib.request.urlopen(self.control("/metrics"), timeout=10) as answer:
            return float(re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M)[1])

    def resident(self):
        with open(f"/proc/{self.processes[-1].pid}/statm", encoding="utf-8") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def test_a_frozen_and_a_slow_destination_hold_no_more_than_allowed(self):
        released = threading.Event()
        self.addCleanup(released.set)
        frozen = rig.Receiver(lambda bodies: released.wait() and 200)
        slow = rig.Receiver(lambda bodies: (released.wait(0.2), 200)[1])
        self.config(f"  - {{ name: frozen, type: webhook, url: {frozen.url}, timeout: 10m, in_flight_max: 64 }}\n"
                    f"  - {{ name: slow, type: webhook, url: {slow.url} }}\n"
                    "  - { name: out, type: file, path: ./out.ndjson }",
                    f'  - {{ name: web, type: http, listen: "127.0.0.1:{self.port}", body_max: 8MiB, in_flight_max: 8MiB }}',
                    SETTINGS)
        self.start()
        idle = self.resident()
        noise = os.urandom(EVENT_BYTES // 2).hex()
        chunks, resident = [], []
        for first in range(0, EVENTS, IN_A_REQUEST):
            self.accept([event(n, noise=noise) for n in range(first, first + IN_A_REQUEST)])
            chunks.append(self.gauge("penstock_memory_chunks_bytes"))
            resident.append(self.resident())
        wait_until(lambda: self.destination("out")["lag_events"] == 0, "the healthy one has everything", 60)
        wait_until(lambda: self.destination("frozen")["in_flight"] > 0, "the frozen one has been written to")
        got = sorted(line["properties"]["n"] for line in self.lines())
        self.assertEqual(got, list(range(EVENTS)))
        self.assertEqual(self.destination("frozen")["delivered"], 0)
        most = self.gauge("penstock_memory_chunks_max_bytes")
        self.assertLess(most, 32 * MIB)
        record = 2 * (MIB + IN_A_REQUEST * EVENT_BYTES)  # as stored and unpacked: a commit, and the request that filled it
        self.assertLess(max(chunks), most + 3 * record, "ingest and the two that may read have one record each in hand")
        self.assertGreater(max(chunks), most / 2, "there was something to bound")
        self.assertLess(max(resident), idle + 214 * MIB)

    def test_too_little_is_refused_with_what_needs_it(self):
        self.config("  - { name: nothing, type: discard }", extra="memory_max: 64MiB\n")
        refused = self.cli("validate", "penstock.yaml")
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stdout + refused.stderr,
                         r"penstock.yaml:4:13: memory_max: too little: what may wait in memory needs \d+MiB; lower its largest "
                         r"parts \(the stores 48MiB, log.pending_max 32MiB, ")


if __name__ == "__main__":
    unittest.main(verbosity=2)
