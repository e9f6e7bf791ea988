"""Reads the chunks of a stream, and the writes they came from, in each of their orders.

All of a short stream; of a longer one what stands around one chunk, by keyset: in stored order by the unique index
of chunk ids, in arrival order by primary key. The writer's order goes by the number of the call within its process:
one writer's chunks may be spread over as many rows of `Writer` as there were calls, so their index would not do.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from django.db.models import BinaryField, F, Q, QuerySet
from django.db.models.functions import Substr

from streams.arrivals import batched
from streams.ledger import LOST, REJECTED
from streams.models import Chunk, Stream, Write
from streams.order import MOVED, MOVED_PROVED, PROBLEM_FROM
from streams.orders import ARRIVAL, STORED, WRITER, Pair, Placed, Unstored
from streams.queries import LIST_BYTES, ChunkRow
from streams.rebuilt import PROVED, SUSPECTED, Told

WHOLE = 2_000  # chunks up to which all of a stream is looked at
NEAR = 300  # on each side, of a longer one
UNSTORED = 1_000
PROBLEMS = 500
AT_ONCE = 500


class Light(NamedTuple):
    """A chunk without its payload."""

    arrival: int
    chunk_id: str
    is_close: bool
    marks: int
    position: int | None

    def placed(self) -> Placed:
        marked = PROVED if self.marks & MOVED_PROVED else SUSPECTED if self.marks & MOVED else ""
        return Placed(self.arrival, self.chunk_id, self.is_close, marked)


class Reported(NamedTuple):
    """What a report says of one chunk's write."""

    pk: int
    arrival: int | None
    order: int | None
    sequence: int | None
    process: str
    number: int
    place: int
    outcome: str
    is_close: bool
    status: int | None
    took_ns: int | None
    size: int | None
    scope: str
    run_id: str
    step_id: str
    step_name: str
    attempt: int | None

    @property
    def is_exact(self) -> bool:
        return self.order is not None

    @property
    def in_scope(self) -> Hashable:
        """Within which it has an order: the writer's own, else that of its step's calls."""
        return self.scope if self.is_exact else (self.process, self.run_id, self.step_id, self.attempt)

    @property
    def in_order(self) -> tuple[int, ...]:
        return (self.number, self.place) if self.order is None else (self.order, self.number, self.place)

    @property
    def has_order(self) -> bool:
        return self.is_exact or bool(self.step_id and not self.is_close)

    def told(self) -> Told | None:
        if self.arrival is None or not self.has_order:
            return None
        return Told(self.arrival, self.in_scope, self.in_order, self.is_exact)


@dataclass(frozen=True)
class Looked:
    """What was looked at, by arrival."""

    is_whole: bool
    near: int  # the chunk around which; 0: none was meant
    chunks: dict[int, Light] = field(default_factory=dict)
    reports: dict[int, Reported] = field(default_factory=dict)
    failed: dict[int, Reported] = field(default_factory=dict)  # by primary key

    @cached_property
    def told(self) -> list[Told]:
        return [told for one in self.reports.values() if (told := one.told()) is not None]

    @cached_property
    def placed(self) -> list[Placed]:
        return [chunk.placed() for chunk in self.chunks.values()]

    @cached_property
    def unstored(self) -> list[Unstored]:
        return [Unstored(one.pk, one.in_scope, one.in_order) for one in self.failed.values()]


def look(stream: Stream, pair: Pair, near: int) -> Looked:
    """`near` counts in a long stream only, where 0 means its first chunk that moved, or its beginning."""
    with_writes = WRITER in pair and stream.write_revision > 0
    if stream.head <= WHOLE:
        return _look_at_all(stream, near, with_writes)
    near = min(near or next_moved(stream, 0) or 1, stream.head)
    return _look_around(stream, pair, near, with_writes)


def _look_at_all(stream: Stream, near: int, with_writes: bool) -> Looked:
    chunks = {one.arrival: one for one in _light(_chunks_of(stream).order_by("chunk_id")[: 2 * WHOLE])}
    if not with_writes:
        return Looked(True, near, chunks)
    writes = Write.objects.filter(stream=stream)
    stored = _reported(writes.filter(arrival__gt=0).order_by("arrival", "digest")[: 2 * WHOLE])
    unstored = _reported(writes.filter(arrival=None).order_by("arrival", "digest")[:UNSTORED])
    return _with_reports(Looked(True, near, chunks), [*stored, *unstored])


def _look_around(stream: Stream, pair: Pair, near: int, with_writes: bool) -> Looked:
    goal = next(iter(_light(_chunks_of(stream).filter(arrival=near))), None)
    if goal is None:
        return Looked(False, near)
    chunks: dict[int, Light] = {}
    reports: list[Reported] = []
    if STORED in pair:
        chunks |= {one.arrival: one for one in _stored_around(stream, goal)}
    if ARRIVAL in pair:
        chunks |= {one.arrival: one for one in _arrived_around(stream, near)}
    if with_writes:
        reports = _written_around(stream, near)
        chunks |= _with_arrivals(stream, {one.arrival for one in reports if one.arrival} - chunks.keys())
        reports += _reports_of(stream, chunks.keys() - {one.arrival for one in reports})
    return _with_reports(Looked(False, near, chunks), reports)


def _with_reports(looked: Looked, reports: Iterable[Reported]) -> Looked:
    stored: dict[int, Reported] = {}
    failed: list[Reported] = []
    again: set[tuple[str, str, int | None]] = set()
    for one in reports:
        if one.arrival is not None and one.arrival in looked.chunks:
            stored.setdefault(one.arrival, one)
        if one.outcome in {REJECTED, LOST}:
            failed.append(one)
        elif one.took_ns is not None and not one.is_close:
            again.add((one.process, one.scope, one.order))
    # What was written again with success is not missing.
    missing = [one for one in failed if one.order is None or (one.process, one.scope, one.order) not in again]
    return Looked(looked.is_whole, looked.near, looked.chunks, stored, {one.pk: one for one in missing})


def _stored_around(stream: Stream, goal: Light) -> Iterator[Light]:
    rows = _chunks_of(stream)
    yield from _light(rows.filter(chunk_id__lt=goal.chunk_id).order_by("-chunk_id")[:NEAR])
    yield from _light(rows.filter(chunk_id__gte=goal.chunk_id).order_by("chunk_id")[:NEAR])


def _arrived_around(stream: Stream, near: int) -> Iterator[Light]:
    return _light(_chunks_of(stream).filter(arrival__gte=near - NEAR, arrival__lt=near + NEAR))


def _written_around(stream: Stream, near: int) -> list[Reported]:
    writes = Write.objects.filter(stream=stream)
    goal = next(iter(_reported(writes.filter(arrival=near).order_by("digest")[:1])), None)
    if goal is None:
        return []
    of_process = writes.filter(process=goal.process)
    # The number alone is what the index looks for: an `or` of both would make it begin at the first call.
    after = Q(number__gt=goal.number) | Q(place__gte=goal.place)
    before = Q(number__lt=goal.number) | Q(place__lt=goal.place)
    later = of_process.filter(after, number__gte=goal.number).order_by("number", "place")
    earlier = of_process.filter(before, number__lte=goal.number).order_by("-number", "-place")
    return [*_reported(earlier[:NEAR]), *_reported(later[:NEAR])]


def _with_arrivals(stream: Stream, arrivals: Iterable[int]) -> dict[int, Light]:
    rows = _chunks_of(stream)
    found = (_light(rows.filter(arrival__in=some)) for some in batched(sorted(arrivals), AT_ONCE))
    return {one.arrival: one for some in found for one in some}


def _reports_of(stream: Stream, arrivals: Iterable[int]) -> list[Reported]:
    rows = Write.objects.filter(stream=stream)
    found = (_reported(rows.filter(arrival__in=some)) for some in batched(sorted(arrivals), AT_ONCE))
    return [one for some in found for one in some]


def _chunks_of(stream: Stream) -> QuerySet[Chunk]:
    return Chunk.objects.filter(stream=stream)


def _light(rows: QuerySet[Chunk]) -> Iterator[Light]:
    return (Light(*row) for row in rows.values_list(*Light._fields))


_COLUMNS = (
    *Reported._fields[:12], "writer__scope", "writer__run_id", "writer__step_id", "writer__step_name",
    "writer__attempt",
)  # fmt: skip


def _reported(rows: QuerySet[Write]) -> Iterator[Reported]:
    return (Reported(*row) for row in rows.values_list(*_COLUMNS))


def next_moved(stream: Stream, after: int) -> int | None:
    """The next arrival that was judged to have moved; of very many other problems before it, where to look on."""
    if not stream.moved_count:
        return None
    rows = Chunk.objects.filter(stream=stream, marks__gte=PROBLEM_FROM, arrival__gt=after)
    found = list(rows.order_by("arrival").values_list("arrival", "marks")[:PROBLEMS])
    moved = (arrival for arrival, marks in found if marks & (MOVED | MOVED_PROVED))
    return next(moved, found[-1][0] if len(found) == PROBLEMS else None)


def labelled(stream: Stream, arrivals: Iterable[int]) -> dict[int, ChunkRow]:
    """The few chunks that are shown, with the beginning of their payloads."""
    head = Substr("data", 1, LIST_BYTES, output_field=BinaryField())
    rows = Chunk.objects.filter(stream=stream, arrival__in=list(arrivals)).values_list(
        "arrival", "position", "is_close", "marks", "revision", "size", head, "stored_ns", "problem",
        F("stream__framing"),
    )  # fmt: skip
    # SQLite's substr of nothing is NULL, not nothing.
    return {row[0]: ChunkRow._make((*row[:6], row[6] or b"", *row[7:], None)) for row in rows}


def scopes_of(reports: Iterable[Reported]) -> list[Reported]:
    """One report of each scope that has an order, in the order of their first calls."""
    first: dict[Hashable, Reported] = {}
    for one in sorted(reports, key=lambda one: (one.process, one.number, one.place)):
        if one.has_order:
            first.setdefault(one.in_scope, one)
    return list(first.values())
