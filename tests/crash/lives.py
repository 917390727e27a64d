"""A Penstock that is killed and started again, and what the crash tests share around it."""
import argparse
import atexit
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Penstock:
    """`penstock run` in a folder with a penstock.yaml, each time with another number of workers: ${env:WORKERS}. It may also
    ask for its data folder, ${env:DATA}, and which life of it this is, ${env:LIFE}."""

    def __init__(self, binary, folder, data="data"):
        self.binary, self.folder, self.data = binary, folder, data
        self.workers = itertools.cycle([1, 2, 4, 2, 16])
        self.process, self.life = None, 0
        atexit.register(self.leave_nothing)

    def leave_nothing(self):
        """Whatever a test ends by, nothing of it runs on."""
        if self.process and self.process.poll() is None:
            self.kill()

    def start(self):
        self.life += 1
        log = open(self.folder / "penstock.log", "ab")
        self.process = subprocess.Popen([self.binary, "run", "penstock.yaml"], cwd=self.folder, stdout=log, stderr=log,
                                        env=dict(os.environ, WORKERS=str(next(self.workers)), DATA=self.data,
                                                 LIFE=str(self.life)))
        log.close()

    def outlives(self, seconds):
        """Waits for the process to end by itself, which it must not."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise SystemExit(f"penstock ended by itself with {code}; see penstock.log")

    def live_and_die(self, kills, pause, when_dead=lambda kill: None, when_back=lambda kill: None):
        """So many lives, each of them ended at a random moment within `pause` seconds, and the beginning of one more. The other
        two are called with the number of the kill: while no process has the data folder, and when the next one has begun."""
        for kill in range(kills):
            self.outlives(random.uniform(0.02, pause))
            self.kill()
            when_dead(kill)
            self.start()
            when_back(kill)
        self.wait_until("ready after the last kill", lambda s: s["state"] == "running", 120)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(timeout=30) != 0:
            raise SystemExit(f"SIGTERM: exit code {self.process.returncode}")

    def cli(self, *arguments):
        answer = subprocess.run([self.binary, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60)
        if answer.returncode != 0:
            raise SystemExit(f"penstock {' '.join(arguments)}: {answer.stderr}")
        return answer.stdout

    def status(self):
        answer = subprocess.run([self.binary, "status", "--json", "--data", self.data], cwd=self.folder,
                                capture_output=True, text=True, timeout=30)
        return json.loads(answer.stdout) if answer.returncode in (0, 1) and answer.stdout.startswith("{") else None

    def wait_until(self, what, condition, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = self.status()
            if status and condition(status):
                return
            self.outlives(0.05)
        raise SystemExit(f"not within {seconds} s: {what}; last status: {json.dumps(status)}")

    def dead_letters(self, stage):
        letters, after = [], []
        while True:
            page = json.loads(self.cli("dead", "list", "--json", "--data", self.data, "--stage", stage, "--limit", "1000", *after))
            letters += page["dead_letters"]
            if page["next"] is None:
                return letters
            after = ["--after", page["next"]]

    def events_in_log(self, log="events"):
        return [json.loads(line) for line in self.cli("log", "cat", self.data, "--log", log).splitlines()]


class Settled:
    """Nothing to read and nothing to deliver, several times in a row: a followed file is never finished, only idle."""

    def __init__(self):
        self.in_a_row = 0

    def __call__(self, status):
        settled = status["ingest"]["idle"] and all(d["lag_events"] == 0 and d["replay_left"] is None and d["again_waiting"] == 0
                                                   for d in status["destinations"])
        self.in_a_row = self.in_a_row + 1 if settled else 0
        return self.in_a_row >= 4


def main(run, summary, kills, kills_long):
    """`run(args, folder)` gives the problems it found."""
    parser = argparse.ArgumentParser(description=summary)
    long_run = bool(os.environ.get("PENSTOCK_TEST_LONG"))
    parser.add_argument("--kills", type=int, default=kills_long if long_run else kills)
    parser.add_argument("--pause", type=float, default=1.5, help="longest time between two kills, seconds")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--binary", default=os.environ.get("PENSTOCK_BINARY", str(ROOT / "build/release/penstock")))
    parser.add_argument("--keep", action="store_true", help="keep the folder even when all is well")
    args = parser.parse_args()
    args.binary = str(pathlib.Path(args.binary).resolve())
    print(f"seed {args.seed}, {args.kills} kills")
    random.seed(args.seed)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="penstock-crash-"))
    problems = run(args, folder)
    for problem in problems[:20]:
        print("WRONG:", problem)
    print(f"{len(problems)} problems" if problems else f"every event accounted for after {args.kills} kills")
    if not problems and not args.keep:
        shutil.rmtree(folder)
    else:
        print("left for you to look at:", folder)
    return 1 if problems else 0
