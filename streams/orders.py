"""The three orders of a stream's chunks, and the smallest set of chunks that moved between two of them.

`stored`: by chunk id, what a later reader gets. `arrival`: as they became durable. `writer`: as the writer meant
them, which only reports of writes tell. The writer's order says something within one scope only, so the chunks of
a scope keep the places that they have together in the other order. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from streams.rebuilt import PROVED, SUSPECTED, Told, writers_order
from streams.sequence import moved_by_sequence

Order = Literal["writer", "arrival", "stored"]
WRITER: Order = "writer"
ARRIVAL: Order = "arrival"
STORED: Order = "stored"
ORDERS: tuple[Order, ...] = (WRITER, ARRIVAL, STORED)
Pair = tuple[Order, Order]


class Placed(NamedTuple):
    arrival: int
    chunk_id: str
    is_close: bool = False
    marked: str = ""  # how sure it is that it moved, as the stream was judged


class Unstored(NamedTuple):
    """A write that became no chunk."""

    pk: int
    scope: Hashable
    number: tuple[int, ...]


class Move(NamedTuple):
    by: int  # places; above 0: earlier in the right order than in the left one, below: later
    certainty: str


@dataclass(frozen=True)
class Comparison:
    """Both orders as arrivals of the same chunks, end markers too."""

    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    moved: Mapping[int, Move] = field(default_factory=dict)
    closes: frozenset[int] = frozenset()
    known: frozenset[int] = frozenset()  # data chunks of which both orders are known
    certainty: str = PROVED  # of what is said to be in order

    @property
    def total(self) -> int:
        """Data chunks."""
        return len(self.left) - len(self.closes)

    @cached_property
    def moved_chunks(self) -> dict[int, Move]:
        return {arrival: move for arrival, move in self.moved.items() if arrival not in self.closes}


def compare(
    chunks: Iterable[Placed], told: Iterable[Told], pair: Pair, *, judged: bool = False
) -> Comparison:
    """`judged`: only some chunks of a stream are given, and which of all moved is in their `marked`."""
    by_arrival = {one.arrival: one for one in chunks}
    reports: dict[int, Told] = {}
    for one in told if WRITER in pair else ():
        if one.arrival in by_arrival:
            reports.setdefault(one.arrival, one)
    closes = frozenset(arrival for arrival, one in by_arrival.items() if one.is_close)
    left, right = (_in_order(by_arrival, reports, pair, order) for order in pair)
    moved = _moved(by_arrival, reports, pair, closes, judged)
    rank = {arrival: at for at, arrival in enumerate(left)}
    moves = {
        arrival: Move(rank[arrival] - at, moved[arrival])
        for at, arrival in enumerate(right)
        if arrival in moved
    }
    known = frozenset(reports if WRITER in pair else by_arrival) - closes
    is_exact = all(reports[arrival].is_exact for arrival in known & reports.keys())
    return Comparison(left, right, moves, closes, known, PROVED if is_exact else SUSPECTED)


def _in_order(
    chunks: Mapping[int, Placed], reports: Mapping[int, Told], pair: Pair, order: Order
) -> tuple[int, ...]:
    if order == STORED:
        return tuple(one.arrival for one in sorted(chunks.values(), key=lambda one: one.chunk_id))
    if order == ARRIVAL:
        return tuple(sorted(chunks))
    places = _in_order(chunks, reports, pair, _other(pair))
    return writers_order(places, reports.values()).arrivals or places


def _other(pair: Pair) -> Order:
    """The one of the two orders that is known of all chunks; the stored one of two."""
    return ARRIVAL if set(pair) == {WRITER, ARRIVAL} else STORED


def _moved(
    chunks: Mapping[int, Placed],
    reports: Mapping[int, Told],
    pair: Pair,
    closes: frozenset[int],
    judged: bool,
) -> dict[int, str]:
    """Arrival to how sure that is."""
    places = _in_order(chunks, reports, pair, _other(pair))
    if WRITER not in pair:
        return dict.fromkeys(smallest_moved(sorted(chunks), places, closes), PROVED)
    found: set[int] = set()
    scopes: defaultdict[Hashable, list[int]] = defaultdict(list)
    for arrival in places:
        if arrival in reports:
            scopes[reports[arrival].scope].append(arrival)
    for group in scopes.values():
        found |= smallest_moved(sorted(group, key=lambda one: reports[one].number), group, closes)
    if set(pair) == {WRITER, STORED}:
        found = _with_marked(found, chunks, reports, closes, judged)
    return {arrival: _certainty(chunks[arrival], reports.get(arrival)) for arrival in found}


def smallest_moved(
    meant: Sequence[int], stored: Sequence[int], closes: frozenset[int] = frozenset()
) -> set[int]:
    """The fewest chunks that have to move to get from one order to the other: all but a longest increasing
    subsequence. End markers take no part; one moved if it changed sides with a chunk that did not."""
    rank = {arrival: at for at, arrival in enumerate(meant)}
    data = [arrival for arrival in stored if arrival not in closes]
    moved = {data[at] for at in moved_by_sequence([rank[arrival] for arrival in data])}
    before, after = (_kept_before(order, moved, closes) for order in (meant, stored))
    return moved | {arrival for arrival in before if before[arrival] != after[arrival]}


def _kept_before(order: Sequence[int], moved: set[int], closes: frozenset[int]) -> dict[int, int]:
    """How many chunks that stay stand before each end marker."""
    found: dict[int, int] = {}
    kept = 0
    for arrival in order:
        if arrival in closes:
            found[arrival] = kept
        elif arrival not in moved:
            kept += 1
    return found


def _with_marked(
    found: set[int],
    chunks: Mapping[int, Placed],
    reports: Mapping[int, Told],
    closes: frozenset[int],
    judged: bool,
) -> set[int]:
    """The message's grammar knows where chunks belong that no report tells of; and what was judged with all
    chunks in view is better than what a part of them says."""
    marked = {arrival for arrival, one in chunks.items() if one.marked}
    return marked | (found & closes) if judged else found | (marked - reports.keys())


def _certainty(chunk: Placed, told: Told | None) -> str:
    return PROVED if told is not None and told.is_exact else chunk.marked or SUSPECTED


def with_unstored(
    order: Sequence[int], told: Iterable[Told], unstored: Iterable[Unstored]
) -> list[int | Unstored]:
    """A writer's order with the writes that became no chunk in their places: after what the same writer wrote
    before; before all of it if that was nothing; at the end if nothing of that writer is there."""
    place = {arrival: at for at, arrival in enumerate(order)}
    numbers: defaultdict[Hashable, list[tuple[tuple[int, ...], int]]] = defaultdict(list)
    for one in told:
        if one.arrival in place:
            numbers[one.scope].append((one.number, place[one.arrival]))
    for some in numbers.values():
        some.sort()
    slots: defaultdict[int, list[Unstored]] = defaultdict(list)
    for ghost in sorted(unstored, key=lambda one: (one.number, one.pk)):
        slots[_slot(numbers.get(ghost.scope, []), ghost.number, len(order))].append(ghost)
    mixed: list[int | Unstored] = []
    for at, arrival in enumerate(order):
        mixed += [*slots[at], arrival]
    return mixed + slots[len(order)]


def _slot(numbers: Sequence[tuple[tuple[int, ...], int]], number: tuple[int, ...], end: int) -> int:
    at = bisect_left(numbers, (number, -1))
    if at:
        return numbers[at - 1][1] + 1
    return numbers[0][1] if numbers else end
