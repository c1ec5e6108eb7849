"""A proxy on loopback that treats some requests badly, drawn by a seed."""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FAULTS = ("error", "silence", "cut", "slow")


class Faulty(ThreadingHTTPServer):
    """What stands between the audit and the S3 server.

    Attributes:
        share: of the requests that are treated badly.
        silence: seconds after which a silent request is dropped.
        seen: (method, path) -> requests.
        done: fault -> requests that met it.
        only: how paths end that are treated badly, one or several; all, if empty.
        gone: paths of which it says that there is nothing.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, behind: str, *, share: float, seed: int, silence: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.share, self.silence = urlsplit(behind).netloc, share, silence
        self.faults, self.only = FAULTS, ""
        self.seen: Counter[tuple[str, str]] = Counter()
        self.done: Counter[str] = Counter()
        self.gone: set[str] = set()
        self._rng, self._lock = random.Random(seed), threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def drawn(self, method: str, path: str) -> str | None:
        """The fault of this request, or None."""
        with self._lock:
            self.seen[method, path] += 1
            if not path.endswith(self.only) or self._rng.random() >= self.share:
                return None
            fault = self._rng.choice(self.faults)
            self.done[fault] += 1
            return fault

    def handle_error(self, *_):
        """A client that went away is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    server: Faulty
    protocol_version = "HTTP/1.1"

    def handle_one(self) -> None:
        fault = self.server.drawn(self.command, urlsplit(self.path).path)
        if self.command == "PUT" and self._is_lost(fault):
            return
        if fault == "silence":
            time.sleep(self.server.silence)
            self.close_connection = True
            return
        if fault == "error" or urlsplit(self.path).path in self.server.gone:
            self.send_response(500 if fault == "error" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status, headers, body = self._asked()
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("connection", "transfer-encoding", "server", "date"):
                self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2
        if fault == "cut":
            self.wfile.write(body[:half])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.wfile.write(body[:half])
        if fault == "slow":
            self.wfile.flush()
            time.sleep(0.3)
        self.wfile.write(body[half:])

    def _is_lost(self, fault):
        """Whether half of what was sent is all that came; of other faults all of it does."""
        length = int(self.headers.get("Content-Length") or 0)
        if fault in ("error", "silence", "cut"):
            self.rfile.read(length // 2 if fault == "cut" else length)
        self.close_connection = fault == "cut" or self.close_connection
        return fault == "cut"

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_one  # noqa: N815

    def _asked(self):
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length) if length else None
        inner = http.client.HTTPConnection(self.server.behind, timeout=30)
        try:
            inner.request(self.command, self.path, body=content, headers=dict(self.headers))
            answer = inner.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            inner.close()

    def log_message(self, *_):
        """Nothing."""
