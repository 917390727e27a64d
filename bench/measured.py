"""The process that is measured: started on a core of its own, watched by what the kernel says of it and by its own status."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
WAIT_SECONDS = 900


def cores():
    """That of Penstock, and that of whoever sends and receives."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_of(stat):
    fields = pathlib.Path(stat).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


class Penstock:
    """A run of folder/penstock.yaml, or of `pipeline`, with folder/penstock.log. `core` None: wherever the kernel likes."""

    def __init__(self, binary, folder, pipeline=None, environment=None, core=cores()[0], data="data"):
        self.folder, self.data, self.rss = folder, folder / data, 0.0
        self.log = folder / f"{data}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([binary, "run", pipeline or folder / "penstock.yaml", "--keep-running"], stdout=log,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment,
                                            preexec_fn=None if core is None else pinned(core))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def cpu(self):
        """Seconds of user and system time so far."""
        return cpu_of(f"/proc/{self.process.pid}/stat")

    def cpu_by_thread(self):
        """Of those that are there: {name: seconds}."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            found[name] = found.get(name, 0.0) + cpu_of(task / "stat")
        return found

    def resident_mib(self, highest=False):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:" if highest else "VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0  # it has ended

    def take_rss(self):
        """The highest that wait_for saw since the last time."""
        highest, self.rss = self.rss, 0.0
        return highest

    def ask(self, path):
        control = json.loads((self.data / "control.json").read_text())
        request = urllib.request.Request(control["url"] + path, headers={"Authorization": "Bearer " + control["token"]})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def status(self):
        return self.ask("/api/status")

    def destinations(self):
        return {found["name"]: found for found in self.status()["destinations"]}

    def wait_until_it_answers(self):
        self.wait_for((self.data / "control.json").exists, "it answers")

    def wait_for(self, condition, what, look_seconds=0.05):
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            self.rss = max(self.rss, self.resident_mib())
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.fail(f"it did not come to this: {what}")
            time.sleep(look_seconds)  # between two looks

    def fail(self, sentence):
        sys.exit(f"{sentence}\n{self.log.read_text(errors='replace')[-4000:]}")

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
