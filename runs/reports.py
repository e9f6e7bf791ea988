"""What a probe's batch says (docs/probe.md), as observations. Pure: the batch comes in as parsed JSON.

A record that cannot be read is told as a problem and costs nothing else; unknown types and fields are left out.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard.lib.clock import NS_PER_MS
from runs.observations import (
    AppFailed,
    EventSeen,
    StepKnown,
    WriteTried,
)

PROBLEMS_KEPT = 20  # told of one batch; their number is told whole
_LEVELS = {"exact": "exact", "context": "step only", "inferred": "inferred"}
_GROUP_SIZE = 1 << 20  # more chunks than a group of the SDK's writer can have
_LONGEST_MS = 1 << 53


@dataclass(slots=True)
class Report:
    """One batch. `events` matter only where nothing else is known of the world."""

    writes: list[WriteTried] = field(default_factory=list)
    failures: list[AppFailed] = field(default_factory=list)
    events: list[EventSeen] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def run_ids(self) -> set[str]:
        named = {one.run_id for one in self.writes} | {one.run_id for one in self.failures}
        return (named | {one.run_id for one in self.events}) - {""}


class _Unreadable(ValueError):
    """A record is not what the schema says; the message names the field."""


def read_batch(batch: Mapping[str, Any]) -> Report:
    """The records of a batch whose envelope has been checked already."""
    report = Report()
    process = str(batch["process"])
    for place, record in enumerate(batch["records"]):
        try:
            _take(report, process, place, record)
        except (_Unreadable, TypeError, ValueError, KeyError, OverflowError) as error:
            _complain(report, f"record {place}: {error}")
    return report


def _complain(report: Report, problem: str) -> None:
    if len(report.problems) < PROBLEMS_KEPT:
        report.problems.append(problem[:300])
    elif len(report.problems) == PROBLEMS_KEPT:
        report.problems.append("and more")


def _take(report: Report, process: str, place: int, record: Any) -> None:
    if not isinstance(record, Mapping):
        raise _Unreadable("not an object")
    taker = _TAKERS.get(_text(record, "type"))
    if taker is None:
        raise _Unreadable(f"unknown type {record.get('type')!r}")
    taker(report, process, place, record)


def _take_write(report: Report, process: str, place: int, record: Mapping[str, Any]) -> None:
    error = _object(record, "error")
    is_close = _text(record, "op") == "close"
    chunks: list[Any] = [{"pair": record.get("pair")}] if is_close else _list(record, "chunks")
    took = _number(record, "took")
    ok = record.get("ok")
    base = {
        "is_close": is_close,
        "is_sent": True,
        "ok": ok if isinstance(ok, bool) else None,
        "called_ns": _ns(_needed(record, "called")),
        "took_ns": None if took is None else max(0, round(took * NS_PER_MS)),
        "error": _text(error, "message") or _text(error, "name"),
        "status": _whole(error, "status"),
        "is_overlapping": bool(_list(record, "overlaps")),
        "acquired": _whole(record, "acquired"),
    }
    report.writes += _writes(process, record, chunks, base)


def _take_unsent(report: Report, process: str, place: int, record: Mapping[str, Any]) -> None:
    at_ns = _ns(_needed(record, "at"))
    for offset, chunk in enumerate(_list(record, "chunks")):
        called = _number(_as_object(chunk), "called")
        base = {
            "is_close": False,
            "is_sent": False,
            "ok": None,
            "called_ns": at_ns if called is None else _ns(called),
            "took_ns": None,
            "error": _text(record, "why") or "never reached the world",
            "status": None,
            "is_overlapping": False,
            "acquired": None,
        }
        report.writes += _writes(process, record, [chunk], base, offset)


def _writes(
    process: str, record: Mapping[str, Any], chunks: list[Any], base: dict[str, Any], first: int = 0
) -> Iterator[WriteTried]:
    stream, run_id = _named(record, "stream"), _text(record, "run")
    number = _whole(record, "n")
    if number is None:
        raise _Unreadable("n is missing")
    step, sdk_writer = _step(record), _text(record, "writer")
    group = _whole(record, "group")
    for place, chunk in enumerate(chunks, first):
        chunk = _as_object(chunk)
        pair, order = _whole(chunk, "pair"), _whole(chunk, "order")
        of_sdk = order is None and bool(sdk_writer) and group is not None
        yield WriteTried(
            process=process,
            number=number,
            place=place,
            run_id=run_id,
            stream=stream,
            size=_whole(chunk, "size"),
            digest=_digest(chunk),
            data=_data(chunk),
            step=step,
            writable=sdk_writer if of_sdk or pair is None else f"pair {pair}",
            is_sdk_writer=of_sdk,
            order=(group or 0) * _GROUP_SIZE + place if of_sdk else order,
            **base,
        )


def _step(record: Mapping[str, Any]) -> StepKnown:
    step = _object(record, "step")
    if not _text(step, "id"):
        return StepKnown()
    known = _LEVELS.get(_text(step, "known"), "step only")
    return StepKnown(_text(step, "id"), _text(step, "name"), _whole(step, "attempt"), known)


def _take_error(report: Report, process: str, place: int, record: Mapping[str, Any]) -> None:
    step_id, number = _text(_object(record, "step"), "id"), _whole(record, "write")
    at_ns = _ns(_needed(record, "at"))
    kind, name, message = (_text(record, key) for key in ("kind", "name", "message"))
    report.failures.append(
        AppFailed(_text(record, "run"), kind, at_ns, name, message, step_id, number, place)
    )


def _take_event(report: Report, process: str, place: int, record: Mapping[str, Any]) -> None:
    """An event that was stored. One that was refused changed nothing."""
    run_id, kind = _named(record, "run"), _named(record, "event")
    if record.get("ok") is not True:
        return
    at_ns = _ns(_needed(record, "called") + (_number(record, "took") or 0))
    details = {key: record[key] for key in ("step_name", "workflow") if isinstance(record.get(key), str)}
    data = b"JSON" + json.dumps(details).encode() if details else None
    event_id = f"{at_ns:020d} {process} {_whole(record, 'n')}"  # sorts by time, as readers of events expect
    report.events.append(EventSeen(run_id, event_id, kind, at_ns, _text(record, "id"), at_ns, data))


_TAKERS: Mapping[str, Callable[[Report, str, int, Mapping[str, Any]], None]] = {
    "write": _take_write,
    "unsent": _take_unsent,
    "error": _take_error,
    "event": _take_event,
}


def _as_object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _Unreadable("a chunk is not an object")
    return value


def _object(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}


def _list(record: Mapping[str, Any], key: str) -> list[Any]:
    value = record.get(key)
    return value if isinstance(value, list) else []


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _named(record: Mapping[str, Any], key: str) -> str:
    value = _text(record, key)
    if not value:
        raise _Unreadable(f"{key} is missing")
    return value


def _number(record: Mapping[str, Any], key: str) -> float | None:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value if abs(value) < _LONGEST_MS else None


def _needed(record: Mapping[str, Any], key: str) -> float:
    value = _number(record, key)
    if value is None:
        raise _Unreadable(f"{key} is not a time")
    return value


def _whole(record: Mapping[str, Any], key: str) -> int | None:
    value = record.get(key)
    good = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LONGEST_MS
    return value if good else None


def _ns(milliseconds: float) -> int:
    """To the microsecond, which is as good as a float of milliseconds since 1970 is."""
    return round(milliseconds * 1000) * 1000


def _digest(chunk: Mapping[str, Any]) -> bytes | None:
    text = _text(chunk, "hash")
    if not text:
        return None
    try:
        return bytes.fromhex(text[:16]) if len(text) >= 16 else None
    except ValueError:
        raise _Unreadable("hash is not hexadecimal") from None


def _data(chunk: Mapping[str, Any]) -> bytes | None:
    text = _text(chunk, "data")
    try:
        return base64.b64decode(text, validate=True) if text else None
    except (binascii.Error, ValueError):
        raise _Unreadable("data is not base64") from None
