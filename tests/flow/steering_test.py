#!/usr/bin/env python3
"""What a person tells a running pipeline: pause, resume, rate, and what becomes of dead letters."""
import queue
import signal
import threading
import unittest

import rig
from rig import event, wait_until

MASK = """local M = {}
function M.transform(event)
  %s
  return event
end
return M
"""


def numbers(bodies):
    return sorted(body["properties"]["n"] for body in bodies)


class Doctor(rig.FlowTest):
    def test_damage_is_found_with_its_file_and_byte(self):
        self.config("  - { name: nothing, type: discard }")
        process = self.start()
        self.post([event(n) for n in range(500)])
        self.post([event(n) for n in range(500, 1000)])  # a later write proves that the first had been synced
        wait_until(lambda: self.destination("nothing")["lag_events"] == 0 and self.status()["ingest"]["idle"], "all is read")
        self.assertIn("is held by", self.cli("doctor", "--verify", "data").stderr)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        well = self.cli("doctor", "--verify", "data")
        self.assertEqual(well.returncode, 0, well.stderr)
        self.assertRegex(well.stdout, r"events +\d+ records, 1000 events, .* whole")
        segment = next((self.folder / "data/log/captured").glob("*.seg"))
        bytes_ = bytearray(segment.read_bytes())
        bytes_[400] ^= 1
        segment.write_bytes(bytes_)
        damaged = self.cli("doctor", "--verify", "data")
        self.assertEqual(damaged.returncode, 1)
        self.assertIn(segment.name, damaged.stdout + damaged.stderr)


class Steering(rig.FlowTest):
    def webhook(self, receiver, more=""):
        return f"  - {{ name: crm, type: webhook, url: {receiver.url}, batch: {{ within: 20ms }}{more} }}"

    def settled(self):
        return self.destination("crm")["lag_events"] == 0

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(30), 0, self.log())

    def test_whoever_asks_does_not_wait_for_a_reload_that_waits_for_an_answer(self):
        answer = threading.Event()
        crm = rig.Receiver(lambda bodies: 200 if answer.wait(60) else 503)
        self.addCleanup(answer.set)
        self.config(self.webhook(crm, ", timeout: 60s, drain: 60s"))
        process = self.start()
        self.post([event(n) for n in range(5)])
        wait_until(lambda: self.destination("crm")["in_flight"] == 1, "a write is under way")
        self.config(self.webhook(crm, ", timeout: 50s, drain: 60s"))
        codes = queue.Queue()
        threading.Thread(target=lambda: codes.put(self.cli("reload").returncode)).start()
        wait_until(lambda: self.destination("crm")["reason"] == "a reload restarts it", "the reload is under way")
        self.assertEqual(self.dead(), [])
        self.assertTrue(codes.empty())
        answer.set()
        self.assertEqual(codes.get(timeout=30), 0)
        wait_until(self.settled, "everything is settled")
        self.stop(process)

    def test_a_destinations_dead_letters_go_to_it_again_and_only_to_it(self):
        other = rig.Receiver()
        crm = rig.Receiver(lambda bodies: 422 if any(b["properties"]["n"] % 10 == 3 for b in bodies) else 200)
        self.config(self.webhook(crm) + f"\n  - {{ name: other, type: webhook, url: {other.url} }}")
        self.start()
        self.post([event(n) for n in range(50)])
        wait_until(lambda: self.settled() and len(other.received) == 50, "everything is settled")
        died = {letter["id"]: letter["attempts"] for letter in self.dead("--stage", "crm")}  # halving has made several of each
        self.assertEqual(len(died), 5)

        still_wrong = self.cli("dead", "replay", "--stage", "crm")
        self.assertEqual(still_wrong.stdout, "5 dead letters are sent again\n", still_wrong.stderr)
        wait_until(lambda: all(letter["attempts"] > died[letter["id"]] for letter in self.dead("--stage", "crm")),
                   "they died again")
        self.assertEqual(len(self.dead("--stage", "crm")), 5)

        crm.answer = lambda bodies: 200
        one = self.dead("--stage", "crm")[0]["id"]
        self.assertEqual(self.cli("dead", "replay", one).stdout, "1 dead letter is sent again\n")
        wait_until(lambda: len(self.dead("--stage", "crm")) == 4, "one is gone")
        self.assertEqual(self.cli("dead", "replay", "--all").returncode, 0)
        wait_until(lambda: not self.dead("--stage", "crm"), "all are gone")
        self.assertEqual(numbers(crm.received), list(range(50)))
        self.assertEqual(numbers(other.received), list(range(50)))

    def test_a_replay_survives_a_kill(self):
        crm = rig.Receiver(lambda bodies: 422)
        self.config(self.webhook(crm))
        process = self.start()
        self.post([event(n) for n in range(20)])
        wait_until(lambda: len(self.dead("--stage", "crm")) == 20, "all are dead")
        crm.answer = lambda bodies: 503
        self.assertEqual(self.cli("dead", "replay", "--all").returncode, 0)
        process.kill()
        process.wait()
        crm.answer = lambda bodies: 200
        self.start()
        wait_until(lambda: not self.dead(), "they are sent after the restart")
        self.assertEqual(sorted(set(numbers(crm.received))), list(range(20)))

    def test_a_dead_letter_holds_up_its_distinct_id_until_it_was_delivered_or_discarded(self):
        refused = {3, 11}  # the first of user-3, and the second of user-4
        crm = rig.Receiver(lambda bodies: 422 if any(b["properties"]["n"] in refused for b in bodies) else 200)
        self.config(self.webhook(crm, ", order: key, on_dead: block"))
        process = self.start()
        self.post([event(n) for n in range(50)])
        wait_until(self.settled, "everything is settled")
        self.assertEqual(numbers(crm.received), [n for n in range(50) if n % 7 not in (3, 4) or n == 4])
        self.assertEqual(len(self.dead("--code", "behind_dead")), 11)
        self.assertEqual(self.destination("crm")["blocked_keys"], 2)
        process.kill()
        process.wait()
        self.start()
        self.post([event(n) for n in range(50, 60)])
        wait_until(lambda: self.settled() and len(self.dead("--code", "behind_dead")) == 14, "they are held up after a kill")

        self.assertEqual(self.cli("dead", "discard", "--code", "http_422", "--all").returncode, 0)
        wait_until(lambda: not self.dead(), "what was behind them goes by itself")

        def of(user):
            return [b["properties"]["n"] for b in crm.received if b["distinct_id"] == f"user-{user}"]

        wait_until(lambda: of(3)[-1:] == [59] and of(4)[-1:] == [53], "the last ones are there")
        self.assertEqual(list(dict.fromkeys(of(3))), [10, 17, 24, 31, 38, 45, 52, 59])
        self.assertEqual(list(dict.fromkeys(of(4))), [4, 18, 25, 32, 39, 46, 53])
        wait_until(lambda: self.destination("crm")["blocked_keys"] == 0, "nothing is held up")

    def test_dead_letters_of_ingest_meet_the_mended_app(self):
        crm = rig.Receiver()
        self.write("apps/mask/app.yaml", "name: mask\nversion: 1.0.0\nsummary: A test.\n")
        self.write("apps/mask/app.lua", MASK % 'if event.properties.n % 2 == 1 then error("odd") end')
        self.config(self.webhook(crm), extra="apps:\n  - { use: mask, suspend: { then: never } }\n")
        self.start()
        self.post([event(n) for n in range(20)] + ["{broken"])
        wait_until(lambda: len(self.dead("--stage", "ingest")) == 11, "eleven are dead")
        self.write("apps/mask/app.lua", MASK % "event.properties.mended = true")
        wait_until(lambda: "mended" in self.cli("reload").stdout or self.status()["apps_refused"] == "", "the app is taken")
        wait_until(lambda: len(crm.received) == 10, "the even ones are there")
        answer = self.cli("dead", "replay", "--stage", "ingest", "--code", "app_error")
        self.assertEqual(answer.stdout, "10 dead letters are sent again\n", answer.stderr)
        wait_until(lambda: len(crm.received) == 20, "the odd ones come too")
        self.assertEqual(numbers(crm.received), list(range(20)))
        wait_until(lambda: [letter["code"] for letter in self.dead()] == ["invalid_json"], "their letters are gone")
        self.assertEqual(self.cli("dead", "discard", "--code", "invalid_json").stdout, "1 dead letter is thrown away\n")
        self.assertEqual(self.dead(), [])

    def test_dead_letters_of_ingest_that_fail_again_are_sent_once_and_stay_the_same(self):
        count = 1300  # more than two pages of the command
        crm = rig.Receiver()
        self.write("apps/mask/app.yaml", "name: mask\nversion: 1.0.0\nsummary: A test.\n")
        self.write("apps/mask/app.lua", MASK % 'error("odd")')
        self.config(self.webhook(crm, ", body: envelope"), extra="apps:\n  - { use: mask, suspend: { then: never } }\n")
        process = self.start()

        def letters():
            found, after = [], []
            while True:
                page = self.dead("--limit", "1000", *after)
                found += page
                if len(page) < 1000:
                    return found
                after = ["--after", page[-1]["id"]]

        def identities():
            return sorted((letter["id"], letter["uuid"], letter["received_at"]) for letter in letters())

        for begin in range(0, count, 100):
            self.post([event(n) for n in range(begin, begin + 100)])
        wait_until(lambda: len(letters()) == count, "all are dead")
        before = identities()
        answer = self.cli("dead", "replay", "--stage", "ingest")
        self.assertEqual(answer.stdout, f"{count} dead letters are sent again\n", answer.stderr)
        wait_until(lambda: all(letter["attempts"] == 2 for letter in letters()), "they failed again, once")
        self.assertEqual(identities(), before)

        self.write("apps/mask/app.lua", MASK % "event.properties.mended = true")
        self.assertEqual(self.cli("reload").returncode, 0)
        self.assertEqual(self.cli("dead", "replay", "--stage", "ingest").returncode, 0)
        process.kill()
        process.wait()
        self.start()
        self.assertEqual(self.cli("dead", "replay", "--all").returncode, 0)
        wait_until(lambda: not self.dead() and self.settled(), "all are through")
        self.assertEqual(sorted({b["uuid"] for b in crm.received}), sorted(uuid for _, uuid, _ in before))
        self.assertEqual(len({(b["uuid"], b["data"]["properties"]["n"]) for b in crm.received}), count)

    def test_a_pause_and_a_rate_outlive_the_process(self):
        crm = rig.Receiver()
        self.config(self.webhook(crm))
        process = self.start()
        self.assertEqual(self.cli("pause", "crm", "--note", "their migration").stdout, "crm is paused\n")
        self.assertEqual(self.cli("rate", "crm", "--events", "100").returncode, 0)
        self.post([event(n) for n in range(300)])
        wait_until(lambda: self.destination("crm")["lag_events"] == 300, "they are in the log")
        self.stop(process)
        process = self.start()
        crm_now = self.destination("crm")
        self.assertEqual((crm_now["health"], crm_now["reason"]), ("paused", "their migration"))
        self.assertEqual(crm.received, [])
        self.assertEqual(self.cli("resume", "crm").stdout, "crm goes on\n")
        wait_until(lambda: self.destination("crm")["health"] == "limited", "the rate holds it back")
        self.assertEqual(self.destination("crm")["reason"], "100 events/s")
        self.assertEqual(self.cli("rate", "crm", "--reset").returncode, 0)
        wait_until(self.settled, "all of them are delivered")
        self.assertEqual(numbers(crm.received), list(range(300)))
        self.assertEqual(self.cli("resume", "crm").stdout, "crm was not stopped: it is healthy\n")
        self.assertEqual(self.cli("pause", "crm").stdout, "crm is paused\n")
        wait_until(lambda: "crm is paused, 0 events behind" in self.status()["verdict"], "a pause without a note")
        self.assertEqual(self.cli("resume", "crm").stdout, "crm goes on\n")
        self.stop(process)
        self.start()
        self.assertIn(self.destination("crm")["health"], ("starting", "healthy"))

    def test_a_stretch_of_the_log_goes_to_a_new_destination_beside_live_events(self):
        crm, late = rig.Receiver(), rig.Receiver(lambda bodies: 503)  # until it was asked about
        self.config(self.webhook(crm))
        process = self.start()
        self.post([event(n) for n in range(100)])
        wait_until(self.settled, "the first hundred are delivered")
        self.stop(process)
        self.config(self.webhook(crm) + f"\n  - {{ name: late, type: webhook, url: {late.url}, body: envelope, "
                    "batch: { within: 20ms } }")
        process = self.start()
        answer = self.cli("replay", "late", "--from", "1h", "--where", "event.properties.n % 2 == 0", "--rate", "40")
        self.assertIn("late gets 100 events again", answer.stdout, answer.stderr)
        self.assertIn("has a replay with", self.cli("replay", "late", "--from", "1h").stderr)
        late.answer = lambda bodies: 200
        wait_until(lambda: late.received, "the replay has begun")
        process.kill()
        process.wait()
        self.start()
        self.post([event(n) for n in range(100, 120)])
        wait_until(lambda: self.destination("late")["replay_left"] is None and self.destination("late")["lag_events"] == 0,
                   "replay and live events are through")
        replayed = {b["data"]["properties"]["n"] for b in late.received if b.get("replayed")}
        live = sorted(b["data"]["properties"]["n"] for b in late.received if not b.get("replayed"))
        self.assertEqual(replayed, set(range(0, 100, 2)))
        self.assertEqual(live, list(range(100, 120)))
        self.assertEqual(numbers(crm.received), list(range(120)))

    def test_orders_that_make_no_sense_are_answered(self):
        crm = rig.Receiver()
        self.config(self.webhook(crm))
        self.start()
        self.assertIn("there is no destination crn", self.cli("pause", "crn").stderr)
        self.assertIn("say which: ids, --stage, --code, or --all", self.cli("dead", "discard").stderr)
        self.assertIn("there is no dead letter", self.cli("dead", "replay", "nonsense").stderr)
        self.assertEqual(self.cli("rate", "crm", "--events", "-1").returncode, 2)
        self.assertIn("say what the rate is to be", self.cli("rate", "crm").stderr)
        self.assertIn("from: 'yesterday': expected now", self.cli("replay", "crm", "--from", "yesterday").stderr)
        self.assertIn("there is no 'evnt', did you mean 'event'?",
                      self.cli("replay", "crm", "--from", "1h", "--where", "evnt.a").stderr)
        self.assertIn("crm has no replay", self.cli("replay", "crm", "--cancel").stderr)


if __name__ == "__main__":
    unittest.main()
