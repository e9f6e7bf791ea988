"""Storing chunks: observations in memory to committed rows, against the raw statement on the same table; and a
directory of 20,000 chunks through the whole path, against a loop that only opens and reads the same files.

    python bench/store.py            all of it; PostgreSQL is started for it, or said to be missing
    python bench/store.py store      one of them in this process: store (TAILRACE_DATABASE_URL for PostgreSQL), whole

Prints rows a second and the ratio to the reference, both measured in this run, in turn.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

CHUNKS, BATCH, ROUNDS = 20_000, 1_000, 5
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def set_up() -> None:
    os.environ["TAILRACE_DATA"] = tempfile.mkdtemp(prefix="tailrace-bench-")
    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def bench_store() -> None:
    from django.db import connection

    from runs.models import World
    from runs.observations import ChunkSeen
    from runs.worlds.base import digest_of
    from streams import bulk
    from streams.models import Stream

    world = World.objects.create(slug="bench", kind="local", location="/bench", name="bench", created_ns=0)
    data = (
        b"\x00\x00\x00\xc8devl"
        + b'[{"type":1,"id":2,"delta":3},"text-delta","t1","lorem ipsum dolor sit amet"]' * 2
    )
    data = data[:200]
    digest = digest_of(data)
    ours, reference = [], []
    for round_ in range(ROUNDS):
        pk = Stream.objects.create(world=world, name=f"raw{round_}", seen_ns=0).pk
        names = [f"chnk_{n:026d}" for n in range(CHUNKS)]
        rows = [
            bulk.ChunkRow(pk, n + 1, name, n, False, 0, 0, 200, data, digest, n, n, n, "")
            for n, name in enumerate(names)
        ]
        seen = [
            ChunkSeen(f"ours{round_}", name, False, data, 200, digest, n, n, n)
            for n, name in enumerate(names)
        ]
        reference.append(timed(partial(raw, rows)))
        ours.append(timed(partial(through, world, seen)))
    name = "executemany" if connection.vendor == "sqlite" else "binary COPY"
    report(f"store {connection.vendor}", ours, reference, f"raw {name}")


def raw(rows: list[Any]) -> None:
    """The statement that storing comes down to, a transaction for every batch."""
    from django.db import connection, transaction

    from streams import bulk

    sql = f"INSERT INTO streams_chunk ({bulk.COLUMNS}) VALUES ({', '.join('?' * len(bulk.ChunkRow._fields))})"
    for at in range(0, CHUNKS, BATCH):
        with transaction.atomic():
            if connection.vendor == "sqlite":
                connection.connection.executemany(sql, rows[at : at + BATCH])
            else:
                bulk.insert_chunks(rows[at : at + BATCH])


def through(world: Any, seen: list[Any]) -> None:
    from streams.ingest import store

    for at in range(0, CHUNKS, BATCH):
        store(world, seen[at : at + BATCH])


def bench_whole() -> None:
    from dashboard.worlds.known import ensure_world
    from streams.ingest import pull
    from streams.models import Chunk

    root = Path(tempfile.mkdtemp(prefix="tailrace-bench-world-"))
    ours, reference = [], []
    for round_ in range(ROUNDS):
        world = root / str(round_)
        files = make_world(world)
        reference.append(timed(partial(read_all, files)))
        pk = ensure_world(str(world)).pk
        ours.append(timed(partial(pull, pk, threading.Event())))
        assert Chunk.objects.filter(stream__world=pk).count() == CHUNKS
    report("whole path, 20,000 chunk files", ours, reference, "open and read")


def make_world(world: Path) -> list[str]:
    folder = world / "streams" / "chunks" / "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"
    folder.mkdir(parents=True)
    body = (
        b"\x00\x00\x00\x00\x4cdevl" + b'[{"type":1,"id":2,"delta":3},"text-delta","t1","lorem ipsum dolor"]'
    )
    files = [str(folder / f"chnk_{n:026d}.bin") for n in range(CHUNKS)]
    for name in files:
        with open(name, "wb") as file:
            file.write(body)
    return files


def read_all(files: list[str]) -> None:
    for name in files:
        with open(name, "rb") as file:
            file.read()


def report(name: str, ours: list[float], reference: list[float], what: str) -> None:
    a, b = statistics.median(ours), statistics.median(reference)
    print(f"{name}: {CHUNKS / a:,.0f} rows/s; {what}: {CHUNKS / b:,.0f} rows/s; ratio {b / a:.2f}")


def everything() -> None:
    """Each in a process of its own: a process has one database."""
    from tests.needs import NEEDS
    from tests.servers import database, postgres

    one = partial(subprocess.run, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    one([sys.executable, __file__, "store"])
    one([sys.executable, __file__, "whole"])
    binaries = NEEDS["postgres"].find()
    if binaries is None:
        print("store postgresql: left out, there is no PostgreSQL server here")
        return
    with postgres(binaries) as server, database(server, "bench") as url:
        os.environ["TAILRACE_DATABASE_URL"] = url
        one([sys.executable, __file__, "store"], env={**os.environ, "PYTHONPATH": str(ROOT)})


if __name__ == "__main__":
    if len(sys.argv) < 2:
        everything()
    else:
        set_up()
        {"store": bench_store, "whole": bench_whole}[sys.argv[1]]()
