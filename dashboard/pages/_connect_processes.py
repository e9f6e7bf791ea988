"""What the Connect page says of a process that reports: its state, its clock, and what did not get here."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

from dashboard.lib.clock import NS_PER_S, now_ns
from runs.models import AppProcess, World
from runs.pages._format import clock_date, clock_time, counted, milliseconds

SILENT_NS = 30 * NS_PER_S  # a probe gives a sign of life every 10 s
TEXT = 80
PATH = 300


@dataclass(frozen=True, slots=True)
class ProcessRow:
    process: AppProcess
    runtime: str
    place: str  # pid and host
    env: str
    state: str  # ended, silent, reporting
    clock: str
    gaps: list[str]  # sentences
    elsewhere: str  # the directory its world writes to, where that is not the one being watched


def process_row(world: World, process: AppProcess) -> ProcessRow:
    about = process.about if isinstance(process.about, dict) else {}
    pid, host = _said(about, "pid", 20), _said(about, "host", TEXT)
    return ProcessRow(
        process=process,
        runtime=_said(about, "runtime", TEXT) or process.language,
        place=" on ".join(part for part in (pid and f"pid {pid}", host) if part),
        env=_said(about, "env", TEXT),
        state=_state(process),
        clock=_clock(process),
        gaps=gaps_in_words(process),
        elsewhere=_elsewhere(world, about),
    )


def gaps_in_words(process: AppProcess) -> list[str]:
    """Times are the process's own."""
    gaps = [gap for gap in process.gaps if isinstance(gap, dict)] if isinstance(process.gaps, list) else []
    told = [_gap(_number(gap, "from"), _number(gap, "to"), _number(gap, "records")) for gap in gaps]
    rest = process.dropped_records - sum(_number(gap, "records") for gap in gaps)
    if rest > 0:
        told.insert(0, f"{counted(rest, 'earlier record' if gaps else 'record')} did not get here.")
    missing = (
        process.last_number - process.batches - process.dropped_batches
    )  # a dropped one has a number too
    if missing > 0:
        told.append(f"Of its {process.last_number:,} batches, {missing:,} did not get here yet.")
    return told


def _gap(first: int, last: int, records: int) -> str:
    begin, end = _time(first), _time(last)
    when = f"at {begin}" if begin == end else f"between {begin} and {end}"
    return f"{counted(records, 'record')} {when} did not get here."


def _time(ns: int) -> str:
    time = clock_time(ns)[:8]
    return time if clock_date(ns) == clock_date(now_ns()) else f"{clock_date(ns)} {time}"


def _state(process: AppProcess) -> str:
    if process.has_ended:
        return "ended"
    return "silent" if now_ns() - process.last_seen_ns > SILENT_NS else "reporting"


def _clock(process: AppProcess) -> str:
    offset, error = process.clock_offset_ns, process.clock_error_ns
    if offset is None or error is None:
        return "not measured yet"
    within = f"± {milliseconds(error)} ms"
    if abs(offset) <= error:
        return f"as ours, {within}"
    return f"{milliseconds(abs(offset))} ms {'behind' if offset > 0 else 'ahead of'} ours, {within}"


def _elsewhere(world: World, about: dict[str, Any]) -> str:
    """Asked of this machine's directories only: another host's mean nothing here."""
    location, host = _said(about, "location", 1000), _said(about, "host", 300)
    is_local = world.kind == "local" and _said(about, "world", TEXT) == "local"
    if not is_local or not os.path.isabs(location) or host != socket.gethostname():
        return ""
    try:
        return "" if os.path.realpath(location) == world.location else location[:PATH]
    except (OSError, ValueError):
        return ""


def _said(about: dict[str, Any], key: str, limit: int) -> str:
    value = about.get(key)
    return str(value)[:limit] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _number(gap: dict[str, Any], key: str) -> int:
    value = gap.get(key)
    return value if isinstance(value, int) else 0
