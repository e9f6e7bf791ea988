"""Which rows of a stream a page shows: all of a short one, else a window found by keyset on arrival."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

from dashboard.lib.clock import NS_PER_S
from streams import queries
from streams.models import Stream
from streams.queries import ChunkRow
from streams.search import Filter, filter_in, find

ALL_ROWS = 120  # as many as the page ever holds (stream-window.js)
ROWS = 60
ASKED_CHARS = 60
ABOVE = 20  # rows above the one asked for


@dataclass(frozen=True)
class Window:
    rows: list[ChunkRow]
    has_earlier: bool
    has_later: bool  # then new chunks are not appended, only counted
    wanted: Filter = Filter()  # noqa: RUF009 - a constant
    looked_to: int = 0  # of a filtered window: everything up to there was looked at
    notes: tuple[str, ...] = ()  # of a filtered window: what could not be looked into
    asked: str = ""  # `?go=`, as it was written
    goal: int | None = None  # the arrival that is asked for

    @cached_property
    def first(self) -> int:
        return self.rows[0].arrival if self.rows else 0

    @cached_property
    def last(self) -> int:
        return self.rows[-1].arrival if self.rows else 0

    @property
    def is_all(self) -> bool:
        return not self.has_earlier and not self.has_later


def window_of(stream: Stream, query: Mapping[str, str], key: bytes | None = None) -> Window:
    """`?at=`, `?before=` or `?after=` an arrival, `?go=` a goal, `?next=` or `?prev=` problem from an arrival on;
    without any of them the end of the stream."""
    wanted, asked = filter_in(query), query.get("go", "")[:ASKED_CHARS]
    goal = _goal(stream, query)
    if wanted:
        found = _filtered(stream, wanted, arrival_in(query.get("after", "")) or 0, key)
        return replace(found, asked=asked, goal=goal)
    rows = _rows(stream, query, goal)
    first, last = (rows[0].arrival, rows[-1].arrival) if rows else (0, 0)
    return Window(rows, first > 1, last < stream.head, asked=asked, goal=goal)


def _goal(stream: Stream, query: Mapping[str, str]) -> int | None:
    if asked := query.get("go"):
        return goal_of(stream, asked)
    if (after := arrival_in(query.get("next", ""))) is not None:
        return queries.problem_after(stream.pk, after)
    if (before := arrival_in(query.get("prev", ""))) is not None:
        return queries.problem_before(stream.pk, before)
    at = arrival_in(query.get("at", ""))
    return None if at is None else max(1, min(at, stream.head))


def _filtered(stream: Stream, wanted: Filter, after: int, key: bytes | None) -> Window:
    """Rows that fit, from an arrival on. New chunks are not appended to them, only counted."""
    found = find(stream, wanted, after, ROWS, key=key)
    return Window(found.rows, False, not found.is_end, wanted, found.looked_to, found.notes)


def _rows(stream: Stream, query: Mapping[str, str], goal: int | None) -> list[ChunkRow]:
    before, after = (arrival_in(query.get(name, "")) for name in ("before", "after"))
    if stream.head <= ALL_ROWS:
        return queries.chunk_rows(stream.pk, 0, ALL_ROWS)
    if goal is not None:
        # Full windows at both ends: a chunk near the end has more rows above it.
        return queries.chunk_rows(stream.pk, max(0, min(goal - ABOVE, stream.head - ROWS)), ROWS)
    if after is not None:
        return queries.chunk_rows(stream.pk, min(after, stream.head - ROWS), ROWS)
    if before is not None:
        return queries.chunk_rows_before(stream.pk, max(before, ROWS + 1), ROWS)
    return queries.chunk_rows_before(stream.pk, None, ROWS)


_CLOCK = re.compile(r"(?:(\d{4}-\d\d-\d\d)[T ])?(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?")


def goal_of(stream: Stream, text: str) -> int | None:
    """The arrival that `?go=` means: a position (`17`), an arrival (`#17`), or a time (`22:26:40.5`, UTC, of the
    day on which the stream began unless a date stands before it). None if there is no such chunk."""
    text = text.strip()
    if (arrival := arrival_in(text.removeprefix("#"))) is not None:
        return arrival if text.startswith("#") else queries.arrival_of_position(stream, arrival)
    clock = _CLOCK.fullmatch(text)
    if clock is None or stream.first_stored_ns is None:
        return None
    date, hours, minutes, seconds, part = clock.groups("")
    day = date or datetime.fromtimestamp(stream.first_stored_ns // NS_PER_S, UTC).date().isoformat()
    try:
        moment = datetime.fromisoformat(f"{day}T{hours}:{minutes}:{seconds or '00'}+00:00")
    except ValueError:
        return None
    return queries.arrival_at(stream, int(moment.timestamp()) * NS_PER_S + int(part.ljust(9, "0") or 0))


def arrival_in(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
