#!/usr/bin/env python3
"""Runs the quickstart with everything around it: quickstart.py --binary PATH --config FILE

Starts a webhook receiver, penstock, and a stream of events; prints what to try; on Ctrl-C ends them in the order in which
events flow, so that what is under way arrives. Each child is in a session of its own: Ctrl-C reaches only this process.
"""
import argparse
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading

TOOLS = pathlib.Path(__file__).resolve().parent
ROOT = TOOLS.parent
START_SECONDS = 30
DRAIN_SECONDS = 30

NEXT = """
Events now flow: stream → http://127.0.0.1:{intake}/events → three apps → {out} and the webhook.
In a second terminal, in this folder, try:

  tail -f {out}
  curl -d '{{"event":"signup","distinct_id":"me","properties":{{"plan":"pro","email":"me@example.com"}}}}' http://127.0.0.1:{intake}/events
  {binary} status --data {data}
  {binary} dead list --data {data}      # sign-ups that the webhook refused: they have no plan

Kill it however you like and run it again: nothing accepted is lost. Ctrl-C here ends everything.
"""


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Children:
    """The processes, by name, in the order in which they are to end."""

    def __init__(self):
        self.running = {}
        self.ended = threading.Event()  # set by a signal, or by a child that ended by itself

    def start(self, name, command):
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=ROOT, start_new_session=True)
        self.running[name] = child
        threading.Thread(target=self._watch, args=(child,), daemon=True).start()

    def _watch(self, child):
        child.wait()
        self.ended.set()

    def failed(self):
        """The first that ended with an error, as (name, exit code)."""
        for name, child in self.running.items():
            if child.poll() not in (None, 0):
                return name, child.returncode
        return None

    def stop(self, name):
        child = self.running.get(name)
        if child is None or child.poll() is not None:
            return
        child.terminate()
        try:
            child.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"quickstart: {name} (pid {child.pid}) did not end within {DRAIN_SECONDS} s; killing it", flush=True)
            child.kill()
            child.wait()

    def hurry(self):
        """A second Ctrl-C: penstock takes a second signal as 'now'."""
        child = self.running.get("penstock")
        if child is not None and child.poll() is None:
            child.terminate()


def wait_until_up(children, port, what):
    for _ in range(START_SECONDS * 10):
        if answers(port):
            return
        if children.ended.wait(0.1):
            break
    if not children.failed() and children.ended.is_set():
        return  # a signal came first
    sys.exit(f"quickstart: {what} did not come up within {START_SECONDS} s or ended; its messages are above")


def flow(children, arguments):
    children.start("webhook receiver", [sys.executable, TOOLS / "webhook_receiver.py", "--port", str(arguments.receiver_port)])
    wait_until_up(children, arguments.receiver_port, "the webhook receiver")
    children.start("penstock", [arguments.binary.resolve(), "run", os.path.relpath(arguments.config, ROOT)])
    wait_until_up(children, arguments.intake_port, "penstock")
    if not children.ended.is_set():
        print(NEXT.format(binary=arguments.binary, intake=arguments.intake_port, data="data/quickstart",
                          out="data/out/events.ndjson"), flush=True)
        children.start("stream", [sys.executable, TOOLS / "event_stream.py", "--url",
                                  f"http://127.0.0.1:{arguments.intake_port}/events"])
    children.ended.wait()


def play(flow, order):
    """Runs flow(children) until it returns, after a signal or the end of a child; then ends them in this order."""
    children, signals = Children(), []

    def on_signal(number, _frame):
        signals.append(number)
        children.ended.set()
        if len(signals) > 1:
            children.hurry()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    try:
        flow(children)
    finally:
        failed = children.failed()
        print(f"quickstart: ending in this order: {', '.join(order)}", flush=True)
        for name in order:
            children.stop(name)
    if failed and not signals:
        sys.exit(f"quickstart: {failed[0]} ended with exit code {failed[1]}; its messages are above")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--binary", required=True, type=pathlib.Path)
    options.add_argument("--config", required=True, type=pathlib.Path)
    options.add_argument("--intake-port", type=int, default=8000, help="the port of the http source in FILE")
    options.add_argument("--receiver-port", type=int, default=9000, help="the port of the webhook's URL in FILE")
    arguments = options.parse_args()

    for port, what in ((arguments.intake_port, "the http source"), (arguments.receiver_port, "the webhook receiver")):
        if not port_is_free(port):
            sys.exit(f"quickstart: port {port} on 127.0.0.1, for {what}, is in use; end what holds it "
                     f"(ss -ltnp 'sport = :{port}' names it) and run this again")

    play(lambda children: flow(children, arguments), ("stream", "penstock", "webhook receiver"))


if __name__ == "__main__":
    main()
