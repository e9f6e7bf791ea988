"""The minimap: the whole stream in a strip, by arrival; how fast chunks came, and where the problems are."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10

from dashboard.lib.clock import NS_PER_S
from runs.pages._format import counted, duration
from streams import queries
from streams.models import Stream

BINS = 60
FROM = 40  # chunks: a shorter stream is seen whole in its rows
HEIGHT = 28


@dataclass(frozen=True, slots=True)
class Bin:
    x: float  # per cent of the width
    width: float
    height: float  # pixels, from the bottom: the rate, on a logarithmic scale
    top: float
    first: int  # arrivals
    last: int
    problems: int
    title: str


@dataclass(frozen=True, slots=True)
class Map:
    bins: list[Bin]
    window_x: float
    window_width: float
    problems: int


def map_of(stream: Stream, first: int, last: int) -> Map | None:
    """`first` and `last` are the arrivals of the rows that are shown."""
    head = stream.head
    if head < FROM:
        return None
    edges = [1 + head * number // BINS for number in range(BINS)] + [head + 1]
    times = queries.stored_at(stream.pk, [*edges[:-1], head])
    problems = queries.problems_by_bin(stream.pk, head, BINS)
    spans = [(edges[at], edges[at + 1] - 1) for at in range(BINS) if edges[at + 1] > edges[at]]
    bins = [_bin(head, span, times, problems.get((span[0] - 1) * BINS // head, 0)) for span in spans]
    shown = 100 * max(0, last - first + 1) / head
    return Map(bins, 100 * max(0, first - 1) / head, max(0.6, shown), sum(problems.values()))


def _bin(head: int, span: tuple[int, int], times: dict[int, int], problems: int) -> Bin:
    first, last = span
    count = last - first + 1
    began, ended = times.get(first), times.get(min(last + 1, head))
    took = None if began is None or ended is None or ended <= began else ended - began
    rate = count * NS_PER_S / took if took else None
    height = 3.0 if rate is None else min(HEIGHT, 3 + 6 * log10(1 + rate))
    words = [f"chunks {first:,} to {last:,}"]
    words += [f"{duration(took)}, {rate:,.0f}/s"] if took and rate is not None else []
    words += [counted(problems, "problem")] if problems else []
    x, width = 100 * (first - 1) / head, 100 * count / head
    return Bin(x, width, height, HEIGHT - height, first, last, problems, ", ".join(words))
