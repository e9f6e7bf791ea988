"""From marks to lanes: a step attempt of a process with its writables below each other. Pure.

Calls that were under way at once never share a row, whether or not it is known which writable they went
through: that is what shows racing writers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from streams.lanes import Block, Lane, LaneWriter, Mark, Source, StepWindow
from streams.ledger import StepAttempt

MOST_ROWS = 12  # of one step attempt
UNKNOWN = "unknown"
NO_PROBE = "no report"  # a lane of a step that nobody reported a write of

_Key = StepAttempt | None


class _Group:
    """One step attempt of one process."""

    def __init__(self) -> None:
        self.pks: list[int] = []
        self.marks: list[Mark] = []
        self.blocks: list[Block] = []


def lanes_of(source: Source) -> list[Lane]:
    """In the order of the first write; unknown writers last, or first where there is nothing else to tell."""
    groups = _groups(source)
    unknown = groups.pop(None, None)
    last = (
        [Lane(None, "", UNKNOWN, marks=tuple(unknown.marks), blocks=tuple(unknown.blocks))] if unknown else []
    )
    if not groups:
        return last + [_window_lane(windows) for windows in _windows_by_step(source.windows)]
    steps = [(by, group) for by, group in groups.items() if by is not None]
    found = [_step_lanes(source, by, group) for by, group in steps]
    if (
        not source.is_long
    ):  # of a long one each part is read anew: it keeps the order in which writers became known
        found.sort(key=lambda lanes: min(lane.begin_ns for lane in lanes))
    return [lane for lanes in found for lane in lanes] + last


def _groups(source: Source) -> dict[_Key, _Group]:
    """A writer has a lane even where nothing of it is in the part that is shown."""
    groups: defaultdict[_Key, _Group] = defaultdict(_Group)
    for pk, writer in sorted(source.writers.items()):
        groups[_key(writer)].pks.append(pk)
    for mark in source.marks:
        groups[_key(source.writers.get(mark.writer))].marks.append(mark)
    for block in source.blocks:
        groups[_key(source.writers.get(block.writer))].blocks.append(block)
    return dict(groups)


def _key(writer: LaneWriter | None) -> _Key:
    """A writer without a step (a proxy, a process outside of any) is known as far as its process goes."""
    return None if writer is None or not (writer.by.step_id or writer.by.process) else writer.by


def _window_lane(windows: tuple[StepWindow, ...]) -> Lane:
    first = windows[0]
    by = StepAttempt("", "", first.step_id, None)
    return Lane(by, first.name, NO_PROBE, windows=windows)


def _windows_by_step(windows: Iterable[StepWindow]) -> list[tuple[StepWindow, ...]]:
    found: defaultdict[str, list[StepWindow]] = defaultdict(list)
    for window in sorted(windows, key=lambda one: one.start_ns):
        found[window.step_id].append(window)
    return [tuple(some) for some in found.values()]


def _step_lanes(source: Source, by: StepAttempt, group: _Group) -> list[Lane]:
    writers = [source.writers[pk] for pk in group.pks]
    tracks = [group.marks] if source.is_long else tracks_of(group.marks)
    known = min(writer.known for writer in writers)
    base = Lane(
        by,
        next((writer.step_name for writer in writers if writer.step_name), ""),
        known,
        writables=len(writers),
        calls=_calls(group.marks),
        overlapping=_overlapping(group.marks) if len(tracks) > 1 else 0,
        windows=windows_for(source.windows, by),
    )
    if 1 < len(writers) <= MOST_ROWS and known == "exact":
        return _rows(base, _writables(source, group))
    if len(tracks) == 1:
        return _rows(base, [("", group.marks, group.blocks)])
    return _rows(base, [(f"∥{at}", track, []) for at, track in enumerate(tracks, 1)])


def _writables(source: Source, group: _Group) -> list[tuple[str, list[Mark], list[Block]]]:
    found = []
    for pk in group.pks:
        marks = [one for one in group.marks if one.writer == pk]
        found.append((marks, [one for one in group.blocks if one.writer == pk]))
    if not source.is_long:
        found.sort(key=lambda pair: min((mark.begin_ns for mark in pair[0]), default=0))
    return [(f"W{at}", *pair) for at, pair in enumerate(found, 1)]


def _rows(base: Lane, rows: Sequence[tuple[str, list[Mark], list[Block]]]) -> list[Lane]:
    return [
        replace(base, sub=sub, is_first=not at, rows=len(rows), marks=tuple(marks), blocks=tuple(blocks))
        for at, (sub, marks, blocks) in enumerate(rows)
    ]


def windows_for(windows: Iterable[StepWindow], by: StepAttempt) -> tuple[StepWindow, ...]:
    """Of this attempt; where the attempt is not known, of them all."""
    mine = [window for window in windows if window.step_id == by.step_id]
    exact = [window for window in mine if by.attempt is not None and window.attempt == by.attempt]
    return tuple(exact or mine)


def tracks_of(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Rows on which no two calls are under way at once, as few as needed, and at most `MOST_ROWS`."""
    ends: list[int] = []
    tracks: list[list[Mark]] = []
    for unit in _units(marks):
        begin, end = min(mark.begin_ns for mark in unit), max(mark.end_ns for mark in unit)
        free = next((at for at, taken in enumerate(ends) if taken <= begin), None)
        if free is None and len(tracks) < MOST_ROWS:
            tracks.append([])
            ends.append(end)
            free = len(tracks) - 1
        at = ends.index(min(ends)) if free is None else free
        tracks[at] += unit
        ends[at] = max(ends[at], end)
    return tracks or [[]]


def _units(marks: Sequence[Mark]) -> list[list[Mark]]:
    """Chunks of one call belong together; a chunk whose call is not known stands alone."""
    units: defaultdict[object, list[Mark]] = defaultdict(list)
    for at, mark in enumerate(marks):
        units[mark.call or at].append(mark)
    return sorted(units.values(), key=lambda unit: min(mark.begin_ns for mark in unit))


def _calls(marks: Sequence[Mark]) -> int:
    return len({mark.call for mark in marks if mark.call is not None})


def _overlapping(marks: Sequence[Mark]) -> int:
    """Calls during which another one of the same step attempt was under way."""
    found, latest, latest_at = set[int](), 0, -1
    for at, unit in enumerate(_units(marks)):
        begin, end = min(mark.begin_ns for mark in unit), max(mark.end_ns for mark in unit)
        if latest_at >= 0 and begin < latest:
            found |= {at, latest_at}
        if end >= latest:
            latest, latest_at = end, at
    return len(found)
