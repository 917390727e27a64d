"""Counts every event of the crash test afterwards. Each function adds what it finds wrong to a list of texts."""
import collections
import json

from peers import is_refused, sequence_of


def check(condition, problems, text):
    if not condition:
        problems.append(text)


def acknowledged_by(clients):
    return [u for client in clients for batch in client.acknowledged for u, _ in batch]


def check_order(events, problems, where):
    """That each distinct id's events came in the order of their sequence, when each came first."""
    last = {}
    seen = set()
    for event in events:
        if event["uuid"] in seen:
            continue  # a redelivery comes later
        seen.add(event["uuid"])
        who, sequence = event["distinct_id"], sequence_of(event)
        check(last.get(who, 0) < sequence, problems, f"{where}: {who} has {sequence} after {last.get(who)}")
        last[who] = sequence


def judge_log(clients, writer, logged, problems):
    count = collections.Counter(event["uuid"] for event in logged)
    acknowledged = acknowledged_by(clients)
    unanswered = [[u for u, _ in batch] for c in clients for batch in c.unanswered]
    for u in acknowledged:
        check(count[u] == 1, problems, f"acknowledged {u} is {count[u]} times in the log")
    for batch in unanswered:
        there = {count[u] for u in batch}
        check(there in ({0}, {1}), problems, f"an unanswered batch is in the log {sorted(there)} times")
    for u, s in writer.lines:
        check(count[u] == 1, problems, f"line {s} ({u}) is {count[u]} times in the log")
    known = set(acknowledged) | {u for batch in unanswered for u in batch} | {u for u, _ in writer.lines}
    check(set(count) <= known, problems, "the log has events nobody sent")
    check_order(logged, problems, "log")
    print(f"sent and acknowledged {len(acknowledged)}, requests sent again {sum(c.resent for c in clients)}, unanswered "
          f"{sum(map(len, unanswered))}, lines {len(writer.lines)} in {writer.rotations + 1} files; in the log {len(logged)}")


def judge_plain(logged, delivered, receiver, problems):
    """A file and a webhook that take everything."""
    logged_uuids = {event["uuid"] for event in logged}
    in_file = collections.Counter(event["uuid"] for event in delivered)
    for u in logged_uuids:
        check(in_file[u] >= 1, problems, f"{u} is in the log but not in the file")
        check(receiver.uuids[u] >= 1, problems, f"{u} is in the log but not at the webhook")
    check(set(in_file) <= logged_uuids, problems, "the file has events the log has not")
    check(set(receiver.uuids) <= logged_uuids, problems, "the webhook has events the log has not")
    check_order(delivered, problems, "file")
    print(f"delivered more than once: file {sum(n > 1 for n in in_file.values())}, webhook "
          f"{sum(n > 1 for n in receiver.uuids.values())}")


def judge_replays(logged, receiver, replays, problems):
    """Whatever had been delivered before a replay from the beginning was accepted has come again."""
    even = {event["uuid"] for event in logged if sequence_of(event) % 2 == 0}
    wanted = set()
    for replay in replays:
        wanted |= replay.there_before if replay.odd_too else replay.there_before & even
    missing = wanted - set(receiver.replayed)
    check(not missing, problems, f"{len(missing)} events of replays that were accepted did not come again")
    check(set(receiver.replayed) <= {event["uuid"] for event in logged}, problems, "replays brought what is not in the log")
    if replays and not any(replay.odd_too for replay in replays):
        check(set(receiver.replayed) <= even, problems, "a replay brought what its condition leaves out")
    print(f"replays: {len(replays)} accepted, {len(wanted)} events wanted by them, {len(receiver.replayed)} came")


def judge_letters(logged, taken, letters, may_die, problems, stage):
    """An event is taken or a dead letter, and at most one letter. Both only when it may die: it was taken in a life that was
    killed before it knew."""
    dead = collections.Counter(letter["uuid"] for letter in letters)
    check(set(dead) <= {event["uuid"] for event in logged}, problems, f"{stage} has dead letters of events not in the log")
    for event in logged:
        u = event["uuid"]
        check(dead[u] <= (1 if may_die(event) else 0), problems, f"{u} is {dead[u]} times among the dead letters of {stage}")
        check(taken(event) or dead[u] == 1, problems, f"{u} is neither at {stage} nor a dead letter")


def judge_fussy(logged, receiver, letters, problems):
    judge_letters(logged, lambda e: receiver.fussy_uuids[e["uuid"]] >= 1, letters["fussy"], is_refused, problems, "fussy")
    arrived = {event["uuid"] for event in receiver.ordered}
    judge_letters(logged, lambda e: e["uuid"] in arrived, letters["ordered"], is_refused, problems, "ordered")
    # A letter that is sent again comes when it comes: what was refused, and so let others go, is in no order.
    check_order(receiver.in_order, problems, "ordered")
    print("dead letters: " + ", ".join(f"{stage} {len(of_stage)}" for stage, of_stage in letters.items()))


# What the app of `made` does, by an event's sequence; see its APP in crash_test.py.
def is_dropped(event):
    return sequence_of(event) % 11 == 0


def is_failing(event):
    return not is_dropped(event) and sequence_of(event) % 89 == 0


def judge_made(logged, receiver, letters, may_fail, problems):
    """Both parts of each event, each part the same whenever it came; nothing of what is dropped."""
    parts = collections.defaultdict(set)
    for u, bodies in receiver.made.items():
        check(len(bodies) == 1, problems, f"{u}, which apps made, came as {sorted(bodies)}")
        for body in bodies:
            properties = json.loads(body)["properties"]
            parts[properties["of"]].add(properties["part"])
    wrong = [u for u, numbers in parts.items() if numbers != {1, 2}]
    check(not wrong, problems, f"{len(wrong)} events came without all that apps made of them: {wrong[:3]}")
    for event in logged:
        check(event["uuid"] not in parts or not is_dropped(event), problems, f"{event['uuid']} should have been dropped")
    judge_letters(logged, lambda e: is_dropped(e) or e["uuid"] in parts, letters, lambda e: may_fail and is_failing(e), problems,
                  "made")


def judge_mended(logged, receiver, letters, problems):
    """Once receivers take everything and the app is mended, letters that were sent again are gone, and delivered."""
    arrived = {event["uuid"] for event in receiver.ordered}
    for event in logged:
        if is_refused(event):
            check(receiver.fussy_uuids[event["uuid"]] >= 1, problems, f"{event['uuid']} is not at fussy, once it was lenient")
            check(event["uuid"] in arrived, problems, f"{event['uuid']} is not at ordered, once it was lenient")
    for stage, of_stage in letters.items():
        check(not of_stage, problems, f"{len(of_stage)} dead letters of {stage} are left")


def judge_backup(backup, writer, logged, restored, delivered, problems):
    """A pipeline that went on from a backup: all that was accepted before it, every line of the file, each once."""
    count = collections.Counter(event["uuid"] for event in restored)
    name = backup.folder.name
    for u in backup.accepted:
        check(count[u] == 1, problems, f"{name}: {u}, accepted before, is {count[u]} times in its log")
    for u, s in writer.lines:
        check(count[u] == 1, problems, f"{name}: line {s} ({u}) is {count[u]} times in its log")
    check(all(n == 1 for n in count.values()), problems, f"{name}: something is in its log twice")
    check(set(count) <= {event["uuid"] for event in logged}, problems, f"{name}: it has events that the original has not")
    check_order(restored, problems, name)
    missing = set(count) - {event["uuid"] for event in delivered}
    check(not missing, problems, f"{name}: {len(missing)} events were delivered neither before nor after")
    print(f"{name}: {len(backup.accepted)} accepted before it, {len(restored)} in its log once it had gone on")
