"""Files of the data folder that were damaged while nothing ran: said in one sentence with what goes on, and then it does."""
import subprocess
import unittest

from rig import BINARY, FlowTest, event, wait_until

FILE_OUT = "  - { name: out, type: file, path: ./out.ndjson, batch: { within: 20ms } }"


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


class Damage(FlowTest):
    def setUp(self):
        super().setUp()
        self.config(FILE_OUT)
        self.sent = 0

    def send(self, count):
        """Each a request, and so a record, of its own."""
        for _ in range(count):
            self.accept([event(self.sent)])
            self.sent += 1
        wait_until(lambda: self.numbers() == list(range(self.sent)), "all of it is delivered once")

    def numbers(self):
        return sorted(line["properties"]["n"] for line in self.lines())

    def run_and_stop(self, count):
        process = self.start()
        self.send(count)
        self.stop(process)

    def refusal(self):
        """What a start says that does not go on."""
        ended = subprocess.run([BINARY, "run", "penstock.yaml"], cwd=self.folder, capture_output=True, text=True, timeout=30)
        self.assertEqual(ended.returncode, 3, ended.stderr)
        return ended.stderr

    def well(self, *arguments):
        done = self.cli(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout


class Captured(Damage):
    def segment(self):
        return max((self.folder / "data/log/captured").glob("*.seg"))

    def test_a_flipped_byte_is_told_with_the_command_that_goes_on(self):
        self.run_and_stop(20)
        flip(self.segment(), self.segment().stat().st_size // 2)
        said = self.refusal()
        self.assertIn(f"{self.segment().relative_to(self.folder)} at byte ", said)
        self.assertIn("`penstock doctor --repair data`", said)
        self.assertEqual(self.cli("doctor", "--verify", "data").returncode, 1)
        said = self.well("doctor", "--repair", "./data")
        self.assertIn("lost: nothing", said)
        self.assertIn(".seg.damaged", said)
        self.assertIn("nothing was changed", self.well("doctor", "--repair", "./data"))
        self.run_and_stop(5)
        self.well("doctor", "--verify", "data")

    def test_records_that_were_read_and_are_gone_give_their_numbers_to_no_others(self):
        self.run_and_stop(20)
        content = self.segment().read_bytes()
        self.segment().write_bytes(content[:-10])
        said = self.refusal()
        self.assertIn("ends before record 19, but ingest has read it up to record 20", said)
        self.assertIn("`penstock doctor --repair data`", said)
        self.assertIn("lost: nothing", self.well("doctor", "--repair", "./data"))
        self.run_and_stop(5)

    def test_the_whole_log_taken_away(self):
        self.run_and_stop(5)
        self.segment().unlink()
        self.assertIn("`penstock doctor --repair data`", self.refusal())
        self.well("doctor", "--repair", "./data")
        self.run_and_stop(5)


if __name__ == "__main__":
    unittest.main()
