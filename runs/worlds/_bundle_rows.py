"""Records of a bundle as observations. Everything in them is checked: a bundle comes from anybody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runs.observations import (
    ChunkSeen,
    ChunkTold,
    EventSeen,
    RunSeen,
    StepKnown,
    StepSeen,
    StreamListSeen,
    StreamSeen,
    WriteTried,
)
from runs.worlds._bundle_shape import placeholder
from runs.worlds._bundle_zip import Damaged

_BIG = (1 << 63) - 1
_INT = (1 << 31) - 1
_DIGEST = 16
REDACTED = "redacted"  # shown at chunks that have not even an outline to show
_KNOWN = {"exact": "exact", "proved": "exact", "step only": "step only", "inferred": "inferred"}
Record = Mapping[str, Any]


def parsed(line: bytes) -> Record:
    """Raises Damaged."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"it is no JSON: {type(error).__name__}") from None
    return record(found)


def record(value: Any) -> Record:
    if not isinstance(value, dict):
        raise Damaged("it is no object")
    return value


def run_of(run: Record) -> list[RunSeen | StreamListSeen | StreamSeen]:
    """The run, as far as it was seen, and how the stream belongs to it."""
    run_id, stream = text(run, "run_id"), record(run.get("stream"))
    name, listed = text(stream, "name"), stream.get("listed")
    seen: list[RunSeen | StreamListSeen | StreamSeen] = []
    if not run_id or not name:
        return seen
    source_ns = whole(run, "source_ns")
    if source_ns is not None:
        seen.append(_run(run, run_id, source_ns))
    if isinstance(listed, bool):
        seen.append(StreamListSeen(run_id, (name,) if listed else (), source_ns or 0))
    return [*seen, StreamSeen(run_id, name, listed is True, text(stream, "framing"))]


def _run(run: Record, run_id: str, source_ns: int) -> RunSeen:
    return RunSeen(
        run_id, text(run, "status"), text(run, "workflow"), source_ns, text(run, "deployment"),
        text(run, "sdk_version"), text(run, "language")[:20], whole(run, "spec_version", _INT),
        whole(run, "created_ns"), whole(run, "started_ns"), whole(run, "completed_ns"), whole(run, "expired_ns"),
        error_code=text(run, "error_code"),
    )  # fmt: skip


def step_of(run_id: str, step: Record) -> StepSeen:
    return StepSeen(
        run_id, needed(step, "step_id"), text(step, "status"), text(step, "name"), whole(step, "source_ns") or 0,
        whole(step, "attempt", _INT), whole(step, "created_ns"), whole(step, "started_ns"),
        whole(step, "completed_ns"), whole(step, "retry_after_ns"),
    )  # fmt: skip


def event_of(run_id: str, event: Record) -> EventSeen:
    data = event.get("data")
    kept = b"JSON" + json.dumps(data).encode() if isinstance(data, dict) and data else None
    return EventSeen(
        run_id, needed(event, "event_id"), text(event, "type"), whole(event, "source_ns") or 0,
        text(event, "correlation_id"), whole(event, "created_ns"), kept,
    )  # fmt: skip


def chunk_of(stream: str, chunk: Record, payload: bytes | None) -> ChunkSeen:
    """`payload` is None where the bundle holds only the chunk's outline."""
    size, clocks = whole(chunk, "size") or 0, record(chunk.get("clocks"))
    stored_ns = whole(clocks, "stored_ns")
    if stored_ns is None:
        raise Damaged("its stored time is missing")
    data = placeholder(chunk.get("outline"), size) if payload is None else payload
    problem = text(chunk, "problem")
    if payload is None and size and not data:
        problem = f"{REDACTED}; {problem}" if problem else REDACTED
    minted_ms, observed_ns = whole(clocks, "minted_ms", 1 << 48), whole(clocks, "observed_ns")
    return ChunkSeen(
        stream, needed(chunk, "chunk_id"), chunk.get("is_close") is True, data, size, _digest(chunk, _DIGEST) or b"",
        minted_ms, stored_ns, stored_ns if observed_ns is None else observed_ns, problem,
    )  # fmt: skip


def told_of(stream: str, note: Record) -> ChunkTold:
    session = _counted(note, "session")
    return ChunkTold(
        stream,
        needed(note, "chunk_id"),
        _counted(note, "place"),
        _counted(note, "told_ns"),
        f"bundle {session}",
    )


def write_of(stream: str, write: Record) -> WriteTried:
    """A reported write as it was before anything was matched with it."""
    step, writer = record(write.get("step") or {}), record(write.get("writer") or {})
    step_id = text(step, "id")
    known = _KNOWN.get(text(writer, "known"), "unknown") if step_id else "unknown"
    ok = write.get("ok")
    return WriteTried(
        process=needed(write, "process")[:100],
        number=_counted(write, "number"),
        place=_counted(write, "place", _INT),
        run_id=text(write, "run_id"),
        stream=stream,
        is_close=write.get("is_close") is True,
        is_sent=write.get("is_sent") is not False,
        ok=ok if isinstance(ok, bool) else None,
        called_ns=_counted(write, "called_ns"),
        took_ns=whole(write, "took_ns"),
        size=whole(write, "size"),
        digest=_digest(write, 8),
        data=None,
        error=text(write, "error"),
        status=whole(write, "status", _INT),
        step=StepKnown(step_id, text(step, "name"), whole(step, "attempt", _INT), known) if step_id else StepKnown(),
        writable=text(writer, "writable"),
        is_sdk_writer=writer.get("is_sdk") is True,
        order=whole(write, "order"),
        is_overlapping=write.get("is_overlapping") is True,
        acquired=_acquired(write),
    )  # fmt: skip


def _acquired(write: Record) -> int | None:
    """Writables the step acquired, unless its other streams, which are not bundled, account for all of them."""
    acquired, streams = whole(write, "acquired", _INT), whole(write, "step_streams", _INT) or 1
    return None if acquired is not None and streams > 1 and acquired <= streams else acquired


def text(fields: Record, key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def needed(fields: Record, key: str) -> str:
    value = text(fields, key)
    if not value:
        raise Damaged(f"{key} is missing")
    return value


def whole(fields: Record, key: str, most: int = _BIG) -> int | None:
    value = fields.get(key)
    good = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= most
    return value if good else None


def _counted(fields: Record, key: str, most: int = _BIG) -> int:
    value = whole(fields, key, most)
    if value is None:
        raise Damaged(f"{key} is missing")
    return value


def _digest(fields: Record, length: int) -> bytes | None:
    try:
        return bytes.fromhex(text(fields, "digest"))[:length] or None
    except ValueError:
        raise Damaged("its digest is not hexadecimal") from None
