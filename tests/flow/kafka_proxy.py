"""What lies between a client and a broker: it can be slow, or break connections in the middle of requests and of answers."""
import contextlib
import random
import socket
import struct
import threading

CHUNK = 8192
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset, not ended


class Proxy:
    """Listens where a broker sends the clients of one of its doors. What is set counts for open connections too."""

    def __init__(self, outer, inner, seed=1):
        self.address, self.inner = f"127.0.0.1:{outer}", inner
        self.chance = random.Random(seed)
        self.rate = None   # bytes a second, of each connection, there and back
        self.cuts = None   # after so many bytes (least, most) of requests, and of answers, a connection is reset
        self.resets = 0
        self.lock, self.pairs, self.over = threading.Lock(), [], threading.Event()
        self.listener = socket.create_server(("127.0.0.1", outer))
        threading.Thread(target=self._let_in, daemon=True).start()

    def close(self):
        self.over.set()
        self.listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake the thread
        self.listener.close()
        self.reset_all()

    def reset_all(self):
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self._reset(pair)

    def cut(self, requests, answers):
        self.cuts = (requests, answers)
        self.reset_all()

    def mend(self):
        self.rate = self.cuts = None

    def _let_in(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:  # closed
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self.inner))
            except OSError:
                client.close()
                continue
            for end in (client, broker):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * CHUNK)  # or a slow one would be only late
            pair = (client, broker)
            with self.lock:
                self.pairs.append(pair)
                limits = [self.chance.randint(*range_of) for range_of in self.cuts] if self.cuts else [None, None]
            threading.Thread(target=self._pass_on, args=(pair, client, broker, limits[0]), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(pair, broker, client, limits[1]), daemon=True).start()

    def _pass_on(self, pair, one, other, limit):
        passed = 0
        with contextlib.suppress(OSError):  # one of them has gone
            while data := one.recv(CHUNK):
                if limit is not None and self.cuts and passed + len(data) > limit:
                    other.sendall(data[:limit - passed])
                    self.resets += 1
                    return self._reset(pair)
                other.sendall(data)
                passed += len(data)
                if rate := self.rate:
                    self.over.wait(len(data) / rate)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        return None

    def _reset(self, pair):
        for end in pair:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RD)  # wakes who reads it
            end.close()
