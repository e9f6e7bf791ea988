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
from streams.order import BEHIND, CLOSE2
from streams.queries import ChunkRow
from streams.search import Filter, filter_in, find

ALL_ROWS = 400
ROWS = 200
ASKED_CHARS = 60
ABOVE = 60  # rows above the one asked for by `?at=`


@dataclass(frozen=True)
class Window:
    rows: list[ChunkRow]
    has_earlier: bool
    has_later: bool  # then new chunks are not appended, only counted
    problem_before: int | None  # the nearest outside the window
    problem_after: int | None
    wanted: Filter = Filter()  # noqa: RUF009 - a constant
    looked_to: int = 0  # of a filtered window: everything up to there was looked at
    asked: str = ""  # `?go=`, as it was written
    goal: int | None = None  # the arrival that it means

    @cached_property
    def first(self) -> int:
        return self.rows[0].arrival if self.rows else 0

    @cached_property
    def last(self) -> int:
        return self.rows[-1].arrival if self.rows else 0

    @cached_property
    def has_behind(self) -> bool:
        return any(row.marks & (BEHIND | CLOSE2) for row in self.rows)

    @property
    def is_all(self) -> bool:
        return not self.has_earlier and not self.has_later


def window_of(stream: Stream, query: Mapping[str, str]) -> Window:
    """`?at=`, `?before=` or `?after=` an arrival, `?go=` a goal; without any of them the end of the stream."""
    wanted, asked = filter_in(query), query.get("go", "")
    goal = goal_of(stream, asked) if asked else None
    if wanted:
        found = _filtered(stream, wanted, arrival_in(query.get("after", "")) or 0)
        return replace(found, asked=asked[:ASKED_CHARS], goal=goal)
    rows = _rows(stream, query, goal)
    first, last = (rows[0].arrival, rows[-1].arrival) if rows else (0, 0)
    return Window(
        rows,
        has_earlier=first > 1,
        has_later=last < stream.head,
        problem_before=queries.problem_before(stream.pk, first) if first > 1 else None,
        problem_after=queries.problem_after(stream.pk, last) if last < stream.head else None,
        asked=asked[:ASKED_CHARS],
        goal=goal,
    )


def _filtered(stream: Stream, wanted: Filter, after: int) -> Window:
    """Rows that fit, from an arrival on. New chunks are not appended to them, only counted."""
    found = find(stream, wanted, after, ROWS)
    return Window(found.rows, False, not found.is_end, None, None, wanted, found.looked_to)


def _rows(stream: Stream, query: Mapping[str, str], goal: int | None) -> list[ChunkRow]:
    at, before, after = (arrival_in(query.get(name, "")) for name in ("at", "before", "after"))
    at = goal or at
    if stream.head <= ALL_ROWS:
        return queries.chunk_rows(stream.pk, 0, ALL_ROWS)
    if at is not None:
        return queries.chunk_rows(stream.pk, max(0, min(at, stream.head) - ABOVE), ROWS)
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
