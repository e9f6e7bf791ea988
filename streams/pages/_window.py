"""Which rows of a stream a page shows: all of a short one, else a window found by keyset on arrival."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from streams import queries
from streams.models import Stream
from streams.order import BEHIND, CLOSE2
from streams.queries import ChunkRow

ALL_ROWS = 400
ROWS = 200
ABOVE = 60  # rows above the one asked for by `?at=`


@dataclass(frozen=True)
class Window:
    rows: list[ChunkRow]
    has_earlier: bool
    has_later: bool  # then new chunks are not appended, only counted
    problem_before: int | None  # the nearest outside the window
    problem_after: int | None

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
    """`?at=`, `?before=` or `?after=` an arrival; without any of them the end of the stream."""
    rows = _rows(stream, query)
    first, last = (rows[0].arrival, rows[-1].arrival) if rows else (0, 0)
    return Window(
        rows,
        has_earlier=first > 1,
        has_later=last < stream.head,
        problem_before=queries.problem_before(stream.pk, first) if first > 1 else None,
        problem_after=queries.problem_after(stream.pk, last) if last < stream.head else None,
    )


def _rows(stream: Stream, query: Mapping[str, str]) -> list[ChunkRow]:
    at, before, after = (arrival_in(query.get(name, "")) for name in ("at", "before", "after"))
    if stream.head <= ALL_ROWS:
        return queries.chunk_rows(stream.pk, 0, ALL_ROWS)
    if at is not None:
        return queries.chunk_rows(stream.pk, max(0, min(at, stream.head) - ABOVE), ROWS)
    if after is not None:
        return queries.chunk_rows(stream.pk, min(after, stream.head - ROWS), ROWS)
    if before is not None:
        return queries.chunk_rows_before(stream.pk, max(before, ROWS + 1), ROWS)
    return queries.chunk_rows_before(stream.pk, None, ROWS)


def arrival_in(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None
