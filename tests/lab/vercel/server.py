"""A stand-in for Vercel's workflow server on loopback, for the SDK's own client to talk to. Standard library only.

with StubServer(app="http://127.0.0.1:4000/.well-known/workflow/v1", token="tok") as stub:
    ...                      # an app with WORKFLOW_VERCEL_BACKEND_URL=stub.url and vercel-world.cjs
    stub.store.arrivals      # what became of every write
"""

from __future__ import annotations

import hashlib
import http.client
import sys
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.lab.vercel.handler import Handler
from tests.lab.vercel.store import ApiError, Row, Store

ATTEMPTS = 4


class Queue:
    """Pushes messages to the app as Vercel Queues does, at least once."""

    def __init__(self, app: str, latency: float) -> None:
        self._app, self._latency = urlsplit(app), latency
        self._lock = threading.Lock()
        self._keys: set[tuple[str, str]] = set()

    def send(self, message: Row, delay: float, key: str | None) -> None:
        with self._lock:
            if key and (message["topic"], key) in self._keys:
                raise ApiError(409, "duplicate idempotency key", "conflict")
            self._keys.add((message["topic"], key or message["id"]))
        threading.Thread(target=self._push, args=(message, delay), daemon=True).start()

    def _push(self, message: Row, delay: float) -> None:
        time.sleep(delay + self._latency)
        for attempt in range(1, ATTEMPTS + 1):
            if self._is_taken(message, attempt):
                return
            time.sleep(0.5 * attempt)

    def _is_taken(self, message: Row, attempt: int) -> bool:
        route = "step" if message["topic"].startswith("__wkf_step_") else "flow"
        connection = http.client.HTTPConnection(self._app.netloc, timeout=300)
        try:
            connection.request(
                "POST", f"{self._app.path}/{route}", message["body"], _cloud_event(message, attempt)
            )
            answer = connection.getresponse()
            answer.read()
            return answer.status < 300
        except OSError:
            return False
        finally:
            connection.close()


def _cloud_event(message: Row, attempt: int) -> dict[str, str]:
    return {
        "Content-Type": message["type"],
        "ce-type": "com.vercel.queue.v2beta",
        "ce-vqsqueuename": message["topic"],
        "ce-vqsconsumergroup": "default",
        "ce-vqsmessageid": message["id"],
        "ce-vqsreceipthandle": f"{message['id']}.{attempt}",
        "ce-vqsdeliverycount": str(attempt),
        "ce-vqscreatedat": datetime.now(UTC).isoformat(),
        "ce-vqsregion": "iad1",
    }


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up is not news.
        if not isinstance(sys.exc_info()[1], (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)


class StubServer:
    """`latency`: from and to, in seconds, for a write to commit; `queue_latency` before each push.

    The n-th write to the m-th stream of the k-th run takes the same time in every server of one seed.
    """

    def __init__(
        self,
        app: str,
        token: str,
        latency: tuple[float, float] = (0.05, 0.1),
        queue_latency: float = 0.06,
        seed: int = 1,
    ) -> None:
        self.token, self.store = token, Store()
        self.queue = Queue(app, queue_latency)
        self._latency, self._seed = latency, seed
        self._lock = threading.Lock()
        self._places: dict[str, dict[str, list[int]]] = defaultdict(dict)
        self._http = _Http(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"stub": self}))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def wait_for_commit(self, run_id: str, name: str) -> None:
        about = [self._seed, *self._place(run_id, name)]
        digest = hashlib.sha256(":".join(map(str, about)).encode()).digest()
        low, high = self._latency
        time.sleep(low + int.from_bytes(digest[:4], "big") / 2**32 * (high - low))

    def _place(self, run_id: str, name: str) -> list[int]:
        with self._lock:
            streams = self._places[run_id]
            counts = streams.setdefault(name, [list(self._places).index(run_id), len(streams), -1])
            counts[2] += 1
            return list(counts)

    def __enter__(self) -> StubServer:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    start = __enter__

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
