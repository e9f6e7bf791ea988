"""Following a PostgreSQL world: how soon a chunk that is durable there is a row here, what that costs its database,
and whether anything is missed.

    python bench/postgres.py [--seconds 20] [--rate 200] [--events 10000]

Tailrace's own pull and store run in a process of their own, once into SQLite and once into PostgreSQL; the world is
another database of a real server, written as the SDK does: the row, and a statement later the note. Times are of
one clock. Processor time is that of the backends called `tailrace`, as the operating system counts it, in percent
of one core. The reference is a bare LISTEN in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


from bench.parts.promises import end, promise, target
from tests import servers
from tests.needs import NEEDS
from tests.postgres_worlds import Writer, empty_world, rows_of, stream_of

MOST_MS, MOST_IDLE, MOST_BUSY = 100, 1.0, 5.0  # p95; percent of a core
HELD_S, BEHIND_MS = 5.0, 20
TICKS = os.sysconf("SC_CLK_TCK")


def follow(url: str, report: Path) -> None:
    """Follows the world into the database of the environment until standard input ends; then says what came when."""
    import django
    from django.core.management import call_command

    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    from dashboard.worlds.known import ensure_world
    from streams import ingest

    came: dict[str, int] = {}
    told: dict[str, int] = {}
    store = ingest.store

    def noted(world: Any, batch: Any) -> Any:
        stored = store(world, batch)
        at = time.time_ns()
        for one in batch:
            name = type(one).__name__
            if name in ("ChunkSeen", "EventSeen"):
                came.setdefault(one.chunk_id if name == "ChunkSeen" else one.event_id, at)
            elif name == "ChunkTold":
                told.setdefault(one.chunk_id, one.told_ns)
        return stored

    ingest.store = noted
    stop = threading.Event()
    world = ensure_world(url)
    thread = threading.Thread(target=ingest.follow, args=(world.pk, stop, lambda _: None))
    thread.start()
    sys.stdin.read()
    stop.set()
    thread.join()
    report.write_text(json.dumps({"came": came, "told": told}))


def write_chunks(url: str, rate: int, seconds: int) -> None:
    """At this rate; says of each chunk when its row was durable."""
    durable: dict[str, int] = {}
    with Writer(url) as writer:
        run = writer.run()
        stream, began = stream_of(run), time.monotonic()
        for number in range(rate * seconds):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            chunk_id = writer.put(stream, b"\x00\x00\x00\x20devl" + b"x" * 60)
            durable[chunk_id] = time.time_ns()
            writer.tell(stream, chunk_id)
    print(json.dumps(durable))


def write_events(url: str, count: int, behind_ms: int) -> None:
    with Writer(url, behind_ms=behind_ms) as writer:
        run = writer.run()
        for _ in range(count - 1):
            writer.event(run, "step_started", "step_1")


def hold_open(url: str, count: int) -> None:
    """Events of a transaction that stays open while all others are written and read."""
    with Writer(url, autocommit=False) as writer:
        run = writer.run()
        for _ in range(count - 1):
            writer.event(run, "step_started", "step_1")
        time.sleep(HELD_S)
        writer.connection.commit()


@contextmanager
def followed(url: str, database: str) -> Iterator[dict[str, dict[str, int]]]:
    """A process that follows; what it noted is there when it has ended."""
    folder = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    env = os.environ | {"TAILRACE_DATA": str(folder), "TAILRACE_DATABASE_URL": database}
    process = subprocess.Popen(_self("follow", url, str(folder / "report")), env=env, stdin=subprocess.PIPE)
    found: dict[str, dict[str, int]] = {}
    try:
        _wait_until(lambda: len(_backends(url)) >= 2, "it did not connect")
        time.sleep(3)
        yield found
    finally:
        process.communicate()
    found |= json.loads((folder / "report").read_text())


def bench_live(url: str, database: str, rate: int, seconds: int) -> None:
    with followed(url, database) as found:
        idle = _load(url, seconds)
        writer = subprocess.Popen(
            _self("write", url, str(rate), str(seconds)), stdout=subprocess.PIPE, text=True
        )
        time.sleep(1)
        busy = _load(url, seconds - 2)
        durable = json.loads(writer.communicate()[0])
        time.sleep(2)
    came, told = found["came"], found["told"]
    delays = sorted((came[one] - at) / 1e6 for one, at in durable.items() if one in came)
    bare = sorted((told[one] - at) / 1e6 for one, at in durable.items() if one in told)
    p95, reference = _part(delays, 0.95), _part(bare, 0.95)
    print(f"{rate}/s for {seconds} s: durable to row p50 {_part(delays, 0.5):.1f} ms, p95 {p95:.1f} ms,"
          f" max {delays[-1]:.1f} ms; bare LISTEN p95 {reference:.1f} ms; ratio {p95 / reference:.1f}")  # fmt: skip
    promise(f"{len(durable):,} chunks, none missed", len(delays) == len(durable))
    target("p95", p95, MOST_MS, "ms")
    target("backends, idle", idle, MOST_IDLE, "% of a core")
    target(f"backends at {rate}/s", busy, MOST_BUSY, "% of a core")


def bench_missed(url: str, database: str, events: int) -> None:
    with followed(url, database) as found:
        before = {row[0] for row in rows_of(url, "SELECT id FROM workflow.workflow_events")}
        halves = [_self("events", url, str(events // 2), behind) for behind in ("0", str(BEHIND_MS))]
        writers = [subprocess.Popen(one) for one in [*halves, _self("hold", url, "50")]]
        for writer in writers:
            writer.wait()
        stored = {row[0] for row in rows_of(url, "SELECT id FROM workflow.workflow_events")} - before
        time.sleep(15)  # for the wider overlap, which is looked at every few seconds
    missed = stored - found["came"].keys()
    promise(f"{len(stored):,} events of two clocks {BEHIND_MS} ms apart and a transaction held open for"
            f" {HELD_S:g} s: {len(missed)} missed", not missed)  # fmt: skip


def _load(url: str, seconds: float) -> float:
    """Processor time of our backends, in percent of one core."""
    before, began = _ticks(url), time.monotonic()
    time.sleep(seconds)
    after = _ticks(url)
    used = sum(ticks - before.get(pid, ticks) for pid, ticks in after.items())
    return 100 * used / TICKS / (time.monotonic() - began)


def _ticks(url: str) -> dict[int, int]:
    found = {}
    for pid in _backends(url):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        found[pid] = int(fields[11]) + int(fields[12])
    return found


def _backends(url: str) -> list[int]:
    asked = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tailrace' AND datname = current_database()"
    return [row[0] for row in rows_of(url, asked)]


def _wait_until(is_so: Any, otherwise: str) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until, otherwise
        time.sleep(0.1)


def _part(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, int(part * len(values)))]


def _self(*args: str) -> list[str]:
    return [sys.executable, str(Path(__file__)), *args]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--events", type=int, default=10_000)
    options = parser.parse_args()
    binaries = NEEDS["postgres"].find()
    if not isinstance(binaries, Path):
        print(NEEDS["postgres"].missing_message())
        return
    with servers.postgres(binaries) as server, servers.database(server, "tailrace") as own:
        for name, database in (("SQLite", ""), ("PostgreSQL", own)):
            with servers.database(server, f"world_{name.lower()}") as url:
                empty_world(url)
                print(f"into {name}, load {os.getloadavg()[0]:.1f}")
                bench_live(url, database, options.rate, options.seconds)
                bench_missed(url, database, options.events)
    end()


if __name__ == "__main__":
    first, rest = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if first == "follow":
        follow(rest[0], Path(rest[1]))
    elif first == "write":
        write_chunks(rest[0], int(rest[1]), int(rest[2]))
    elif first == "events":
        write_events(rest[0], int(rest[1]), int(rest[2]))
    elif first == "hold":
        hold_open(rest[0], int(rest[1]))
    else:
        main()
