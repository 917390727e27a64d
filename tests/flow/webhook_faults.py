"""Everything that the receiver of a webhook can do wrong, all at once in one pipeline: each costs one destination only."""
import collections
import json
import signal
import threading

import fault_peer as peer
from fault_rig import FILE_OUT, FaultTest, cases, numbers
from rig import Receiver, event, wait_until

# The destination is unavailable, with `code` in the metrics and `reason` in status, until the peer heals.
Outage = collections.namedtuple("Outage", "fault code reason health settings", defaults=("network", "", "unavailable", ""))
SHORT = ", timeout: 700ms"
LATE = 5  # seconds that a busy machine may be late by


def status(number, reason="", headers="", text="", health="unavailable"):
    return Outage(peer.answers(number, headers, text), f"http_{number}", rf"^{number} from 127\.0\.0\.1:\d+{reason}", health)


OUTAGES = {
    "frozen": Outage(peer.freezes, "timeout", "gave no complete answer within 700ms", settings=SHORT),
    "stops_reading": Outage(peer.stops_reading, "timeout", "gave no complete answer", settings=SHORT),
    "slow_headers": Outage(peer.drips_headers, "timeout", "gave no complete answer", settings=SHORT),
    "slow_body": Outage(peer.drips_endless_body, "timeout", "gave no complete answer", settings=SHORT),
    "refused": Outage(None, reason="refused the connection"),
    "reset_in_request": Outage(peer.resets_in_request, reason="reset the connection|closed the connection"),
    "reset_in_answer": Outage(peer.resets_in_answer, reason="reset the connection"),
    "cut_in_headers": Outage(peer.sends("HTTP/1.1 200 OK\r\nX-Cut: he"), reason="in the middle of its answer"),
    "cut_after_status": Outage(peer.sends("HTTP/1.1 200 OK\r\n"), reason="in the middle of its answer"),
    "hangs_up": Outage(peer.hangs_up, reason="closed the connection without an answer"),
    "garbage": Outage(peer.sends(b"\x00\xff\x01 no HTTP \r\n\r\n"), reason="did not answer in HTTP"),
    "tls": Outage(peer.sends(b"\x15\x03\x03\x00\x02\x02\x46"), reason="did not answer in HTTP"),
    "length_too_long": Outage(peer.sends("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), reason="in the middle of its answer"),
    "length_no_number": Outage(peer.sends("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"), reason="did not answer in HTTP"),
    "bad_chunk": Outage(peer.sends("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnumber\r\n"), reason="."),
    "endless_headers": Outage(peer.floods_headers, reason="more than 64 KiB of headers"),
    "moved": status(301, r" \(redirects are not followed", "Location: http://127.0.0.1:1/\r\n"),
    "moved_for_now": status(307, r" \(redirects are not followed", "Location: http://127.0.0.1:1/\r\n"),
    "unauthorised": status(401, r" \(check the token\)"),
    "forbidden": status(403, r" \(check the token\)"),
    "not_found": status(404, r" \(check the address\): no hook here$", text="no hook here"),
    "too_slow_for_it": status(408),
    "internal": status(500, ": it broke$", text="it\r\n\x01broke"),
    "bad_gateway": status(502),
    "overloaded": status(503, headers="Retry-After: 1\r\n"),
    "limited": status(429, health="limited"),
    "limited_for_a_second": status(429, headers="Retry-After: 1\r\n", health="limited"),
}

# Odd, but a yes: nothing is tried again.
ACCEPTED = {
    "slow": peer.accepts_slowly,
    "endless": peer.floods("HTTP/1.1 200 OK\r\n\r\n", b"x" * 4096),
    "endless_chunks": peer.floods("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"a\r\n0123456789\r\n"),
    "says_too_much": peer.accepts_and_says_too_much,
}

# About events, not about the receiver: `dead` of them become dead letters with `code`, the rest arrives.
Refusal = collections.namedtuple("Refusal", "fault code dead settings", defaults=("",))
COUNT = 60
GUILTY = [n for n in range(COUNT) if n % 10 == 3]


def guilty(one):
    return one["properties"]["n"] in GUILTY


REFUSALS = {
    "invalid": Refusal(peer.refuses_some(400, guilty), "http_400", GUILTY),
    "conflict": Refusal(peer.refuses_some(409, guilty), "http_409", GUILTY),
    "large_event": Refusal(peer.refuses_some(413, guilty), "http_413", GUILTY),
    "large_batch": Refusal(peer.refuses_many(413, 3), "http_413", []),
    "unprocessable": Refusal(peer.refuses_some(422, guilty), "http_422", GUILTY),
    "one_by_one": Refusal(peer.refuses_some(422, guilty), "http_422", GUILTY, settings=", format: single"),
}


def destination(name, url, settings=""):
    batch = "" if "batch:" in settings else ", batch: { within: 20ms }"
    return (f'  - {{ name: {name}, type: webhook, url: "{url}"{batch}, drain: 2s, '
            f"retry: {{ attempts_max: 3, wait_min: 20ms, wait_max: 400ms }}{settings} }}")


class WebhookTest(FaultTest):
    def play(self, faults, settings=lambda name: ""):
        """A pipeline with a peer for each fault, a healthy webhook and a healthy file beside them."""
        self.peers = {name: peer.FaultyPeer(fault) for name, fault in faults.items()}
        self.healthy = Receiver()
        for each in self.peers.values():
            self.addCleanup(each.close)
        self.addCleanup(self.healthy.shutdown)
        lines = [destination(name, each.url, settings(name)) for name, each in self.peers.items()]
        self.config("\n".join([FILE_OUT, destination("healthy", self.healthy.url), *lines]))
        return self.start()

    def accept_in_two(self, between=lambda: None):
        self.accept([event(n) for n in range(COUNT // 2)])
        between()
        self.accept([event(n) for n in range(COUNT // 2, COUNT)])
        self.others_are_not_behind()

    def others_are_not_behind(self):
        wait_until(lambda: numbers(self.lines()) == list(range(COUNT)), "the file has everything")
        wait_until(lambda: numbers(self.healthy.received) == list(range(COUNT)), "the healthy webhook has everything")
        rows = wait_until(lambda: self.when(lambda rows: rows["healthy"]["lag_events"] == rows["out"]["lag_events"] == 0),
                          "both are settled")
        self.assertEqual({rows[name]["health"] for name in ("healthy", "out")}, {"healthy"})

    def when(self, holds):
        rows = self.destinations()
        return rows if holds(rows) else None

    def settled_metrics(self, names):
        return self.metrics_with_lag(names, lambda lag: lag == 0)

    def metrics_with_lag(self, names, holds):
        """The gauges of lag follow once a second."""
        def true_for_all(metrics):
            return all(holds(metrics.get("penstock_delivery_lag_events", destination=name)) for name in names)
        return wait_until(lambda: next(filter(true_for_all, [self.metrics()]), None), "the gauges of lag know it")

    def assert_all_delivered(self, name, metrics, count=COUNT, dead=0):
        events = "penstock_delivery_events_total"
        self.assertEqual(metrics.get(events, destination=name, outcome="delivered"), count)
        self.assertEqual(metrics.get(events, destination=name, outcome="dead"), dead)
        self.assert_health(name, "healthy", metrics)


class Outages(WebhookTest):
    @cases(OUTAGES)
    def test_an_outage_of_any_kind_is_named_and_counted_and_loses_nothing(self):
        process = self.play({name: outage.fault for name, outage in OUTAGES.items()}, lambda name: OUTAGES[name].settings)
        self.accept_in_two(between=self.wait_for_all_to_be_down)
        rows = wait_until(lambda: self.when(lambda rows: all(rows[name]["lag_events"] == COUNT for name in OUTAGES)),
                          "all cursors stay where they are")
        metrics = self.metrics_with_lag(OUTAGES, lambda lag: lag == COUNT)
        for name, outage in OUTAGES.items():
            with self.subTest(name):
                self.assert_down(name, outage, rows[name], metrics)
        self.assertEqual(self.cli("status").returncode, 1)
        self.assert_told({"web": (COUNT, 0)}, {"healthy": (COUNT, 0), "out": (COUNT, 0), **dict.fromkeys(OUTAGES, (0, 0))})
        self.assertEqual(self.dead(), [])
        for each in self.peers.values():
            each.heal()
        rows = wait_until(lambda: self.when(lambda rows: all(row["lag_events"] == 0 and row["health"] == "healthy"
                                                             for row in rows.values())), "everything is healthy again")
        metrics = self.settled_metrics(OUTAGES)
        for name, outage in OUTAGES.items():
            with self.subTest(name):
                self.assertEqual(rows[name]["reason"], "")
                self.assert_all_delivered(name, metrics)
                self.assert_arrived(name, once=outage.code != "timeout")
        self.assertEqual(self.dead(), [])
        self.assert_told({"web": (COUNT, 0)}, dict.fromkeys(rows, (COUNT, 0)))
        self.assertEqual(self.cli("status").returncode, 0)
        self.stop(process)

    def wait_for_all_to_be_down(self):
        def down(rows):
            return all(rows[name]["health"] == outage.health for name, outage in OUTAGES.items())
        wait_until(lambda: self.when(down), "all are down")

    def assert_down(self, name, outage, row, metrics):
        self.assertEqual(row["health"], outage.health)
        self.assertRegex(row["reason"], outage.reason)
        self.assertEqual((row["delivered"], row["dead"], row["retries"]), (0, 0, 0))
        self.assert_health(name, outage.health, metrics)
        code = {"code": outage.code, "destination": name}
        self.assertGreaterEqual(metrics.get("penstock_delivery_unavailable_total", **code), 1,
                                metrics.labels("penstock_delivery_unavailable_total"))
        self.assertEqual(metrics.get("penstock_delivery_retries_total", **code), 0)
        self.assertEqual(metrics.get("penstock_delivery_events_total", destination=name, outcome="dead"), 0)
        self.assertGreater(metrics.get("penstock_delivery_lag_seconds", destination=name), 0)

    def assert_arrived(self, name, once):
        """A peer whose answer came too late has got the events all the same, and gets them again."""
        arrived = self.peers[name].numbers()
        self.assertEqual(arrived if once else sorted(set(arrived)), list(range(COUNT)))

    @cases(("seconds", "date"))
    def test_the_wait_that_a_rate_limit_asks_for_is_kept_in_both_its_forms(self):
        dates = []
        process = self.play({"seconds": peer.answers(429, "Retry-After: 2\r\n"), "date": peer.limits_until(2, dates)},
                            lambda name: ", in_flight_max: 1")
        self.accept([event(n) for n in range(COUNT)])
        wait_until(lambda: self.when(lambda rows: rows["seconds"]["health"] == rows["date"]["health"] == "limited"), "limited")
        for each in self.peers.values():
            each.heal()
        self.others_are_not_behind()
        wait_until(lambda: all(each.numbers() == list(range(COUNT)) for each in self.peers.values()), "all arrives")
        first, second = self.peers["seconds"].asked[:2]
        self.assertGreaterEqual(second - first, 2)
        self.assertLess(second - first, 2 + LATE)
        self.assertGreaterEqual(self.peers["date"].asked[1], dates[0] - 0.01)
        self.assertLess(self.peers["date"].asked[1], dates[0] + LATE)
        self.stop(process)


class Answers(WebhookTest):
    @cases(REFUSALS)
    def test_refused_events_are_dead_letters_and_no_others(self):
        process = self.play({name: refusal.fault for name, refusal in REFUSALS.items()}, lambda name: REFUSALS[name].settings)
        self.accept_in_two()
        rows = wait_until(lambda: self.when(lambda rows: all(rows[name]["lag_events"] == 0 for name in REFUSALS)), "settled")
        letters, metrics = self.dead("--limit", "1000"), self.settled_metrics(REFUSALS)
        for name, refusal in REFUSALS.items():
            with self.subTest(name):
                mine = [letter for letter in letters if letter["stage"] == name]
                self.assertEqual({letter["code"] for letter in mine}, {refusal.code} if refusal.dead else set())
                self.assertEqual(sorted(self.number_of(letter) for letter in mine), refusal.dead)
                self.assertTrue(all(letter["reason"].endswith(": no, thank you") for letter in mine), mine)
                self.assertEqual(self.peers[name].numbers(), [n for n in range(COUNT) if n not in refusal.dead])
                self.assertEqual((rows[name]["health"], rows[name]["dead"]), ("healthy", len(refusal.dead)))
                self.assert_all_delivered(name, metrics, COUNT - len(refusal.dead), len(refusal.dead))
                letters_counted = metrics.get("penstock_delivery_dead_letters_total", code=refusal.code, destination=name)
                self.assertEqual(letters_counted, len(refusal.dead))
                retries = metrics.get("penstock_delivery_retries_total", code=refusal.code, destination=name)
                self.assertEqual(retries, 0, "a refusal is final")
        self.assert_told({"web": (COUNT, 0)}, {name: (COUNT - len(refusal.dead), len(refusal.dead))
                                              for name, refusal in REFUSALS.items()})
        self.stop(process)

    def test_of_a_batch_that_is_broken_off_in_the_middle_nothing_goes_twice(self):
        process = self.play({"hook": peer.refuses_some(503, lambda one: one["properties"]["n"] == 31)},
                            lambda name: ", format: single, in_flight_max: 1, batch: { within: 20ms, events: 60 }")
        self.accept([event(n) for n in range(COUNT)])
        wait_until(lambda: self.destination("hook")["reason"].startswith("some events fail"), "one is answered 503")
        self.assertEqual(self.dead(), [])
        self.peers["hook"].heal()
        wait_until(lambda: self.destination("hook")["lag_events"] == 0, "the rest goes")
        self.assertEqual(self.peers["hook"].numbers(), list(range(COUNT)), "each once: what was taken is known")
        self.assert_all_delivered("hook", self.settled_metrics(["hook"]))
        self.stop(process)

    def test_an_event_that_a_receiver_chokes_on_is_told_from_an_outage_once_others_come(self):
        process = self.play({"hook": peer.refuses_some(500, lambda one: one["properties"]["n"] == 0)})
        sent = 0

        def one_more():
            nonlocal sent
            self.accept([event(sent)])
            sent += 1
            return self.dead("--stage", "hook")

        letters = wait_until(one_more, "the poisonous event is dead")
        self.assertEqual([(letter["code"], self.number_of(letter)) for letter in letters], [("http_500", 0)])
        self.assertRegex(letters[0]["reason"], r"^gave up after \d+ attempts: 500 from")
        wait_until(lambda: self.destination("hook")["lag_events"] == 0, "the others are settled")
        self.assertEqual(self.peers["hook"].numbers(), list(range(1, sent)))
        metrics = self.settled_metrics(["hook"])
        self.assert_all_delivered("hook", metrics, sent - 1, 1)
        self.assertGreater(metrics.get("penstock_delivery_retries_total", code="http_500", destination="hook"), 0)
        self.stop(process)

    def number_of(self, letter):
        shown = json.loads(self.cli("dead", "show", "--json", letter["id"]).stdout)
        return json.loads(shown["body"])["properties"]["n"]

    @cases(ACCEPTED)
    def test_odd_answers_that_say_yes_are_a_yes(self):
        process = self.play(ACCEPTED)
        self.accept_in_two()
        wait_until(lambda: self.when(lambda rows: all(rows[name]["lag_events"] == 0 for name in ACCEPTED)), "all settled")
        metrics = self.settled_metrics(ACCEPTED)
        for name in ACCEPTED:
            with self.subTest(name):
                self.assertEqual(self.peers[name].numbers(), list(range(COUNT)))
                self.assert_all_delivered(name, metrics)
        self.assertEqual(metrics.labels("penstock_delivery_unavailable_total"), [])
        self.assertEqual(self.dead(), [])
        self.stop(process)


class Stops(WebhookTest):
    def in_flight(self, fault):
        process = self.play({"hook": fault}, lambda name: ", batch: { within: 20ms, events: 20 }, in_flight_max: 2")
        self.accept([event(n) for n in range(COUNT)])
        wait_until(lambda: self.when(lambda rows: rows["hook"]["in_flight"] == 2), "two writes are under way")
        self.others_are_not_behind()
        process.send_signal(signal.SIGTERM)
        wait_until(self.listens_no_more, "it is stopping")
        return process

    def test_answers_that_come_while_it_stops_count(self):
        may_answer = threading.Event()

        def answers_later(exchange):
            events = exchange.body()
            may_answer.wait()
            exchange.remember(events)
            return exchange.answer(200)

        process = self.in_flight(answers_later)
        may_answer.set()
        self.assertEqual(process.wait(timeout=30), 0, self.log())
        self.assertGreaterEqual(len(self.peers["hook"].numbers()), 40)
        self.start()
        wait_until(lambda: self.destination("hook")["lag_events"] == 0, "the rest goes")
        self.assertEqual(self.peers["hook"].numbers(), list(range(COUNT)), "each once: the cursor had been saved")
        self.assertEqual(self.dead(), [])

    def test_answers_that_never_come_hold_it_up_no_longer_than_drain(self):
        process = self.in_flight(peer.freezes)
        self.assertEqual(process.wait(timeout=15), 0, self.log())
        self.peers["hook"].heal()
        self.start()
        wait_until(lambda: self.destination("hook")["lag_events"] == 0, "everything goes")
        self.assertEqual(self.peers["hook"].numbers(), list(range(COUNT)))
        self.assertEqual(self.dead(), [])
        self.assertEqual(numbers(self.lines()), list(range(COUNT)), "what others had is not repeated")
