#!/usr/bin/env python3
"""Runs the benchmarks of a build on one core and prints a table: run.py --build build/release [NAME…]

NAME is a program of build/release/bench, with or without _bench, or one of the scripts: `workload`, `push`, `age`, `fanout`, `catch_up`,
`soak`, `kafka` and `age_kafka`; without names all of them run. Each figure is the median of five repetitions, with the smallest and the largest beside it.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPETITIONS = 5
SCRIPTS = {"push": ["push.py"], "age": ["age.py"], "fanout": ["fanout/run.py"], "catch_up": ["fanout/catch_up.py"],
           "soak": ["fanout/soak.py"], "kafka": ["kafka/run.py"], "age_kafka": ["age.py", "--kafka"]}


def programs():
    return sorted(source.stem for source in HERE.glob("*_bench.cc"))


def chosen(names):
    known = programs() + ["workload", *SCRIPTS]
    if not names:
        return known
    picked = [name if name in known else f"{name}_bench" for name in names]
    unknown = [name for name, pick in zip(names, picked) if pick not in known]
    if unknown:
        sys.exit(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(known)}")
    return picked


def uses_google_benchmark(name):
    with open(HERE / f"{name}.cc", encoding="utf-8") as source:
        return "benchmark::benchmark" in source.readline()


def on_one_core(command, **options):
    """Runs on the first core that this process may use, so that figures do not depend on migrations."""
    core = min(os.sched_getaffinity(0))
    return subprocess.run(command, preexec_fn=lambda: os.sched_setaffinity(0, {core}), check=True, **options)


def run_google_benchmark(program):
    run = on_one_core([program, "--benchmark_format=json", f"--benchmark_repetitions={REPETITIONS}"],
                      stdout=subprocess.PIPE)
    rows = {}
    for result in json.loads(run.stdout)["benchmarks"]:
        if result.get("error_occurred"):
            sys.exit(f"{program}: {result['name']}: {result['error_message']}")
        if result["run_type"] == "iteration":
            rows.setdefault(result["run_name"], []).append(result)
    for name, results in rows.items():
        print_row(name, results)


def print_row(name, results):
    """Nanoseconds of CPU an event where the benchmark counts events, else an iteration."""
    counts_events = "items_per_second" in results[0]
    if counts_events:
        times = [1e9 / result["items_per_second"] for result in results]
    else:
        to_ns = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[results[0]["time_unit"]]
        times = [result["cpu_time"] * to_ns for result in results]
    what = "ns an event" if counts_events else "ns a run"
    bandwidth = ""
    if "bytes_per_second" in results[0]:
        bandwidth = f"  {statistics.median(result['bytes_per_second'] for result in results) / 1e6:8.0f} MB/s"
    print(f"  {name:32} {statistics.median(times):10.1f} {what} ({min(times):.1f}–{max(times):.1f}){bandwidth}")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", required=True, type=pathlib.Path)
    options.add_argument("--seconds", type=int, default=600, help="how long soak pushes events; 600 when not given")
    options.add_argument("names", nargs="*")
    arguments = options.parse_args()
    for name in chosen(arguments.names):
        print(f"{name}", flush=True)
        program = arguments.build / "bench" / name
        if name == "workload":
            on_one_core([sys.executable, HERE / "workload/run.py", "--binary", arguments.build / "penstock"])
        elif name in SCRIPTS:  # each gives out the cores itself
            script, *more = SCRIPTS[name]
            if name == "soak":
                more = ["--seconds", str(arguments.seconds)]
            subprocess.run([sys.executable, HERE / script, "--build", arguments.build, *more], check=True)
        elif uses_google_benchmark(name):
            run_google_benchmark(program)
        else:
            on_one_core([program])


if __name__ == "__main__":
    main()
