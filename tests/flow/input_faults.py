"""What can be wrong with files and standard input that are read, beside sources that are well."""
import contextlib
import gzip
import itertools
import json
import os
import re
import shutil
import subprocess
import threading

from fault_rig import FILE_OUT, FaultTest, numbers
from rig import BINARY, event, wait_until


def lines(*wanted):
    return "".join(json.dumps(event(n)) + "\n" for n in wanted).encode()


class StandardInput(FaultTest):
    """Each run ends by itself, well, whatever came."""

    def run_with(self, text, *, delivered, dead=(), said=""):
        self.config(FILE_OUT, "  - { name: in, type: stdin, line_max: 4KiB }")
        done = subprocess.run([BINARY, "run", "penstock.yaml"], cwd=self.folder, input=text, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(numbers(self.lines()), delivered)
        self.assertEqual(sorted(letter["code"] for letter in self.dead()), sorted(dead))
        self.assertIn(f"ingest: {len(delivered)} kept, 0 dropped, {len(dead)} dead".encode(), done.stdout)
        self.assertIn(said.encode(), done.stderr)

    def test_nothing_at_all(self):
        self.run_with(b"", delivered=[])

    def test_empty_lines_only(self):
        self.run_with(b"\n\r\n\n", delivered=[])

    def test_a_last_line_without_end_counts(self):
        self.run_with(lines(1, 2)[:-1], delivered=[1, 2])

    def test_a_last_line_that_is_cut_is_a_dead_letter(self):
        self.run_with(lines(1, 2)[:-5], delivered=[1], dead=["invalid_json"])

    def test_garbage_between_lines(self):
        self.run_with(lines(1) + bytes(range(11, 256)) + b"\n" + b"\x00\xff\xfe\n" + lines(2), delivered=[1, 2],
                      dead=["invalid_json", "invalid_json"])

    def test_a_huge_line_is_one_dead_letter_and_the_next_is_whole(self):
        self.run_with(lines(1) + json.dumps(event(7, pad="x" * (9 << 20))).encode() + b"\n" + lines(2), delivered=[1, 2],
                      dead=["invalid_json"])

    def test_a_huge_line_that_never_ends(self):
        self.run_with(lines(1) + b"x" * (9 << 20), delivered=[1], dead=["invalid_json"])

    def test_one_that_was_closed_is_an_error_and_no_other_file_is_taken_for_it(self):
        self.config(FILE_OUT, "  - { name: in, type: stdin }")
        done = subprocess.run(["/bin/sh", "-c", 'exec "$0" run penstock.yaml <&-', BINARY], cwd=self.folder,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("standard input is not open", done.stderr)

    def test_a_writer_that_says_nothing_holds_up_no_other_source(self):
        self.config(FILE_OUT, '  - { name: in, type: stdin }\n  - { name: web, type: http, listen: "127.0.0.1:0" }')
        quiet, writer = os.pipe()
        process = self.start(stdin=quiet)
        os.close(quiet)
        os.write(writer, lines(1)[:-3])  # the line never ends
        self.accept([event(2)])
        wait_until(lambda: numbers(self.lines()) == [2], "the other source is served")
        os.write(writer, lines(1)[-3:])
        wait_until(lambda: numbers(self.lines()) == [1, 2], "the line has come to its end")
        self.assert_told({"in": (1, 0), "web": (1, 0)}, {"out": (2, 0)})
        os.write(writer, lines(3)[:-3])
        self.stop(process)
        os.close(writer)

    def test_a_stop_while_lines_come_takes_whole_lines_up_to_one_and_no_other(self):
        self.config(FILE_OUT, "  - { name: in, type: stdin }")
        reader, writer = os.pipe()
        process = self.start(stdin=reader)
        os.close(reader)

        def write():
            with contextlib.suppress(BrokenPipeError), open(writer, "wb", buffering=0) as out:
                for n in itertools.count():
                    out.write(lines(n))

        writing = threading.Thread(target=write)
        writing.start()
        wait_until(self.lines, "lines come")
        self.stop(process)
        writing.join()
        again = self.cli("run", "penstock.yaml")  # of nothing, so it delivers what it has and ends
        self.assertEqual(again.returncode, 0, again.stderr)
        got = numbers(self.lines())
        self.assertEqual(got, list(range(len(got))))
        self.assertEqual(self.dead(), [], "no line was taken in half")


class FilesReadOnce(FaultTest):
    """in/b-* are the bad ones; before and after them in name order stand good ones."""

    def run_with(self, *, delivered, dead=(), warned=()):
        self.config(FILE_OUT, "  - { name: files, type: file, path: ./in/*, line_max: 4KiB }")
        folder = self.folder / "in"
        (folder / "a").write_bytes(lines(1, 2))
        (folder / "c").write_bytes(lines(3, 4))
        done = self.cli("run", "penstock.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(numbers(self.lines()), sorted([1, 2, 3, 4, *delivered]))
        self.assertEqual(sorted(letter["code"] for letter in self.dead()), sorted(dead))
        for text in warned:
            self.assertIn(text, done.stderr)
        again = self.cli("run", "penstock.yaml")
        self.assertIn("ingest: 0 kept, 0 dropped, 0 dead", again.stdout, "and nothing of it comes again")

    def bad(self, name):
        (self.folder / "in").mkdir(exist_ok=True)
        return self.folder / "in" / f"b-{name}"

    def test_folders_and_empty_files_are_passed_over(self):
        self.bad("folder").mkdir()
        self.bad("empty").write_bytes(b"")
        self.run_with(delivered=[])

    def test_what_cannot_be_opened_is_a_warning(self):
        self.bad("nowhere").symlink_to("nothing")
        self.bad("loop").symlink_to("b-loop")
        warned = ["b-nowhere", "b-loop"]
        if os.geteuid() != 0:
            self.bad("secret").touch(mode=0)
            warned.append("b-secret")
        self.run_with(delivered=[], warned=warned)

    def test_what_is_no_file_is_a_warning_and_not_waited_for(self):
        os.mkfifo(self.bad("pipe"))
        self.run_with(delivered=[], warned=["b-pipe"])

    def test_garbage_and_huge_lines_are_dead_letters(self):
        self.bad("garbage").write_bytes(b"\x00\x01\xff\n" + lines(5) + b"x" * 10_000 + b"\n" + lines(6)[:-4])
        self.run_with(delivered=[5], dead=["invalid_json", "invalid_json", "too_large"])

    def test_of_a_damaged_archive_the_whole_lines_are_read(self):
        many = gzip.compress(lines(*range(100, 2100)))
        self.bad("cut.gz").write_bytes(many[:len(many) // 2])
        self.bad("torn.gz").write_bytes(gzip.compress(lines(5)) + gzip.compress(lines(6))[:-8])
        self.bad("false.gz").write_bytes(b"\x1f\x8b\x08\x00 this only begins like one")
        self.config(FILE_OUT, "  - { name: files, type: file, path: ./in/* }")
        done = self.cli("run", "penstock.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)
        got = numbers(self.lines())
        self.assertEqual(got[:1], [5])
        whole = [n for n in got if n >= 100]
        self.assertEqual(whole, list(range(100, 100 + len(whole))), "no line twice, none left out before the damage")
        self.assertGreater(len(whole), 500)
        for name in ("b-cut.gz", "b-torn.gz", "b-false.gz"):
            self.assertIn(name, done.stderr)
        self.assertEqual(self.dead(), [])

    def test_a_stop_in_the_middle_of_a_file_is_gone_on_from(self):
        count = 20_000
        self.bad("long").write_bytes(lines(*range(count)))
        self.write("apps/slow/app.yaml", "name: slow\nversion: 1.0.0\nsummary: Takes its time.\n")
        self.write("apps/slow/app.lua", "return { transform = function(event) for _ = 1, 60000 do end return event end }\n")
        self.config(FILE_OUT, "  - { name: files, type: file, path: ./in/* }",
                    "ingest: { commit_bytes: 64KiB }\napps: [{ use: slow, limits: { time: 1m } }]\n")
        process = self.start()
        wait_until(self.lines, "it is being read")
        self.stop(process)
        done = self.cli("run", "penstock.yaml")
        left = re.search(r"ingest: (\d+) kept, 0 dropped, 0 dead", done.stdout)
        self.assertIn(int(left[1]), range(1, count), f"some had been read, and something was left: {done.stdout}")
        self.assertEqual(numbers(self.lines()), list(range(count)))


class FollowedFiles(FaultTest):
    """Each fault befalls in/bad, of which [1, 2] have been read; meanwhile in/good goes on."""

    def setUp(self):
        super().setUp()
        self.config(FILE_OUT, "  - { name: files, type: file, path: ./in/*, follow: true }")
        (self.folder / "in").mkdir()
        self.bad.write_bytes(lines(1, 2))
        self.good.write_bytes(lines(100))
        self.process = self.start()
        self.expect(1, 2, 100)

    @property
    def bad(self):
        return self.folder / "in/bad"

    @property
    def good(self):
        return self.folder / "in/good"

    def append(self, path, text):
        with open(path, "ab") as file:
            file.write(text)

    def expect(self, *wanted):
        wait_until(lambda: numbers(self.lines()) == sorted(wanted), f"exactly {wanted}")

    def end(self, *, warnings, dead=0):
        self.assertEqual(self.metrics().get("penstock_source_warnings_total", source="files"), warnings, self.log())
        count = len(self.lines())
        self.assert_told({"files": (count, dead)}, {"out": (count, 0)})
        self.stop(self.process)

    def test_truncated(self):
        os.truncate(self.bad, 0)
        self.append(self.bad, lines(3))
        self.append(self.good, lines(101))
        self.expect(1, 2, 3, 100, 101)
        self.assertIn("was truncated after byte", self.log())
        self.end(warnings=1)

    def test_removed_and_made_again(self):
        self.bad.unlink()
        self.append(self.good, lines(101))
        self.expect(1, 2, 100, 101)
        self.bad.write_bytes(lines(3))
        self.expect(1, 2, 3, 100, 101)
        self.end(warnings=0)

    def test_removed_with_lines_that_were_not_read(self):
        with open(self.bad, "ab") as writer:
            self.bad.unlink()
            writer.write(lines(3))
        self.append(self.good, lines(101))
        self.expect(1, 2, 3, 100, 101)
        self.end(warnings=0)

    def test_replaced(self):
        new = self.folder / "new"
        new.write_bytes(lines(3, 4))
        new.rename(self.bad)
        self.append(self.good, lines(101))
        self.expect(1, 2, 3, 4, 100, 101)
        self.end(warnings=0)

    def test_a_folder_in_its_place(self):
        self.bad.unlink()
        self.bad.mkdir()
        self.append(self.good, lines(101))
        self.expect(1, 2, 100, 101)
        self.bad.rmdir()
        self.bad.write_bytes(lines(3))
        self.expect(1, 2, 3, 100, 101)
        self.end(warnings=0)

    def test_its_whole_folder_removed_and_made_again(self):
        shutil.rmtree(self.bad.parent)
        self.bad.parent.mkdir()
        self.bad.write_bytes(lines(3))
        self.good.write_bytes(lines(101))
        self.expect(1, 2, 3, 100, 101)
        self.end(warnings=0)

    def test_an_archive_among_them(self):
        (self.folder / "in/new.gz").write_bytes(gzip.compress(lines(9)))
        wait_until(lambda: "compressed files cannot be followed" in self.log(), "it is told")
        self.append(self.good, lines(101))
        self.expect(1, 2, 100, 101)
        self.end(warnings=1)

    def test_garbage_and_a_line_that_takes_its_time(self):
        self.append(self.bad, b"\x00\xff\n" + lines(3)[:-9])
        self.append(self.good, lines(101))
        self.expect(1, 2, 100, 101)
        self.append(self.bad, lines(3)[-9:])
        self.expect(1, 2, 3, 100, 101)
        letters = self.dead("--stage", "ingest")
        self.assertEqual([letter["code"] for letter in letters], ["invalid_json"])
        self.assertIn("in/bad", letters[0]["place"])
        self.end(warnings=0, dead=1)

    def test_a_stop_while_lines_come_leaves_none_out_and_reads_none_twice(self):
        stopped, written = threading.Event(), []

        def write():
            with open(self.bad, "ab", buffering=0) as out:
                while not (stopped.is_set() and len(written) >= 1000):
                    written.append(1000 + len(written))
                    out.write(lines(written[-1]))

        writing = threading.Thread(target=write)
        writing.start()
        wait_until(lambda: len(self.lines()) > 50, "lines come")
        self.stop(self.process)
        stopped.set()
        writing.join()
        self.process = self.start()
        self.expect(1, 2, 100, *written)
        self.stop(self.process)
