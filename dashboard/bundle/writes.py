"""What probes reported of a stream, as a bundle holds it: with the outcome, and enough to come to it again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from dashboard.bundle.members import AT_ONCE, Source
from dashboard.bundle.redact import safe_text
from streams.matching import OTHER_BYTES
from streams.models import Stream, Write, Writer

_Attempt = tuple[str, str, str, int | None]


def write_records(source: Source) -> Iterator[dict[str, Any]]:
    """All reported writes, process by process in the order of calls."""
    elsewhere = _streams_of_steps(source.stream)
    rows = Write.objects.filter(stream=source.stream).select_related("writer").defer("data")
    for row in rows.order_by("process", "number", "place").iterator(AT_ONCE):
        yield _record(source, row, elsewhere)


def writer_record(write: Write | None) -> dict[str, Any]:
    """What a chunk says of the write that it came from; empty where that is not known."""
    if write is None:
        return {"writer": None, "step": None, "attempt": None, "outcome": None}
    writer = write.writer
    return {
        "writer": _writer(writer) | {"process": write.process},
        "step": _step(writer),
        "attempt": writer.attempt,
        "outcome": write.outcome,
    }


def _record(source: Source, row: Write, elsewhere: Mapping[_Attempt, int]) -> dict[str, Any]:
    writer, refused = row.writer, row.error not in {"", OTHER_BYTES}
    step = _step(writer)
    return {
        "process": row.process,
        "number": row.number,
        "place": row.place,
        "run_id": writer.run_id,
        "is_close": row.is_close,
        "is_sent": row.is_sent,
        "ok": None if row.took_ns is None else not refused,
        "outcome": row.outcome,
        "error": "" if row.error == OTHER_BYTES else safe_text(row.error),
        "status": row.status,
        "called_ns": row.called_ns,
        "took_ns": row.took_ns,
        "size": row.size,
        "digest": _digest(source, row.digest),
        "writer": _writer(writer),
        "step": step and step | {"attempt": writer.attempt},
        "order": row.order,
        "sequence": row.sequence,
        "is_overlapping": row.is_overlapping,
        "acquired": row.acquired,
        "step_streams": elsewhere.get(_attempt(writer), 1),
        "arrival": row.arrival,
        "chunk_id": row.chunk_id,
    }


def _digest(source: Source, digest: Any) -> str | None:
    if digest is None:
        return None
    return (bytes(digest) if source.has_payloads else source.redactor.digest(bytes(digest))).hex()


def _writer(writer: Writer) -> dict[str, Any]:
    """`writable` is the rest of the writer's key: which one of the step attempt it was, where that is known."""
    start = f"{writer.process} {writer.step_id} {writer.attempt or ''}"
    writable = writer.key.removeprefix(start).strip()
    is_sdk = bool(writable and writer.step_id) and writer.scope == writer.key
    return {"known": writer.known, "writable": writable, "is_sdk": is_sdk}


def _step(writer: Writer) -> dict[str, Any] | None:
    return {"id": writer.step_id, "name": writer.step_name} if writer.step_id else None


def _attempt(writer: Writer) -> _Attempt:
    return writer.process, writer.run_id, writer.step_id, writer.attempt


def _streams_of_steps(stream: Stream) -> dict[_Attempt, int]:
    """To how many streams of the world its step attempts wrote: their count of writables is over all of them.

    Without those whose calls overlapped: these raced, however many writables they had.
    """
    own = Writer.objects.filter(stream=stream).exclude(step_id="")
    rows = Writer.objects.filter(stream__world=stream.world_id, step_id__in=own.values("step_id"))
    streams: defaultdict[_Attempt, set[int]] = defaultdict(set)
    for one in rows.values_list("process", "run_id", "step_id", "attempt", "stream_id"):
        streams[one[:4]].add(one[4])
    raced = set(
        own.filter(writes__is_overlapping=True).values_list("process", "run_id", "step_id", "attempt")
    )
    return {attempt: len(found) for attempt, found in streams.items() if attempt not in raced}
