"""What a probe's batch says (docs/probe.md), as observations. Pure: the batch comes in as parsed JSON.

A record that cannot be read is told as a problem and costs nothing else; unknown types and fields are left out.
"""

from __future__ import annotations

import base64
import binascii
import json
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

PROBLEMS_KEPT = 15  # told of one batch; how many there are more is told too
_QUOTED = 150  # characters of a record that cannot be read
_LEVELS = {"exact": "exact", "context": "step only", "inferred": "inferred"}
_GROUP_SIZE = 1 << 20  # more chunks than a group of the SDK's writer can have
_CHUNKS = 10_000  # of one record; a call hands over far fewer
_DATA_KEPT = 64 * 1024
# What a database can hold: whole numbers of 32 and 64 bits, and times whose sums still fit 64 bits of nanoseconds.
_INT, _BIG = (1 << 31) - 1, 1 << 53
_GROUPS = 1 << 42
LATEST_MS = 4e12  # in the year 2096


@dataclass(slots=True)
class Report:
    """One batch. `events` matter only where nothing else is known of the world."""

    writes: list[WriteTried] = field(default_factory=list)
    failures: list[AppFailed] = field(default_factory=list)
    events: list[EventSeen] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    more_problems: int = 0  # beyond those that are told

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
        except _Unreadable as error:
            _complain(report, f"record {place}: {error}", record)
    return report


def _complain(report: Report, problem: str, record: Any) -> None:
    if len(report.problems) < PROBLEMS_KEPT:
        report.problems.append(f"{problem}: {_quoted(record)}")
    else:
        report.more_problems += 1


def _quoted(record: Any) -> str:
    """How it begins: the record itself is kept nowhere else."""
    try:
        return json.dumps(record, ensure_ascii=False)[:_QUOTED]
    except (RecursionError, ValueError):  # nested too deeply, a number of too many digits
        return "not to be quoted"


def _take(report: Report, process: str, place: int, record: Any) -> None:
    if not isinstance(record, Mapping):
        raise _Unreadable("not an object")
    taker = _TAKERS.get(_text(record, "type"))
    if taker is None:
        raise _Unreadable(f"unknown type {_text(record, 'type')[:40]!r}")
    taker(report, process, place, record)


def _take_write(report: Report, process: str, place: int, record: Mapping[str, Any]) -> None:
    error = mapping_in(record, "error")
    is_close = _named(record, "op") == "close"
    if not is_close and record["op"] != "write":
        raise _Unreadable("op is neither write nor close")
    chunks: list[Any] = [{"pair": record.get("pair")}] if is_close else _list(record, "chunks")
    ok, took_ns = _outcome(record)
    why = _text(error, "message") or _text(error, "name") or "refused"
    base = {
        "is_close": is_close,
        "is_sent": True,
        "ok": ok,
        "called_ns": ns_of(_needed(record, "called")),
        "took_ns": took_ns,
        "error": why if ok is False else "",
        "status": whole_in(error, "status", _INT) if ok is False else None,
        "is_overlapping": bool(_list(record, "overlaps")),
        "acquired": whole_in(record, "acquired", _INT),
    }
    report.writes += list(_writes(process, record, chunks, base))


def _outcome(record: Mapping[str, Any]) -> tuple[bool | None, int | None]:
    """Whether a call was acknowledged, and how long it took: both are known, or neither is."""
    ok, took = record.get("ok"), ms_in(record, "took")
    if not isinstance(ok, bool):
        return None, None
    if took is None:
        return (None, None) if ok else (False, 0)
    return ok, max(0, round(took * NS_PER_MS))


def _take_unsent(report: Report, process: str, place: int, record: Mapping[str, Any]) -> None:
    at_ns = ns_of(_needed(record, "at"))
    writes: list[WriteTried] = []
    for offset, chunk in enumerate(_list(record, "chunks")):
        called = ms_in(_as_object(chunk), "called")
        base = {
            "is_close": False,
            "is_sent": False,
            "ok": None,
            "called_ns": at_ns if called is None else ns_of(called),
            "took_ns": None,
            "error": _text(record, "why") or "never reached the world",
            "status": None,
            "is_overlapping": False,
            "acquired": None,
        }
        writes += _writes(process, record, [chunk], base, offset)
    report.writes += writes


def _writes(
    process: str, record: Mapping[str, Any], chunks: list[Any], base: dict[str, Any], first: int = 0
) -> Iterator[WriteTried]:
    stream, run_id = _named(record, "stream"), _text(record, "run")
    number = whole_in(record, "n")
    if number is None:
        raise _Unreadable("n is missing")
    step, sdk_writer = _step(record), _text(record, "writer")
    group = whole_in(record, "group", _GROUPS)
    for place, chunk in enumerate(chunks, first):
        chunk = _as_object(chunk)
        pair, order = whole_in(chunk, "pair"), whole_in(chunk, "order")
        of_sdk = order is None and bool(sdk_writer) and group is not None
        yield WriteTried(
            process=process,
            number=number,
            place=place,
            run_id=run_id,
            stream=stream,
            size=whole_in(chunk, "size"),
            digest=_digest(chunk),
            data=_data(chunk),
            step=step,
            writable=sdk_writer if of_sdk or pair is None else f"pair {pair}",
            is_sdk_writer=of_sdk,
            order=(group or 0) * _GROUP_SIZE + place if of_sdk else order,
            **base,
        )


def _step(record: Mapping[str, Any]) -> StepKnown:
    step = mapping_in(record, "step")
    if not _text(step, "id"):
        return StepKnown()
    known = _LEVELS.get(_text(step, "known"), "step only")
    return StepKnown(_text(step, "id"), _text(step, "name"), whole_in(step, "attempt", _INT), known)


def _take_error(report: Report, process: str, place: int, record: Mapping[str, Any]) -> None:
    step_id, number = _text(mapping_in(record, "step"), "id"), whole_in(record, "write")
    at_ns = ns_of(_needed(record, "at"))
    kind, name, message = (_text(record, key) for key in ("kind", "name", "message"))
    report.failures.append(
        AppFailed(_text(record, "run"), kind, at_ns, name, message, step_id, number, place)
    )


def _take_event(report: Report, process: str, place: int, record: Mapping[str, Any]) -> None:
    """An event that was stored. One that was refused changed nothing."""
    run_id, kind = _named(record, "run"), _named(record, "event")
    if record.get("ok") is not True:
        return
    at_ns = ns_of(_needed(record, "called") + (ms_in(record, "took") or 0))
    number = whole_in(record, "n")
    if number is None:
        raise _Unreadable("n is missing")
    details = {key: record[key] for key in ("step_name", "workflow") if isinstance(record.get(key), str)}
    data = b"JSON" + json.dumps(details).encode() if details else None
    event_id = f"{at_ns:020d} {process} {number}"  # sorts by time, as readers of events expect
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


def mapping_in(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = record.get(key)
    return value if isinstance(value, Mapping) else {}


def _list(record: Mapping[str, Any], key: str) -> list[Any]:
    value = record.get(key)
    if not isinstance(value, list):
        return []
    if len(value) > _CHUNKS:
        raise _Unreadable(f"{key} has {len(value):,} entries")
    return value


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _named(record: Mapping[str, Any], key: str) -> str:
    value = _text(record, key)
    if not value:
        raise _Unreadable(f"{key} is missing")
    return value


def ms_in(record: Mapping[str, Any], key: str) -> float | None:
    value = record.get(key)
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LATEST_MS
    return value if good else None  # NaN is less than nothing


def _needed(record: Mapping[str, Any], key: str) -> float:
    value = ms_in(record, key)
    if value is None:
        raise _Unreadable(f"{key} is not a time")
    return value


def whole_in(record: Mapping[str, Any], key: str, most: int = _BIG) -> int | None:
    value = record.get(key)
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    return value if good else None


def ns_of(milliseconds: float) -> int:
    """To the microsecond, which is as good as a float of milliseconds since 1970 is."""
    return round(milliseconds * 1000) * 1000


def _digest(chunk: Mapping[str, Any]) -> bytes | None:
    text = _text(chunk, "hash")
    if not text:
        return None
    try:
        digest = bytes.fromhex(text[:16])  # it passes over blanks
    except ValueError:
        digest = b""
    if len(digest) < 8:
        raise _Unreadable("hash is not at least 16 hexadecimal digits")
    return digest


def _data(chunk: Mapping[str, Any]) -> bytes | None:
    text = _text(chunk, "data")
    try:
        data = base64.b64decode(text, validate=True) if text else None
    except (binascii.Error, ValueError):
        raise _Unreadable("data is not base64") from None
    return None if data is None or len(data) > _DATA_KEPT else data
