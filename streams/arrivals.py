"""The only writer of streams and chunks: numbers arrivals without gaps and keeps positions. Idempotent.

Called inside one write transaction. The stream's row is locked first (SQLite: the transaction itself is the
lock), so that two readers of one world number the same stream one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import lt
from typing import TypeVar

from django.db.models import F

from dashboard.lib.clock import now_ns
from dashboard.lib.database import clean
from runs.models import Run, World
from runs.observations import ChunkSeen, StreamSeen
from runs.record import ID, Recorded
from streams import bulk, verdicts
from streams.facts import is_system
from streams.models import Chunk, Stream
from streams.order import BEHIND, CLOSE, CLOSE2, MOVED, MOVED_PROVED, OVERTAKEN, PURGED, place

T = TypeVar("T")
STRUCTURAL = CLOSE | CLOSE2 | BEHIND  # the marks that follow from where the end markers lie


@dataclass(frozen=True, slots=True)
class Advance:
    """A stream has more than before: what its doorbell says."""

    stream_id: int
    head: int
    revision: int


def lock_world(world_pk: int) -> None:
    """For transactions that change several streams: one at a time in a world, so that none waits for another."""
    list(World.objects.select_for_update(no_key=True).filter(pk=world_pk).values_list("pk"))


def ensure_streams(world: World, names: Iterable[str]) -> dict[str, Stream]:
    """Stream rows by name, locked, in one order for all readers (no deadlock)."""
    wanted = sorted({clean(name, ID) for name in names})
    known = set(Stream.objects.filter(world=world, name__in=wanted).values_list("name", flat=True))
    missing = [name for name in wanted if name not in known]
    if missing:
        rows = [
            Stream(world=world, name=name, is_system=is_system(name), seen_ns=now_ns()) for name in missing
        ]
        Stream.objects.bulk_create(rows, ignore_conflicts=True)
    locked = Stream.objects.select_for_update().filter(world=world, name__in=wanted).order_by("pk")
    return {stream.name: stream for stream in locked}


def record_streams(world: World, seen: Sequence[StreamSeen], recorded: Recorded) -> list[Advance]:
    """Link streams to their runs, by the runs' lists, by payloads that name them, or by the stream's own name."""
    named = {clean(o.name, ID): o for o in seen}
    lists = [run for run in recorded.runs.values() if run.listed_streams and run.pk in recorded.restated]
    if not named and not lists:
        return []
    runs = recorded.runs
    rows = ensure_streams(world, [*named, *(name for run in lists for name in run.listed_streams or [])])
    changed = [row for row in rows.values() if _link(row, named.get(row.name), runs, lists)]
    for row in changed:
        row.changes += 1
        verdicts.note_counts(row)
        row.save(update_fields=["run", "listed", "framing", "changes", "verdict"])
    recorded.changed = recorded.changed or bool(changed)
    return [Advance(row.pk, row.head, row.revision) for row in changed]


def _link(row: Stream, seen: StreamSeen | None, runs: Mapping[str, Run], lists: list[Run]) -> bool:
    before = (row.run_id, row.listed, row.framing)
    if seen is not None:
        row.run = row.run or runs[clean(seen.run_id, ID)]
        row.listed = bool(row.listed) or seen.listed
        row.framing = row.framing or seen.framing
    for run in lists:
        if row.name in (run.listed_streams or []):
            row.run, row.listed = row.run or run, True
    return before != (row.run_id, row.listed, row.framing)


def touch_streams_of(run_pks: set[int]) -> None:
    """Their run changed its state: what was judged of them has to be judged again."""
    if run_pks:
        streams = Stream.objects.filter(run__in=run_pks)
        streams.update(changes=F("changes") + 1)
        verdicts.doubt(streams)


def record_chunks(world: World, seen: Sequence[ChunkSeen]) -> list[Advance]:
    """Number and store the chunks that are new; those known already are left as they are.

    Chunks found together must come ordered by stored time, then chunk id.
    """
    by_name: dict[str, list[ChunkSeen]] = {}
    for chunk in seen:
        by_name.setdefault(chunk.stream, []).append(chunk)
    streams = ensure_streams(world, by_name) if by_name else {}
    return [done for name, chunks in by_name.items() if (done := _append(streams[clean(name, ID)], chunks))]


def _append(stream: Stream, seen: list[ChunkSeen]) -> Advance | None:
    fresh = _new_ones(stream, seen)
    if not fresh:
        return None
    numbering = _Numbering(stream)
    rows = numbering.rows(fresh)
    bulk.insert_chunks(rows)
    numbering.store(list(fresh.values()))
    if numbering.late_from:
        _renumber(stream, numbering.late_from, before=rows[0].arrival)
    verdicts.note_counts(stream)
    stream.save()
    return Advance(stream.pk, stream.head, stream.revision)


def _new_ones(stream: Stream, seen: list[ChunkSeen]) -> dict[str, ChunkSeen]:
    """By chunk id, without those stored already: only ids up to the highest stored one can be."""
    fresh: dict[str, ChunkSeen] = {}
    for chunk in seen:
        fresh.setdefault(clean(chunk.chunk_id, ID), chunk)
    suspects = [chunk_id for chunk_id in fresh if chunk_id <= stream.last_chunk_id]
    if suspects:
        stored = Chunk.objects.filter(stream=stream, chunk_id__in=suspects)
        for chunk_id in stored.values_list("chunk_id", flat=True):
            del fresh[chunk_id]
    return fresh


class _Numbering:
    """Hands out arrivals, and positions as long as chunk ids only grow."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.position = _next_position(stream)
        self.late_from = ""  # the lowest chunk id that came after a higher one

    def rows(self, fresh: dict[str, ChunkSeen]) -> list[bulk.ChunkRow]:
        if self._is_plain_append(fresh):
            return self._appended(fresh)
        return [self._row(chunk_id, chunk) for chunk_id, chunk in fresh.items()]

    def _is_plain_append(self, fresh: dict[str, ChunkSeen]) -> bool:
        """Only data, in the order of its ids, after all that is there: by far the most of what comes."""
        ids, stream = list(fresh), self.stream
        return (
            not stream.first_close_id
            and ids[0] > stream.last_chunk_id
            and all(map(lt, ids, ids[1:]))
            and not any(chunk.is_close or chunk.problem for chunk in fresh.values())
        )

    def _appended(self, fresh: dict[str, ChunkSeen]) -> list[bulk.ChunkRow]:
        stream, make = self.stream, bulk.ChunkRow._make
        pk, head, position = stream.pk, stream.head + 1, self.position
        stream.head += len(fresh)
        stream.last_chunk_id = next(reversed(fresh))
        return [
            make((
                pk, head + at, chunk_id, position + at, False, 0, 0, one.size, one.data, one.digest,
                one.minted_ms, one.stored_ns, one.observed_ns, "",
            ))
            for at, (chunk_id, one) in enumerate(fresh.items())
        ]  # fmt: skip

    def _row(self, chunk_id: str, seen: ChunkSeen) -> bulk.ChunkRow:
        stream = self.stream
        stream.head += 1
        overtaken = chunk_id < stream.last_chunk_id
        if overtaken:
            self.late_from = min(self.late_from or chunk_id, chunk_id)
            position, marks = None, OVERTAKEN | (CLOSE if seen.is_close else 0)
        else:
            stream.last_chunk_id = chunk_id
            position, marks = self._at_the_end(seen, chunk_id)
        return bulk.ChunkRow(
            stream.pk, stream.head, chunk_id, position, seen.is_close, marks, 0, seen.size, seen.data,
            seen.digest, seen.minted_ms, seen.stored_ns, seen.observed_ns, seen.problem and clean(seen.problem, 200),
        )  # fmt: skip

    def _at_the_end(self, seen: ChunkSeen, chunk_id: str) -> tuple[int | None, int]:
        stream = self.stream
        if seen.is_close:
            second = bool(stream.first_close_id)
            stream.first_close_id = stream.first_close_id or chunk_id
            return None, CLOSE2 if second else CLOSE
        if stream.first_close_id:
            stream.behind_count += 1
            return None, BEHIND
        self.position += 1
        return self.position - 1, 0

    def store(self, fresh: list[ChunkSeen]) -> None:
        """The stream's sums."""
        stream = self.stream
        closes = sum(chunk.is_close for chunk in fresh)
        stream.close_count += closes
        stream.chunk_count += len(fresh) - closes
        stream.bytes += sum(chunk.size for chunk in fresh)
        stored = [chunk.stored_ns for chunk in fresh]
        stream.first_stored_ns = min(
            stored + ([stream.first_stored_ns] if stream.first_stored_ns is not None else [])
        )
        stream.last_stored_ns = max(
            stored + ([stream.last_stored_ns] if stream.last_stored_ns is not None else [])
        )
        stream.expired = stream.expired or any(c.is_close and c.chunk_id == PURGED for c in fresh)
        stream.changes += 1


def _next_position(stream: Stream) -> int:
    """Without an end marker every data chunk has a position; with one, nobody gets a new one at the end."""
    return stream.chunk_count if not stream.first_close_id else 0


def _renumber(stream: Stream, start: str, before: int) -> None:
    """Give positions and structural marks anew from chunk id `start` on; rows below arrival `before` were shown."""
    tail = Chunk.objects.filter(stream=stream, chunk_id__gte=start).order_by("chunk_id")
    columns = ("arrival", "chunk_id", "is_close", "position", "marks")
    position, first_close = _state_before(stream, start)
    changed = []
    stream.revision, stream.renumbered = stream.revision + 1, stream.renumbered + 1
    for arrival, chunk_id, is_close, old_position, old_marks in tail.values_list(*columns).iterator():
        new_position, structural = place(is_close, bool(first_close), position)
        if structural == CLOSE:
            first_close = chunk_id
        if new_position is not None:
            position += 1
        marks = (old_marks & ~STRUCTURAL) | structural
        if (new_position, marks) != (old_position, old_marks):
            stream.behind_count += bool(marks & BEHIND) - bool(old_marks & BEHIND)
            changed.append(
                (new_position, marks, stream.revision if arrival < before else 0, stream.pk, arrival)
            )
    stream.first_close_id = first_close
    bulk.update_places(changed)


def _state_before(stream: Stream, start: str) -> tuple[int, str]:
    """The next free position before chunk id `start`, and the end marker before it, if any."""
    if stream.first_close_id and stream.first_close_id < start:
        return 0, stream.first_close_id
    earlier = Chunk.objects.filter(stream=stream, chunk_id__lt=start, is_close=False).order_by("-chunk_id")
    last = earlier.values_list("position", flat=True).first()
    return (0 if last is None else last + 1), ""


def batched(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """Slices: a database takes only so many parameters in one statement."""
    return (items[at : at + size] for at in range(0, len(items), size))


def mark_moved(stream_id: int, moved: Mapping[int, bool]) -> Advance | None:
    """Set which arrivals are moved (True: proved), and clear the mark from all others."""
    stream = Stream.objects.select_for_update().get(pk=stream_id)
    wanted = {arrival: MOVED_PROVED if proved else MOVED for arrival, proved in moved.items()}
    marked = Chunk.objects.filter(stream=stream, marks__gte=MOVED).values_list("arrival", "marks", "position")
    now = {arrival: (marks, position) for arrival, marks, position in marked}
    for some in batched(sorted(wanted.keys() - now.keys()), 5000):
        fresh = Chunk.objects.filter(stream=stream, arrival__in=some).values_list(
            "arrival", "marks", "position"
        )
        now |= {arrival: (marks, position) for arrival, marks, position in fresh}
    changed = []
    for arrival, (marks, position) in now.items():
        new = (marks & ~(MOVED | MOVED_PROVED)) | wanted.get(arrival, 0)
        if new != marks:
            changed.append((position, new, stream.revision + 1, stream.pk, arrival))
    if not changed:
        return None
    stream.revision, stream.moved_count = stream.revision + 1, len(wanted)
    stream.save(update_fields=["revision", "moved_count"])
    bulk.update_places(changed)
    return Advance(stream.pk, stream.head, stream.revision)
