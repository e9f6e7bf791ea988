"""The orders of a stream: positions, and the marks that follow from stored facts alone.

Reading order is the order of chunk ids, the order in which every reader gets the chunks. Arrival is the order
in which they became durable.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from streams.chunk_types import MessageShape, chunk_type, chunk_values, is_anywhere
from streams.facts import ChunkFact
from streams.tool_calls import text_id

CLOSE = 1  # the end marker
OVERTAKEN = (
    2  # a chunk that readers get later became durable earlier: neutral, parallel writes of one batch do it
)
BEHIND = 4  # data behind the end marker: no reader gets it
CLOSE2 = 8  # a further end marker
MOVED = 16  # out of order, suspected
MOVED_PROVED = 32  # out of order, proved
PROBLEM_FROM = BEHIND  # a mask of at least this has a problem

PURGED = "chnk_" + "0" * 26  # the end marker that stands for a stream purged by retention; sorts first

_WORDS = (
    (MOVED | MOVED_PROVED, "moved"),
    (OVERTAKEN, "overtaken"),
    (BEHIND, "behind"),
    (CLOSE, "close"),
    (CLOSE2, "close2"),
)
_CHUNK, _FRAME = (
    3,
    4,
)  # costs of calling a chunk moved: as few as possible, rather a delta than a start or an end


def mark_names(mask: int) -> list[str]:
    return [word for bits, word in _WORDS if mask & bits]


def place(is_close: bool, closed: bool, position: int) -> tuple[int | None, int]:
    """Position and mark of the next chunk in reading order; `position` is the next free one."""
    if is_close:
        return None, (CLOSE2 if closed else CLOSE)
    return (None, BEHIND) if closed else (position, 0)


def positions(
    closes: Iterable[bool], *, start: int = 0, closed: bool = False
) -> Iterator[tuple[int | None, int]]:
    """Number chunks in reading order. `closes` says of each whether it is an end marker.

    Yields position and mark (0, CLOSE, CLOSE2 or BEHIND) of each. `start` and `closed` are the state before
    the first of them.
    """
    for is_close in closes:
        position, mark = place(is_close, closed, start)
        start += position is not None
        closed = closed or is_close
        yield position, mark


class _Part:
    """One start, what follows it, and one end. Indexes of chunks; kept are only those that could be moved."""

    __slots__ = ("early", "end", "ends", "late", "start", "starts")

    def __init__(self) -> None:
        self.starts = self.ends = 0
        self.start = self.end = -1
        self.early: array[int] | None = None  # before the start
        self.late: array[int] | None = None  # after the end

    def take(self, role: str, index: int) -> None:
        if role == "start":
            self.starts, self.start = self.starts + 1, index
        elif role == "end":
            self.ends, self.end = self.ends + 1, index
        else:
            if not self.starts:
                self.early = _with(self.early, index)
            if self.ends:
                self.late = _with(self.late, index)

    def moved(self) -> Iterator[tuple[int, bool]]:
        """The smallest set of chunks that puts the part in order without them; whether each is proved.

        With several starts it was repeated (a retry, another writer) or its id was used again: no verdict.
        """
        if self.starts != 1:
            return
        early, late = self.early or (), (self.late or ()) if self.ends == 1 else ()
        crossed = self.ends == 1 and self.end < self.start
        start_stays, end_stays = self._cheapest(len(early), len(late), crossed)
        for index in early if start_stays else (self.start,):
            yield index, True
        for index in late if end_stays else (self.end,):
            yield index, crossed and not end_stays

    @staticmethod
    def _cheapest(early: int, late: int, crossed: bool) -> tuple[bool, bool]:
        """Which of start and end stay in their place."""
        choices = [(True, False), (False, True), (False, False)]
        if not crossed:
            choices.insert(0, (True, True))
        return min(choices, key=lambda stay: _cost(stay[0], early) + _cost(stay[1], late))


def _cost(stays: bool, others: int) -> int:
    return _CHUNK * others if stays else _FRAME


def _with(indexes: array[int] | None, index: int) -> array[int]:
    indexes = array("q") if indexes is None else indexes
    indexes.append(index)
    return indexes


# Which part a chunk belongs to, by which field, and as what. A tool call is two parts: its input, and the
# outputs after it.
_CALL = "toolCallId"
_INPUT_DONE = (("tool", _CALL, "end"), ("output", _CALL, "start"))
_ROLES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    **{
        f"{kind}-{role}": ((kind, "id", role),)
        for kind in ("text", "reasoning")
        for role in ("start", "delta", "end")
    },
    "tool-input-start": (("tool", _CALL, "start"),),
    "tool-input-delta": (("tool", _CALL, "delta"),),
    "tool-input-available": _INPUT_DONE,
    "tool-input-error": _INPUT_DONE,
    "tool-output-available": (("output", _CALL, "delta"),),
    "tool-output-error": (("output", _CALL, "delta"),),
}


_DELTAS: Mapping[Any, str] = {"text-delta": "text", "reasoning-delta": "reasoning"}


class MovedChunks:
    """Chunks out of order by the message grammar alone, over the chunks that readers get, in reading order.

    `proved` only where the grammar leaves no other reading: something precedes its only start, which comes
    later in the same stream. Keeps numbers, no values.
    """

    def __init__(self) -> None:
        self._shape = MessageShape()
        self._arrivals = array("q")
        self._parts: dict[tuple[str, str], _Part] = {}
        self._blind = False
        self._starts = self._finishes = 0  # chunks `start` and `finish`
        self._start = self._finish = -1
        self._before_start = array("q")
        self._after_finish = array("q")

    def feed(self, chunk: ChunkFact) -> None:
        if chunk.is_close or chunk.is_behind or self._shape.ruled_out:
            return
        values = chunk_values(chunk)
        self._blind |= values is None
        self._arrivals.append(chunk.arrival)
        if values is None:
            self._shape.feed(None)
        for value in values or ():
            if self._goes_on(value):
                continue
            self._shape.feed(value)
            kind = chunk_type(value)
            if kind is not None and not is_anywhere(kind):
                self._take(kind, value, len(self._arrivals) - 1)

    def _goes_on(self, value: Any) -> bool:
        """A delta between the start and the end of its part, in a message that began: nearly all chunks are this."""
        family = _DELTAS.get(value.get("type")) if value.__class__ is dict else None
        if family is None or not self._starts or self._finishes or not self._shape.is_settled:
            return False
        part_id = value.get("id")
        part = self._parts.get((family, part_id)) if part_id.__class__ is str else None
        return part is not None and part.starts > 0 and not part.ends

    def _take(self, kind: str, value: dict[str, Any], index: int) -> None:
        if kind == "start":
            self._starts, self._start = self._starts + 1, index
        elif kind == "finish":
            self._finishes, self._finish = self._finishes + 1, index
        else:
            if not self._starts:
                self._before_start.append(index)
            if self._finishes:
                self._after_finish.append(index)
            for family, field, role in _ROLES.get(kind, ()):
                self._part(family, text_id(value, field)).take(role, index)

    def _part(self, family: str, part_id: str) -> _Part:
        part = self._parts.get((family, part_id))
        if part is None:
            part = self._parts[family, part_id] = _Part()
        return part

    def moved(self) -> dict[int, bool]:
        """Arrival to whether it is proved, for what has been fed so far."""
        if not self._shape.is_message:
            return {}
        found: dict[int, bool] = {}
        for part in self._parts.values():
            for index, proved in part.moved():
                found[index] = found.get(index, False) or proved
        for index in self._misframed(found):
            found.setdefault(index, False)
        return {self._arrivals[index]: proved and not self._blind for index, proved in found.items()}

    def _misframed(self, moved: dict[int, bool]) -> Iterator[int]:
        """`start` behind and `finish` before chunks of the one message that did not move themselves."""
        repeated = (
            self._starts > 1 or self._finishes > 1 or any(part.starts > 1 for part in self._parts.values())
        )
        if repeated:
            return
        if self._starts and any(index not in moved for index in self._before_start):
            yield self._start
        late = [index for index in self._after_finish if index not in moved]
        yield from late if len(late) < 2 else (self._finish,)
