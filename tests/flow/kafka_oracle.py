"""What is written into a topic while things are killed, and whether all of it came out as it must."""
import collections
import json
import threading

from rig import event, wait_until

PORTION, AHEAD = 200, 2000


class Writer(threading.Thread):
    """Writes `count` events, each with `key(event)` as key, or its distinct id, never far ahead of `committed()`, about how many the pipeline has
    committed: so at any moment there is something under way, and more to come."""

    def __init__(self, kafka, topic, count, committed, key=lambda one: one["distinct_id"]):
        super().__init__()
        self.kafka, self.topic, self.count, self.committed, self.key = kafka, topic, count, committed, key
        self.start()

    def run(self):
        writer = self.kafka.writer()
        for n in range(self.count):
            one = event(n)
            writer.produce(self.topic, json.dumps(one), self.key(one))
            if n % PORTION == 0:
                writer.flush(30)
                wait_until(lambda: n - self.committed() < AHEAD, "what was written is committed", 120)
        assert writer.flush(30) == 0


def check_once_in_order(test, bodies, count, counter=None):
    """Every event once, and those of a key in their order; `counter` is the property in which an app has counted them, key by key."""
    times = collections.Counter(body["properties"]["n"] for body in bodies)
    test.assertEqual([n for n, number in times.items() if number > 1], [])
    test.assertEqual(len(times), count)
    seen = collections.defaultdict(list)
    for body in bodies:
        seen[body["distinct_id"]].append(body["properties"])
    for of_key in seen.values():
        numbers = [properties["n"] for properties in of_key]
        test.assertEqual(numbers, sorted(numbers), "the order of a key")
        if counter:
            test.assertEqual([properties[counter] for properties in of_key], list(range(1, len(of_key) + 1)))
