"""What clients do wrong to the http source, while a good one is served all the time."""
import collections
import contextlib
import gzip
import http.client
import json
import resource
import signal
import socket
import struct
import threading
import zlib

from fault_rig import FILE_OUT, FaultTest, cases, numbers
from rig import event, wait_until

BODY_MAX = 64 << 10
SOURCE = ('  - { name: web, type: http, listen: "127.0.0.1:0", body_max: 64KiB, events_max: 100, in_flight_max: 1MiB }\n')
CONNECTIONS_MAX = 1024  # of pipeline/http/server.h
CHUNKED = b"POST /events HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"


def request(body, headers="", length=None):
    body = body if isinstance(body, bytes) else body.encode()
    head = f"POST /events HTTP/1.1\r\nHost: here\r\nContent-Length: {len(body) if length is None else length}\r\n{headers}\r\n"
    return head.encode() + body


def one(n):
    return json.dumps(event(n))


def packed(text, headers="Content-Encoding: gzip\r\n"):
    return request(text, headers)


# What is sent, and the status of the answer. None of it is stored.
REFUSED = {
    "garbage": (b"\x00\x01\x02 not HTTP\r\n\r\n", 400),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), 400),
    "binary_body": (request(bytes(range(256))), 400),
    "half_an_object": (request('{"event": "signup", "distinct_id": "u'), 400),
    "half_an_array": (request(f"[{one(900)}, {one(901)}"), 400),
    "length_too_short": (request(one(902), "Connection: close\r\n", length=20), 400),
    "length_no_number": (request(one(903), length="many"), 400),
    "length_negative": (request(one(904), length=-5), 400),
    "length_huge": (request("", length=10 ** 15), 413),
    "two_lengths": (request(one(905), "Content-Length: 3\r\n"), 400),
    "length_and_chunks": (request(one(906), "Transfer-Encoding: chunked\r\n"), 400),
    "bad_chunk": (CHUNKED + b"number\r\n" + one(907).encode(), 400),
    "too_large": (request(json.dumps(event(908, pad="x" * BODY_MAX))), 413),
    "too_many": (request("\n".join([one(909)] * 101)), 413),
    "long_headers": (request(one(910), "X-Long: " + "x" * 20_000 + "\r\n"), 431),
    "bad_gzip": (packed(b"this is not gzip"), 400),
    "cut_gzip": (packed(gzip.compress(one(911).encode())[:-9]), 400),
    "gzip_bomb": (packed(gzip.compress(bytes(100 << 20))), 413),
    "bad_deflate": (packed(zlib.compress(one(912).encode())[5:], "Content-Encoding: deflate\r\n"), 400),
    "unknown_encoding": (packed(one(913), "Content-Encoding: br\r\n"), 415),
    "wrong_path": (request(one(914)).replace(b"/events", b"/other"), 404),
    "wrong_method": (request(one(915)).replace(b"POST", b"DELETE"), 405),
}

# Broken off at this place: nobody is there to be answered, and nothing is stored.
BROKEN_OFF = {
    "in_the_method": b"POS",
    "in_the_headers": request(one(920))[:40],
    "in_the_body": request(one(921))[:-20],
    "before_the_last_byte": request(one(922))[:-1],
    "in_a_chunk": CHUNKED + b"fff\r\n" + one(923).encode(),
}


class HttpSourceTest(FaultTest):
    def setUp(self):
        super().setUp()
        self.config(FILE_OUT, SOURCE)
        self.process = self.start()
        self.good = []

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self.addCleanup(connection.close)
        return connection

    def status_of(self, connection):
        """Of the answer that comes next; None when the connection is closed instead."""
        text = b""
        with contextlib.suppress(ConnectionResetError):
            while b"\r\n\r\n" not in text:
                received = connection.recv(65536)
                if not received:
                    break
                text += received
        return int(text.split()[1]) if text.startswith(b"HTTP/1.1 ") else None

    def serve_a_good_client(self):
        self.good.append(len(self.good))
        self.accept([event(self.good[-1])])

    def assert_only(self, accepted, dead=0):
        """Everything that was answered 200 is in the log once, and nothing else; metrics say the same."""
        wait_until(lambda: numbers(self.lines()) == sorted(accepted), f"{len(accepted)} events in the file")
        wait_until(lambda: self.destination("out")["lag_events"] == 0, "nothing more comes")
        self.assertEqual(numbers(self.lines()), sorted(accepted))
        self.assert_told({"web": (len(accepted), dead)}, {"out": (len(accepted), 0)})


class BadRequests(HttpSourceTest):
    @cases(REFUSED)
    def test_what_cannot_be_taken_is_answered_and_not_stored(self):
        for name, (text, status) in REFUSED.items():
            with self.subTest(name):
                connection = self.connect()
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(text)
                self.assertEqual(self.status_of(connection), status)
                self.serve_a_good_client()
        self.assert_only(self.good)
        metrics = self.metrics()
        for status, count in collections.Counter(status for _, status in REFUSED.values()).items():
            self.assertEqual(metrics.get("penstock_source_refused_total", source="web", code=status), count, status)
        self.assertEqual(self.dead(), [])
        self.stop(self.process)

    def test_what_is_broken_off_is_not_stored(self):
        for text in BROKEN_OFF.values():
            for how in (self.reset, self.close, self.half_close):
                connection = self.connect()
                connection.sendall(text)
                how(connection)
                self.serve_a_good_client()
        self.assert_only(self.good)
        self.stop(self.process)

    def reset(self, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def close(self, connection):
        connection.close()

    def half_close(self, connection):
        connection.shutdown(socket.SHUT_WR)
        self.assertIn(self.status_of(connection), (None, 400), "it cannot be answered well")

    def test_bad_events_among_good_ones_are_dead_letters_with_a_reason(self):
        bad = ["{broken", "7", json.dumps({"distinct_id": "u"}), '{"event": "a", "distinct_id": "\\ud800' + "\x01" + '"}']
        status, answer = self.post([event(0), *bad, event(1)])
        self.assertEqual((status, answer["accepted"], answer["rejected"]), (200, 2, 4))
        self.assertEqual([each["index"] for each in answer["errors"]], [1, 2, 3, 4])
        wait_until(lambda: len(self.dead("--stage", "ingest")) == 4, "they are dead letters")
        reasons = {letter["reason"] for letter in self.dead()}
        self.assertEqual(reasons, {each["reason"] for each in answer["errors"]}, "client and operator are told the same")
        self.assert_only([0, 1], dead=4)
        self.stop(self.process)


class OddClients(HttpSourceTest):
    def test_slow_and_idle_and_half_closed_clients_are_served_and_hold_up_nobody(self):
        slow, stuck = self.connect(), [self.connect() for _ in range(50)]
        for connection in stuck:
            connection.sendall(request(one(990))[:-5])  # the end never comes
        for n, byte in enumerate(request(one(1000))):
            slow.sendall(bytes([byte]))
            if n % 10 == 0:
                self.serve_a_good_client()
        self.assertEqual(self.status_of(slow), 200)
        half_closed = self.connect()
        half_closed.sendall(request(one(1001)))
        half_closed.shutdown(socket.SHUT_WR)
        self.assertEqual(self.status_of(half_closed), 200)
        several = self.connect()  # without waiting for answers
        several.sendall(request(one(1002)) + request(one(1003), "Connection: close\r\n"))
        answers = b""
        while received := several.recv(65536):
            answers += received
        self.assertEqual(answers.count(b"HTTP/1.1 200"), 2)
        self.assert_only([*self.good, 1000, 1001, 1002, 1003])
        self.stop(self.process)

    def test_more_idle_connections_than_it_keeps_leave_room_for_those_with_something_to_say(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 2 * CONNECTIONS_MAX:
            self.skipTest("too few files may be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * CONNECTIONS_MAX), hard))
        idle = [self.connect() for _ in range(CONNECTIONS_MAX + 50)]
        for _ in range(3):
            self.serve_a_good_client()
        idle[-1].sendall(request(one(1000)))
        self.assertEqual(self.status_of(idle[-1]), 200, "the newest is not the one that had to go")
        self.assert_only([*self.good, 1000])
        self.stop(self.process)

    def test_a_client_that_does_not_take_its_answers_holds_up_nobody(self):
        deaf = self.connect()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while True:
                deaf.sendall(request("") * 100)
        for _ in range(5):
            self.serve_a_good_client()
        self.assert_only(self.good)
        self.stop(self.process)

    def test_a_request_that_is_half_there_when_it_stops_is_answered_truly(self):
        connection, text = self.connect(), request(one(1000))
        connection.sendall(text[:-10])
        self.serve_a_good_client()
        self.process.send_signal(signal.SIGTERM)
        wait_until(self.listens_no_more, "it is stopping")
        connection.sendall(text[-10:])
        status = self.status_of(connection)
        self.assertIn(status, (200, 503))
        self.assertEqual(self.process.wait(timeout=20), 0, self.log())
        self.process = self.start()
        expected = [*self.good, 1000] if status == 200 else self.good
        wait_until(lambda: numbers(self.lines()) == expected, "what was accepted is there, what was not is not")
        self.stop(self.process)

    def test_what_many_clients_were_promised_while_it_stopped_is_there_once(self):
        clients, sent, promised = 8, [], []

        def client(first):
            with contextlib.suppress(OSError, http.client.HTTPException):  # it goes away, which is what is tested
                for n in range(first, first + 10_000):
                    sent.append(n)
                    status, _ = self.post([event(n)])
                    if status != 200:
                        break
                    promised.append(n)

        threads = [threading.Thread(target=client, args=(10_000 * n,)) for n in range(clients)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(promised) > 50, "all are busy")
        self.stop(self.process)
        for thread in threads:
            thread.join()
        self.process = self.start()
        wait_until(lambda: self.destination("out")["lag_events"] == 0 and self.status()["ingest"]["idle"], "all is delivered")
        got = numbers(self.lines())
        self.assertEqual(got, sorted(set(got)), "nothing twice")
        self.assertLessEqual(set(promised), set(got))
        self.assertLessEqual(set(got), set(sent))
        self.stop(self.process)
