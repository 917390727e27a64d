#!/usr/bin/env python3
"""Ten destinations, three of them bad, against the seven good ones.

  run.py --build build/release [--count N] [--rounds N] [--bad NAME…]

The events are read from a file, pass no app, and go to seven webhooks that answer at once. A round has three runs, by turns in
another order: the seven alone, beside an eighth good one, and beside the bad ones: `frozen`, whose receiver never answers;
`failing`, which answers every twentieth request with 503; `limited`, which may send 200 events a second. What is measured is
what they cost the seven: the time until all of them have everything, and the CPU of the process until then, an event read.
Penstock has one core, the receiver the other.

The failing one still gets nearly everything, and everybody who does costs what it costs to send: that is not the price of
being bad. So the eighth good one is what the bad ones are to be compared with.

Each run's counts are checked before its figures are used: every one of the seven got every event, none twice.
"""
import argparse
import contextlib
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from measured import Penstock, cores, pinned

GOOD = [f"good{n}" for n in range(1, 8)]
EIGHTH = "eighth"
# Of those beside the seven: how the receiver treats them, and settings.
OTHERS = {EIGHTH: ("well", ""), "frozen": ("frozen", "timeout: 10m"), "failing": ("failing", ""),
          "limited": ("well", "rate: { events: 200 }")}
BAD = [name for name in OTHERS if name != EIGHTH]


@contextlib.contextmanager
def receiving(program):
    """The receiver on the core that is left; gives its address."""
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               preexec_fn=pinned(cores()[1]))
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(60)  # on a busy machine it takes a while


def generate(count, path):
    """Events of about 520 bytes from ten thousand people."""
    padding = "x" * 330
    with open(path, "w", encoding="utf-8") as out:
        for n in range(count):
            out.write(json.dumps({"uuid": f"{n:08x}-0000-4000-8000-{n * 2654435761 % 2**48:012x}", "event": f"event {n % 20}",
                                  "distinct_id": f"person-{n * 7919 % 10_000}", "timestamp": "2026-01-01T00:00:00Z",
                                  "properties": {"n": n, "price": 19.90, "padding": padding}}) + "\n")


def write_pipeline(folder, source, address, others):
    def destination(name, kind, more=""):
        return (f"  - {{ name: {name}, type: webhook, url: \"http://{address}/{kind}/{name}\", format: ndjson, "
                f"body: envelope{', ' + more if more else ''} }}\n")
    text = (f"data: {folder}/data\nlog: {{ partitions: 8 }}\nsources:\n  - {{ name: events, type: file, path: {source} }}\n"
            f"destinations:\n" + "".join(destination(name, "well") for name in GOOD))
    text += "".join(destination(name, *OTHERS[name]) for name in others)
    (folder / "penstock.yaml").write_text(text)


def counts(address):
    with urllib.request.urlopen(f"http://{address}/counts", timeout=10) as answer:
        return json.load(answer)


def run_once(build, source, count, folder, others):
    """(CPU seconds, wall seconds, highest RSS in MiB) until the seven have everything; and what the others got of it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with receiving([build / "bench" / "receiver"]) as address:
        write_pipeline(folder, source, address, others)
        started = time.monotonic()
        with Penstock(build / "penstock", folder) as penstock:
            def have_all():
                got = counts(address)
                return all(got.get(name, {}).get("events", 0) >= count for name in GOOD)
            penstock.wait_for(have_all, "the seven have everything", look_seconds=0.02)
            wall, cpu, rss = time.monotonic() - started, penstock.cpu(), penstock.take_rss()
            got = counts(address)
        for name in GOOD:
            if got[name]["events"] != count or got[name]["distinct"] != count:
                sys.exit(f"{name} got {got[name]['events']} events, {got[name]['distinct']} of them distinct, not {count}")
    return (cpu, wall, rss), {name: got.get(name, {}).get("distinct", 0) for name in others}


def report(name, runs, count):
    micros = [cpu / count * 1e6 for cpu, _, _ in runs]
    rates = [count / wall / 1000 for _, wall, _ in runs]
    print(f"  {name:32} {statistics.median(micros):6.2f} µs CPU an event ({min(micros):.2f}–{max(micros):.2f}), "
          f"{statistics.median(rates):6.1f} k events/s to each of seven ({min(rates):.1f}–{max(rates):.1f}), "
          f"RSS up to {max(rss for _, _, rss in runs):.0f} MiB")


def compare(what, runs, base):
    cpu = statistics.median(run[0] / other[0] for run, other in zip(runs, base))
    wall = statistics.median(other[1] / run[1] for run, other in zip(runs, base))
    print(f"  {what} {100 * (cpu - 1):+.1f} % CPU, and change the throughput of the seven by {100 * (wall - 1):+.1f} % "
          f"(medians of {len(runs)} rounds)")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--build", required=True, type=pathlib.Path)
    options.add_argument("--count", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--bad", nargs="+", choices=BAD, default=BAD, help="these only; all three when not given")
    arguments = options.parse_args()
    build = arguments.build.resolve()
    with tempfile.TemporaryDirectory(prefix="penstock-fanout-") as temporary:
        source, folder = pathlib.Path(temporary) / "events.ndjson", pathlib.Path(temporary) / "run"
        generate(arguments.count, source)
        kinds = {"seven good ones": [], "beside an eighth good one": [EIGHTH],
                 f"beside {', '.join(arguments.bad)}": arguments.bad}
        alone, eight, bad = kinds
        runs = {kind: [] for kind in kinds}
        shares = {}
        for turn in range(arguments.rounds):
            for kind in list(kinds)[turn % 3:] + list(kinds)[:turn % 3]:
                run, got = run_once(build, source, arguments.count, folder, kinds[kind])
                runs[kind].append(run)
                for name, events in got.items():
                    shares.setdefault(name, []).append(events / arguments.count)
    for kind in kinds:
        report(kind, runs[kind], arguments.count)
    print("  until then came to the others: " +
          ", ".join(f"{name} {statistics.median(got):.0%}" for name, got in shares.items()))
    for what, kind, base in (("the bad ones cost", bad, alone), ("an eighth good one costs", eight, alone),
                             ("the bad ones instead of an eighth good one cost", bad, eight)):
        compare(what, runs[kind], runs[base])


if __name__ == "__main__":
    main()
