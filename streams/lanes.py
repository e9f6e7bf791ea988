"""Who wrote when, as a picture: one lane per writer, chunks as marks on one time axis. Pure.

A mark has up to three times: the call and its return, by the writing process's clock; and the time in the
chunk's id, which that process gave it during the call (`at_ns`; by the world's clock where an id holds no time).
Whoever makes the facts sets process clocks right where their offset is known, and says so in words: nothing is
shifted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from streams._lanes_axis import Axis, axis_over
from streams.ledger import HIDDEN, LOST, REJECTED, STORED, UNMATCHED, StepAttempt
from streams.order import BEHIND, CLOSE, CLOSE2, MOVED, MOVED_PROVED

Look = Literal["ok", "moved", "behind", "close", "close2", "rejected", "lost", "unmatched"]
PROBLEMS: frozenset[Look] = frozenset({"moved", "behind", "close2", "rejected", "lost"})
SECOND = 1_000_000_000
FAR = 2  # what lies further away than so many lengths of the writing itself does not stretch the axis


class Mark(NamedTuple):
    """One chunk of one call, a stored chunk whose write is not known, or a close."""

    writer: int  # 0: not known
    called_ns: int | None
    back_ns: int | None
    at_ns: int | None
    arrival: int | None
    position: int | None
    is_close: bool
    marks: int
    outcome: str
    size: int | None
    call: tuple[str, int] | None = None  # process and number of the call
    status: int | None = None  # of the answer that refused it

    @property
    def look(self) -> Look:
        if self.outcome == REJECTED:
            return "rejected"
        if self.outcome == LOST:
            return "lost"
        if self.outcome in {UNMATCHED, HIDDEN} and self.arrival is None:
            return "unmatched"
        return _stored_look(self.marks, self.is_close)

    @property
    def begin_ns(self) -> int:
        return next(time for time in (self.called_ns, self.at_ns, self.back_ns, 0) if time is not None)

    @property
    def end_ns(self) -> int:
        times = [time for time in (self.called_ns, self.at_ns, self.back_ns) if time is not None]
        return max(times, default=0)


def _stored_look(marks: int, is_close: bool) -> Look:
    if marks & CLOSE2:
        return "close2"
    if is_close or marks & CLOSE:
        return "close"
    if marks & BEHIND:
        return "behind"
    return "moved" if marks & (MOVED | MOVED_PROVED) else "ok"


@dataclass(frozen=True, slots=True)
class LaneWriter:
    """One writer; `known` says how we know (exact, proved, step only, inferred, unknown)."""

    pk: int
    known: str
    by: StepAttempt
    step_name: str


@dataclass(frozen=True, slots=True)
class StepWindow:
    """One attempt of a step was executing, by the world's clock."""

    step_id: str
    name: str
    attempt: int | None
    start_ns: int
    end_ns: int | None  # None: still


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbours of a long stream, told from the last of them: its time and its writer stand for all."""

    writer: int
    from_ns: int  # when the one before it came
    at_ns: int
    count: int
    first: int  # arrivals
    last: int
    problems: int = 0  # where they are too many to be marks of their own


@dataclass(frozen=True, slots=True)
class Source:
    """What there is to draw. `steps_end_ns`: when the run's last step ended; None while one is executing."""

    marks: Sequence[Mark] = ()
    writers: Mapping[int, LaneWriter] = field(default_factory=dict)
    windows: Sequence[StepWindow] = ()
    blocks: Sequence[Block] = ()
    created_ns: int | None = None
    run_ended_ns: int | None = None
    close_ns: int | None = None  # the first end marker in reading order
    steps_end_ns: int | None = None
    is_long: bool = False
    first_ns: int | None = None  # of a long stream, of which only a part may be here


@dataclass(frozen=True, slots=True)
class Lane:
    """One row. `sub` tells those of one step attempt apart: W1 for a writable, ∥1 for calls under way at once."""

    by: StepAttempt | None  # None: the writer is not known
    name: str
    known: str
    sub: str = ""
    is_first: bool = True  # of its step attempt
    rows: int = 1  # that its step attempt has; told of the first of them
    writables: int = 0
    overlapping: int = 0  # calls of the step attempt during which another of them was under way
    calls: int = 0  # of the step attempt
    windows: tuple[StepWindow, ...] = ()
    marks: tuple[Mark, ...] = ()
    blocks: tuple[Block, ...] = ()

    @property
    def begin_ns(self) -> int:
        times = [mark.begin_ns for mark in self.marks] + [block.at_ns for block in self.blocks]
        return min(times, default=self.windows[0].start_ns if self.windows else 0)

    @property
    def chunks(self) -> int:
        """Stored data chunks; of a long stream about so many."""
        single = sum(mark.arrival is not None and not mark.is_close for mark in self.marks)
        return sum(block.count for block in self.blocks) or single

    @property
    def problems(self) -> int:
        return sum(mark.look in PROBLEMS for mark in self.marks) + sum(
            block.problems for block in self.blocks
        )


@dataclass(frozen=True, slots=True)
class Late:
    """Writes in it are refused or never read: from the first close or the run's end to the last step or write."""

    from_ns: int
    to_ns: int
    why: Literal["close", "run end"]
    until: Literal["last step's end", "last write", "now"]


@dataclass(frozen=True, slots=True)
class Picture:
    axis: Axis
    lanes: tuple[Lane, ...]
    late: Late | None
    closes: tuple[Mark, ...]
    run_ended_ns: int | None
    left_out: int = 0  # lanes beyond the limit, and what is on them
    left_out_chunks: int = 0
    left_out_problems: int = 0


def draw(
    source: Source, lanes: Sequence[Lane], window: tuple[int, int] | None = None, limit: int = 60
) -> Picture | None:
    """`window`: the part of the axis to show, in nanoseconds; without it, all that belongs to the writing."""
    late = late_window(source)
    extent = _extent(source, lanes, late)
    if extent is None:
        return None
    shown, dropped = _limited(lanes, limit)
    closes = tuple(mark for mark in source.marks if mark.is_close and mark.outcome == STORED)
    return Picture(
        axis_over(*(window or extent), zero_ns=_zero(source, extent), is_fit=window is None),
        shown,
        late,
        closes,
        source.run_ended_ns,
        len(dropped),
        sum(lane.chunks for lane in dropped),
        sum(lane.problems for lane in dropped),
    )


def late_window(source: Source) -> Late | None:
    """Steps flush their writes after they ended, so the last write may well be later than the last step's end."""
    starts = [
        (time, why) for time, why in ((source.close_ns, "close"), (source.run_ended_ns, "run end")) if time
    ]
    if not starts:
        return None
    begin, why = min(starts)
    if source.steps_end_ns is None and source.run_ended_ns is None:
        return Late(begin, _last_write(source), "close", "now")
    ends: list[tuple[int, Literal["last step's end", "last write"]]] = [
        (source.steps_end_ns or 0, "last step's end"),
        (_last_write(source), "last write"),
    ]
    end, until = max(ends, key=lambda one: one[0])
    return Late(begin, end, "close" if why == "close" else "run end", until) if end > begin else None


def _last_write(source: Source) -> int:
    """When the last chunk was stored, or the last write refused."""
    times = [mark.end_ns if mark.at_ns is None else mark.at_ns for mark in source.marks]
    return max(times + [block.at_ns for block in source.blocks], default=0)


def _extent(source: Source, lanes: Iterable[Lane], late: Late | None) -> tuple[int, int] | None:
    spans = [(mark.begin_ns, mark.end_ns) for mark in source.marks]
    spans += [(block.at_ns, block.at_ns) for block in source.blocks]
    windows = [window for lane in lanes for window in lane.windows]
    if not spans:
        spans = [(window.start_ns, window.end_ns or window.start_ns) for window in windows]
    if not spans:
        return None
    low, high = min(span[0] for span in spans), max(span[1] for span in spans)
    room = FAR * max(high - low, 1_000_000)
    more = [window.start_ns for window in windows] + [window.end_ns or 0 for window in windows]
    more += [source.run_ended_ns or 0, late.to_ns if late else 0]
    near = [time for time in more if low - room <= time <= high + room]
    return min([low, *near]), max([high, *near])


def _zero(source: Source, extent: tuple[int, int]) -> int:
    """The run's beginning; where that is nothing to count from (a long wait, no run) the first thing drawn."""
    first = extent[0] if source.first_ns is None else source.first_ns
    length = max(extent[1] - first, SECOND)
    created = source.created_ns
    return created if created is not None and -SECOND < first - created < 20 * length else first


def _limited(lanes: Sequence[Lane], limit: int) -> tuple[tuple[Lane, ...], list[Lane]]:
    """Lanes with problems stay before others, in the order they had."""
    if len(lanes) <= limit:
        return tuple(lanes), []
    ranked = sorted(range(len(lanes)), key=lambda at: (lanes[at].problems == 0, at))
    keep = set(ranked[:limit])
    return (
        tuple(lane for at, lane in enumerate(lanes) if at in keep),
        [lane for at, lane in enumerate(lanes) if at not in keep],
    )
