"""The lanes as SVG: one path per lane and kind of mark, so that thousands of marks are a few hundred nodes.

A lane is an SVG of its own with 1,000 units across, stretched to the width there is; strokes do not scale. Text
and crosses are placed in per cent, outside of it, where nothing is stretched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from runs.pages._format import short_id, short_name, visible
from streams._lanes_axis import Axis
from streams._lanes_pack import NO_PROBE, UNKNOWN
from streams.lanes import Block, Lane, Look, Mark, Picture, StepWindow
from streams.write_queries import KNOWN

ROW = 16  # pixels
TOP = 72  # of the first lane: numbers, then a line for what each gate says: two closes, the run's end
COLUMNS = 240  # of bars
WIDTH = 100 / COLUMNS
PAUSE = 8  # columns
HALF = 6  # of a tick's height
GATES = 20
CROSSED: frozenset[Look] = frozenset({"rejected", "lost"})
WHY = KNOWN | {
    UNKNOWN: "no report tells who wrote these chunks",
    NO_PROBE: "no probe reports: this is when the step was executing, by the world's clock",
}


class Path(NamedTuple):
    style: str
    d: str


class Box(NamedTuple):
    """In per cent and pixels."""

    x: str
    width: str
    y: int = 0
    height: int = 0
    look: str = ""


class Gate(NamedTuple):
    x: str
    look: str
    label: str
    y: int
    anchor: str


@dataclass(frozen=True, slots=True)
class Row:
    y: int
    label: str
    sub: str
    known: str
    title: str
    is_racing: bool
    is_first: bool
    paths: list[Path]
    crosses: list[Box]


def rows_of(picture: Picture) -> list[Row]:
    processes = {lane.by.process for lane in picture.lanes if lane.by is not None}
    tallest = tallest_of(picture)
    return [
        _row(picture.axis, lane, TOP + ROW * at, len(processes) > 1, tallest)
        for at, lane in enumerate(picture.lanes)
    ]


def _row(axis: Axis, lane: Lane, y: int, with_process: bool, tallest: float) -> Row:
    crosses = [mark for mark in lane.marks if mark.look in CROSSED and _is_near(axis, mark)]
    return Row(
        y,
        label_of(lane, with_process) if lane.is_first else "",
        lane.sub,
        lane.known,
        _title(lane),
        lane.overlapping > 1,
        lane.is_first,
        bars_of(axis, lane.blocks, tallest)
        + paths_of(axis, [one for one in lane.marks if _is_near(axis, one)]),
        [Box(_percent(axis.x(_cross_ns(mark))), "", look=mark.look) for mark in crosses],
    )


def label_of(lane: Lane, with_process: bool = False) -> str:
    if lane.by is None:
        return "not known"
    name = visible(short_name(lane.name) or short_id(lane.by.step_id)) or "no step"
    words = [name]
    if lane.writables > 1:
        words.append(f"× {lane.writables}")
    if (lane.by.attempt or 1) > 1:
        words.append(f"attempt {lane.by.attempt}")
    if with_process and lane.by.process:
        words.append(visible(short_id(lane.by.process)))
    return " ".join(words)


def _title(lane: Lane) -> str:
    words = [f"{lane.known}: {WHY[lane.known]}" if lane.known in WHY else lane.known]
    if lane.by is not None:
        words += [visible(text) for text in (lane.name, lane.by.step_id) if text]
        words += [f"attempt {lane.by.attempt}"] if lane.by.attempt else []
        words += [f"process {visible(lane.by.process)}"] if lane.by.process else []
    if lane.sub.startswith("∥"):
        words.append("a row of calls of this step attempt that were under way while others were")
    return ", ".join(words)


def _is_near(axis: Axis, mark: Mark) -> bool:
    """Within the axis, or as far beside it as a quick drag may show before that part is there."""
    length = axis.to_ns - axis.from_ns
    return mark.end_ns >= axis.from_ns - length and mark.begin_ns <= axis.to_ns + length


def paths_of(axis: Axis, marks: Iterable[Mark]) -> list[Path]:
    """Lines in flight first, then where the calls were made, then the ticks."""
    flights: defaultdict[str, list[str]] = defaultdict(list)
    ticks: defaultdict[str, list[str]] = defaultdict(list)
    calls = []
    for mark in marks:
        look = mark.look
        if mark.called_ns is not None:
            calls.append(f"M{_unit(axis, mark.called_ns)} 8h0")
            if mark.end_ns > mark.called_ns:
                flights[look].append(f"M{_unit(axis, mark.called_ns)} 8H{_unit(axis, mark.end_ns)}")
        if mark.at_ns is not None:
            ticks[look].append(f"M{_unit(axis, mark.at_ns)} {8 - HALF}v{2 * HALF}")
    paths = [Path(f"flight {look}", "".join(some)) for look, some in flights.items()]
    dots = "".join(dict.fromkeys(calls))
    paths += [Path("call", dots), Path("call in", dots)] if dots else []
    return paths + [Path(f"tick {look}", "".join(some)) for look, some in ticks.items()]


def bars_of(axis: Axis, blocks: Sequence[Block], tallest: float) -> list[Path]:
    """How many chunks fall on each column, the fullest as high as a lane; a cap where problems are among them."""
    counts = _counts(axis, blocks)
    problems = {int(axis.x(block.at_ns) // WIDTH) for block in blocks if block.problems}
    heights = {column: round(2 + 9 * count / tallest) for column, count in counts.items()}
    bars = "".join(_bar(column, ROW - 1 - height, height) for column, height in heights.items())
    caps = "".join(_bar(column, 0, 4) for column in sorted(problems) if -COLUMNS <= column < 2 * COLUMNS)
    return [path for path in (Path("bar", bars), Path("bar bad", caps)) if path.d]


def _counts(axis: Axis, blocks: Sequence[Block]) -> dict[int, float]:
    """By column. The chunks of a block came since the one before it, evenly; after a pause, when it ends."""
    counts: defaultdict[int, float] = defaultdict(float)
    for block in blocks:
        begin, end = axis.x(block.from_ns) / WIDTH, axis.x(block.at_ns) / WIDTH
        if not 0.01 < end - begin < PAUSE:
            begin = end - 0.01
        for column in range(max(-COLUMNS, int(begin // 1)), min(2 * COLUMNS, int(end // 1) + 1)):
            share = (min(end, column + 1) - max(begin, column)) / (end - begin)
            counts[column] += block.count * max(0.0, share)
    return counts


def tallest_of(picture: Picture) -> float:
    """Chunks in the fullest column of a lane."""
    found = (_counts(picture.axis, lane.blocks) for lane in picture.lanes)
    return max((count for counts in found for count in counts.values()), default=0) or 1


def _bar(column: int, y: int, height: int) -> str:
    return (
        f"M{round(10 * column * WIDTH, 1):g} {y}h{round(10 * WIDTH, 1):g}v{height}h-{round(10 * WIDTH, 1):g}z"
    )


def windows_of(picture: Picture) -> list[Box]:
    """When the steps were executing: one box over all rows of a step attempt."""
    boxes = []
    for at, lane in enumerate(picture.lanes):
        if lane.is_first:
            rows = sum(other.by == lane.by for other in picture.lanes[at : at + lane.rows])
            boxes += [_window(picture.axis, window, TOP + ROW * at, ROW * rows) for window in lane.windows]
    return [box for box in boxes if box is not None]


def _window(axis: Axis, window: StepWindow, y: int, height: int) -> Box | None:
    begin, end = axis.x(window.start_ns), axis.x(window.end_ns) if window.end_ns is not None else 200.0
    if end < -100 or begin > 200:
        return None
    begin, end = max(begin, -100), min(end, 200)
    return Box(_percent(begin), _percent(max(end - begin, 0.3)), y, height, "" if window.end_ns else "open")


def late_of(picture: Picture) -> Box | None:
    late = picture.late
    if late is None:
        return None
    begin, end = max(-100, picture.axis.x(late.from_ns)), 200.0
    if late.until != "now":
        end = min(200, picture.axis.x(late.to_ns))
    return Box(_percent(begin), _percent(end - begin)) if end > begin and end > -100 else None


def gates_of(picture: Picture) -> list[Gate]:
    """End markers and the run's end, from top to bottom; only the first of each kind says so in words."""
    axis, late, gates = picture.axis, picture.late, []
    seen: set[str] = set()
    for mark in sorted(picture.closes, key=lambda one: one.look)[:GATES]:
        if mark.at_ns is not None:
            label = "" if mark.look in seen else f"{_GATES.get(mark.look, 'close')} {axis.since(mark.at_ns)}"
            if label and mark.look == "close" and late is not None and late.why == "close":
                label += f", late {_until(axis, picture)}"
            seen.add(mark.look)
            gates.append(_gate(axis, mark.at_ns, mark.look, label, 34 if mark.look == "close" else 50))
    if picture.run_ended_ns is not None:
        label = f"run end {axis.since(picture.run_ended_ns)}"
        label += f", late {_until(axis, picture)}" if late is not None and late.why == "run end" else ""
        gates.append(_gate(axis, picture.run_ended_ns, "end", label, 66))
    return [gate for gate in gates if gate is not None]


_GATES = {"close2": "second close"}


def _until(axis: Axis, picture: Picture) -> str:
    late = picture.late
    if late is None or late.until == "now":
        return "still open"
    return f"to {axis.since(late.to_ns)}"


def _gate(axis: Axis, at_ns: int, look: str, label: str, y: int) -> Gate | None:
    x = axis.x(at_ns)
    return Gate(_percent(x), look, label, y, "end" if x > 55 else "start") if -100 <= x <= 200 else None


def outside(picture: Picture) -> str:
    """What belongs to the stream and lies beyond the axis, in words."""
    axis, words = picture.axis, []
    if picture.run_ended_ns is not None and not axis.from_ns <= picture.run_ended_ns <= axis.to_ns:
        words.append(f"run end {axis.since(picture.run_ended_ns)} {axis.unit}")
    return ", ".join(words)


def _cross_ns(mark: Mark) -> int:
    """Where a call came back with the refusal; what was lost stands where it was called."""
    return mark.end_ns if mark.look == "rejected" else mark.begin_ns


def _percent(x: float) -> str:
    return f"{round(x, 3):g}%"


def _unit(axis: Axis, ns: int) -> str:
    return f"{round(10 * axis.x(ns), 1):.10g}"
