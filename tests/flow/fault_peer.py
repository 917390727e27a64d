"""A receiver that answers badly in one of the ways that receivers do, until it heals: then everything gets 200.

A fault is a function of an Exchange: one request whose head was read and whose body waits. What it leaves unread, unsent or
open is up to it; true means that the connection may have another request.
"""
import email.utils
import json
import socket
import struct
import threading
import time


class FaultyPeer:
    """Remembers the bodies that it answered with 200, and when requests began. `fault` None refuses connections."""

    def __init__(self, fault):
        self.fault = fault
        self.healed = threading.Event()
        self.received, self.asked, self.lock = [], [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0)) if fault else socket.socket()
        if fault:
            self._accept()
        else:
            self.listener.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets the port, connecting is refused

    @property
    def url(self):
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/hook"

    def heal(self):
        self.healed.set()
        if self.fault is None:
            self.listener.listen(64)
            self._accept()

    def close(self):
        self.healed.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake a thread in accept()
        except OSError:
            pass  # it never listened
        self.listener.close()

    def numbers(self):
        with self.lock:
            return sorted(body["properties"]["n"] for body in self.received)

    def _accept(self):
        threading.Thread(target=self._accept_all, daemon=True).start()

    def _accept_all(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        exchange = Exchange(self, connection)
        try:
            goes_on = True
            while goes_on and exchange.next():
                with self.lock:
                    self.asked.append(time.time())
                goes_on = exchange.accept() if self.healed.is_set() else self.fault(exchange)
        except OSError:
            pass  # the other side went away, which is its right
        finally:
            connection.close()


class Exchange:
    """One request after the other of a connection."""

    def __init__(self, peer, connection):
        self.peer, self.connection, self.buffer = peer, connection, b""
        self.body_bytes = 0

    def next(self):
        """Reads the head of a request; false when there is none."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._more():
                return False
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        self.body_bytes = int(lengths[0])
        return True

    def body(self):
        """The events of the request."""
        while len(self.buffer) < self.body_bytes:
            if not self._more():
                raise ConnectionError("the body ended early")
        text, self.buffer = self.buffer[:self.body_bytes], self.buffer[self.body_bytes:]
        events = json.loads(text)
        return events if isinstance(events, list) else [events]

    def read_half(self):
        while len(self.buffer) < self.body_bytes // 2 and self._more():
            pass

    def send(self, text):
        self.connection.sendall(text if isinstance(text, bytes) else text.encode())

    def answer(self, status, headers="", text=""):
        self.send(f"HTTP/1.1 {status} Word\r\n{headers}Content-Length: {len(text)}\r\n\r\n{text}")
        return True

    def remember(self, events):
        with self.peer.lock:
            self.peer.received.extend(events)

    def accept(self):
        self.remember(self.body())
        return self.answer(200)

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        return False

    def drip(self, text, pause=0.02):
        """Byte after byte, until `text` or the fault has come to its end."""
        for byte in text:
            if self.peer.healed.wait(pause):
                return False
            self.send(bytes([byte]))
        return True

    def _more(self):
        received = self.connection.recv(65536)
        self.buffer += received
        return bool(received)


# Faults. Each is what the name says that the peer does.

def freezes(exchange):
    exchange.body()
    exchange.peer.healed.wait()
    return False


def stops_reading(exchange):
    exchange.peer.healed.wait()
    return False


def drips_headers(exchange):
    exchange.body()
    return exchange.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000)


def drips_endless_body(exchange):
    exchange.body()
    exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    return exchange.drip(b"x" * 10_000)


def resets_in_request(exchange):
    exchange.read_half()
    return exchange.reset()


def resets_in_answer(exchange):
    exchange.body()
    exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly the beg")
    return exchange.reset()


def hangs_up(exchange):
    exchange.body()
    return False


def sends(text):
    def fault(exchange):
        exchange.body()
        exchange.send(text)
        return False
    return fault


def floods(head, piece):
    """Sends `piece` again and again for as long as anybody takes it."""
    def fault(exchange):
        exchange.remember(exchange.body())
        exchange.send(head)
        while not exchange.peer.healed.is_set():
            exchange.send(piece)
        return False
    return fault


def floods_headers(exchange):
    exchange.body()
    exchange.send("HTTP/1.1 200 OK\r\n")
    while not exchange.peer.healed.is_set():
        exchange.send(b"X-More: " + b"x" * 1000 + b"\r\n")
    return False


def answers(status, headers="", text=""):
    def fault(exchange):
        exchange.body()
        return exchange.answer(status, headers, text)
    return fault


def limits_until(seconds, times):
    """429 with the HTTP date that is `seconds` ahead; the dates are added to `times`."""
    def fault(exchange):
        exchange.body()
        times.append(int(time.time()) + seconds)
        return exchange.answer(429, f"Retry-After: {email.utils.formatdate(times[-1], usegmt=True)}\r\n")
    return fault


def refuses_some(status, guilty):
    """`status` for each request with an event for which `guilty` is true."""
    def fault(exchange):
        events = exchange.body()
        if any(guilty(event) for event in events):
            return exchange.answer(status, text="no, thank you")
        exchange.remember(events)
        return exchange.answer(200)
    return fault


def refuses_many(status, events_max):
    def fault(exchange):
        events = exchange.body()
        if len(events) > events_max:
            return exchange.answer(status)
        exchange.remember(events)
        return exchange.answer(200)
    return fault


def accepts_slowly(exchange):
    exchange.remember(exchange.body())
    return exchange.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0.005)


def accepts_and_says_too_much(exchange):
    exchange.remember(exchange.body())
    exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 for the next request\r\n\r\n")
    return False
