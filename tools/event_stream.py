#!/usr/bin/env python3
"""An endless, modest stream of events as an application's SDK would send them: event_stream.py [--url URL] [--rate N]

People open pages, sign up and order; some are bots, and a few sign-ups lack their plan, so that there is something to drop
and something to reject. Events are sent as NDJSON, twice a second. What was not accepted (503, no connection) is sent again
after Retry-After or a second, the same events with the same uuids. Ends on SIGTERM or SIGINT.
"""
import argparse
import collections
import datetime
import http.client
import json
import random
import signal
import sys
import threading
import urllib.error
import urllib.request
import uuid

FLUSH_SECONDS = 0.5
PENDING_MAX = 10_000
PERSON_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
BOT_AGENT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
PAGES = ("/", "/pricing", "/docs", "/blog/launch", "/cart")
PLANS = ("free", "pro", "team")


def make_event(rng):
    person = rng.randrange(500)
    name = rng.choices(("$pageview", "signup", "order_completed"), (85, 10, 5))[0]
    page = rng.choice(PAGES)
    properties = {"$current_url": f"https://shop.example.com{page}", "$pathname": page, "$lib": "web",
                  "$raw_user_agent": BOT_AGENT if rng.random() < 0.05 else PERSON_AGENT}
    if name == "signup":
        properties["email"] = f"person{person}@example.com"
        if rng.random() < 0.8:
            properties["plan"] = rng.choice(PLANS)
    elif name == "order_completed":
        properties.update(email=f"person{person}@example.com", revenue=round(rng.uniform(5, 200), 2), currency="EUR")
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"uuid": str(uuid.uuid4()), "event": name, "distinct_id": f"person-{person}", "timestamp": now,
            "properties": properties}


class Sender:
    """Holds what is not accepted yet, oldest first, and counts."""

    def __init__(self, url):
        self.url = url
        self.pending = collections.deque()
        self.accepted = self.rejected = self.forgotten = 0
        self.trouble = ""

    def add(self, event):
        if len(self.pending) == PENDING_MAX:  # a stream of examples may forget; an application would spill to disk
            self.pending.popleft()
            self.forgotten += 1
        self.pending.append(json.dumps(event, separators=(",", ":")))

    def flush(self):
        """One request with everything pending. Returns the seconds to wait before the next."""
        if not self.pending:
            return FLUSH_SECONDS
        body = "\n".join(self.pending).encode() + b"\n"
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/x-ndjson"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return self._refused(error)
        except (OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            return self._say(f"no answer from {self.url} ({error}); trying again", wait=1.0)
        self.accepted += answer["accepted"]
        self.rejected += answer["rejected"]
        self.pending.clear()
        self.trouble = ""
        return FLUSH_SECONDS

    def _refused(self, error):
        if error.code == 503:
            after = error.headers.get("Retry-After", "1")
            return self._say("asked to come back later (503); nothing is lost", wait=float(after) if after.isdigit() else 1.0)
        sys.exit(f"event_stream: {self.url} answered {error.code}: {error.read(500).decode(errors='replace')}")

    def _say(self, trouble, wait):
        if trouble != self.trouble:
            print(f"stream: {trouble}", flush=True)
        self.trouble = trouble
        return wait


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--url", default="http://127.0.0.1:8000/events")
    options.add_argument("--rate", type=int, default=20, help="events per second")
    options.add_argument("--seed", type=int, default=None)
    arguments = options.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    rng, sender, wait, owed, report_in = random.Random(arguments.seed), Sender(arguments.url), 0.0, 0.0, 0.0
    while not stop.wait(wait):
        owed += arguments.rate * (wait or FLUSH_SECONDS)
        for _ in range(int(owed)):
            sender.add(make_event(rng))
        owed -= int(owed)
        wait = sender.flush()
        report_in -= wait
        if report_in <= 0:
            report_in = 10.0
            print(f"stream: {sender.accepted} events accepted, {sender.rejected} rejected, {len(sender.pending)} waiting",
                  flush=True)
    print(f"stream: ends; {sender.accepted} accepted, {len(sender.pending)} not sent, {sender.forgotten} forgotten", flush=True)


if __name__ == "__main__":
    main()
