"""The lanes on the stream page: who wrote when, as a picture and as a table.

`?part=lanes&from=<ns>&to=<ns>` is the picture of a part of the axis, `&as=table` the same as a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.lib.clock import NS_PER_MS
from runs.pages._format import counted, moment
from streams import _lanes_rows
from streams._lanes_pack import NO_PROBE, lanes_of
from streams._lanes_rows import Read, Window
from streams.lanes import Lane, Mark, Picture, draw
from streams.models import Stream
from streams.pages import _lanes_svg as svg

TABLE_ROWS = 300
AT_ONCE = 200  # chunks: of a longer stream the picture comes when the page is there
LONGEST = 20 * 365 * 86_400 * 1_000_000_000  # of a part that is asked for
OUTCOMES = {
    "ok": "stored", "moved": "moved: out of order", "behind": "behind the end marker: never read",
    "close": "end marker", "close2": "second end marker", "rejected": "rejected by the world", "lost": "lost",
    "unmatched": "not known what became of it",
}  # fmt: skip
_LOOKS = tuple(OUTCOMES)


@dataclass(frozen=True, slots=True)
class Lanes:
    """What the template shows. `data` is what the script needs to tell about single marks."""

    picture: Picture
    rows: list[svg.Row]
    height: int
    windows: list[svg.Box]
    late: svg.Box | None
    gates: list[svg.Gate]
    note: str
    racing: str  # which step attempts had several calls under way at once
    zero: str
    clocks: tuple[str, ...]
    more: list[str]  # what is not in the picture, in words
    has_calls: bool
    has_blocks: bool
    data: dict[str, Any]

    @property
    def top(self) -> int:
        return svg.TOP


class TableRow(NamedTuple):
    lane: str
    known: str
    arrival: int | None
    position: int | None
    called: str
    took: str
    tick: str
    outcome: str
    look: str


class LaneSum(NamedTuple):
    lane: str
    known: str
    calls: int
    overlapping: int
    chunks: int
    problems: int
    window: str


def lanes_context(stream: Stream) -> dict[str, Any]:
    """`lanes` is None where there is nothing to draw, and of a long stream, whose page asks for `?part=lanes`."""
    if stream.head > AT_ONCE:
        return {"lanes": None, "lanes_later": True}
    return {"lanes": _lanes(stream, None)}


def lanes_part(request: HttpRequest, stream: Stream) -> HttpResponse:
    lanes = _lanes(stream, window_in(request.GET))
    if request.GET.get("as") == "table":
        return render(request, "streams/_lanes_table.html", _table(lanes) if lanes is not None else {})
    return render(request, "streams/_lanes_picture.html", {"lanes": lanes})


def window_in(query: Mapping[str, str]) -> Window:
    """None for all of it, and for what is no part of an axis."""
    begin, end = (_ns(query.get(name, "")) for name in ("from", "to"))
    if begin is None or end is None or not 0 < end - begin <= LONGEST:
        return None
    return begin, end


def _ns(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _lanes(stream: Stream, window: Window) -> Lanes | None:
    found = _lanes_rows.read(stream, window)
    picture = draw(found.source, lanes_of(found.source), window)
    if picture is None:
        return None
    return Lanes(
        picture,
        svg.rows_of(picture),
        svg.TOP + svg.ROW * len(picture.lanes) + 4,
        svg.windows_of(picture),
        svg.late_of(picture),
        svg.gates_of(picture),
        _note(picture),
        _racing(picture),
        _zero(stream, picture),
        found.clocks,
        _more(picture, found),
        any(mark.call for mark in found.source.marks),
        bool(found.source.blocks),
        _data(picture),
    )


def _note(picture: Picture) -> str:
    steps = [lane for lane in picture.lanes if lane.by is not None and lane.is_first]
    if all(lane.known == NO_PROBE for lane in steps):
        return "who wrote is not known without a probe; steps as they were executing"
    return (
        f"{counted(sum(lane.writables for lane in steps), 'writer')} of {counted(len(steps), 'step attempt')}"
    )


def _racing(picture: Picture) -> str:
    racing = [lane for lane in picture.lanes if lane.is_first and lane.overlapping > 1]
    words = [
        f"{lane.overlapping} of {lane.calls} calls of {svg.label_of(replace(lane, writables=1))} overlap"
        for lane in racing[:3]
    ]
    return ", ".join(words + ([f"{len(racing) - 3} more steps"] if len(racing) > 3 else []))


def _zero(stream: Stream, picture: Picture) -> str:
    unit, run = picture.axis.unit, stream.run
    of_run = run is not None and run.created_ns == picture.axis.zero_ns
    return f"{unit} since the run was created" if of_run else f"{unit} since the first write"


def _more(picture: Picture, found: Read) -> list[str]:
    words = [text] if (text := svg.outside(picture)) else []
    if found.stride:
        words.append(
            f"bars are estimated from one chunk in {found.stride:,}; problems are counted, end markers single"
        )
    if picture.left_out:
        problems = counted(picture.left_out_problems, "problem")
        chunks = counted(picture.left_out_chunks, "chunk")
        words.append(f"{counted(picture.left_out, 'lane')} more, with {chunks} and {problems}, not drawn")
    if found.unstored_left:
        words.append(f"{counted(found.unstored_left, 'write')} more that are not stored")
    return words


def _data(picture: Picture) -> dict[str, Any]:
    """A mark is row, called, back, tick, arrival, position, look, status; times are ms from the axis's zero."""
    axis = picture.axis
    marks = [
        [row, *(_ms(picture, time) for time in (mark.called_ns, mark.back_ns, mark.at_ns)), mark.arrival, mark.position,
         _LOOKS.index(mark.look), mark.status]
        for row, lane in enumerate(picture.lanes)
        for mark in lane.marks
        if axis.from_ns <= mark.end_ns and mark.begin_ns <= axis.to_ns
    ]  # fmt: skip
    blocks = [
        [row, _ms(picture, block.at_ns), block.problems, block.first, block.last]
        for row, lane in enumerate(picture.lanes)
        for block in lane.blocks
        if axis.from_ns <= block.at_ns <= axis.to_ns
    ]
    return {
        "zero": str(axis.zero_ns),
        "from": _ms(picture, axis.from_ns),
        "to": _ms(picture, axis.to_ns),
        "fit": axis.is_fit,
        "top": svg.TOP,
        "row": svg.ROW,
        "lanes": [_name(lane) for lane in picture.lanes],
        "looks": list(OUTCOMES.values()),
        "marks": marks,
        "blocks": blocks,
    }


def _name(lane: Lane) -> str:
    known = f" ({lane.known})" if lane.by is not None else ""
    return f"{lane.sub} {svg.label_of(lane)}{known}".strip()


def _ms(picture: Picture, ns: int | None) -> float | None:
    return None if ns is None else round((ns - picture.axis.zero_ns) / NS_PER_MS, 3)


def _table(lanes: Lanes) -> dict[str, Any]:
    picture = lanes.picture
    inside = [
        (mark, lane)
        for lane in picture.lanes
        for mark in lane.marks
        if picture.axis.from_ns <= mark.end_ns and mark.begin_ns <= picture.axis.to_ns
    ]
    inside.sort(key=lambda pair: pair[0].begin_ns)
    return {
        "lanes": lanes,
        "sums": [_sum(picture, lane) for lane in picture.lanes],
        "marks": [_table_row(picture, mark, lane) for mark, lane in inside[:TABLE_ROWS]],
        "total": len(inside),
        "began": moment(picture.axis.zero_ns),
    }


def _table_row(picture: Picture, mark: Mark, lane: Lane) -> TableRow:
    axis = picture.axis
    took = mark.back_ns - mark.called_ns if mark.back_ns is not None and mark.called_ns is not None else None
    outcome = OUTCOMES[mark.look] + (f", HTTP {mark.status}" if mark.status else "")
    return TableRow(
        f"{lane.sub} {svg.label_of(lane)}".strip(),
        lane.known,
        mark.arrival,
        mark.position,
        "–" if mark.called_ns is None else axis.since(mark.called_ns),
        "–" if took is None else f"{took / axis.unit_ns:,.1f}",
        "–" if mark.at_ns is None else axis.since(mark.at_ns),
        outcome,
        mark.look,
    )


def _sum(picture: Picture, lane: Lane) -> LaneSum:
    axis = picture.axis
    windows = [
        f"{axis.since(one.start_ns)} to {axis.since(one.end_ns) if one.end_ns is not None else 'now'}"
        for one in lane.windows[:3]
    ]
    name = f"{lane.sub} {svg.label_of(lane)}".strip()
    return LaneSum(
        name, lane.known, len({mark.call for mark in lane.marks if mark.call}), lane.overlapping, lane.chunks,
        lane.problems, ", ".join(windows) or "–",
    )  # fmt: skip
