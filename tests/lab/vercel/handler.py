"""The HTTP API of the stand-in, as far as the SDK's client uses it while an app runs."""

from __future__ import annotations

import base64
import json
import re
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.lab.vercel import cbor, wire
from tests.lab.vercel.store import TERMINAL, ApiError, Row, Store, Stream, new_ulid

if TYPE_CHECKING:
    from tests.lab.vercel.server import StubServer

READ_SECONDS = 120


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    stub: StubServer

    @property
    def store(self) -> Store:
        return self.stub.store

    def log_message(self, *_: Any) -> None:
        pass

    def handle_any(self) -> None:
        self.body = self._read_body()
        url = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        path = re.sub(r"^/(api|v1/workflow)(?=/v\d|/queues-proxy)", "", url.path)
        try:
            self._route(path)
        except ApiError as error:
            body = json.dumps(error.body, separators=(",", ":")).encode()
            self.answer(error.status, body, "application/json", error.headers)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = handle_any

    def _route(self, path: str) -> None:
        if self.headers.get("Authorization") != f"Bearer {self.stub.token}":
            raise ApiError(401, "unauthorized", "unauthorized")
        for method, pattern, name in ROUTES:
            match = pattern.fullmatch(path) if method == self.command else None
            if match:
                getattr(self, name)(*(unquote(group) for group in match.groups()))
                return
        raise ApiError(404, f"no such endpoint: {self.command} {path}", "not_found")

    def _read_body(self) -> bytes:
        if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def answer(
        self, status: int, body: bytes = b"", kind: str = "", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**({"Content-Type": kind} if kind else {}), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def tell(self, value: Any) -> None:
        if "cbor" in (self.headers.get("Accept") or "application/cbor"):
            self.answer(200, cbor.dumps(value), "application/cbor")
        else:
            self.answer(200, json.dumps(value, default=_as_json).encode(), "application/json")

    @property
    def is_lazy(self) -> bool:
        return self.query.get("remoteRefBehavior") == "lazy"

    def lazily(self, entity: Row) -> Row:
        if not self.is_lazy:
            return entity
        raw = {name: value for name, value in entity.items() if isinstance(value, bytes)}
        return {
            **wire.without_payloads(entity),
            **{f"{name}Ref": wire.reference(value) for name, value in raw.items()},
        }

    def page(self, rows: list[Row], key: str, limit: int, order: str = "asc") -> Row:
        """The cursor is the id of the last row given."""
        limit = int(self.query.get("limit") or limit)
        is_falling = (self.query.get("sortOrder") or order) == "desc"
        rows = sorted(rows, key=lambda row: str(row[key]), reverse=is_falling)
        cursor = self.query.get("cursor", "").removeprefix("eid:")
        if cursor:
            rows = [row for row in rows if (row[key] < cursor if is_falling else row[key] > cursor)]
        last = rows[:limit][-1][key] if rows else None
        return {"data": rows[:limit], "cursor": last, "hasMore": len(rows) > limit}

    # --- runs, steps, hooks -------------------------------------------------------------------------
    def get_run(self, run_id: str) -> None:
        self.tell(self.lazily(self.store.run(run_id)))

    def wait_for_run(self, run_id: str) -> None:
        until = time.monotonic() + int(self.query.get("waitMs") or 0) / 1000
        while self.store.run(run_id)["status"] not in TERMINAL and time.monotonic() < until:
            time.sleep(0.02)
        self.get_run(run_id)

    def list_steps(self, run_id: str) -> None:
        steps = [step for (run, _), step in list(self.store.steps.items()) if run == run_id]
        page = self.page(steps, "stepId", 20, "desc")
        self.tell({**page, "data": [self.lazily(step) for step in page["data"]]})

    def get_step(self, run_id: str, step_id: str) -> None:
        step = self.store.steps.get((run_id, step_id))
        if step is None:
            raise ApiError(404, "Step not found", "not_found")
        self.tell(self.lazily(step))

    def get_hook(self, hook_id: str = "") -> None:
        token = self.query.get("token")
        for hook in self.store.hooks.values():
            if hook_id == hook["hookId"] or (not hook_id and hook["token"] == token):
                return self.tell(hook)
        raise ApiError(404, "Hook not found", "not_found")

    # --- events -------------------------------------------------------------------------------------
    def events_of(self, run_id: str) -> list[Row]:
        self.store.run(run_id)
        return list(self.store.events.get(run_id, []))

    def post_v3(self, run_id: str) -> None:
        event = cbor.loads(self.body)
        wants = event.pop("remoteRefBehavior", "resolve")
        event.pop("vercelId", None)
        done = self.store.take(run_id, event)
        if wants == "lazy":
            done = {name: wire.without_payloads(value) for name, value in done.items()}
        self.tell(done)

    def list_v3(self, run_id: str) -> None:
        page = self.page(self.events_of(run_id), "eventId", 100)
        if self.is_lazy:
            page["data"] = [wire.lazy_event(event) for event in page["data"]]
        self.tell(page)

    def post_v4(self, run_id: str, kind: str) -> None:
        if kind == "batch":
            return self._post_batch(run_id)
        ((meta, body),) = wire.frames(self.body)
        done = self.store.take(run_id, wire.event_of(meta, body))
        event = done["event"]
        head = {"x-wf-event-id": event["eventId"], "x-wf-run-id": event["runId"], "x-wf-max-events": "10000"}
        head["x-wf-created-at"] = event["createdAt"].isoformat()
        if wire.FRAMES in (self.headers.get("Accept") or "") and kind == "run_started":
            rows = self.events_of(event["runId"])
            end = wire.frame({"_end": 1, "next": f"eid:{rows[-1]['eventId']}", "hasMore": False})
            told = b"".join(wire.event_frame(row, self.is_lazy) for row in rows) + end
            return self.answer(200, told, wire.FRAMES, head)
        if meta.get("remoteRefBehavior") == "lazy":
            done = {name: wire.without_payloads(value) for name, value in done.items()}
        self.answer(200, cbor.dumps(done), "application/cbor", head)

    def _post_batch(self, run_id: str) -> None:
        results: list[Row] = []
        for meta, body in wire.frames(self.body):
            try:
                results.append({"status": 200, **self.store.take(run_id, wire.event_of(meta, body))})
            except ApiError as error:
                results.append({**error.body, "status": error.status})
        self.answer(200, cbor.dumps({"results": results}), "application/cbor")

    def list_v4(self, run_id: str) -> None:
        if self.query.get("returnAll"):
            self.query["limit"] = str(10**9)
        page = self.page(self.events_of(run_id), "eventId", 100)
        end: Row = {"_end": 1, "hasMore": page["hasMore"]}
        # 4.x takes `next` alone as "there is more"; 5.x keeps it as the place to go on from.
        is_5 = "world-vercel/5" in (self.headers.get("User-Agent") or "")
        if page["data"] and (page["hasMore"] or is_5):
            end["next"] = f"eid:{page['cursor']}"
        told = b"".join(wire.event_frame(event, self.is_lazy) for event in page["data"])
        self.answer(200, told + wire.frame(end), wire.FRAMES)

    # --- streams ------------------------------------------------------------------------------------
    def put_stream(self, run_id: str, name: str) -> None:
        is_close = self.headers.get("X-Stream-Done") == "true"
        is_multi = self.headers.get("X-Stream-Multi") == "true"
        chunks = list(wire.lengths_and_pieces(self.body)) if is_multi else [self.body]
        # As in a remote store: what counts is when a write commits, not when it arrives.
        self.stub.wait_for_commit(run_id, name)
        self.store.commit(run_id, name, None if is_close else chunks)
        self.answer(200)

    def _stream(self, run_id: str | None, name: str) -> Stream:
        """One that nobody has written to yet is made where its name tells the run: a reader may come first."""
        found = self.store.find_stream(run_id, name)
        if found:
            return found
        own = re.match(r"strm_([0-9A-Z]{26})_", name)
        run_id = run_id or (f"wrun_{own[1]}" if own else "")
        self.store.run(run_id)
        return self.store.stream(run_id, name)

    def follow_by_name(self, name: str) -> None:
        self._follow(self._stream(None, name))

    def follow(self, run_id: str, name: str) -> None:
        self._follow(self._stream(run_id, name))

    def _follow(self, stream: Stream) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        at = int(self.query.get("startIndex") or 0)
        at = at if at >= 0 else max(0, len(stream.chunks) + at)
        until = time.monotonic() + READ_SECONDS
        while (stream.end is None or at < stream.end) and time.monotonic() < until:
            with stream.changed:
                if at >= len(stream.chunks):
                    stream.changed.wait(0.2)
                new = stream.visible()[at:]
            for chunk in new:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            at += len(new)
        self.wfile.write(b"0\r\n\r\n")

    def list_chunks(self, run_id: str, name: str) -> None:
        stream = self._stream(run_id, name)
        start = int(base64.b64decode(self.query.get("cursor", "")) or 0)
        end = start + int(self.query.get("limit") or 100)
        rows = [{"index": start + n, "data": chunk} for n, chunk in enumerate(stream.visible()[start:end])]
        has_more = len(stream.visible()) > end
        cursor = base64.b64encode(str(end).encode()).decode() if has_more else None
        self.tell({"data": rows, "cursor": cursor, "hasMore": has_more, "done": stream.end is not None})

    def get_info(self, run_id: str, name: str) -> None:
        stream = self._stream(run_id, name)
        self.tell({"tailIndex": len(stream.visible()) - 1, "done": stream.end is not None})

    def list_streams(self, run_id: str) -> None:
        names = sorted(name for run, name in list(self.store.streams) if run == run_id)
        self.answer(200, json.dumps(names).encode(), "application/json")

    # --- the queue ----------------------------------------------------------------------------------
    def send(self, topic: str) -> None:
        message = {"id": f"msg_{new_ulid()}", "topic": topic, "body": self.body}
        message["type"] = self.headers.get("Content-Type") or ""
        key = self.headers.get("Vqs-Idempotency-Key")
        self.stub.queue.send(message, float(self.headers.get("Vqs-Delay-Seconds") or 0), key)
        self.answer(201, json.dumps({"messageId": message["id"]}).encode(), "application/json")

    def settle(self, *_: str) -> None:
        """An acknowledgement, or a longer lease: the pushing thread waits for the app's answer anyway."""
        self.answer(200, b"{}", "application/json")


def _as_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else base64.b64encode(value).decode()


ANY = r"([^/]+)"
LEASE = f"/queues-proxy/api/v3/topic/{ANY}/consumer/{ANY}/lease/{ANY}"
ROUTES = [
    (method, re.compile(pattern), name)
    for method, pattern, name in [
        ("GET", f"/v2/runs/{ANY}", "get_run"),
        ("GET", f"/v2/runs/{ANY}/status", "wait_for_run"),
        ("GET", f"/v2/runs/{ANY}/steps", "list_steps"),
        ("GET", f"/v2/runs/{ANY}/steps/{ANY}", "get_step"),
        ("GET", "/v2/hooks/by-token", "get_hook"),
        ("GET", f"/v2/hooks/{ANY}", "get_hook"),
        ("POST", f"/v3/runs/{ANY}/events", "post_v3"),
        ("GET", f"/v3/runs/{ANY}/events", "list_v3"),
        ("POST", f"/v4/runs/{ANY}/events/{ANY}", "post_v4"),
        ("GET", f"/v4/runs/{ANY}/events", "list_v4"),
        ("PUT", f"/v2/runs/{ANY}/stream/{ANY}", "put_stream"),
        ("GET", f"/v[23]/runs/{ANY}/stream/{ANY}", "follow"),
        ("GET", f"/v2/stream/{ANY}", "follow_by_name"),
        ("GET", f"/v2/runs/{ANY}/streams/{ANY}/chunks", "list_chunks"),
        ("GET", f"/v2/runs/{ANY}/streams/{ANY}/info", "get_info"),
        ("GET", f"/v2/runs/{ANY}/streams", "list_streams"),
        ("POST", f"/queues-proxy/api/v3/topic/{ANY}", "send"),
        ("DELETE", LEASE, "settle"),
        ("PATCH", LEASE, "settle"),
    ]
]
