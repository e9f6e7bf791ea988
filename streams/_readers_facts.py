"""What the reader simulator is told, and what it answers: plain facts, no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

LIVE, LATER = "live", "later"

CLOSED = "closed"
WAITS = "waits"  # the reader gets nothing more, and is not told that it is over
UNKNOWN = "unknown"

PROVED, SUSPECTED, UNCHECKED = "proved", "suspected", "not checked"
_RANK = (PROVED, SUSPECTED, UNCHECKED)


class StoredChunk(NamedTuple):
    """One chunk or end marker as it is stored, and what is known of the write that made it.

    `called_ns` and `done_ns` (when the call came back) are the writing process's clock, None where nothing
    reported them. `notified` is its place in the order in which the world told its readers, where that was heard.
    """

    arrival: int
    chunk_id: str
    is_close: bool
    size: int = 1
    stored_ns: int | None = None  # the world's clock
    called_ns: int | None = None
    done_ns: int | None = None
    process: str = ""
    call: int | None = None  # number of the call within its process; one call can hand over several chunks
    notified: int | None = None


@dataclass(frozen=True)
class ReaderFacts:
    """All chunks of one stream. `missing` says what of it is not here, and so cannot be answered for."""

    chunks: Sequence[StoredChunk]
    missing: str = ""

    @cached_property
    def stored(self) -> list[StoredChunk]:
        """In reading order."""
        return sorted(self.chunks, key=lambda chunk: chunk.chunk_id)

    @cached_property
    def labels(self) -> dict[int, str]:
        """What people call each chunk: its position, or # and its arrival behind the end marker."""
        found: dict[int, str] = {}
        closed = False
        for position, chunk in enumerate(self.stored):
            closed = closed or chunk.is_close
            found[chunk.arrival] = f"#{chunk.arrival}" if closed else str(position)
        return found


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader gets: arrivals in the order of delivery, where a chunk can come twice.

    `error` is the text of what failed. The SDK gives it to nobody who reads: the reader then waits. `why` says
    what is not certain and which evidence was missing; where the reading was not checked, there is nothing else.
    """

    kind: str
    start: int
    arrivals: tuple[int, ...] = ()
    ended: str = UNKNOWN
    error: str = ""
    sure: str = PROVED
    why: tuple[str, ...] = field(default=())


class Doubt:
    """Collects why an answer is less than certain; the worst reason decides."""

    def __init__(self) -> None:
        self.sure = PROVED
        self.why: list[str] = []

    def add(self, sure: str, why: str) -> None:
        self.sure = max(self.sure, sure, key=_RANK.index)
        if why not in self.why:
            self.why.append(why)

    @property
    def is_hopeless(self) -> bool:
        return self.sure == UNCHECKED
