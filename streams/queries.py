"""What pages, sockets and the API read of streams. Chunks are found by keyset on arrival, never by offset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import BinaryField, F, Q, QuerySet
from django.db.models.functions import Substr

from runs.models import World
from runs.worlds.base import TERMINAL
from streams.models import Chunk, Stream
from streams.order import MOVED_PROVED, PROBLEM_FROM

LIST_BYTES = 16 * 1024  # of a payload, in lists; the rest is read only for the one chunk that is opened


class ChunkRow(NamedTuple):
    """One row of the chunk table. `data` holds at most LIST_BYTES of the payload's `size` bytes."""

    arrival: int
    position: int | None
    is_close: bool
    marks: int
    revision: int
    size: int
    data: bytes
    stored_ns: int
    problem: str
    framing: str
    gap_ns: int | None  # since the previous arrival, by the world's clock; negative where that is later


@dataclass(frozen=True, slots=True)
class StreamHead:
    """What the head of an open stream page shows, and how far the stream goes."""

    head: int  # the last arrival
    revision: int
    chunk_count: int  # data chunks
    close_count: int
    behind_count: int
    moved_count: int
    bytes: int
    ended: bool  # closed, and nothing more is expected: its run has ended or is not known
    trouble: str  # why the world cannot be read; empty while it can


def chunk_rows(stream_id: int, after: int, limit: int) -> list[ChunkRow]:
    """The rows that follow an arrival, in arrival order."""
    found = _raw(
        Chunk.objects.filter(stream_id=stream_id, arrival__gte=after).order_by("arrival")[: limit + 1]
    )
    before = found.pop(0) if found and found[0][0] <= after else None
    return _with_gaps(found[:limit], before)


def chunk_rows_before(stream_id: int, before: int | None, limit: int) -> list[ChunkRow]:
    """The rows before an arrival (None: the last rows of the stream), in arrival order."""
    chunks = Chunk.objects.filter(stream_id=stream_id)
    if before is not None:
        chunks = chunks.filter(arrival__lt=before)
    found = _raw(chunks.order_by("-arrival")[: limit + 1])[::-1]
    previous = found.pop(0) if len(found) > limit else None
    return _with_gaps(found, previous)


def chunk_rows_changed(
    stream_id: int, upto: int, since_revision: int, limit: int = 500, after_arrival: int | None = None
) -> list[ChunkRow]:
    """Rows up to an arrival that changed in a later revision, ordered by (revision, arrival).

    Where `limit` cuts a revision in two, go on with the last row's revision and arrival.
    """
    later = Q(revision__gt=since_revision)
    if after_arrival is not None:
        later |= Q(revision=since_revision, arrival__gt=after_arrival)
    changed = Chunk.objects.filter(later, stream_id=stream_id, revision__gt=0, arrival__lte=upto)
    found = _raw(changed.order_by("revision", "arrival")[:limit])
    wanted = [row[0] - 1 for row in found]
    times = stored_at(stream_id, wanted)
    return [_row(row, times.get(row[0] - 1)) for row in found]


def chunk_rows_where(stream_id: int, where: Q, after: int, limit: int) -> list[ChunkRow]:
    """The next rows for which something holds, in arrival order. Gaps are not told: what lies between is not read."""
    chunks = Chunk.objects.filter(where, stream_id=stream_id, arrival__gt=after)
    return [_row(row, None) for row in _raw(chunks.order_by("arrival")[:limit])]


def stream_head(stream_id: int) -> StreamHead:
    """Raises Stream.DoesNotExist if the stream is gone."""
    facts: tuple[Any, ...] = Stream.objects.values_list(
        "head", "revision", "chunk_count", "close_count", "behind_count", "moved_count", "bytes",
        "run__status", "expired", "world__trouble",
    ).get(pk=stream_id)  # fmt: skip
    run_status, expired, trouble = facts[7:]
    head, revision, chunks, closes, behind, moved, size = facts[:7]
    ended = has_ended(closes, run_status, expired)
    return StreamHead(head, revision, chunks, closes, behind, moved, size, ended, trouble)


def world_state(slug: str) -> tuple[int, str] | None:
    """Changes whenever the lists of a world may look different; None if there is no such world."""
    return World.objects.filter(slug=slug).values_list("generation", "trouble").first()


def has_ended(close_count: int, run_status: str | None, expired: bool) -> bool:
    return expired or (close_count > 0 and (run_status is None or run_status in TERMINAL))


def stream_named(world_id: int, name: str) -> Stream | None:
    return Stream.objects.select_related("run", "world").filter(world_id=world_id, name=name).first()


def chunk_at(stream_id: int, arrival: int) -> Chunk | None:
    return Chunk.objects.filter(stream_id=stream_id, arrival=arrival).first()


def problem_after(stream_id: int, arrival: int) -> int | None:
    """The next arrival whose marks mean trouble (not `overtaken`, not the first end marker)."""
    chunks = Chunk.objects.filter(stream_id=stream_id, marks__gte=PROBLEM_FROM, arrival__gt=arrival)
    return chunks.order_by("arrival").values_list("arrival", flat=True).first()


def problem_before(stream_id: int, arrival: int) -> int | None:
    chunks = Chunk.objects.filter(stream_id=stream_id, marks__gte=PROBLEM_FROM, arrival__lt=arrival)
    return chunks.order_by("-arrival").values_list("arrival", flat=True).first()


def stored_at(stream_id: int, arrivals: Sequence[int]) -> dict[int, int]:
    """The world's time of some chunks, by arrival."""
    found = Chunk.objects.filter(stream_id=stream_id, arrival__in=arrivals)
    return dict(found.values_list("arrival", "stored_ns"))


def arrival_of_position(stream: Stream, position: int) -> int | None:
    """Where the chunk with a position is; None if there is none."""
    chunks = Chunk.objects.filter(stream=stream, position=position).values_list("arrival", flat=True)
    if position >= stream.chunk_count:
        return None
    # Most streams never came out of order; there is no index by position for the others.
    return chunks.filter(arrival=position + 1).first() or chunks.first()


def arrival_at(stream: Stream, at_ns: int) -> int | None:
    """The first arrival stored at that time or later, by halving: stored times grow with arrival, but for a little."""
    low, high = 1, stream.head
    while low < high:
        middle = (low + high) // 2
        if stored_at(stream.pk, [middle]).get(middle, 0) < at_ns:
            low = middle + 1
        else:
            high = middle
    return low if stream.head else None


def has_proved_move(stream_id: int) -> bool:
    return Chunk.objects.filter(stream_id=stream_id, marks__gte=MOVED_PROVED).exists()


def streams_of(run_ids: Sequence[int]) -> list[Stream]:
    streams = Stream.objects.filter(run_id__in=run_ids).select_related("world", "run")
    fields = (
        "name",
        "is_system",
        "expired",
        "chunk_count",
        "close_count",
        "behind_count",
        "moved_count",
        "head",
        "bytes",
        "verdict",
        "judged",
        "changes",
        "pruned_ns",
    )
    return list(streams.only(*fields, "run__run_id", "run__status", "world__slug").order_by("-verdict", "id"))


def closes_of(run_ids: Sequence[int], limit: int) -> list[tuple[int, str, int, int]]:
    """(run, stream name, marks, stored time) of the end markers of these runs' streams."""
    chunks = Chunk.objects.filter(stream__run_id__in=run_ids, stream__close_count__gt=0)
    # Two questions that indexes answer, instead of one that looks at every chunk of these streams.
    first = chunks.filter(chunk_id=F("stream__first_close_id"))
    further = chunks.filter(marks__gte=PROBLEM_FROM, is_close=True, stream__close_count__gt=1)
    fields = ("stream__run_id", "stream__name", "marks", "stored_ns")
    return [
        row for found in (first, further) for row in found.order_by("stream_id").values_list(*fields)[:limit]
    ]


def _raw(chunks: QuerySet[Chunk]) -> list[tuple[Any, ...]]:
    # The database cuts the payload, so that a page of large chunks is not read whole.
    head = Substr("data", 1, LIST_BYTES, output_field=BinaryField())
    return list(
        chunks.values_list(
            "arrival", "position", "is_close", "marks", "revision", "size", head, "stored_ns", "problem",
            F("stream__framing"),
        )
    )  # fmt: skip


def _with_gaps(found: list[tuple[Any, ...]], previous: tuple[Any, ...] | None) -> list[ChunkRow]:
    rows = []
    for row in found:
        rows.append(_row(row, previous[7] if previous else None))
        previous = row
    return rows


def _row(row: tuple[Any, ...], previous_ns: int | None) -> ChunkRow:
    # SQLite's substr of nothing is NULL, not nothing.
    gap = None if previous_ns is None else row[7] - previous_ns
    return ChunkRow._make((*row[:6], row[6] or b"", *row[7:], gap))
