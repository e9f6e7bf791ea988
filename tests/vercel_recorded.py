"""What the server of a recording knew in the end: the requests of the real Vercel client, done again in memory.

store = recorded("vercel-4.1.2")
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

from tests.lab.vercel import cbor, wire
from tests.lab.vercel import store as stand_in
from tests.lab.vercel.store import ApiError, Row, Store
from tests.recordings import RECORDINGS

VERCEL = RECORDINGS / "vercel"
ALL = ("4.1.2", "5.0.0-beta.50", "5.0.0-beta.50-direct", "4.1.2-realapp", "5.0.0-beta.50-realapp")


def exchanges(name: str, folder: Path = VERCEL) -> list[Row]:
    with gzip.open(folder / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def recorded(name: str, folder: Path = VERCEL) -> Store:
    """What the server of a recording knew in the end, with the times of then."""
    store = Store()
    for exchange in sorted(exchanges(name, folder), key=lambda one: one["t_end"]):
        apply(store, exchange)
    return store


def apply(store: Store, exchange: Row) -> None:
    """What a request changed; nothing if it only asked, or was refused."""
    if exchange["status"] >= 300 or exchange["method"] == "GET":
        return
    then = float(exchange["t_end"])
    with (
        patch.object(stand_in, "now", lambda: datetime.fromtimestamp(then, UTC)),
        patch.object(stand_in, "new_ulid", lambda: _ulid_at(store, then)),
    ):
        _Replayed(store, exchange).apply()


def _ulid_at(store: Store, then: float) -> str:
    number = int(then * 1000) << 80 | sum(map(len, store.events.values()))
    return "".join(stand_in.BASE32[number >> shift & 31] for shift in range(125, -1, -5))


class _Replayed:
    def __init__(self, store: Store, exchange: Row) -> None:
        self.store, self.exchange = store, exchange
        self.body = base64.b64decode(exchange["body"])
        path = re.sub(r"^/(api|v1/workflow)(?=/)", "", urlsplit(exchange["url"]).path)
        self.parts = [unquote(part) for part in path.split("/")[1:]]

    def apply(self) -> None:
        if self.exchange["method"] == "WS":
            self._socket()
        elif self.exchange["method"] == "PUT":
            headers = self.exchange["headers"]
            if headers.get("x-stream-done") == "true":
                self._commit(None)
            else:
                is_multi = headers.get("x-stream-multi") == "true"
                self._commit(list(wire.lengths_and_pieces(self.body)) if is_multi else [self.body])
        elif self.parts[0] == "v3":
            self._take({**cbor.loads(self.body)})
        elif self.parts[0] == "v4":
            for meta, body in wire.frames(self.body):
                self._take(wire.event_of(meta, body))

    def _take(self, event: Row) -> None:
        for name in ("remoteRefBehavior", "vercelId"):
            event.pop(name, None)
        run_id = self.parts[2]
        if run_id in ("", "null"):
            run_id = cbor.loads(base64.b64decode(self.exchange["response"]))["event"]["runId"]
        with suppress(ApiError):  # one of a batch that was refused
            self.store.take(run_id, event)

    def _commit(self, chunks: list[bytes] | None) -> None:
        self.store.commit(self.parts[2], self.parts[4], chunks)

    def _socket(self) -> None:
        ((meta, body),) = wire.frames(self.body)
        run_id = self.parts[3]
        if len(self.parts) > 5:
            chunks = list(wire.lengths_and_pieces(body)) if meta["type"] == "write" else None
            self.store.commit(run_id, self.parts[5], chunks)
        else:
            self.parts = ["", "", run_id]
            self._take(wire.event_of(meta["event"], body))
