"""What can happen to files and to standard output while the pipeline writes to them; and what cannot happen to discard."""
import collections
import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import threading

from fault_rig import FILE_OUT, FaultTest, cases, numbers
from rig import BINARY, event, may_leave_out, wait_until

COUNT = 60  # in two halves: one before the fault, one during it
EVENTS = [event(n, pad="x" * 200) for n in range(COUNT)]
FIRST, SECOND = EVENTS[:COUNT // 2], EVENTS[COUNT // 2:]
RETRY = "retry: { wait_min: 20ms, wait_max: 200ms }"

# `breaks(path)` is done to the file after the first half, `mends(path)` after the second has met the fault. Without `reason`
# it is no outage: the second half arrives at once, in a new file.
FileFault = collections.namedtuple("FileFault", "breaks mends reason code", defaults=(None, "", "io"))


def replace_folder_by_a_file(path):
    shutil.move(path.parent, path.parent.with_suffix(".away"))
    path.parent.write_text("in the way")


def replace_by_a_folder(path):
    path.rename(path.with_suffix(".away"))
    path.mkdir()


def replace_by_a_pipe(path):
    path.rename(path.with_suffix(".away"))
    os.mkfifo(path)


def put_the_file_back(path):
    path.with_suffix(".away").replace(path)  # in one step: a new one is made as soon as the place is free


LOCKS = {}


def let_another_have_it(path):
    path.rename(path.with_suffix(".away"))
    LOCKS[path] = open(path, "w")
    fcntl.flock(LOCKS[path], fcntl.LOCK_EX)


def fill_the_disk(path):
    filler = open(path.parent / "filler", "wb", buffering=0)
    with contextlib.suppress(OSError), filler:
        while True:
            filler.write(bytes(4096))


def make_read_only(path):
    if os.geteuid() != 0:
        path.unlink()
        return path.parent.chmod(0o555)
    mount(path.parent, "ro")


def make_writable(path):
    if os.geteuid() != 0:
        return path.parent.chmod(0o755)
    subprocess.run(["umount", path.parent], check=True)


def mount(folder, options):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True).returncode == 0


FILE_FAULTS = {
    "folder_removed": FileFault(lambda path: shutil.rmtree(path.parent)),
    "folder_in_the_way": FileFault(replace_folder_by_a_file, lambda path: path.parent.unlink(),
                                   "Not a directory|cannot create the folder"),
    "removed": FileFault(lambda path: path.unlink()),
    "renamed": FileFault(lambda path: path.rename(path.with_suffix(".1"))),
    "emptied": FileFault(lambda path: os.truncate(path, 0)),
    "folder_in_its_place": FileFault(replace_by_a_folder, lambda path: path.rmdir(), "Is a directory"),
    "pipe_in_its_place": FileFault(replace_by_a_pipe, put_the_file_back, "is not a regular file"),
    "locked": FileFault(let_another_have_it, lambda path: LOCKS.pop(path).close(), "is being written by another"),
    "read_only": FileFault(make_read_only, make_writable, "Read-only file system|Permission denied"),
    "full": FileFault(fill_the_disk, lambda path: (path.parent / "filler").unlink(), "No space left on device", "enospc"),
}


class Files(FaultTest):
    def setUp(self):
        super().setUp()
        self.faults = dict(FILE_FAULTS)
        self.prepare_disks()
        lines = [f"  - {{ name: {name}, type: file, path: ./{name}/out.ndjson, batch: {{ within: 20ms }}, {RETRY} }}"
                 for name in self.faults]
        self.config("\n".join([FILE_OUT, *lines]))

    def prepare_disks(self):
        """Faults that this machine cannot have are left out, loudly."""
        for name in ("full", "read_only"):
            (self.folder / name).mkdir()
        if os.geteuid() == 0 and mount(self.folder / "full", "size=1m"):
            return
        for name in ("full", "read_only") if os.geteuid() == 0 else ("full",):
            print(may_leave_out(f"file: the fault '{name}' is left out: no tmpfs can be mounted here"))
            del self.faults[name]

    def tearDown(self):
        for name in ("full", "read_only"):
            if os.path.ismount(self.folder / name):
                subprocess.run(["umount", "-l", self.folder / name], check=True)
        super().tearDown()

    def path(self, name):
        return self.folder / name / "out.ndjson"

    @cases(FILE_FAULTS)
    def test_whatever_happens_to_a_file_is_named_and_loses_nothing_of_what_came_later(self):
        process = self.start()
        self.accept(FIRST)
        wait_until(lambda: self.settled([*self.faults, "out"]), "the first half is everywhere")
        for name, fault in self.faults.items():
            fault.breaks(self.path(name))
        self.accept(SECOND)
        outages = {name: fault for name, fault in self.faults.items() if fault.reason}
        wait_until(lambda: all(self.rows[name]["health"] == "unavailable" for name in outages) if self.look() else False,
                   "outages are seen")
        wait_until(lambda: self.settled(["out", *(self.faults.keys() - outages.keys())]), "the others go on")
        metrics = self.metrics()
        for name, fault in outages.items():
            with self.subTest(name):
                self.assertRegex(self.rows[name]["reason"], fault.reason)
                self.assert_health(name, "unavailable", metrics)
                counted = metrics.get("penstock_delivery_unavailable_total", code=fault.code, destination=name)
                self.assertGreater(counted, 0, metrics.labels("penstock_delivery_unavailable_total"))
        for name, fault in outages.items():
            fault.mends(self.path(name))
        wait_until(lambda: self.settled([*self.faults, "out"]), "all is settled")
        self.assertEqual(self.dead(), [])
        self.assertEqual({row["health"] for row in self.rows.values()}, {"healthy"})
        for name in self.faults:
            with self.subTest(name):
                self.assertEqual(numbers(self.lines(f"{name}/out.ndjson")), self.expected(name))
        self.assertEqual(numbers(self.lines("renamed/out.1")), list(range(COUNT // 2)))
        self.assert_told({"web": (COUNT, 0)}, dict.fromkeys([*self.faults, "out"], (COUNT, 0)))
        self.stop(process)

    def test_a_stop_while_it_is_written_repeats_and_leaves_out_nothing(self):
        self.config("  - { name: out, type: file, path: ./out.ndjson, batch: { within: 0s, events: 7 }, rate: { events: 2000 } }")
        process = self.start()
        many = [event(n) for n in range(8000)]
        for begin in range(0, len(many), 1000):
            self.accept(many[begin:begin + 1000])
        wait_until(self.lines, "it is being written")
        self.stop(process)
        self.assertLess(len(self.lines()), len(many), "there was something left")
        self.start()
        wait_until(lambda: self.destination("out")["lag_events"] == 0, "the rest goes")
        self.assertEqual(numbers(self.lines()), list(range(len(many))))

    def expected(self, name):
        """What was taken away with the file is gone; what was put back is there."""
        kept = name in ("pipe_in_its_place", "full")
        kept = kept or (name == "read_only" and os.geteuid() == 0)
        return list(range(0 if kept else COUNT // 2, COUNT))

    def look(self):
        self.rows = self.destinations()
        return True

    def settled(self, names):
        self.look()
        return all(self.rows[name]["lag_events"] == 0 for name in names)


class Discarded(FaultTest):
    def test_what_is_thrown_away_is_counted(self):
        self.config(FILE_OUT + "\n  - { name: nothing, type: discard }")
        process = self.start()
        self.accept(EVENTS)
        wait_until(lambda: {row["lag_events"] for row in self.destinations().values()} == {0}, "all is settled")
        self.assert_told({"web": (COUNT, 0)}, {"out": (COUNT, 0), "nothing": (COUNT, 0)})
        self.stop(process)


class StandardOutput(FaultTest):
    def setUp(self):
        super().setUp()
        self.config(f"{FILE_OUT}\n  - {{ name: pipe, type: stdout, batch: {{ within: 20ms }}, drain: 2s, {RETRY} }}")
        self.fifo = self.folder / "fifo"
        os.mkfifo(self.fifo)

    def start_with_pipe(self):
        reader = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        writer = os.open(self.fifo, os.O_WRONLY)
        process = self.start(stdout=writer)
        os.close(writer)
        return process, reader

    def read(self, reader, into):
        """What there is at this moment, without waiting; into whole lines and the beginning of one."""
        with contextlib.suppress(BlockingIOError):
            while text := os.read(reader, 1 << 16):
                into += text
        return [json.loads(line) for line in bytes(into).splitlines(keepends=True) if line.endswith(b"\n") and line.strip()]

    def others_have(self, count):
        wait_until(lambda: numbers(self.lines()) == list(range(count)), "the file is never behind")

    def test_a_reader_that_goes_away_is_an_outage_and_the_next_one_gets_the_rest(self):
        process, reader = self.start_with_pipe()
        self.accept(FIRST)
        text = bytearray()
        wait_until(lambda: len(self.read(reader, text)) == len(FIRST), "the first half is read")
        os.close(reader)
        self.accept(SECOND)
        wait_until(lambda: self.destination("pipe")["health"] == "unavailable", "nobody reads")
        self.assertEqual(self.destination("pipe")["reason"], "whoever read standard output has gone away")
        self.others_have(COUNT)
        metrics = self.metrics()
        self.assert_health("pipe", "unavailable", metrics)
        self.assertGreater(metrics.get("penstock_delivery_unavailable_total", code="broken_pipe", destination="pipe"), 0)
        self.assertEqual(self.dead(), [])
        reader = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        text = bytearray()
        wait_until(lambda: numbers(self.read(reader, text)) == list(range(COUNT // 2, COUNT)), "the next reader gets the rest")
        wait_until(lambda: self.destination("pipe")["health"] == "healthy", "healthy again")
        self.assert_told({"web": (COUNT, 0)}, {"out": (COUNT, 0), "pipe": (COUNT, 0)})
        self.stop(process)

    def test_a_reader_that_stops_reading_holds_up_nothing_else_and_not_the_end(self):
        process, reader = self.start_with_pipe()
        self.addCleanup(os.close, reader)
        many = [event(n, pad="x" * 1000) for n in range(300)]
        self.accept(many)
        self.others_have(300)
        wait_until(lambda: self.destination("pipe")["lag_events"] == 300, "the pipe is full")
        self.assertEqual(self.destination("pipe")["in_flight"], 1)
        self.assertEqual(self.dead(), [])
        process.send_signal(15)
        self.assertEqual(process.wait(timeout=15), 0, self.log())
        text = bytearray()
        self.read(reader, text)
        with open(self.folder / "all.ndjson", "wb") as out:
            process = self.start(stdout=out)
        wait_until(lambda: self.destination("pipe")["lag_events"] == 0, "all of it goes elsewhere after a restart")
        self.assertEqual(numbers(self.lines("all.ndjson")), list(range(300)))
        self.stop(process)

    def test_a_slow_reader_gets_everything_once(self):
        process, reader = self.start_with_pipe()
        self.addCleanup(os.close, reader)
        self.accept([event(n, pad="x" * 1000) for n in range(300)])
        self.others_have(300)
        text, done = bytearray(), threading.Event()
        while not done.wait(0.001):
            with contextlib.suppress(BlockingIOError):
                text += os.read(reader, 4096)
            if text.count(b"\n") == 300:
                done.set()
        self.assertEqual(numbers(self.read(reader, text)), list(range(300)))
        wait_until(lambda: self.destination("pipe")["lag_events"] == 0, "settled")
        self.stop(process)

    def test_a_full_disk_behind_it_is_an_outage(self):
        with open("/dev/full", "wb") as full:
            process = self.start(stdout=full)
        self.accept(FIRST)
        wait_until(lambda: self.destination("pipe")["health"] == "unavailable", "the disk is full")
        self.assertIn("No space left on device", self.destination("pipe")["reason"])
        self.others_have(COUNT // 2)
        self.assertGreater(self.metrics().get("penstock_delivery_unavailable_total", code="enospc", destination="pipe"), 0)
        self.assertEqual(self.dead(), [])
        self.stop(process)

    def test_one_that_is_closed_from_the_start_never_takes_another_file_for_it(self):
        process = self.start(["/bin/sh", "-c", 'exec "$0" run penstock.yaml >&-', BINARY])
        self.accept(FIRST)
        self.others_have(COUNT // 2)
        wait_until(lambda: self.destination("pipe")["health"] == "unavailable", "there is no standard output")
        self.stop(process)
        self.assertEqual(self.cli("doctor", "--verify", "data").returncode, 0, "the logs are whole")
