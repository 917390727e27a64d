#!/usr/bin/env python3
"""Compares what came out with what the three apps of the workload should have made of what went in: check.py IN OUT

IN is `generate.py shop`; OUT has one event per line, bare or as the `data` of an envelope. Events are matched by message id.
Prints one line and exits 0 only if every number after `expected` is 0:
  expected  events that the apps keep        missing  of those, not in OUT        repeated  more than once in OUT
  wrong     any field not as it should be    foreign  in OUT, but to be dropped or never sent
"""
import hashlib
import json
import sys

GONE = ("user_id", "message_id", "ip", "email")


def kept(event):
    return event["event"] != "heartbeat" and event["properties"]["is_bot"] is not True


def expected_of(event):
    """The event after filter, enrich and mask, but for received_at, which is the time of the run."""
    made = {key: value for key, value in event.items() if key not in GONE}
    made["env"] = "prod"
    made["source"] = "kafka:events"
    made["country"] = event["context"]["country"]
    made["userId"] = event["user_id"]
    made["messageId"] = event["message_id"]
    made["email_sha256"] = hashlib.sha256(event["email"].encode()).hexdigest()
    return made


def events(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            yield event if "messageId" in event or "message_id" in event else event.get("data", event)


def is_right(got, wanted):
    received = got.pop("received_at", None)
    return bool(received) and isinstance(received, (str, int, float)) and got == wanted


def compare(sent, arrived):
    wanted = {event["message_id"]: expected_of(event) for event in sent if kept(event)}
    seen, repeated, wrong, foreign = set(), 0, 0, 0
    for event in arrived:
        key = event.get("messageId")
        if key not in wanted:
            foreign += 1
        elif key in seen:
            repeated += 1
        elif not is_right(event, wanted[key]):
            wrong += 1
        seen.add(key)
    missing = len(wanted.keys() - seen)
    return len(wanted), missing, repeated, wrong, foreign


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    expected, *faults = compare(events(arguments[0]), events(arguments[1]))
    print("expected {}, missing {}, repeated {}, wrong {}, foreign {}".format(expected, *faults))
    return 1 if any(faults) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
