"""Writes as a probe reports them and chunks as a world has them, in milliseconds after one moment."""

from __future__ import annotations

from typing import Any

from dashboard.lib.clock import NS_PER_MS
from dashboard.lib.database import write_transaction
from dashboard.lib.ulid import shift_ulid
from runs.models import AppProcess, World
from runs.observations import ChunkSeen
from runs.record import ensure_runs
from runs.reports import read_batch
from runs.worlds.base import digest_of
from streams.arrivals import record_chunks
from streams.matching import join
from streams.models import Chunk, Stream, Write
from streams.writes import record_writes
from tests.factories import START_NS

STREAM = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"
RUN = "wrun_01M803XX9EKPGB0DR66MWJRZ8Z"
START_MS = START_NS // NS_PER_MS
CLOSE = None  # in the place of data


def write(
    n: int, data: bytes | None = b"x", at: float = 0, *, took: float | None = 4, **fields: Any
) -> dict[str, Any]:
    """One call with one chunk (or a close). `order=` and `pair=` are of the chunk, `step=` is the step's id."""
    exact = {key: fields.pop(key) for key in ("order", "pair") if key in fields}
    step_id, attempt = fields.pop("step", "step_1"), fields.pop("attempt", 1)
    known = "exact" if exact else "context"
    record = {
        "type": "write", "n": n, "op": "write", "stream": STREAM, "run": RUN, "called": START_MS + at, "took": took,
        "ok": True, "step": {"id": step_id, "name": f"step//./chat//{step_id}", "attempt": attempt, "known": known},
    }  # fmt: skip
    if data is CLOSE:
        record |= {"op": "close"} | exact
    else:
        record["chunks"] = [{"size": len(data), "hash": digest_of(data).hex(), **exact}]
    return record | fields


def exact(n: int, data: bytes | None = b"x", at: float = 0, **fields: Any) -> dict[str, Any]:
    """The same as exact mode tells it; by default the writer's order is that of the calls."""
    return write(n, data, at, **({"order": n, "pair": 1} | fields))


def chunk(number: int, data: bytes | None = b"x", at: float = 0, *, stream: str = STREAM) -> ChunkSeen:
    """`at` is when it was minted and stored; `number` tells chunks of one millisecond apart."""
    ulid, body = f"{'0' * 10}{number:016d}", data or b""
    ms = START_MS + int(at)
    return ChunkSeen(
        stream, f"chnk_{shift_ulid(ulid, ms)}", data is CLOSE, body, len(body), digest_of(body), ms, ms * NS_PER_MS,
        ms * NS_PER_MS,
    )  # fmt: skip


def report(world: World, *records: dict[str, Any], process: str = "p1") -> list[Stream]:
    """As the inbox applies them."""
    read = read_batch({"process": process, "records": list(records)})
    assert read.problems == []
    with write_transaction():
        return record_writes(world, read.writes, ensure_runs(world, read.run_ids()))


def store(world: World, *chunks: ChunkSeen) -> None:
    with write_transaction():
        record_chunks(world, chunks)


def look(world: World, at: float) -> None:
    """The last look at the whole world began then."""
    World.objects.filter(pk=world.pk).update(looked_ns=START_NS + int(at * NS_PER_MS))


def processes(world: World, **offsets: float) -> None:
    """Processes that report, and by how many milliseconds our clock is ahead of theirs."""
    for process, offset in offsets.items():
        AppProcess.objects.create(
            world=world,
            process=process,
            first_seen_ns=0,
            last_seen_ns=0,
            clock_offset_ns=int(offset * NS_PER_MS),
        )


def joined(name: str = STREAM) -> bool:
    with write_transaction():
        return join(Stream.objects.select_for_update(of=("self",)).select_related("world").get(name=name))


def outcomes(name: str = STREAM) -> dict[tuple[str, int, int], tuple[str, int | None, int | None]]:
    """Of each write: outcome, arrival and sequence."""
    rows = Write.objects.filter(stream__name=name).order_by("process", "number", "place")
    columns = ("process", "number", "place", "outcome", "arrival", "sequence")
    return {(process, n, place): tuple(rest) for process, n, place, *rest in rows.values_list(*columns)}


def state(name: str = STREAM) -> dict[str, Any]:
    """Writes and chunks by what they are, not by when they came."""
    ids = dict(Chunk.objects.filter(stream__name=name).values_list("arrival", "chunk_id"))
    writes = {
        key: (outcome, ids.get(arrival), sequence)
        for key, (outcome, arrival, sequence) in outcomes(name).items()
    }
    rows = Chunk.objects.filter(stream__name=name)
    chunks = {
        chunk_id: (key, sequence)
        for chunk_id, key, sequence in rows.values_list("chunk_id", "writer__key", "sequence")
    }
    return {"writes": writes, "chunks": chunks}
