"""A Vercel project to read: a stand-in for its server, filled from recordings of the real client, or by a client.

with VercelServer(recorded("vercel-4.1.2")) as server:
    world = VercelWorld(server.location(), server.token)

It answers what Tailrace asks beside what the lab's stand-in answers for an app: lists of runs, references, keys of
runs; and it fails as it is told: `server.fail(status)`, `server.cut()`. `python -m tests.vercel_worlds FILE PORT`
runs it as a process that keeps its state in FILE, to be killed and started again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pickle
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.lab.vercel import StubServer, wire
from tests.lab.vercel.handler import Handler
from tests.lab.vercel.server import _Http
from tests.lab.vercel.store import ApiError, Row, Store
from tests.vercel_recorded import ALL, VERCEL, exchanges, recorded

__all__ = ["ALL", "TOKEN", "VERCEL", "VercelServer", "chunks_of", "exchanges", "load", "recorded", "save"]

TOKEN = "tok_of_the_test"


# --- a server of it -------------------------------------------------------------------------------------
@dataclass
class Fault:
    """What befalls the next requests whose path has `where` in it."""

    where: str
    times: int
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None  # instead of the true one
    cut: bool = False  # the connection ends in the middle of the body


class FullHandler(Handler):
    """`versions`: the APIs that it has for lists of events."""

    stub: VercelServer

    def _route(self, path: str) -> None:
        if self.command == "GET":
            self.stub.asked[re.sub(r"(wrun|strm|step|evnt)_[^/]+", r"\1", path)] += 1
        if self.headers.get("Authorization") != f"Bearer {self.stub.token}":
            raise ApiError(401, "unauthorized", "unauthorized")
        self._fail_if_told(path)
        is_events = re.match(r"/(v\d)/runs/[^/]+/events", path)
        if is_events and self.command == "GET":
            if is_events[1] not in self.stub.versions:
                raise ApiError(404, f"no such endpoint: {path}", "not_found")
            path = path.replace("/v2/", "/v3/", 1)  # the oldest answers in the same form
        for pattern, name in _MORE:
            match = pattern.fullmatch(path) if self.command == "GET" else None
            if match:
                getattr(self, name)(*map(unquote, match.groups()))
                return
        super()._route(path)

    def _fail_if_told(self, path: str) -> None:
        fault = self.stub.next_fault(path)
        if fault is None:
            return
        if fault.status:
            raise ApiError(fault.status, f"injected {self.headers.get('Authorization')}", "x", fault.headers)
        if fault.cut:
            self.stub.cutting.add(threading.get_ident())
        self.stub.replaced[threading.get_ident()] = fault.body

    def answer(
        self, status: int, body: bytes = b"", kind: str = "", headers: dict[str, str] | None = None
    ) -> None:
        me = threading.get_ident()
        replaced = self.stub.replaced.pop(me, None)
        body = body if replaced is None else replaced
        if self.stub.has_etags and status == 200:
            status, body, headers = self._tagged(body, headers or {})
        if me not in self.stub.cutting:
            super().answer(status, body, kind, headers)
            return
        self.stub.cutting.discard(me)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) + 1000))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True

    def _tagged(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        tag = hashlib.sha256(body).hexdigest()
        if self.headers.get("If-None-Match") != tag:
            return 200, body, {**headers, "ETag": tag}
        self.stub.unmodified += 1
        return 304, b"", {**headers, "ETag": tag}

    def list_runs(self) -> None:
        wanted = self.query.get("status")
        with self.store.lock:
            rows = [dict(row) for row in self.store.runs.values() if wanted in (None, row["status"])]
        page = self.page(rows, "runId", 20, "desc")
        self.tell({**page, "data": [self.lazily(row) for row in page["data"]]})

    def get_ref(self, run_id: str) -> None:
        self.store.run(run_id)
        if self.query.get("ref") not in self.stub.references:
            raise ApiError(404, "no such reference", "not_found")
        self.answer(200, self.stub.references[self.query["ref"]], "application/octet-stream")

    def get_event(self, version: str, run_id: str, event_id: str) -> None:
        event = next((one for one in self.events_of(run_id) if one["eventId"] == event_id), None)
        if event is None:
            raise ApiError(404, "Event not found", "not_found")
        if version == "v4":
            self.answer(200, wire.event_frame(event, self.is_lazy), wire.FRAMES)
        else:
            self.tell(event)

    def get_key(self, deployment: str) -> None:
        run_id = parse_qs(urlsplit(self.path).query)["runId"][0]
        if self.store.run(run_id)["deploymentId"] != deployment:
            raise ApiError(404, "no such deployment", "not_found")
        key = self.stub.keys.get(run_id)
        told = {"key": base64.b64encode(key).decode() if key else None}
        self.answer(200, json.dumps(told).encode(), "application/json")

    def tell(self, value: Any) -> None:
        """Values longer than `inline_limit` are put behind a reference, as the server does with v3."""
        if self.stub.says_json:
            self.headers.replace_header("Accept", "application/json")
        super().tell(self._referred(value))

    def _referred(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._referred(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._referred(inner) for inner in value]
        if not isinstance(value, bytes) or len(value) <= self.stub.inline_limit or "/chunks" in self.path:
            return value
        name = f"s3rf:{len(self.stub.references)}"
        self.stub.references[name] = value
        return {"_type": "RemoteRef", "_ref": name}


_MORE = [
    (re.compile(pattern), name)
    for pattern, name in (
        ("/v2/runs", "list_runs"),
        ("/v2/runs/([^/]+)/refs", "get_ref"),
        ("/(v[34])/runs/([^/]+)/events/([^/]+)", "get_event"),
        ("(?:/v1/workflow)?/run-key/([^/]+)", "get_key"),
    )
]


class VercelServer(StubServer):
    """`store`: what it knows at its start. Changing `token` makes the one before an expired one."""

    def __init__(
        self,
        store: Store | None = None,
        port: int = 0,
        latency: tuple[float, float] = (0.0, 0.0),
        app: str = "http://127.0.0.1:9",  # where its queue pushes to
    ) -> None:
        super().__init__(app, TOKEN, latency)
        self._http.server_close()
        self._http = _Http(("127.0.0.1", port), type("BoundHandler", (FullHandler,), {"stub": self}))
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.store = store or Store()
        self.versions = {"v3", "v4"}
        self.references: dict[str, bytes] = {}
        self.keys: dict[str, bytes] = {}
        self.inline_limit = 2**40
        self.says_json = self.has_etags = False
        self.unmodified = 0  # answers that said so
        self.asked: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.cutting: set[int] = set()
        self.replaced: dict[int, bytes | None] = {}

    def location(self, **more: object) -> str:
        given = {"url": self.url, "budget": 100_000, **more}
        return "vercel:team_lab/prj_lab?" + "&".join(f"{name}={value}" for name, value in given.items())

    def fail(self, status: int, where: str = "", times: int = 1, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(where, times, status, named))

    def cut(self, where: str, times: int = 1) -> None:
        self.faults.append(Fault(where, times, cut=True))

    def say(self, where: str, body: bytes, times: int = 1) -> None:
        self.faults.append(Fault(where, times, body=body))

    def next_fault(self, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.where in path and fault.times > 0:
                    fault.times -= 1
                    return fault
            return None


# --- as a process of its own ----------------------------------------------------------------------------
_DROPPED = {"lock", "streams", "commit", "take"}  # what is kept in another form, or not at all


def save(store: Store, file: Path) -> None:
    with store.lock:
        kept = {name: value for name, value in vars(store).items() if name not in _DROPPED}
        kept["streams"] = {key: (list(one.chunks), one.end) for key, one in store.streams.items()}
        part = file.with_suffix(".part")
        part.write_bytes(pickle.dumps(kept))
    part.rename(file)


def load(file: Path) -> Store:
    store = Store()
    if file.exists():
        kept = pickle.loads(file.read_bytes())
        streams = kept.pop("streams")
        vars(store).update(kept)
        for (run_id, name), (chunks, end) in streams.items():
            stream = store.stream(run_id, name)
            stream.chunks, stream.end = chunks, end
    return store


def main(file: str, port: str) -> None:
    """Each change is in the file before it is answered for, so that killing it loses nothing that was said."""
    store = load(Path(file))
    commit, take = store.commit, store.take

    def kept_commit(*given: Any) -> None:
        commit(*given)
        save(store, Path(file))

    def kept_take(*given: Any) -> Row:
        done = take(*given)
        save(store, Path(file))
        return done

    store.commit, store.take = kept_commit, kept_take  # type: ignore[method-assign]
    with VercelServer(store, int(port)):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            time.sleep(60)


def chunks_of(store: Store) -> Iterator[tuple[str, list[bytes], bool]]:
    """Of each stream: its name, its chunks, and whether it was closed."""
    for (_, name), stream in store.streams.items():
        yield name, stream.visible(), stream.end is not None


if __name__ == "__main__":
    main(*sys.argv[1:])
