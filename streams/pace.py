"""How fast chunks came, and how long nothing came: rate, gaps and stalls by one clock. Pure.

All of it is made from points: arrivals and their times. Between two consecutive arrivals is a gap. Where arrivals
between two points were not read, only how many came in how long is known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

NS_PER_S = 1_000_000_000
BINS, FEWEST = 48, 12  # parts of the time axis
STALL_NS = NS_PER_S
LONGEST = 5
SPLIT, PARTS = 30, 10  # stretches that are looked into at a time, and into how many parts


class Point(NamedTuple):
    arrival: int
    at_ns: int


class Gap(NamedTuple):
    """From one arrival to the next, which ended it."""

    ns: int
    arrival: int
    from_ns: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Of so many values: half are at most `p50`, and so on."""

    count: int
    p50: int
    p90: int
    p99: int
    most: int


@dataclass(frozen=True, slots=True)
class Bin:
    """A part of the time axis. Gaps are of the chunks that came in it."""

    from_ns: int
    to_ns: int
    chunks: float  # estimated where not every chunk was read
    first: int | None  # the first arrival known in it
    gap_median: float | None
    gap_most: int | None

    @property
    def rate(self) -> float:
        """Chunks a second."""
        return self.chunks * NS_PER_S / max(1, self.to_ns - self.from_ns)


@dataclass(frozen=True, slots=True)
class Pace:
    from_ns: int
    to_ns: int
    bins: list[Bin]
    gaps: Spread | None
    longest: list[Gap]
    stalls: list[Gap]  # longer than STALL_NS, in order
    backwards: int  # times an arrival was earlier than the one before it
    unread_ns: (
        int | None
    )  # a gap that was not found is no longer than this; None: it is not among the longest


def pace_of(points: Sequence[Point], fair: Collection[int] | None = None) -> Pace | None:
    """`points` in the order of arrivals. `fair`: arrivals whose gaps were not chosen for their length, where
    some were; None if all are."""
    if len(points) < 2:
        return None
    times = [point.at_ns for point in points]
    begin, end = min(times), max(times)
    gaps = [Gap(b.at_ns - a.at_ns, b.arrival, a.at_ns) for a, b in pairwise(points) if _is_next(a, b)]
    some = [gap for gap in gaps if fair is None or gap.arrival in fair]
    return Pace(
        begin,
        end,
        _bins(points, some, gaps, _Axis(begin, end, len(points))) if end > begin else [],
        spread_of([gap.ns for gap in some if gap.ns >= 0]),
        sorted((gap for gap in gaps if gap.ns > 0), key=lambda gap: -gap.ns)[:LONGEST],
        [gap for gap in gaps if gap.ns > STALL_NS],
        sum(gap.ns < 0 for gap in gaps),
        _unread(points),
    )


def _is_next(a: Point, b: Point) -> bool:
    return b.arrival == a.arrival + 1


def spread_of(values: Sequence[int]) -> Spread | None:
    if not values:
        return None
    ordered = sorted(values)

    def at(part: float) -> int:
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]

    return Spread(len(ordered), at(0.5), at(0.9), at(0.99), ordered[-1])


class _Axis:
    """The parts of the time axis: fewer for few points, so that bars stand side by side."""

    def __init__(self, begin: int, end: int, points: int) -> None:
        self.begin, self.length, self.size = begin, end - begin, max(FEWEST, min(BINS, points))
        self.edges = [begin + self.length * at // self.size for at in range(self.size + 1)]

    def number(self, ns: int) -> int:
        return min(self.size - 1, (ns - self.begin) * self.size // self.length)


def _bins(points: Sequence[Point], fair: Sequence[Gap], gaps: Sequence[Gap], axis: _Axis) -> list[Bin]:
    chunks, first = _counts(points, axis)
    by_bin: list[list[int]] = [[] for _ in range(axis.size)]
    most: list[int | None] = [None] * axis.size
    for gap in fair:
        if gap.ns >= 0:
            by_bin[axis.number(gap.from_ns + gap.ns)].append(gap.ns)
    for gap in gaps:
        at = axis.number(gap.from_ns + gap.ns)
        most[at] = max(most[at] or 0, gap.ns)
    medians = [median(some) if some else None for some in by_bin]
    return [
        Bin(axis.edges[at], axis.edges[at + 1], chunks[at], first.get(at), medians[at], most[at])
        for at in range(axis.size)
    ]


def _counts(points: Sequence[Point], axis: _Axis) -> tuple[list[float], dict[int, int]]:
    """Chunks of each bin, those between two points spread evenly over their time; and the first known arrival."""
    chunks = [0.0] * axis.size
    start = axis.number(points[0].at_ns)
    first = {start: points[0].arrival}
    chunks[start] = 1.0
    for a, b in pairwise(points):
        low, high, count = axis.number(a.at_ns), axis.number(b.at_ns), b.arrival - a.arrival
        first[high] = min(first.get(high, b.arrival), b.arrival)
        if count == 1 or low >= high:
            chunks[high] += count
            continue
        for at in range(low, high + 1):
            inside = min(b.at_ns, axis.edges[at + 1]) - max(a.at_ns, axis.edges[at])
            chunks[at] += count * inside / (b.at_ns - a.at_ns)
    return chunks, first


class _Stretch(NamedTuple):
    """Between two points that are not next to each other: no gap in it is longer than it takes as a whole."""

    ns: int
    first: int
    last: int


def _stretches(points: Sequence[Point]) -> Iterator[_Stretch]:
    for a, b in pairwise(points):
        if not _is_next(a, b):
            yield _Stretch(b.at_ns - a.at_ns, a.arrival, b.arrival)


def _threshold(points: Sequence[Point]) -> int:
    """What a gap must be longer than to be one of the longest."""
    gaps = sorted((b.at_ns - a.at_ns for a, b in pairwise(points) if _is_next(a, b)), reverse=True)
    return max(0, gaps[LONGEST - 1]) if len(gaps) >= LONGEST else 0


def _unread(points: Sequence[Point]) -> int | None:
    longest = max((stretch.ns for stretch in _stretches(points)), default=0)
    return longest if longest > _threshold(points) else None


def look_closer(
    points: Sequence[Point], ask: Callable[[Sequence[int]], Mapping[int, int]], rounds: int
) -> list[Point]:
    """The same points and more of them where the longest gaps can be: each round reads some arrivals within the
    stretches that took longest for what came in them. It ends early once nothing unread can be longer than what
    was found."""
    known = dict(points)
    gaps = [b.at_ns - a.at_ns for a, b in pairwise(points) if _is_next(a, b)]
    usual = median(gaps) if gaps else 0

    def excess(stretch: _Stretch) -> tuple[float, int]:
        return stretch.ns - usual * (stretch.last - stretch.first), stretch.ns

    for _ in range(rounds):
        ordered = [Point(arrival, known[arrival]) for arrival in sorted(known)]
        threshold = _threshold(ordered)
        wide = sorted((one for one in _stretches(ordered) if one.ns > threshold), key=excess, reverse=True)
        wanted = {arrival for stretch in wide[:SPLIT] for arrival in _inside(stretch)}
        if not wanted:
            break
        found = ask(sorted(wanted))
        if not found:
            break
        known |= found
    return [Point(arrival, known[arrival]) for arrival in sorted(known)]


def _inside(stretch: _Stretch) -> set[int]:
    length = stretch.last - stretch.first
    return {stretch.first + length * at // PARTS for at in range(1, PARTS)} - {stretch.first} | {
        stretch.first + length // 2
    }
