"""Streams of 3 to 1,000,000 chunks, stored by the product's own ingest without a world on disk, and kept for the
next bench below the system's temporary directory.

    python -m bench.parts.long_streams DIRECTORY [SIZE ...]     makes them, in a process of its own

A stream is what a chat writes at 500 chunks a second: a message of text parts of 197 deltas. In every fifth part the
start and the first delta have changed places, so that long streams have problems to be shown too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

SIZES = (3, 1_000, 20_000, 1_000_000)
PART, SWAPPED_EVERY = 200, 5
BATCH = 1_000
EVERY_MS = 2
WRITE_NS = 731_000  # from the id until it is stored
START_MS = 1_795_300_455_726  # of the id below
ULID = "01M803XX9EKPGB0DR66MWJ0000"
MARKER = "token %07d"


def stream_name(size: int) -> str:
    return f"strm_{ULID[:16]}{size:010d}_user"


def page_path(size: int) -> str:
    return f"/w/world/streams/{stream_name(size)}/"


def kept(sizes: tuple[int, ...] = SIZES) -> Path:
    """A directory with `world` and `data`, the streams of these sizes in it and judged; made if need be."""
    this = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    name = f"tailrace-bench-streams-{this}-{'-'.join(map(str, sizes))}"
    root = Path(tempfile.gettempdir()) / name
    if not (root / "made").exists():
        shutil.rmtree(root, ignore_errors=True)  # one that was not finished
        print(f"making {root}: streams of {', '.join(f'{size:,}' for size in sizes)} chunks", flush=True)
        command = [sys.executable, "-m", "bench.parts.long_streams", str(root), *map(str, sizes)]
        subprocess.run(command, check=True, cwd=ROOT)
        (root / "made").touch()
    return root


def unjudged(data: Path) -> int:
    """Streams whose verdict is not of all that is there."""
    sql = (
        "SELECT COUNT(*) FROM streams_stream LEFT JOIN anomalies_checkpoint ON stream_id = streams_stream.id"
        " WHERE anomalies_checkpoint.changes IS NOT streams_stream.changes"
    )
    with sqlite3.connect(f"file:{data}/tailrace.sqlite3?mode=ro", uri=True) as connection:
        return int(connection.execute(sql).fetchone()[0])


def values(size: int) -> Iterator[bytes]:
    """The chunks of a message in the SDK's own form, `size` of them."""
    if size < 6:
        return islice(_short(), size)
    return _message(size)


def _short() -> Iterator[bytes]:
    yield b'[{"type":1,"id":2},"text-start","t1"]'
    yield b'[{"type":1,"id":2,"delta":3},"text-delta","t1","%s "]' % (MARKER % 0).encode()
    yield b'[{"type":1,"id":2},"text-end","t1"]'


def _message(size: int) -> Iterator[bytes]:
    yield b'[{"type":1,"messageId":2},"start","m1"]'
    left, part = size - 2, 0
    while left:
        count = PART if left >= PART + 3 else left  # no part is shorter than a start, a delta and an end
        chunks = list(_part(part, count))
        if part % SWAPPED_EVERY == SWAPPED_EVERY - 1:
            chunks[0], chunks[1] = chunks[1], chunks[0]
        yield from chunks
        left, part = left - count, part + 1
    yield b'[{"type":1},"finish"]'


def _part(part: int, count: int) -> Iterator[bytes]:
    yield b'[{"type":1,"id":2},"text-start","t%d"]' % part
    for at in range(count - 2):
        text = MARKER % (part * PART + at)
        yield b'[{"type":1,"id":2,"delta":3},"text-delta","t%d","%s lorem ipsum "]' % (part, text.encode())
    yield b'[{"type":1,"id":2},"text-end","t%d"]' % part


def frame(body: bytes) -> bytes:
    return (len(body) + 4).to_bytes(4, "big") + b"devl" + body


def make(root: Path, sizes: tuple[int, ...]) -> None:
    os.environ |= {"TAILRACE_DATA": str(root / "data"), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    for folder in ("world", "data"):
        (root / folder).mkdir(parents=True)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from dashboard.worlds.known import ensure_world

    world = ensure_world(str(root / "world"))
    for size in sizes:
        began = time.perf_counter()
        _store(world, size)
        print(f"  {size:,} chunks stored in {time.perf_counter() - began:.1f} s", flush=True)
    began = time.perf_counter()
    _judge(world)
    print(f"  judged in {time.perf_counter() - began:.1f} s", flush=True)


def _store(world: Any, size: int) -> None:
    from streams.ingest import store

    store(world, list(_run_of(size)))
    seen = _chunks_of(size)
    while batch := list(islice(seen, BATCH)):
        store(world, batch)


def _run_of(size: int) -> Iterator[Any]:
    from runs.observations import RunSeen, StepSeen, StreamListSeen

    run_id = f"wrun_{ULID[:16]}{size:010d}"
    began, ended = START_MS * 10**6, (START_MS + size * EVERY_MS + 50) * 10**6
    times: dict[str, Any] = {"created_ns": began, "started_ns": began, "completed_ns": ended}
    yield RunSeen(
        run_id, "completed", "workflow//./workflows/chat//chatTurn", ended, sdk_version="4.8.9", **times
    )
    yield StepSeen(
        run_id, f"step_{ULID}", "completed", "step//./workflows/chat//emit", ended, attempt=1, **times
    )
    yield StreamListSeen(run_id, (stream_name(size),), ended)


def _chunks_of(size: int) -> Iterator[Any]:
    from dashboard.lib.ulid import shift_ulid
    from runs.observations import ChunkSeen
    from runs.worlds.base import digest_of

    for number, body in enumerate(_closed(size)):
        data = frame(body) if body else b""
        minted_ms = START_MS + number * EVERY_MS
        stored_ns = minted_ms * 10**6 + WRITE_NS
        chunk_id = f"chnk_{shift_ulid(ULID, number * EVERY_MS)}"
        yield ChunkSeen(
            stream_name(size),
            chunk_id,
            not body,
            data,
            len(data),
            digest_of(data),
            minted_ms,
            stored_ns,
            stored_ns,
        )


def _closed(size: int) -> Iterator[bytes]:
    yield from values(size)
    yield b""  # the end marker


def _judge(world: Any) -> None:
    import threading

    from dashboard.anomalies.detect import judge_world

    judge_world(world.pk, threading.Event())


if __name__ == "__main__":
    make(Path(sys.argv[1]), tuple(map(int, sys.argv[2:])) or SIZES)
