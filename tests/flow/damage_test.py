"""Files of the data folder that were damaged while nothing ran: said in one sentence with what goes on, and then it does."""
import contextlib
import json
import os
import re
import shutil
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
        self.assertNotIn("doctor --repair", said)
        self.assertIn(".seg.damaged", said)
        self.assertIn("nothing was changed", self.well("doctor", "--repair", "./data"))
        self.run_and_stop(5)
        self.well("doctor", "--verify", "data")

    def test_an_end_of_zeros_is_cut_and_told_as_that(self):
        self.run_and_stop(5)
        size = self.segment().stat().st_size
        with self.segment().open("ab") as file:
            file.write(bytes(5000))
        process = self.start()
        said = self.log()
        self.assertIn(f"cut 5000 bytes at byte {size}, ", said)
        self.assertIn("all of them are zeros", said)
        self.send(5)
        self.stop(process)
        self.well("doctor", "--verify", "data")

    def test_records_that_were_read_and_are_gone_give_their_numbers_to_no_others(self):
        self.run_and_stop(20)
        content = self.segment().read_bytes()
        self.segment().write_bytes(content[:-10])
        said = self.refusal()
        self.assertIn("ends before record 19, but ingest has read it up to record 20", said)
        self.assertIn("`penstock doctor --repair data`", said)
        said = self.well("doctor", "--repair", "./data")
        self.assertIn("lost: what stood after record 19: ", said)
        self.assertNotIn("nothing", said)
        self.run_and_stop(5)

    def test_the_whole_log_taken_away(self):
        self.run_and_stop(5)
        self.segment().unlink()
        self.assertIn("`penstock doctor --repair data`", self.refusal())
        said = self.well("doctor", "--repair", "./data")
        self.assertRegex(said, "lost: what stood after record 4: .* gone or cut; nobody can tell how many accepted requests")
        self.run_and_stop(5)


class CapturedWhileRunning(Damage):
    def test_damage_is_told_once_by_ingest_and_not_called_safe(self):
        self.write("apps/a/app.yaml", "name: a\nversion: 1.0.0\nsummary: x\nsettings: {}\n")
        good = "local M = {}\nfunction M.transform(e, app)\n return e\nend\nreturn M\n"
        self.write("apps/a/app.lua", good.replace("return e\n", 'error("no")\n'))
        self.config(FILE_OUT, extra="workers: 2\nlog: { segment: 1MiB }\n"
                    "apps:\n  - { use: ./apps/a, suspend: { events: 10, share: 0.5, retry: 1h } }\n")
        process = self.start()
        for n in range(100):
            self.accept([{**event(n), "distinct_id": f"d{n}", "properties": {"n": n, "p": os.urandom(50_000).hex()}}])
        self.stop(process)
        segments = sorted((self.folder / "data/log/captured").glob("*.seg"))
        self.assertGreaterEqual(len(segments), 5)
        flip(segments[-2], segments[-2].stat().st_size // 2)
        self.write("apps/a/app.lua", good)
        ended = subprocess.run([BINARY, "run", "penstock.yaml"], cwd=self.folder, capture_output=True, text=True, timeout=60)
        self.assertEqual(ended.returncode, 3, ended.stderr)
        lines = [json.loads(line) for line in ended.stderr.splitlines()]
        told = [line for line in lines if "doctor --repair data" in line["message"]]
        self.assertEqual([line["component"] for line in told], ["ingest", "penstock"])
        self.assertNotIn("accepted events are safe", ended.stderr)


class Events(Damage):
    def segments(self):
        return sorted((self.folder / "data/log/events").glob("*.seg"))

    def test_all_damaged_places_are_listed_not_only_the_first(self):
        self.run_and_stop(40)
        for at in (0.3, 0.6):
            flip(self.segments()[-1], int(self.segments()[-1].stat().st_size * at))
        done = self.cli("doctor", "--verify", "data")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, "(?m)^ +2 damaged places of events:$")
        self.assertEqual(len(re.findall(r"(?m)^ +data/log/events/0+\.seg at byte \d+: \d+ bytes are no", done.stdout)), 2)

    def test_a_lost_end_is_told_before_anything_is_given_up_for_it(self):
        self.run_and_stop(20)
        self.run_and_stop(5)
        checkpoints = sorted((self.folder / "data/checkpoints").iterdir())
        segment = self.segments()[-1]
        segment.write_bytes(segment.read_bytes()[:-10])
        told = self.cli("doctor", "--verify", "data")
        self.assertEqual(told.returncode, 1)
        for said in (told.stdout, self.refusal()):
            self.assertIn("1 committed record is missing", said)
            self.assertIn("receivers get events again", said)
            self.assertIn("`penstock rebuild-state data --from-start`", said)
        self.assertEqual(sorted((self.folder / "data/checkpoints").iterdir()), checkpoints)
        self.well("rebuild-state", "data", "--from-start")
        self.well("doctor", "--verify", "data")
        process = self.start()
        self.accept([event(self.sent)])
        wait_until(lambda: self.sent in self.numbers(), "it goes on")
        self.stop(process)

    def test_captured_that_begins_too_late_for_what_is_left_is_told_with_the_command_that_goes_on(self):
        self.config(FILE_OUT, extra="log: { segment: 1MiB, retention: { captured: { bytes: 1MiB } } }\n")
        process = self.start()
        for _ in range(12):
            self.accept([{**event(self.sent), "properties": {"n": self.sent, "p": os.urandom(150_000).hex()}}])
            self.sent += 1
        captured = self.folder / "data/log/captured"
        wait_until(lambda: not (captured / f"{0:020}.seg").exists(), "retention has cut `captured`", 60)
        self.stop(process)
        for gone in self.segments():
            gone.unlink()
        shutil.rmtree(self.folder / "data/state")
        said = self.refusal()
        self.assertIn("begins after record 0", said)
        self.assertIn("`penstock doctor --repair data`", said)
        told = self.cli("doctor", "--verify", "data")
        self.assertEqual(told.returncode, 1)
        self.assertIn("begins after record 0", told.stdout)
        self.well("doctor", "--repair", "data")
        self.well("doctor", "--verify", "data")
        process = self.start()
        self.accept([event(self.sent)])
        wait_until(lambda: self.sent in self.numbers(), "it goes on")
        self.stop(process)


class Stores(Damage):
    """The stores beside the logs: which one, what is in it, and what goes on without it."""

    def setUp(self):
        super().setUp()
        self.run_and_stop(20)
        self.run_and_stop(20)  # what the first life left is in a table of the database now

    def newest(self, pattern):
        return max((self.folder / "data").glob(pattern))

    def assert_told_and_goes_on(self, said):
        for part in ("data/delivery", "the cursors of destinations, their dead letters", "`from:`", "move data/delivery away"):
            self.assertIn(part, said)
        (self.folder / "data/delivery").rename(self.folder / "delivery.damaged")
        process = self.start()
        self.accept([event(self.sent)])
        wait_until(lambda: self.sent in self.numbers(), "destinations go on")
        self.stop(process)

    def verify(self):
        done = self.cli("doctor", "--verify", "data")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return done.stdout

    def test_whole_ones_are_said_to_be(self):
        said = self.well("doctor", "--verify", "data")
        for name in ("captured", "events", "state", "delivery", "catalog"):
            self.assertRegex(said, f"(?m)^{name} .*whole$")

    def test_the_list_of_files_gone(self):
        (self.folder / "data/delivery/CURRENT").unlink()
        self.assertIn("damaged", self.verify())
        self.assert_told_and_goes_on(self.refusal())

    def test_the_list_of_files_cut(self):
        manifest = self.newest("delivery/MANIFEST-*")
        manifest.write_bytes(manifest.read_bytes()[:40])
        self.verify()
        self.assert_told_and_goes_on(self.refusal())

    def test_a_table_gone(self):
        self.newest("delivery/*.sst").unlink()
        self.verify()
        self.assert_told_and_goes_on(self.refusal())

    def test_a_flipped_byte_in_a_table(self):
        for table in (self.folder / "data/delivery").glob("*.sst"):
            flip(table, 20)
        self.assertIn("delivery  damaged", self.verify())
        self.assert_told_and_goes_on(self.refusal())

    def test_a_flipped_byte_in_the_database_log(self):
        flip(self.newest("delivery/*.log"), 20)
        self.assertIn("delivery  damaged", self.verify())
        self.assert_told_and_goes_on(self.refusal())

    def test_lost_cursors_are_told(self):
        for path in (self.folder / "data/delivery").glob("*"):
            path.unlink()
        (self.folder / "data/delivery").rmdir()
        self.assertIn("has lost the cursors of out", self.verify())
        process = self.start()
        said = self.log()
        self.assertIn("there is no data/delivery, but there is a log", said)
        self.assertIn("destination out has no cursor any more", said)
        self.assertIn(": 40 events of the log are not sent, and 0 are", said)
        self.assertIn("`penstock replay out --from TIME`", said)
        self.stop(process)
        self.well("doctor", "--verify", "data")

    def test_a_damaged_state_is_found_and_made_again(self):
        (self.folder / "data/state/CURRENT").write_text("nonsense")
        self.assertIn("`penstock rebuild-state data` makes it again from the checkpoint data/checkpoints/", self.verify())
        self.run_and_stop(5)

    def test_a_flipped_byte_that_the_checkpoints_share_is_not_promised_to_be_mended_by_them(self):
        for table in (self.folder / "data/state").glob("*.sst"):
            with table.open("r+b") as file:  # in place, so in every hard link
                file.seek(20)
                byte = file.read(1)[0]
                file.seek(20)
                file.write(bytes([byte ^ 0x10]))
        self.assertIn("`penstock rebuild-state data` makes it again from the whole log", self.verify())
        self.well("rebuild-state", "data")
        self.well("doctor", "--verify", "data")
        self.run_and_stop(5)

    def test_a_damaged_catalog(self):
        catalog = self.folder / "data/catalog.db"
        catalog.write_bytes(b"x" * 4096)
        self.assertIn("catalog   damaged", self.verify())
        said = self.refusal()
        for part in ("data/catalog.db is damaged", "pauses and rates", "move it and data/catalog.db-wal away"):
            self.assertIn(part, said)
        catalog.unlink()
        self.run_and_stop(5)


class Failures(FlowTest):
    def test_a_store_that_cannot_be_written_ends_the_process_with_the_reason_in_its_last_line(self):
        self.config(FILE_OUT)
        process = self.start()
        shutil.rmtree(self.folder / "data/state")  # a flush finds no folder for its file
        many = [json.dumps(event(n)) for n in range(40_000)]

        def send():
            with contextlib.suppress(OSError):
                self.post(many)
            return process.poll() is not None

        wait_until(send, "the process has ended", 60)
        self.assertEqual(process.returncode, 3)
        last = json.loads(self.log().splitlines()[-1])
        self.assertEqual(last["level"], "error")
        self.assertRegex(last["message"], "the state in data/state cannot be written any more: .*data/state/[0-9]+.sst")
        self.assertIn("accepted events are safe", last["message"])
        process = self.start()
        self.stop(process)


if __name__ == "__main__":
    unittest.main()
