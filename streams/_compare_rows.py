"""The stored rows that a comparison is made of: a part of a stream in reading order, by keyset on the chunk's id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import BinaryField
from django.db.models.functions import Substr

from runs.models import Run, World
from runs.queries import RunFilter, run_list, run_named, world_named, worlds
from runs.worlds.base import TERMINAL
from streams import queries
from streams._rebuilt_rows import OpenedChunk
from streams.models import Chunk, Stream
from streams.queries import ChunkRow

MOST = 2_000  # chunks of a side in one comparison
MOST_BYTES = 2_000_000  # and bytes of them
HEAD_BYTES = 64 * 1024  # of a chunk; a longer one is compared by its digest
AT_ONCE = 500
RUNS_LOOKED_AT = 200
_COLUMNS = (
    "chunk_id", "arrival", "position", "is_close", "marks", "revision", "size", "stored_ns", "minted_ms", "digest",
    "problem",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One chunk as it is compared and as a page shows it."""

    fact: OpenedChunk
    row: ChunkRow
    digest: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """At most `MOST` chunks of at most `MOST_BYTES`, and at least one if there is any."""

    lines: list[Line]
    has_more: bool


def part_after(stream: Stream, arrival: int, key: bytes | None) -> Part:
    """What follows the chunk with an arrival in reading order; with 0 the first ones. End markers are in it."""
    chunks = Chunk.objects.filter(stream=stream).order_by("chunk_id")
    if arrival:
        at = queries.chunk_at(stream.pk, arrival)
        chunks = chunks.filter(chunk_id__gt=at.chunk_id) if at is not None else chunks.none()
    head = Substr("data", 1, HEAD_BYTES, output_field=BinaryField())
    lines: list[Line] = []
    total = 0
    for row in chunks.values_list(*_COLUMNS, head)[: MOST + 1].iterator(chunk_size=AT_ONCE):
        line = _line(row, stream.framing, key)
        total += len(line.row.data)
        if lines and (len(lines) == MOST or total > MOST_BYTES):
            return Part(lines, True)
        lines.append(line)
    return Part(lines, False)


def _line(row: tuple[Any, ...], framing: str, key: bytes | None) -> Line:
    (
        chunk_id,
        arrival,
        position,
        is_close,
        marks,
        revision,
        size,
        stored_ns,
        minted_ms,
        digest,
        problem,
        data,
    ) = row
    data = bytes(data or b"")
    fact = OpenedChunk(
        chunk_id, arrival, position, is_close, False, size, stored_ns, minted_ms, lambda: data, framing, key
    )
    shown = ChunkRow(
        arrival, position, is_close, marks, revision, size, data, stored_ns, problem, framing, None
    )
    return Line(fact, shown, bytes(digest))


def streams_like(stream: Stream, kind_of: Callable[[str], str], limit: int) -> list[Stream]:
    """Streams of the same kind in the newest runs of the same workflow, the newest run first.

    `kind_of` a name tells what the stream is for. The chunks are not looked at.
    """
    if stream.run is None or not stream.run.workflow:
        return []
    runs = {run.pk: run for run in _newest_runs(stream.run)}
    wanted = kind_of(stream.name)
    found = [
        one
        for one in queries.streams_of(list(runs))
        if one.pk != stream.pk and one.is_system == stream.is_system and kind_of(one.name) == wanted
    ]
    order = {pk: at for at, pk in enumerate(runs)}
    found.sort(key=lambda one: order[one.run_id or 0])
    for one in found[:limit]:
        one.run = runs[one.run_id or 0]
    return found[:limit]


def _newest_runs(run: Run) -> list[Run]:
    wanted = RunFilter(workflow=run.workflow)
    page = run_list(run.world_id, wanted)
    runs = list(page.runs)
    while page.older is not None and len(runs) < RUNS_LOOKED_AT:
        page = run_list(run.world_id, wanted, older=page.older)
        runs += page.runs
    return runs


def stream_meant(slug: str, name: str) -> Stream | None:
    """By its name, or by the id of a run that wrote only one. Without a slug it is looked for in every world."""
    named = world_named(slug) if slug else None
    for world in [named] if named is not None else [] if slug else worlds():
        found = queries.stream_named(world.pk, name) or _only_stream(world, name)
        if found is not None:
            return found
    return None


def _only_stream(world: World, run_id: str) -> Stream | None:
    run = run_named(world.pk, run_id)
    streams = [one for one in queries.streams_of([run.pk]) if not one.is_system] if run is not None else []
    return queries.stream_named(world.pk, streams[0].name) if len(streams) == 1 else None


def is_ended(stream: Stream) -> bool:
    """Nothing more is expected of it, so that what is compared stays as it is."""
    if stream.run is None:
        return stream.expired or stream.close_count > 0
    return stream.expired or stream.run.status in TERMINAL


def run_time_ns(run: Run | None) -> int | None:
    """How long the run took, by the world's clock; None while it runs."""
    if run is None or run.status not in TERMINAL or run.completed_ns is None or run.started_ns is None:
        return None
    return run.completed_ns - run.started_ns
