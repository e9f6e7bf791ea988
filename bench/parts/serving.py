"""Tailrace on kept streams, and processes that are looked at from outside."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.parts.long_streams import kept, unjudged
from tests.processes import end
from tests.server_process import Server

QUIET_WITHIN = 300


@contextmanager
def serving(sizes: tuple[int, ...]) -> Iterator[Server]:
    """A server that has nothing left to read or to judge."""
    root = kept(sizes)
    began_ns = time.time_ns()
    server = Server(root / "world", root / "data", env={"TAILRACE_LOG_LEVEL": "ERROR"})
    try:
        _wait_until_quiet(root / "data", began_ns)
        yield server
    finally:
        end(server.process, 30)


def _wait_until_quiet(data: Path, began_ns: int) -> None:
    until = time.monotonic() + QUIET_WITHIN
    while _last_read_ns(data) < began_ns or unjudged(data):
        if time.monotonic() > until:
            raise SystemExit("the server is still reading and judging")
        time.sleep(0.5)


def _last_read_ns(data: Path) -> int:
    with sqlite3.connect(f"file:{data}/tailrace.sqlite3?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT COALESCE(MIN(read_ns), 0) FROM runs_world").fetchone()[0])


def memory_mb(pid: int, which: str = "VmRSS") -> float:
    """Resident memory of a process and all below it, from Linux's own book. `RssAnon` is the part of it that is no
    file: the database is mapped, up to 256 MB, which the system takes back when it needs it."""
    total, left = 0, [pid]
    while left:
        one = left.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text()
            for task in Path(f"/proc/{one}/task").iterdir():
                left += map(int, (task / "children").read_text().split())
        except OSError:
            continue
        total += int(status.partition(f"{which}:")[2].split()[0])
    return total / 1024


def load() -> str:
    """What else the machine is doing: figures taken under load are to be taken again."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
