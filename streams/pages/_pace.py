"""The gap and rate chart of the stream page: two charts over one time axis, and the same as a table.

`?part=pace` is the panel by the stored clock, `&clock=minted` or `observed` by another; `&as=table` the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.lib.clock import NS_PER_MS
from runs.pages._format import counted, duration, milliseconds
from runs.worlds.base import has_times
from streams._lanes_axis import Axis, axis_over
from streams._pace_rows import CLOCKS, Read, read
from streams.models import Stream
from streams.origin import origin_kind
from streams.pace import STALL_NS, Bin, Pace, Spread

WIDTH, RATE, GAPS = 1000, 56, 72  # of the charts' own units; heights are pixels
TABLE_ROWS = 16
_STORED = {
    "local": "stored: the time of the chunk's file, which many systems keep in steps of 4 ms",
    "postgres": "stored: the database's created_at",
    "vercel": "not the world's: Vercel keeps no times of chunks. This is when Tailrace saw each, and not later than the"
    " end of its run; the probe or the recording proxy knows when each was written",
}
_OTHERS = {
    "minted": "minted: the time in the chunk's id, whole milliseconds by the writer's host",
    "observed": "observed: when Tailrace read it, which is often several chunks at a time",
}
_LEVELS = (1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 86_400_000)  # ms


class Cell(NamedTuple):
    x: float  # per cent
    width: float
    first: int | None
    title: str


class Level(NamedTuple):
    y: float  # pixels from the top of the chart
    label: str


class SpreadRow(NamedTuple):
    name: str
    numbers: list[str]  # milliseconds: half, 90 %, 99 %, most
    total: int


class TableRow(NamedTuple):
    at: str
    chunks: str
    rate: str
    gap_median: str
    gap_most: str
    first: int | None


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws. Paths are in units of `WIDTH` by the chart's height."""

    axis: Axis
    peak: str
    rate: str
    gap_median: str
    gap_most: str
    stalls: str
    levels: list[Level]
    cells: list[Cell]


def pace_part(request: HttpRequest, stream: Stream) -> HttpResponse:
    asked = request.GET.get("clock", "")
    clock = asked if asked in CLOCKS else "stored"
    found = read(stream, clock)
    context = {"stream": stream, "clock": clock, "clocks": list(CLOCKS), "found": found, "pace": found.pace}
    if request.GET.get("as") == "table":
        rows = _table(found.pace) if found.pace is not None else []
        return render(request, "streams/_pace_table.html", context | {"rows": rows})
    return render(request, "streams/_pace.html", context | _shown(stream, clock, found))


def _shown(stream: Stream, clock: str, found: Read) -> dict[str, object]:
    pace = found.pace
    if pace is None:
        return {}
    lag = found.lag if has_times(origin_kind(stream.world)) else None
    spreads = {"gap to the chunk before": pace.gaps, "delivery lag: observed minus stored": lag}
    return {
        "chart": _chart(pace, found.is_exact) if pace.bins else None,
        "spreads": [_spread(name, spread) for name, spread in spreads.items() if spread is not None],
        "summary": _summary(pace, found.is_exact),
        "notes": _notes(stream, clock, found, pace),
    }


def _spread(name: str, spread: Spread) -> SpreadRow:
    numbers = (spread.p50, spread.p90, spread.p99, spread.most)
    return SpreadRow(name, [milliseconds(number) for number in numbers], spread.count)


def _chart(pace: Pace, is_exact: bool) -> Chart:
    peak = max(part.rate for part in pace.bins) or 1.0
    most_ms = max([STALL_NS / NS_PER_MS / 100, *((part.gap_most or 0) / NS_PER_MS for part in pace.bins)])
    return Chart(
        axis_over(pace.from_ns, pace.to_ns, pace.from_ns, False),
        f"{peak:,.0f}/s" if peak >= 10 else f"{peak:,.1f}/s",
        _bars([RATE * part.rate / peak for part in pace.bins], RATE),
        _bars([_level(part.gap_median, most_ms) for part in pace.bins], GAPS),
        _bars([_level(part.gap_most, most_ms) for part in pace.bins], GAPS),
        _bands(pace),
        [
            Level(GAPS - _level(ms * NS_PER_MS, most_ms), duration(ms * NS_PER_MS))
            for ms in _LEVELS
            if ms <= most_ms
        ],
        [_cell(at, part, pace, is_exact) for at, part in enumerate(pace.bins)],
    )


def _level(ns: float | None, most_ms: float) -> float:
    """Pixels from the bottom, on a logarithmic scale."""
    return 0.0 if not ns else GAPS * min(1.0, log10(1 + ns / NS_PER_MS) / log10(1 + most_ms))


def _bars(heights: Sequence[float], bottom: int) -> str:
    width = WIDTH / len(heights)
    return "".join(
        f"M{at * width:.1f} {bottom}v{-max(height, 1):.1f}h{width:.1f}V{bottom}z"
        for at, height in enumerate(heights)
        if height > 0
    )


def _bands(pace: Pace) -> str:
    """One path for all stalls, however many they are: nothing came within them."""
    length, parts, upto = pace.to_ns - pace.from_ns, list[str](), -1.0
    for gap in pace.stalls:
        begin = WIDTH * (gap.from_ns - pace.from_ns) / length
        end = max(begin + 3, WIDTH * (gap.from_ns + gap.ns - pace.from_ns) / length)
        if end - upto >= 1:
            parts.append(f"M{begin:.1f} 0H{end:.1f}V{RATE + GAPS}H{begin:.1f}z")
            upto = end
    return "".join(parts)


def _cell(at: int, part: Bin, pace: Pace, is_exact: bool) -> Cell:
    about = "" if is_exact else "about "
    words = [
        f"+{duration(part.from_ns - pace.from_ns)}: {about}{counted(round(part.chunks), 'chunk')}, {part.rate:,.1f}/s"
    ]
    if part.gap_median is not None:
        words.append(f"median gap {duration(round(part.gap_median))}")
    if part.gap_most is not None:
        words.append(f"longest {'' if is_exact else 'found '}{duration(part.gap_most)}")
    width = 100 / len(pace.bins)
    return Cell(at * width, width, part.first, ", ".join(words))


def _summary(pace: Pace, is_exact: bool) -> str:
    if not pace.stalls:
        return "no gap above 1 s" if is_exact or pace.unread_ns is None else "no gap above 1 s was found"
    total = duration(sum(gap.ns for gap in pace.stalls))
    return f"{counted(len(pace.stalls), 'stall')} of more than 1 s{'' if is_exact else ' found'}, {total} together"


def _notes(stream: Stream, clock: str, found: Read, pace: Pace) -> list[str]:
    words = [
        _STORED.get(stream.world.kind, "stored: the world's own time")
        if clock == "stored"
        else _OTHERS[clock]
    ]
    if not found.is_exact:
        words += [
            f"made from {found.looked:,} of {stream.head:,} chunks in runs along the stream, and from those where"
            " the longest gaps can be; counts in between are spread evenly, percentiles are of the runs alone",
            _bound(pace),
        ]
    if pace.backwards:
        words.append(
            f"{counted(pace.backwards, 'chunk')} earlier than the one before by this clock, not counted as gaps"
        )
    if found.untimed:
        words.append(f"{counted(found.untimed, 'chunk')} without a time by this clock")
    if not has_times(origin_kind(stream.world)):
        words.append("no delivery lag: nobody knows when the chunks were stored")
    elif found.lag is None:
        words.append(
            "no delivery lag: all that was read here was stored before Tailrace looked at the stream"
        )
    elif found.earlier:
        words.append(
            f"lag without {counted(found.earlier, 'chunk')} stored before Tailrace looked at the stream"
        )
    return [*words, f"as of chunk {stream.head:,}"]


def _bound(pace: Pace) -> str:
    if pace.unread_ns is not None:
        return f"a gap that was not read is at most {duration(pace.unread_ns)}"
    return "the longest gaps are the longest of the whole stream" + (
        ", as far as times do not go back" if pace.backwards else ""
    )


def _table(pace: Pace) -> list[TableRow]:
    size = max(1, -(-len(pace.bins) // TABLE_ROWS))
    return [
        _row(some, pace.from_ns)
        for some in (pace.bins[at : at + size] for at in range(0, len(pace.bins), size))
    ]


def _row(some: Sequence[Bin], zero_ns: int) -> TableRow:
    chunks = sum(part.chunks for part in some)
    took = some[-1].to_ns - some[0].from_ns
    medians = sorted(part.gap_median for part in some if part.gap_median is not None)
    most = [part.gap_most for part in some if part.gap_most is not None]
    return TableRow(
        f"+{duration(some[0].from_ns - zero_ns)}",
        f"{chunks:,.0f}",
        f"{chunks * 1e9 / max(1, took):,.1f}",
        milliseconds(round(medians[len(medians) // 2])) if medians else "–",
        milliseconds(max(most)) if most else "–",
        next((part.first for part in some if part.first is not None), None),
    )
