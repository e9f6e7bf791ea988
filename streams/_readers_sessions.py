"""One reading after the other, as the SDK's reader opens them: what each gives, and whether it opens another.

A session begins with what is stored at that moment, in the order of ids, and goes on with the writes that complete
later. `order` is all chunks in the order in which readers were told of them; `at` is how many had been told of.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from streams._readers_facts import CLOSED, WAITS, StoredChunk
from streams._readers_rules import AFTER_ERRORS, NEVER, ReaderRules

FAILED = "failed"
BEHIND_CLOSE = "TypeError: Invalid state: Controller is already closed"
IN_A_ROW, IN_TOTAL = (
    50,
    1000,
)  # how often the SDK's reader opens a stream again: without a new chunk, and at all


@dataclass(frozen=True, slots=True)
class Session:
    chunks: Sequence[StoredChunk]
    ended: str  # CLOSED, WAITS or FAILED
    at: int  # how many writes had been told of when it ended


@dataclass(frozen=True, slots=True)
class Outcome:
    chunks: Sequence[StoredChunk]
    ended: str
    error: str = ""


class _Stored:
    """What is stored at one moment, in reading order."""

    def __init__(self, chunks: Sequence[StoredChunk]) -> None:
        self.rows = sorted(chunks, key=lambda chunk: chunk.chunk_id)
        self.closes = [index for index, row in enumerate(self.rows) if row.is_close]

    def close_from(self, index: int) -> int | None:
        """The first end marker at or behind an index."""
        found = bisect_left(self.closes, index)
        return self.closes[found] if found < len(self.closes) else None

    def first(self, start: int, rules: ReaderRules) -> int:
        """`startIndex` as an index of rows; a negative one counts from the end."""
        if start >= 0:
            return start
        count = len(self.rows)
        if not rules.closes_have_index and self.closes:
            count = self.closes[0]
        elif self.closes and self.closes[-1] == count - 1:
            count -= 1  # only an end marker that is the very last is left out
        return max(0, count + start)

    @property
    def tail(self) -> int | None:
        """Index of the last chunk as the world names it; None while the stream is not closed."""
        return self.closes[0] - 1 if self.closes else None


class Reader:
    """The SDK's reader, as `getReadable()` gives it."""

    def __init__(self, rules: ReaderRules, order: Sequence[StoredChunk]) -> None:
        self.rules = rules
        self.order = order
        # A reader that opens the stream again finds, most often, what it found before.
        self._stored = cache(lambda at: _Stored(order[:at]))

    def read(self, start: int, at: int) -> Outcome:
        got: list[StoredChunk] = []
        in_a_row = total = 0
        while True:
            session = self._session(start, at)
            got += session.chunks
            if session.ended == WAITS:
                return Outcome(got, WAITS)
            if start < 0 or not self._opens_again(session, start):
                failed = session.ended == FAILED
                return Outcome(got, WAITS if failed else CLOSED, BEHIND_CLOSE if failed else "")
            start, at = start + len(session.chunks), session.at
            in_a_row, total = 1 if session.chunks else in_a_row + 1, total + 1
            if error := _spent(in_a_row, total):
                return Outcome(got, WAITS, error)

    def _opens_again(self, session: Session, start: int) -> bool:
        if self.rules.resumes == NEVER:
            return False
        if session.ended == FAILED:
            return True
        if self.rules.resumes == AFTER_ERRORS:
            return False
        tail = self._stored(session.at).tail
        return tail is None or start + len(session.chunks) <= tail

    def _session(self, start: int, at: int) -> Session:
        stored = self._stored(at)
        first = stored.first(start, self.rules)
        close = stored.close_from(first if self.rules.closes_have_index else 0)
        data = _delivered(stored.rows[first:close])
        if close is None:
            return self._goes_on(list(data), first, at)
        if self.rules.fails_behind_close and close + 1 < len(stored.rows) and len(data) > 1:
            return Session(data[:1], FAILED, at)
        return Session(data, CLOSED, at)

    def _goes_on(self, got: list[StoredChunk], first: int, at: int) -> Session:
        """Adds to what was stored what is written from then on."""
        rows = self._stored(at).rows
        skip = max(0, first - len(rows)) if self.rules.honours_start_live else 0
        seen = rows if self.rules.skipped_count else rows[first:]
        last = seen[-1].chunk_id if seen else ""
        for told, chunk in enumerate(self.order[at:], at + 1):
            if self.rules.drops_lower and chunk.chunk_id <= last:
                continue
            if skip and (self.rules.closes_have_index or not chunk.is_close):
                skip -= 1
                last = chunk.chunk_id if self.rules.skipped_count else last
                continue
            last = chunk.chunk_id
            if chunk.is_close:
                return Session(got, CLOSED, told)
            got += _delivered([chunk])
        return Session(got, WAITS, len(self.order))


def _delivered(rows: Sequence[StoredChunk]) -> list[StoredChunk]:
    """Without what holds no bytes: readers are not told of it."""
    return [row for row in rows if row.size and not row.is_close]


def _spent(in_a_row: int, total: int) -> str:
    if in_a_row > IN_A_ROW:
        return f"exceeded maximum reconnection attempts ({IN_A_ROW})"
    return f"exceeded maximum total reconnection attempts ({IN_TOTAL})" if total > IN_TOTAL else ""
