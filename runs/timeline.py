"""A run on one axis: when its steps were queued and executing, when hooks and waits were open.

All times are the world's own clock; nothing of ours is mixed in, so what is still open is drawn up to the last
time that the world stored. Pure: no database, no request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["step", "hook", "wait"]
NS_PER_MS = 1_000_000
ROW = 28  # pixels, as in the style sheet
LINE = 14  # of a label below the rows
LABEL_LINES = 4
CHAR = 0.75  # percent of the axis that a label's character takes on a common screen


@dataclass(frozen=True, slots=True)
class Bar:
    start_ns: int
    end_ns: int | None  # None: still open
    look: Literal["", "fail", "wait", "queue"] = ""


@dataclass(frozen=True, slots=True)
class Lane:
    kind: Kind
    label: str
    bars: tuple[Bar, ...]
    status: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    at_ns: int
    label: str
    look: str  # close, close2 or end


@dataclass(frozen=True, slots=True)
class Span:
    """A bar in percent of the axis."""

    x: float
    end: float
    look: str
    is_open: bool

    @property
    def width(self) -> float:
        return max(round(self.end - self.x, 2), 0.3)  # what took no time must still be seen


@dataclass(frozen=True, slots=True)
class Row:
    y: int  # pixels
    kind: Kind
    label: str
    status: str
    spans: tuple[Span, ...]
    took_ns: int | None


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    x: float
    y: int  # pixels, of the label's foot
    label: str
    look: str
    anchor: str  # on which side of the line its label stands


@dataclass(frozen=True, slots=True)
class Timeline:
    start_ns: int
    length_ns: int
    height: int  # pixels
    rows: tuple[Row, ...] = ()
    ticks: tuple[Tick, ...] = ()
    marks: tuple[Mark, ...] = ()
    left_out: int = 0  # lanes beyond the limit


@dataclass(slots=True)
class Attempts:
    """The attempts of one step from its events, in the order of the log."""

    bars: list[Bar] = field(default_factory=list)
    _started: int | None = None

    def feed(self, event: str, at_ns: int | None) -> None:
        if at_ns is None:
            return
        if event == "step_started":
            self._close(at_ns, "fail")  # started again without an end in between: the first one broke off
            self._started = at_ns
        else:
            self._close(at_ns, "" if event == "step_completed" else "fail")

    def finish(self) -> tuple[Bar, ...]:
        still = () if self._started is None else (Bar(self._started, None),)
        return (*self.bars, *still)

    def _close(self, at_ns: int, look: Literal["", "fail"]) -> None:
        if self._started is not None:
            self.bars.append(Bar(self._started, at_ns, look))
            self._started = None


def attempts_by_step(events: Iterable[tuple[str, str, int | None]]) -> dict[str, tuple[Bar, ...]]:
    found: dict[str, Attempts] = {}
    for step_id, kind, at_ns in events:
        found.setdefault(step_id, Attempts()).feed(kind, at_ns)
    return {step_id: attempts.finish() for step_id, attempts in found.items()}


def draw(start_ns: int, lanes: Sequence[Lane], moments: Sequence[Moment], limit: int = 100) -> Timeline:
    """Everything in percent of an axis from `start_ns` to the last known time."""
    times = [
        time for lane in lanes for bar in lane.bars for time in (bar.start_ns, bar.end_ns) if time is not None
    ]
    times += [moment.at_ns for moment in moments]
    start = min([start_ns, *times])
    length = max(max([start_ns, *times]) - start, NS_PER_MS)
    length += length // 25  # room, so that what happens last is not drawn on the edge
    rows = tuple(_row(at, lane, start, length) for at, lane in enumerate(lanes[:limit]))
    foot = ROW * (1 + len(rows))
    marks = tuple(_marks(sorted(moments, key=lambda one: one.at_ns), start, length, foot))
    height = max([foot, *(mark.y + 6 for mark in marks)])
    return Timeline(start, length, height, rows, tuple(_ticks(length)), marks, max(0, len(lanes) - limit))


def _row(at: int, lane: Lane, start: int, length: int) -> Row:
    spans = tuple(_span(bar, start, length) for bar in lane.bars)
    ends = [bar.end_ns for bar in lane.bars]
    last = None if not ends or None in ends else max(end for end in ends if end is not None)
    first = min((bar.start_ns for bar in lane.bars if bar.look != "queue"), default=None)
    took = None if last is None or first is None else last - first
    return Row(ROW * (1 + at), lane.kind, lane.label, lane.status, spans, took)


def _span(bar: Bar, start: int, length: int) -> Span:
    x = _percent(bar.start_ns - start, length)
    end = 100.0 if bar.end_ns is None else _percent(bar.end_ns - start, length)
    return Span(x, end, bar.look, bar.end_ns is None)


def _marks(moments: Sequence[Moment], start: int, length: int, foot: int) -> Iterable[Mark]:
    """Labels go to the first line with room; where there is none, the line stands without its label."""
    taken = [-1.0] * LABEL_LINES  # how far each line is written
    for moment in moments:
        x = _percent(moment.at_ns - start, length)
        width = CHAR * (len(moment.label) + 2)
        anchor, left = ("end", x - width) if x + width > 100 else ("start", x)
        line = next((at for at, end in enumerate(taken) if end <= left), None)
        if line is not None:
            taken[line] = left + width
        label = moment.label if line is not None else ""
        yield Mark(x, foot + LINE * (1 + (line or 0)), label, moment.look, anchor)


def _ticks(length: int) -> Iterable[Tick]:
    """Four to eight round steps, labelled in milliseconds or seconds."""
    step = 10 ** (len(str(length // 8)) - 1)
    step = next(step * factor for factor in (1, 2, 5, 10, 20) if length / (step * factor) <= 8)
    for at in range(0, length, step):
        yield Tick(_percent(at, length), _label(at, step))


def _label(at_ns: int, step_ns: int) -> str:
    if step_ns >= 1000 * NS_PER_MS:
        return f"{at_ns / (1000 * NS_PER_MS):g} s"
    return f"{at_ns / NS_PER_MS:g}"


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2)
