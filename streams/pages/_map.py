"""The minimap: the whole stream in a strip, by arrival; how fast chunks came, where the problems are, and of which
kind. As much work for a million chunks as for a thousand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log10

from dashboard.lib.clock import NS_PER_S
from runs.pages._format import counted, duration
from streams import queries
from streams.models import Stream
from streams.order import BEHIND, CLOSE2, MOVED, MOVED_PROVED
from streams.pages._map_rows import Kinds, Problems, problems_of

BINS = 60
FROM = 40  # chunks: a shorter stream is seen whole in its rows
HEIGHT, FLAG = 28, 4
_MOVED, _UNREAD = MOVED | MOVED_PROVED, BEHIND | CLOSE2
_KINDS = (
    (_MOVED, "moved", "moved"),
    (BEHIND, "behind", "never read"),
    (CLOSE2, "close2", "further end marker"),
)


@dataclass(frozen=True, slots=True)
class Bin:
    x: float  # per cent of the width
    width: float
    height: float  # pixels, from the bottom: the rate, on a logarithmic scale
    first: int  # arrivals
    last: int
    kinds: Kinds
    title: str

    @property
    def problems(self) -> int:
        return sum(self.kinds.values())

    def share(self, bits: int) -> float:
        """Of its chunks."""
        return sum(count for marks, count in self.kinds.items() if marks & bits) / (
            self.last - self.first + 1
        )


@dataclass(frozen=True, slots=True)
class Map:
    head: int
    bins: list[Bin]
    window_x: float
    window_width: float
    problems: int
    words: list[tuple[str, str]]  # problems by kind: style, words
    paths: list[
        tuple[str, str]
    ]  # one for the bars, then of each kind of problem its part of them, and a flag
    gates: list[tuple[str, float]]  # end markers: style, per cent
    is_sampled: bool

    @property
    def count(self) -> str:
        return f"{self.head:,}"


def map_of(stream: Stream, first: int, last: int) -> Map | None:
    """`first` and `last` are the arrivals of the rows that are shown."""
    head = stream.head
    if head < FROM:
        return None
    edges = [1 + head * number // BINS for number in range(BINS)] + [head + 1]
    spans = [(edges[at], edges[at + 1] - 1) for at in range(BINS) if edges[at + 1] > edges[at]]
    times = queries.stored_at(stream.pk, [*edges[:-1], head])
    found = problems_of(stream, BINS)
    bins = [_bin(head, span, times, found) for span in spans]
    shown = 100 * max(0, last - first + 1) / head
    return Map(
        head,
        bins,
        100 * max(0, first - 1) / head,
        max(0.6, shown),
        found.total,
        _words(found),
        _paths(bins),
        [(f"gate{'2' if again else ''}", 100 * (arrival - 0.5) / head) for arrival, again in found.closes],
        found.is_sampled,
    )


def _bin(head: int, span: tuple[int, int], times: dict[int, int], found: Problems) -> Bin:
    first, last = span
    count = last - first + 1
    began, ended = times.get(first), times.get(min(last + 1, head))
    took = None if began is None or ended is None or ended <= began else ended - began
    rate = count * NS_PER_S / took if took else None
    kinds = found.by_bin.get((first - 1) * BINS // head, {})
    words = [f"chunks {first:,} to {last:,}"]
    words += [f"{duration(took)}, {rate:,.0f}/s"] if took and rate is not None else []
    words += [f"{'about ' if found.is_sampled else ''}{text}" for _, text in _kind_words(kinds)]
    height = 3.0 if rate is None else min(HEIGHT, 3 + 6 * log10(1 + rate))
    return Bin(100 * (first - 1) / head, 100 * count / head, height, first, last, kinds, ", ".join(words))


def _kind_words(kinds: Kinds) -> Iterable[tuple[str, str]]:
    for bits, style, word in _KINDS:
        if count := sum(number for marks, number in kinds.items() if marks & bits):
            yield style, f"{count:,} {word}" if style != "close2" else counted(count, word)


def _words(found: Problems) -> list[tuple[str, str]]:
    return list(_kind_words(found.totals))


def _paths(bins: list[Bin]) -> list[tuple[str, str]]:
    """Bars are coloured as far up as problems are a part of their chunks; flags at the upper edge show few ones too."""
    paths = [("rate", _bars((one, 0, one.height) for one in bins))]
    for bits, style, top in ((_MOVED, "moved", 0), (_UNREAD, "behind", FLAG)):
        some = [one for one in bins if one.share(bits)]
        if some:
            below = {one.first: _part(one, _MOVED) if bits is _UNREAD else 0.0 for one in some}
            paths.append((f"part {style}", _bars((one, below[one.first], _part(one, bits)) for one in some)))
            paths.append((f"flag {style}", _bars((one, HEIGHT - top - FLAG, FLAG) for one in some)))
    return paths


def _part(one: Bin, bits: int) -> float:
    share = one.share(bits)
    return max(2.0, one.height * min(1.0, share)) if share else 0.0


def _bars(bars: Iterable[tuple[Bin, float, float]]) -> str:
    """Of each how far above the lower edge it begins, and its height."""
    return "".join(
        f"M{one.x * 10:.2f} {HEIGHT - below:.1f}v{-height:.1f}h{max(0.5, one.width * 10 - 1):.2f}v{height:.1f}z"
        for one, below, height in bars
    )
