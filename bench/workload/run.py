#!/usr/bin/env python3
"""The end-to-end workload: shop events through a file source, three Lua apps and the log, to a file and to nothing.

  run.py [--binary PATH] [--count N] [--runs N]

The apps' own cases come first, then the output of a first run is checked event by event; only then is anything measured.
The variants run in turn, so that a noisy minute hits all of them; CPU is user + system of the whole process, start and end
included, divided by the events read.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VARIANTS = {"file → 3 apps → file": "shop.yaml", "file → 3 apps → discard": "shop_discard.yaml"}


def generate(count, path):
    with open(path, "wb") as out:
        subprocess.run([sys.executable, HERE / "generate.py", "shop", str(count)], stdout=out, check=True)


def test_apps(binary):
    apps = sorted(HERE.glob("apps/*/app.yaml"))
    subprocess.run([binary, "app", "test", *(app.parent for app in apps)], check=True)


def run_once(binary, pipeline, source, folder):
    """One run of the pipeline from nothing; its output is folder/out.ndjson. Returns (CPU s, wall s, RSS bytes)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    environment = dict(os.environ, WORKLOAD_DATA=str(folder / "data"), WORKLOAD_IN=str(source),
                       WORKLOAD_OUT=str(folder / "out.ndjson"))
    with open(folder / "penstock.log", "wb") as log:
        started = time.monotonic()
        process = subprocess.Popen([binary, "run", HERE / pipeline], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{binary} run {pipeline} exited with {process.returncode}:\n{(folder / 'penstock.log').read_text()[-4000:]}")
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024


def check(source, folder):
    verdict = subprocess.run([sys.executable, HERE / "check.py", source, folder / "out.ndjson"], text=True,
                             stdout=subprocess.PIPE, check=False)
    print(f"check: {verdict.stdout.strip()}", flush=True)
    if verdict.returncode != 0:
        sys.exit("the output is not what the apps should have made; nothing was measured")


def report(name, runs, count):
    micros = [cpu / count * 1e6 for cpu, _, _ in runs]
    wall = statistics.median(wall for _, wall, _ in runs)
    rss = max(rss for _, _, rss in runs) / 2**20
    print(f"{name:24} {statistics.median(micros):6.2f} µs CPU per event ({min(micros):.2f}–{max(micros):.2f}), "
          f"{count / wall / 1000:6.0f} k events/s, RSS {rss:.0f} MiB")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", default=os.environ.get("PENSTOCK_BINARY", ROOT / "build/release/penstock"))
    options.add_argument("--count", type=int, default=200_000)
    options.add_argument("--runs", type=int, default=5, help="measured runs of each variant; 0 only checks the output")
    arguments = options.parse_args()

    with tempfile.TemporaryDirectory(prefix="penstock-workload-") as temporary:
        test_apps(arguments.binary)
        source, folder = pathlib.Path(temporary) / "in.ndjson", pathlib.Path(temporary) / "run"
        generate(arguments.count, source)
        run_once(arguments.binary, "shop.yaml", source, folder)
        check(source, folder)
        measured = {name: [] for name in VARIANTS}
        for _ in range(arguments.runs):
            for name, pipeline in VARIANTS.items():
                measured[name].append(run_once(arguments.binary, pipeline, source, folder))
        for name, runs in measured.items():
            if runs:
                report(name, runs, arguments.count)


if __name__ == "__main__":
    main()
