"""Lists of streams, worst or newest first, found by keyset in indexes that have this order: never by offset.

Worst first is walked level by level (`streams.verdicts.Level`): within one level an index has the newest first, so
every page is a few ranges of an index, whatever else is asked. What has no index (workflow, namespace, text, kind of
a finding) is looked at in this order until the page is full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet

from runs.managed import removing
from runs.queries import Key
from streams.models import Stream
from streams.verdicts import Level

PAGE = 50
COUNTED = 1000  # streams of one verdict are counted up to here
_KEY = re.compile(r"(\d{1,3})\.(\d{1,19})\.(\d{1,18})$", re.ASCII)
_HEAVY = ("run__input", "run__output", "run__error", "run__attributes", "run__listed_streams")
ALL = tuple(sorted(Level, reverse=True))

# A slot that the app of findings fills: its kinds, and which streams have a finding of one.
kinds_known: Callable[[], Sequence[str]] = tuple
with_kind: Callable[[str], Q] = lambda kind: Q(pk=None)  # noqa: E731


def provide_kinds(kinds: Callable[[], Sequence[str]], where: Callable[[str], Q]) -> None:
    global kinds_known, with_kind
    kinds_known, with_kind = kinds, where


@dataclass(frozen=True, slots=True)
class StreamFilter:
    level: Level | None = None
    kind: str = ""  # of a finding
    workflow: str = ""
    names: tuple[str, ...] = ()  # how the stream's name may end
    text: str = ""  # contained in the stream's name, its run's id or its workflow
    since_ns: int | None = None  # last stored
    until_ns: int | None = None
    own: bool = False  # also the SDK's own streams where nothing is wrong with them

    def __bool__(self) -> bool:
        return self != StreamFilter(own=self.own)


@dataclass(frozen=True, slots=True)
class StreamKey:
    """A place in a list. The level counts only where the worst come first."""

    level: int
    latest_ns: int
    id: int

    def __str__(self) -> str:
        return f"{self.level}.{self.latest_ns}.{self.id}"


@dataclass(frozen=True, slots=True)
class StreamList:
    streams: list[Stream]
    older: StreamKey | None  # where the next page begins; None at the end


def parse_stream_key(text: str) -> StreamKey | None:
    """None for anything that is no key: a URL may hold any text."""
    match = _KEY.match(text)
    if match is None or int(match[2]) >= 2**63:
        return None
    return StreamKey(int(match[1]), int(match[2]), int(match[3]))


def stream_list(
    world_id: int | None, wanted: StreamFilter, after: StreamKey | None = None, *, newest: bool = False
) -> StreamList:
    """A page of the streams of a world (None: of all worlds), without the payloads of their runs."""
    streams = _shaped(_filtered(world_id, wanted))
    if newest:
        found = _newest(streams, after, PAGE + 1)
    else:
        found = _worst(streams, wanted, after, PAGE + 1)
    older = _place_of(found[PAGE - 1]) if len(found) > PAGE else None
    return StreamList(found[:PAGE], older)


def _place_of(stream: Stream) -> StreamKey:
    return StreamKey(stream.verdict, stream.latest_ns, stream.pk)


def streams_kept(world_id: int | None, ids: Sequence[int]) -> list[Stream]:
    """Those that a reader has open, in the order in which they are shown."""
    found = {stream.pk: stream for stream in _shaped(_of(world_id).filter(pk__in=ids))}
    return [found[pk] for pk in ids if pk in found]


def verdict_counts(world_id: int | None, own: bool) -> dict[Level, int]:
    """Streams of each verdict, counted up to COUNTED: a look at so many entries of an index each."""
    streams = _shown(_of(world_id), own).order_by()
    return {level: streams.filter(verdict=level)[:COUNTED].count() for level in ALL}


def _worst(
    streams: QuerySet[Stream], wanted: StreamFilter, after: StreamKey | None, limit: int
) -> list[Stream]:
    """Each level is a question of its own: a stream whose verdict falls in between is met twice, and stands where
    it was met last."""
    found: dict[int, Stream] = {}
    for level in ALL if wanted.level is None else (wanted.level,):
        if len(found) < limit and (after is None or level <= after.level):
            place = after if after is not None and level == after.level else None
            for stream in _newest(streams.filter(verdict=level), place, limit - len(found)):
                found.pop(stream.pk, None)
                found[stream.pk] = stream
    return list(found.values())


def _newest(streams: QuerySet[Stream], after: StreamKey | None, limit: int) -> list[Stream]:
    if after is not None:
        streams = streams.filter(Key(after.latest_ns, after.id).below("latest_ns"))
    return list(streams.order_by("-latest_ns", "-id")[:limit])


def _shaped(streams: QuerySet[Stream]) -> QuerySet[Stream]:
    """Worlds are read apart: joined, SQLite may begin with their few rows, and sort all streams."""
    return streams.select_related("run").prefetch_related("world").defer(*_HEAVY)


def _of(world_id: int | None) -> QuerySet[Stream]:
    """Of one world, else of all that are not being removed."""
    rows = Stream.objects.all()
    return rows.exclude(world__in=removing()) if world_id is None else rows.filter(world_id=world_id)


def _shown(streams: QuerySet[Stream], own: bool) -> QuerySet[Stream]:
    """The SDK's own streams stay open for ever, which is normal: they are shown where something is wrong.

    Said as a "not", since SQLite would answer an "or" from two indexes and sort.
    """
    return streams if own else streams.exclude(is_system=True, verdict__lt=Level.SUSPECTED)


def _filtered(world_id: int | None, wanted: StreamFilter) -> QuerySet[Stream]:
    streams = _shown(_of(world_id), wanted.own)
    if wanted.level is not None:
        streams = streams.filter(verdict=wanted.level)
    if wanted.workflow:
        streams = streams.filter(run__workflow=wanted.workflow)
    if wanted.names:
        streams = streams.filter(reduce(or_, (Q(name__endswith=end) for end in wanted.names)))
    if wanted.since_ns is not None:
        streams = streams.filter(latest_ns__gte=wanted.since_ns)
    if wanted.until_ns is not None:
        streams = streams.filter(latest_ns__lte=wanted.until_ns)
    if wanted.kind:
        streams = streams.filter(with_kind(wanted.kind))
    return streams.filter(_contains(wanted.text)) if wanted.text else streams


def _contains(text: str) -> Q:
    return Q(name__icontains=text) | Q(run__run_id__icontains=text) | Q(run__workflow__icontains=text)
