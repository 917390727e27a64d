"""A disk that fills up for real: what was accepted is kept, and room that comes back is used."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from rig import FlowTest, Receiver, event, wait_until  # noqa: E402

FILE_OUT = "  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }"

# Some milliseconds for each event: senders are faster than ingest.
SLOW = """local M = {}
function M.transform(event)
  local x = 0
  for i = 1, 300000 do x = x + i end
  return event
end
return M
"""


def numbers(events):
    return sorted(e["properties"]["n"] for e in events)


@unittest.skipUnless(os.geteuid() == 0, "needs root, to mount a small disk")
class FullDisk(FlowTest):
    def small_disk(self, megabytes):
        data = self.folder / "data"
        data.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", data], capture_output=True)
        if mounted.returncode != 0:
            self.skipTest(f"no tmpfs can be mounted here: {mounted.stderr.decode()}")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", data], check=True))
        return data

    def fill(self, path):
        """All that is left."""
        with self.assertRaises(OSError), path.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(1 << 12))

    def post_until_refused(self, at_most, reason):
        """Ten events a time, a megabyte that does not compress to less than half; the numbers of those accepted. `reason` is
        in the answer that ends it."""
        accepted = []
        while len(accepted) < at_most:
            batch = list(range(len(accepted), len(accepted) + 10))
            status, body = self.post([event(n, noise=os.urandom(50_000).hex()) for n in batch])
            if status == 503 and reason in json.dumps(body):
                return accepted
            if status == 503:
                continue  # that much was allowed for this second, or what is delivered is about to be removed
            self.assertEqual(status, 200, body)
            accepted += batch
        self.fail(f"{at_most} events of 100 kB were taken by a small disk")

    def delivered_once(self, accepted):
        wait_until(lambda: len(self.lines()) >= len(accepted), "what was accepted is delivered", 60)
        self.assertEqual(numbers(self.lines()), accepted)

    def test_what_was_captured_goes_on_while_sources_wait_and_they_may_go_on_once_it_is_delivered(self):
        self.small_disk(64)
        (self.folder / "apps/slow").mkdir(parents=True)
        self.write("apps/slow/app.lua", SLOW)
        self.write("apps/slow/app.yaml", "name: slow\nversion: 1.0.0\nsummary: takes its time\nsettings: {}\n")
        self.config(FILE_OUT, extra="apps: [{ use: ./apps/slow }]\nworkers: 1\n")
        self.start()
        accepted = self.post_until_refused(2_000, "is nearly full")
        self.assertNotIn("No space left", self.log(), "sources waited before the disk was full")
        self.assertLess(len(self.lines()), len(accepted), "ingest was behind")
        self.delivered_once(accepted)
        wait_until(lambda: self.post([event(5_000)])[0] == 200, "events are accepted again", 30)
        self.delivered_once(accepted + [5_000])

    def test_a_destination_that_holds_is_named_and_its_recovery_makes_room(self):
        self.small_disk(64)
        status = 503
        receiver = Receiver(lambda bodies: status)
        self.config(FILE_OUT + f'\n  - {{ name: crm, type: webhook, url: "{receiver.url}", hold: true, '
                               "retry: { wait_min: 50ms, wait_max: 200ms } }")
        self.start()
        accepted = self.post_until_refused(2_000, "or mend crm: `hold: true` keeps events for it")
        self.delivered_once(accepted)
        wait_until(lambda: "or mend crm:" in self.cli("status").stdout, "it is named")
        self.fill(self.folder / "data/filler")
        status = 200
        wait_until(lambda: len(receiver.received) >= len(accepted), "all of it is delivered on a full disk", 60)
        self.assertEqual(numbers(receiver.received), accepted)
        (self.folder / "data/filler").unlink()
        wait_until(lambda: self.post([event(5_000)])[0] == 200, "events are accepted again", 30)

    def test_a_full_disk_refuses_and_loses_nothing_and_a_mended_one_goes_on(self):
        data = self.small_disk(48)
        self.config(FILE_OUT)
        self.start()
        filler = data / "filler"
        disk = os.statvfs(data)
        filler.write_bytes(bytes(disk.f_bavail * disk.f_bsize - (6 << 20)))
        noise, accepted = os.urandom(100_000).hex(), []
        status, n = 200, 0
        while status == 200 and n < 400:
            status, _ = self.post([event(n, noise=noise)])
            if status == 200:
                accepted.append(n)
            n += 1
        self.assertEqual(status, 503)
        self.assertIsNone(self.processes[-1].poll(), self.log())
        rest = data / "rest"
        self.fill(rest)
        refused = self.cli("pause", "out", "--note", "n" * 40_000)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("nothing was stored", refused.stderr)
        rest.unlink()
        filler.unlink()
        self.assertIsNone(self.processes[-1].poll(), self.log())
        self.assertNotIn("paused", self.cli("status").stdout)
        wait_until(lambda: self.post([event(1000)])[0] == 200, "events are accepted again", 30)
        accepted.append(1000)
        wait_until(lambda: set(accepted) <= set(numbers(self.lines())), "what was accepted is delivered", 30)
        got = numbers(self.lines())
        self.assertEqual([(n, got.count(n)) for n in accepted if got.count(n) != 1], [], "each accepted event once")

    def test_status_says_what_keeps_the_log_from_being_written(self):
        data = self.small_disk(48)
        self.config(FILE_OUT, extra="log: { retention: { free_min: 0B } }\n")
        self.start()
        self.accept([event(0)])
        filler = data / "filler"
        self.fill(filler)
        noise = os.urandom(100_000).hex()
        self.assertEqual(self.post([event(1, noise=noise)])[0], 503)
        status = self.cli("status")
        self.assertEqual(status.returncode, 1, status.stdout)
        self.assertRegex(status.stdout, "sources wait: the log captured cannot be written: .*No space left on device")
        self.assertIn("No space left on device", self.status()["verdict"])
        wait_until(lambda: "No space left on device" in self.log(), "the log says so")
        self.assertEqual(self.post([event(1, noise=noise)])[0], 503)
        filler.unlink()
        wait_until(lambda: self.post([event(1)])[0] == 200, "events are accepted again", 30)
        wait_until(lambda: self.cli("status").returncode == 0, "and it is well")
        wait_until(lambda: "it can be written again" in self.log(), "and the log says so")
        self.assertEqual(self.log().count("sources wait"), 1, "once")


if __name__ == "__main__":
    unittest.main(verbosity=2)
