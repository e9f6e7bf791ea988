"""Rows as `runs.record` and `streams.arrivals` leave them, made directly: plain functions with sensible defaults."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from runs.models import Event, Hook, Run, Step, Unreadable, Wait, World
from runs.worlds.base import digest_of, stored_bytes
from streams.models import Chunk, Stream
from streams.order import BEHIND, CLOSE, CLOSE2, MOVED, MOVED_PROVED, positions

START_NS = 1_795_300_000_000_000_000  # 2026-11-21 22:26:40 UTC
MS = 1_000_000
ULID = "01M803XX9EKPGB0DR66MWJRZ8Z"
CLOSE_MARKER = None  # among the values of `make_chunks`
_numbers = count(1)


def devalue(value: Any) -> bytes:
    """The bytes the SDK writes for a value of objects, lists, strings, numbers, booleans and null."""
    flat: list[Any] = []

    def add(item: Any) -> int:
        at = len(flat)
        flat.append(None)
        if isinstance(item, dict):
            flat[at] = {key: add(child) for key, child in item.items()}
        elif isinstance(item, list):
            flat[at] = [add(child) for child in item]
        else:
            flat[at] = item
        return at

    add(value)
    return b"devl" + json.dumps(flat, ensure_ascii=False).encode("utf-8", "surrogatepass")


def frame(value: Any) -> bytes:
    body = devalue(value)
    return len(body).to_bytes(4, "big") + body


def make_world(slug: str = "app", **fields: Any) -> World:
    defaults = {"kind": "local", "location": f"/srv/{slug}", "name": slug, "created_ns": START_NS}
    return World.objects.create(slug=slug, **(defaults | fields))


def make_run(world: World, run_id: str = "", **fields: Any) -> Run:
    number = next(_numbers)
    defaults = {
        "status": "completed",
        "workflow": "workflow//./workflows/chat//chatTurn",
        "sdk_version": "4.8.9",
        "created_ns": START_NS,
        "completed_ns": START_NS + 528 * MS,
    }
    return Run.objects.create(world=world, run_id=run_id or f"wrun_{number:026d}", **(defaults | fields))


def make_step(run: Run, step_id: str = "", **fields: Any) -> Step:
    number = next(_numbers)
    defaults = {
        "name": "step//./workflows/chat//emitStream",
        "status": "completed",
        "attempt": 1,
        "created_ns": START_NS + 10 * MS,
        "started_ns": START_NS + 20 * MS,
        "completed_ns": START_NS + 40 * MS,
        "source_ns": START_NS,
    }
    return Step.objects.create(run=run, step_id=step_id or f"step_{number:026d}", **(defaults | fields))


def make_event(run: Run, type: str, data: Any = None, **fields: Any) -> Event:
    number = next(_numbers)
    defaults = {
        "event_id": f"evnt_{number:026d}",
        "created_ns": START_NS + number * MS,
        "source_ns": START_NS,
        "data": stored_bytes(data, "events/x"),
    }
    return Event.objects.create(run=run, type=type, **(defaults | fields))


def make_hook(run: Run, token: str = "moderate:1", **fields: Any) -> Hook:
    defaults = {"hook_id": f"hook_{next(_numbers):026d}", "created_ns": START_NS, "source_ns": START_NS}
    return Hook.objects.create(world=run.world, run=run, token=token, **(defaults | fields))


def make_wait(run: Run, **fields: Any) -> Wait:
    defaults = {
        "wait_id": f"wait_{next(_numbers):026d}",
        "status": "waiting",
        "created_ns": START_NS,
        "resume_ns": START_NS + 60_000 * MS,
        "source_ns": START_NS,
    }
    return Wait.objects.create(run=run, **(defaults | fields))


def make_unreadable(world: World, where: str = "runs/broken.json", **fields: Any) -> Unreadable:
    defaults = {"reason": "not JSON", "head": b'{"run', "since_ns": START_NS}
    return Unreadable.objects.create(world=world, where=where, **(defaults | fields))


def make_stream(
    world: World, name: str = f"strm_{ULID}_user", run: Run | None = None, **fields: Any
) -> Stream:
    return Stream.objects.create(world=world, name=name, run=run, **({"seen_ns": START_NS} | fields))


def make_chunks(
    stream: Stream,
    values: Sequence[Any],
    *,
    gap_ms: int = 10,
    moved: Sequence[int] = (),
    proved: bool = False,
    **fields: Any,
) -> None:
    """Append a chunk for each value (bytes are stored as they are, CLOSE_MARKER is an end marker).

    Arrival and reading order are the same. `moved` are arrivals to be marked so.
    """
    first = stream.head
    closed = stream.close_count > 0
    closes = [value is CLOSE_MARKER for value in values]
    places = positions(closes, start=stream.chunk_count - stream.behind_count, closed=closed)
    rows = []
    for at, (value, (position, mark)) in enumerate(zip(values, places, strict=True), start=first + 1):
        data = b"" if value is CLOSE_MARKER else value if isinstance(value, bytes) else frame(value)
        mark |= (MOVED_PROVED if proved else MOVED) if at in moved else 0
        defaults = {
            "chunk_id": f"chnk_{at:026d}",
            "position": position,
            "is_close": value is CLOSE_MARKER,
            "marks": mark,
            "revision": 0,
            "size": len(data),
            "data": data,
            "digest": digest_of(data),
            "minted_ms": START_NS // MS + at,
            "stored_ns": START_NS + at * gap_ms * MS,
            "observed_ns": START_NS + at * gap_ms * MS + 5 * MS,
            "problem": "",
        }
        rows.append(Chunk(stream=stream, arrival=at, **(defaults | fields)))
    Chunk.objects.bulk_create(rows, batch_size=50)
    _count(stream, rows)


def _count(stream: Stream, rows: Sequence[Chunk]) -> None:
    stream.head += len(rows)
    stream.chunk_count += sum(not row.is_close for row in rows)
    stream.close_count += sum(bool(row.marks & (CLOSE | CLOSE2)) for row in rows)
    stream.behind_count += sum(bool(row.marks & BEHIND) for row in rows)
    stream.moved_count += sum(bool(row.marks & (MOVED | MOVED_PROVED)) for row in rows)
    stream.bytes += sum(row.size for row in rows)
    closes = [row.chunk_id for row in rows if row.is_close]
    stream.first_close_id = stream.first_close_id or (min(closes) if closes else "")
    if rows:
        stream.first_stored_ns = stream.first_stored_ns or rows[0].stored_ns
        stream.last_stored_ns = rows[-1].stored_ns
        stream.last_chunk_id = rows[-1].chunk_id
    stream.save()


def text_chunks(count: int) -> list[dict[str, str]]:
    return [{"type": "text-delta", "id": "t1", "delta": f"word{at} "} for at in range(count)]
