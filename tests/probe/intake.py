"""A stand-in for Tailrace's intake: keeps every batch, and answers what a test tells it to."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

WAIT = 20.0


class Intake:
    """Batches as they came, and `answers`: statuses (with headers) for the next requests, then always 202."""

    def __init__(self, certificate: Path | None = None) -> None:
        self._certificate = certificate
        self.batches: list[dict[str, Any]] = []
        self.requests: list[dict[str, str]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.always: int | None = None
        self.at_once = self.most_at_once = 0
        self.ahead_ms = 0.0
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self.port}"

    @property
    def records(self) -> list[dict[str, Any]]:
        """Each record once, as the real intake takes each batch once."""
        batches = {(batch["process"], batch["number"]): batch for batch in list(self.batches)}
        return [record for batch in batches.values() for record in batch["records"]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        found = [record for record in self.records if record["type"] == kind]
        return sorted(found, key=lambda record: record.get("n", 0))

    def wait_for(self, condition: Callable[[Intake], Any]) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), WAIT):
                raise AssertionError(f"not seen within {WAIT:.0f} s; last batches: {self.batches[-3:]}")

    def start(self) -> None:
        """On the same port as before, when there was one."""
        intake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                intake._take(self, body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                """A process that ends in the middle of a request is what some tests are about."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            # Hands are shaken by the thread of each connection, not by the one that accepts them all.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _take(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        with self._changed:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            status, headers = self.answers.pop(0) if self.answers else (self.always or 202, {})
            self.requests.append({"path": request.path, "status": str(status), **request.headers})
            if status == 202:
                self.batches.append(json.loads(body))
            self._changed.notify_all()
        now = time.time() * 1000 + self.ahead_ms
        answer = json.dumps({"accepted": 1, "world": "w", "received": now, "answered": now}).encode()
        try:
            request.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(answer)
        except OSError:
            request.close_connection = True
        with self._changed:
            self.at_once -= 1


@contextmanager
def listening(certificate: Path | None = None) -> Iterator[Intake]:
    """`certificate`: a file with a key and its certificate, to listen with TLS."""
    intake = Intake(certificate)
    intake.start()
    try:
        yield intake
    finally:
        intake.stop()
