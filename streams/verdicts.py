"""The verdict of a stream as one number, stored with it, so that lists can sort and filter by it.

The worst of what its counts and its findings say. `Stream.judged` is the `Stream.changes` it was given for: a verdict
of an older state may still accuse, but it never clears (`level_of`).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from django.db.models import F, QuerySet

from runs.worlds.base import TERMINAL
from streams.models import Stream


class Level(IntEnum):
    """From the best to the worst; stored, so a number once given keeps its meaning."""

    CLEAN = 0  # everything was checked, nothing was found
    NONE_FOUND = 10  # nothing was found, but not everything could be checked here
    RUNNING = 20  # nothing was found so far, and it is still being written
    UNJUDGED = 30  # not judged as it is now
    INFO = 40  # worth knowing, nothing is broken
    SUSPECTED = 50  # the worst finding is not proved
    WARNING = 60
    ERROR = 70
    CRITICAL = 80


CLEARED = (Level.CLEAN, Level.NONE_FOUND)  # these must not outlive the state they were given for
_SEVERITIES = {"info": Level.INFO, "warning": Level.WARNING, "error": Level.ERROR, "critical": Level.CRITICAL}


def level_of_finding(severity: str, certainty: str) -> Level:
    level = _SEVERITIES.get(severity, Level.ERROR)
    return level if certainty == "proved" else min(level, Level.SUSPECTED)


def level_of_counts(stream: Stream) -> Level:
    """What stored counts alone say, before any detector has looked. Moved chunks are proved by findings only."""
    if stream.behind_count:
        return Level.ERROR
    if stream.moved_count:
        return Level.SUSPECTED
    return Level.INFO if stream.close_count > 1 else Level.CLEAN


def level_of(stream: Stream) -> Level:
    """What a row may say now: the stored verdict, unless it clears a state that it was not given for."""
    level = Level(stream.verdict)
    return Level.UNJUDGED if level in CLEARED and not is_judged(stream) else level


def is_judged(stream: Stream) -> bool:
    """As it is now. A stream whose chunks were pruned is not judged again."""
    return stream.judged == stream.changes or stream.pruned_ns is not None


def is_open(stream: Stream) -> bool:
    """More is expected of it."""
    ended = stream.run is not None and stream.run.status in TERMINAL
    return not (stream.close_count or stream.expired or ended)


def ended_open(stream: Stream) -> bool:
    """Never closed although its run has ended. The SDK leaves its own streams and purged ones so."""
    ended = stream.run is not None and stream.run.status in TERMINAL
    return ended and not stream.close_count and not stream.is_system and not stream.expired


def note_counts(stream: Stream) -> None:
    """For the writer of a stream's row, before it is saved: new chunks can accuse at once, but never clear."""
    level = max(Level(stream.verdict), level_of_counts(stream))
    if level in CLEARED or (level == Level.RUNNING and stream.close_count):
        level = Level.UNJUDGED
    stream.verdict = level


def doubt(streams: QuerySet[Stream]) -> None:
    """Something else that their verdict rests on has changed (their run, what a probe reports)."""
    streams.filter(verdict__lt=Level.UNJUDGED).update(verdict=Level.UNJUDGED)


def settle(judged: Stream, found: Iterable[Level], cleared: bool) -> bool:
    """Store what judging a stream came to; returns whether a row of a list looks different.

    Called in the transaction that stores the findings, with the row as it was when it was judged.
    `cleared`: every question was answered well.
    """
    stream = Stream.objects.select_for_update(of=("self",)).select_related("run").get(pk=judged.pk)
    before = (stream.verdict, is_judged(stream))
    stream.judged, stream.looked = judged.changes, judged.looked
    stream.verdict = _settled(stream, list(found), cleared)
    stream.save(update_fields=["verdict", "judged", "looked"])
    return before != (stream.verdict, is_judged(stream))


def _settled(stream: Stream, found: list[Level], cleared: bool) -> Level:
    level = max([level_of_counts(stream), *found])
    if level >= Level.INFO:
        return level
    if is_open(stream):
        return Level.RUNNING
    if stream.judged != stream.changes:
        return Level.UNJUDGED  # more came in while it was judged
    return Level.CLEAN if cleared else Level.NONE_FOUND


def forget_findings(streams: QuerySet[Stream]) -> None:
    """Their chunks and findings were pruned: what the counts say stays."""
    streams.filter(behind_count__gt=0).update(verdict=Level.ERROR, judged=F("changes"))
    quiet = streams.filter(behind_count=0)
    quiet.filter(moved_count__gt=0).update(verdict=Level.SUSPECTED, judged=F("changes"))
    quiet.filter(moved_count=0, close_count__gt=1).update(verdict=Level.INFO, judged=F("changes"))
    quiet.filter(moved_count=0, close_count__lte=1).update(verdict=Level.NONE_FOUND, judged=F("changes"))
