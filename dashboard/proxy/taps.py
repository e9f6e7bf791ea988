"""What is recorded of a request while it passes: sizes, hashes, times and outcomes, never its secrets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h11

from dashboard.proxy.cbor import peek
from dashboard.proxy.fields import Field, Fields, Whole
from dashboard.proxy.headers import header, without
from dashboard.proxy.outbox import Record

TEXT = 2_000
# Enough for what says which event it is; what is behind that are payloads.
EVENT_BYTES, ANSWER_BYTES = 65_536, 16_384

log = logging.getLogger("tailrace.proxy")


@dataclass(frozen=True)
class Seen:
    """A request when it came in. `secrets` are the values that must not be told."""

    n: int
    called: float
    started: float
    run: str
    secrets: tuple[str, ...]


class Recording:
    """The common half: what came back, when, and that a fault in here disturbs nobody."""

    def __init__(self, seen: Seen, body: Fields | Whole, report: Callable[[Record], None]) -> None:
        self.seen, self._body, self._report = seen, body, report
        self.answer: h11.Response | None = None
        self.answer_head = Field(keep=ANSWER_BYTES)
        self._reported = False

    def sent(self, data: bytes) -> None:
        self._body.feed(data)

    def answered(self, response: h11.Response) -> None:
        self.answer = response

    def received(self, data: bytes) -> None:
        if self.answer_head.size < ANSWER_BYTES:
            self.answer_head.feed(data)

    def ended(self) -> None:
        took = round((time.perf_counter() - self.seen.started) * 1000, 3)
        status = self.answer.status_code if self.answer else 0
        if 200 <= status < 300:
            self._finish({"took": took, "ok": True})
        else:
            self._finish({"took": took, "ok": False, "error": self._error(status)})

    def broke(self, why: str) -> None:
        """It never came back: whether the backend has it is not known."""
        error: Record = {"name": "ConnectionLost", "message": self._told(why)}
        if self.answer:
            error["status"] = self.answer.status_code
        self._finish({"ok": None, "error": error})

    def _finish(self, outcome: Record) -> None:
        if self._reported:
            return
        self._reported = True
        try:
            for record in self.records():
                self._report({**record, **outcome} if "ok" not in record else {**outcome, **record})
        except Exception:  # a body that breaks our reading is still passed on
            log.exception("a request could not be recorded")

    def _error(self, status: int) -> Record:
        # As the SDK words it, so that it is found by the same text.
        return {
            "name": "HttpError",
            "status": status,
            "message": self._told(f"HTTP {status}: {self._said()}"),
        }

    def _said(self) -> str:
        """The beginning of the answer's body, if it is text or CBOR with a message."""
        if self.answer is None or header(self.answer, b"content-encoding") not in ("", "identity"):
            return ""
        if "cbor" in header(self.answer, b"content-type"):
            value = peek(self.answer_head.head)
            return str(value.get("message", "")) if isinstance(value, dict) else ""
        return self.answer_head.head[:TEXT].decode("utf-8", "replace")

    def _told(self, text: str) -> str:
        return without(text, self.seen.secrets)[:TEXT]

    def base(self, kind: str, n: int) -> Record:
        return {"type": kind, "n": n, "run": self.seen.run, "called": self.seen.called}

    def records(self) -> list[Record]:
        raise NotImplementedError


class StreamWrite(Recording):
    """PUT of one chunk, of a batch of them, or of a stream's end."""

    def __init__(
        self, seen: Seen, stream: str, op: str, batch: bool, report: Callable[[Record], None]
    ) -> None:
        super().__init__(seen, Fields() if batch else Whole(), report)
        self._stream, self._op = stream, op

    def records(self) -> list[Record]:
        found = self._body.done if self._op == "write" else []
        chunks = [{"size": one.size, "hash": one.hash} for one in found]
        return [self.base("write", self.seen.n) | {"op": self._op, "stream": self._stream, "chunks": chunks}]

    def _error(self, status: int) -> Record:
        message = f"Stream {self._op} failed: HTTP {status}: {self._said()}"
        return {"name": "HttpError", "status": status, "message": self._told(message)}


class Events(Recording):
    """POST of one event or of a batch. `event` is what the path says, `frames` how the body is put together.

    v4 bodies are frames: metadata in CBOR, then a payload that nobody reads; v3 bodies are one CBOR map.
    """

    def __init__(
        self,
        seen: Seen,
        event: str,
        frames: bool,
        number: Callable[[], int],
        report: Callable[[Record], None],
    ) -> None:
        super().__init__(seen, Fields(keep=EVENT_BYTES) if frames else Whole(keep=EVENT_BYTES), report)
        self._event, self._frames, self._number = event, frames, number

    def records(self) -> list[Record]:
        metas = [_map(peek(one.head)) for one in self._body.done[:: 2 if self._frames else 1]]
        answer = self._answer()
        results = answer.get("results")
        outcomes = results if isinstance(results, list) else []
        found = []
        for at, meta in enumerate(metas or [{}]):
            n = self.seen.n if at == 0 else self._number()
            own = _map(outcomes[at]) if at < len(outcomes) else {} if outcomes else answer
            found.append(self._record(n, meta, own))
        # A run that the backend was to name, and did not, has no id and so nothing to be told of.
        return [record for record in found if record.get("run")]

    def _record(self, n: int, meta: Record, answer: Record) -> Record:
        data = {**meta, **_map(meta.get("eventData"))}
        event = self._event or _text(meta.get("eventType")) or "unknown"
        record = self.base("event", n) | {"event": event}
        record["run"] = self.seen.run or self._new_run(answer) or None
        record["id"] = _text(meta.get("correlationId"))
        record["workflow"] = _text(data.get("workflowName"))
        record["step_name"] = _text(data.get("stepName"))
        record["attempt"] = data.get("attempt") or _map(answer.get("step")).get("attempt")
        status = answer.get("status")
        if isinstance(status, int) and not 200 <= status < 300:
            message = self._told(_text(answer.get("message")) or "")
            record |= {"ok": False, "error": {"name": "HttpError", "status": status, "message": message}}
        return {name: value for name, value in record.items() if value is not None}

    def _answer(self) -> Record:
        if self.answer is None or header(self.answer, b"content-encoding") not in ("", "identity"):
            return {}
        return _map(peek(self.answer_head.head)) if "cbor" in header(self.answer, b"content-type") else {}

    def _new_run(self, answer: Record) -> str | None:
        """A run that gets its id from the backend: it is in a header (v4) or in what comes back (v3)."""
        named = header(self.answer, b"x-wf-run-id") if self.answer else ""
        inside = (_map(answer.get(place)).get("runId") for place in ("run", "event"))
        return named or next((one for one in inside if isinstance(one, str)), None)


def _map(value: Any) -> Record:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value[:TEXT] if isinstance(value, str) else None
