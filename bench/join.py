"""Joining what a probe reports with the chunks of one stream: 20,000 writes in batches of 500, applied and matched.

    python bench/join.py

Chunks first (a stream that is read live: reports come a moment later), and reports first (every write waits for
its chunk). Prints writes a second, and the ratio to a reference measured in the same run, in turn: `bulk_create` of
the same rows of the table of writes, a transaction for every batch.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.store import set_up, timed

WRITES, BATCH, ROUNDS = 20_000, 500, 3
PROMISED = 2_000  # writes a second
EVERY_MS = 2  # 500 a second
ULID = "0" * 26
START_MS = 1_795_300_000_000


def payload(number: int) -> bytes:
    """Every tenth chunk is the same few bytes, as blanks and commas in a text are."""
    return b" " if number % 10 == 0 else b"word %d" % number


def record(stream: str, number: int) -> dict[str, Any]:
    from runs.worlds.base import digest_of

    return {
        "type": "write", "n": number, "op": "write", "stream": stream, "run": "wrun_bench",
        "called": START_MS + number * EVERY_MS, "took": 1.5, "ok": True,
        "chunks": [{"size": 51, "hash": digest_of(payload(number)).hex(), "pair": 1, "order": number}],
        "step": {"id": "step_bench", "name": "step//./chat//emit", "attempt": 1, "known": "exact"},
    }  # fmt: skip


def push(world: Any, stream: str, number: int) -> None:
    from runs.models import InboxItem

    records = [record(stream, number * BATCH + at) for at in range(BATCH)]
    batch = {"v": 1, "process": stream, "number": number + 1, "sent": START_MS, "records": records}
    body = json.dumps(batch).encode()
    InboxItem.objects.create(world=world, process=stream, number=number + 1, received_ns=1, body=body)


def store_chunks(world: Any, stream: str, first: int, count: int) -> None:
    from dashboard.lib.database import write_transaction
    from dashboard.lib.ulid import shift_ulid
    from runs.observations import ChunkSeen
    from runs.worlds.base import digest_of
    from streams.arrivals import record_chunks

    seen = []
    for number in range(first, first + count):
        data, at_ms = payload(number), START_MS + number * EVERY_MS + 1
        seen.append(
            ChunkSeen(
                stream,
                f"chnk_{shift_ulid(ULID, at_ms)}",
                False,
                data,
                51,
                digest_of(data),
                at_ms,
                at_ms * 10**6,
                1,
            )
        )
    with write_transaction():
        record_chunks(world, seen)


def join_now(stream: str) -> None:
    from dashboard.lib.database import write_transaction
    from streams.matching import join
    from streams.models import Stream

    with write_transaction():
        join(Stream.objects.select_for_update().select_related("world").get(name=stream))


def apply_all(world: Any, stream: str) -> None:
    """Batch after batch, joined after each: as it is live."""
    from streams.inbox import apply

    apply(world.pk, threading.Event(), changed=partial(join_now, stream))


def chunks_first(world: Any, name: str) -> float:
    for at in range(0, WRITES, 1000):
        store_chunks(world, name, at, 1000)
    for number in range(WRITES // BATCH):
        push(world, name, number)
    return timed(partial(apply_all, world, name))


def reports_first(world: Any, name: str) -> float:
    for number in range(WRITES // BATCH):
        push(world, name, number)
    took = timed(partial(apply_all, world, name))
    for at in range(0, WRITES, 1000):
        store_chunks(world, name, at, 1000)
        took += timed(partial(join_now, name))
    return took


def reference(world: Any, name: str) -> float:
    """The rows that the reports come down to."""
    from dashboard.lib.database import write_transaction
    from streams.models import Stream, Write, Writer

    stream = Stream.objects.create(world=world, name=name, seen_ns=0)
    writer = Writer.objects.create(stream=stream, key=name, known="exact")
    rows = [
        Write(
            stream=stream, writer=writer, process=name, number=n, place=0, outcome="stored", called_ns=n,
            took_ns=1, size=51, digest=b"12345678", order=n, sequence=n, arrival=n + 1, chunk_id=f"chnk_{n:026d}",
            revision=1,
        )
        for n in range(WRITES)
    ]  # fmt: skip

    def store() -> None:
        for at in range(0, WRITES, BATCH):
            with write_transaction():
                Write.objects.bulk_create(rows[at : at + BATCH])

    return timed(store)


def check(name: str) -> None:
    from streams.models import Chunk, Write

    stored = Write.objects.filter(stream__name=name, outcome="stored").count()
    joined = Chunk.objects.filter(stream__name=name, writer__isnull=False).count()
    assert (stored, joined) == (WRITES, WRITES), f"{stored} writes stored, {joined} chunks joined"


def main() -> None:
    set_up()
    from django.db import connection

    from runs.models import World

    world = World.objects.create(slug="bench", kind="local", location="/bench", name="bench", created_ns=0)
    times: dict[str, list[float]] = {"chunks first": [], "reports first": [], "bulk_create": []}
    for round_ in range(ROUNDS):
        times["bulk_create"].append(reference(world, f"raw{round_}"))
        times["chunks first"].append(chunks_first(world, f"chunks{round_}"))
        times["reports first"].append(reports_first(world, f"reports{round_}"))
        check(f"chunks{round_}")
        check(f"reports{round_}")
    raw = statistics.median(times.pop("bulk_create"))
    for name, took in times.items():
        rate = WRITES / statistics.median(took)
        print(
            f"join {connection.vendor}, {name}: {rate:,.0f} writes/s (promised {PROMISED:,});"
            f" bulk_create: {WRITES / raw:,.0f} rows/s; ratio {statistics.median(took) / raw:.1f}"
        )


if __name__ == "__main__":
    main()
