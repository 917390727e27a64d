"""A token endpoint of OAuth 2 that answers as a test says. Its tokens are signed by nobody, as Kafka takes them by default."""
import base64
import http.server
import json
import threading
import time


def encoded(claims):
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()


def unsigned_token(user, life):
    now = time.time()
    return f"{encoded({'alg': 'none'})}.{encoded({'sub': user, 'iat': now - 1, 'exp': now + life})}."


def bad(status, body):
    return lambda endpoint: (status, body)


def good(user="penstock", life=3600):
    return lambda endpoint: (200, json.dumps({"access_token": unsigned_token(user, life), "token_type": "Bearer", "expires_in": life}))


def never(endpoint):
    endpoint.closing.wait()
    return 500, ""


class TokenEndpoint(http.server.ThreadingHTTPServer):
    """Bound, and refuses connections until it is opened. `answer(self)` gives status and body of each request."""
    daemon_threads = True

    def __init__(self, answer=None):
        super().__init__(("127.0.0.1", 0), _Request, bind_and_activate=False)
        self.server_bind()
        self.answer, self.asked, self.lock = answer, [], threading.Lock()
        self.closing = threading.Event()
        self.opened = False

    def open(self, answer):
        self.answer = answer
        if not self.opened:
            self.opened = True
            self.server_activate()
            threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.closing.set()
        if self.opened:
            self.shutdown()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/token"

    def handle_error(self, request, client_address):
        pass  # a peer that went away is part of the game


class _Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with self.server.lock:
            self.server.asked.append((self.headers["Authorization"], form))
        status, body = self.server.answer(self.server)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass
