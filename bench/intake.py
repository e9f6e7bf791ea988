"""Taking in what probes report: 10,000 writes a second in batches of 500, from four processes, over HTTP.

    python bench/intake.py [--rate 10000] [--seconds 5] [--processes 4]

A batch's time counts from when it was due, so a server that falls behind shows. Twice: a web process alone, as where
workers are processes of their own, then `serve`, whose worker applies in the same process what comes in meanwhile.
Reference, measured in the same run, in turn: the same bodies at the same rate, refused before they are read (415).
Last the highest rate: one process that sends as soon as it is answered.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.needs import ROOT
from tests.processes import end, free_port, with_parent
from tests.server_process import Server

BATCH, ROUNDS = 500, 2
_numbers = count(1)


def batch(process: str, number: int) -> bytes:
    """As a probe sends it: one write a record, each with its chunk and its step."""
    now = time.time() * 1000
    records = [_write(process, number * BATCH + at, now) for at in range(BATCH)]
    whole = {"v": 1, "process": process, "number": number, "sent": now, "records": records}
    whole["app"] = {"runtime": "node v20.20.2", "sdk": "4.8.9", "pid": 1, "exact": True}
    return json.dumps(whole).encode()


def _write(process: str, n: int, now: float) -> dict[str, object]:
    return {
        "type": "write",
        "n": n,
        "op": "write",
        "stream": f"strm_{process}_user",
        "run": f"wrun_{process}",
        "called": now,
        "took": 1.5,
        "ok": True,
        "chunks": [{"size": 51, "hash": f"{n:016x}", "pair": 1, "order": n}],
        "step": {"id": f"step_{process}", "name": "step//./chat//emit", "attempt": 1, "known": "exact"},
    }


class Sender(threading.Thread):
    """One process: a connection of its own, a batch whenever one is due; `pause` 0: as soon as it is answered."""

    def __init__(self, port: int, bodies: list[bytes], pause: float, first: float, kind: str) -> None:
        super().__init__()
        self.port, self.bodies, self.pause, self.first, self.kind = port, bodies, pause, first, kind
        self.times: list[float] = []
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        began = time.perf_counter()
        for at, body in enumerate(self.bodies):
            due = began + self.first + at * self.pause if self.pause else time.perf_counter()
            time.sleep(max(0, due - time.perf_counter()))
            connection.request("POST", "/api/v1/probe", body, {"Content-Type": self.kind})
            answer = connection.getresponse()
            answer.read()
            self.statuses[answer.status] += 1
            self.times.append(time.perf_counter() - due)
        self.took = time.perf_counter() - began


def bodies_of(processes: int, batches: int) -> Iterator[list[bytes]]:
    for _ in range(processes):
        process = f"{next(_numbers):026d}"
        yield [batch(process, number) for number in range(1, batches + 1)]


def send(port: int, bodies: list[list[bytes]], pause: float, kind: str = "application/json") -> list[Sender]:
    apart = pause / len(bodies)  # processes do not beat in time
    senders = [Sender(port, one, pause, at * apart, kind) for at, one in enumerate(bodies)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    return senders


def percentile(senders: list[Sender], part: float) -> float:
    times = sorted(time for sender in senders for time in sender.times)
    return times[min(len(times) - 1, int(part * len(times)))] * 1000


def stored(data: Path) -> tuple[int, int]:
    """Batches in the inbox, and how many of them wait."""
    with sqlite3.connect(f"file:{data}/tailrace.sqlite3?mode=ro", uri=True) as connection:
        row = connection.execute("SELECT COUNT(*), SUM(applied_ns IS NULL) FROM runs_inboxitem").fetchone()
    return int(row[0]), int(row[1] or 0)


@contextmanager
def web_process(data: Path) -> Iterator[int]:
    """Without a worker: what it stores stays in the inbox."""
    env = {**os.environ, "TAILRACE_DATA": str(data), "TAILRACE_SIGN_IN": "0", "TAILRACE_LOG_LEVEL": "ERROR"}
    for command in (["migrate"], ["worlds", "add", str(data.parent / "world")]):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=env, check=True, capture_output=True
        )
    port = free_port()
    argv = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "dashboard.asgi:application"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*with_parent(), *argv], cwd=ROOT, env=env, text=True, **quiet)
    try:
        _wait_for(port)
        yield port
    finally:
        end(process)


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the web process did not start")


@contextmanager
def whole(data: Path) -> Iterator[int]:
    server = Server(data.parent / "world", data, env={"TAILRACE_LOG_LEVEL": "ERROR"})
    yield server.port
    server.stop(60)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=4)
    options = parser.parse_args()
    for name, start in (("web process alone", web_process), ("serve, applying meanwhile", whole)):
        data = Path(tempfile.mkdtemp(prefix="tailrace-bench-")) / "data"
        (data.parent / "world").mkdir()
        data.mkdir()
        with start(data) as port:
            bench(name, port, data, options)


def bench(name: str, port: int, data: Path, options: argparse.Namespace) -> None:
    send(port, list(bodies_of(1, 3)), 0)  # what the first request costs is another matter
    pause = options.processes * BATCH / options.rate
    batches = round(options.seconds / pause)
    for _ in range(ROUNDS):
        bodies = list(bodies_of(options.processes, batches))
        reference = send(port, bodies, pause, "text/plain")
        report(name, send(port, bodies, pause), reference, options.seconds)
        print("  in the inbox: {:,} batches, {:,} wait".format(*stored(data)))
    at_most(name, port, batches)


def report(name: str, ours: list[Sender], reference: list[Sender], seconds: int) -> None:
    sent = sum(len(sender.times) for sender in ours) * BATCH
    took = max(seconds, *(sender.took for sender in ours))
    a, b = percentile(ours, 0.95), percentile(reference, 0.95)
    statuses = sum((sender.statuses for sender in ours), Counter[int]())
    print(
        f"{name}: {sent / took:,.0f} writes/s, answers {dict(statuses)}, p50 {percentile(ours, 0.5):.1f} ms,"
        f" p95 {a:.1f} ms; refused unread p95 {b:.1f} ms; ratio {a / b:.1f}"
    )


def at_most(name: str, port: int, batches: int) -> None:
    bodies = list(bodies_of(1, batches))
    reference = send(port, bodies, 0, "text/plain")[0]
    ours = send(port, bodies, 0)[0]
    rates = [ours.statuses[202] * BATCH / ours.took, batches * BATCH / reference.took]
    print(
        f"{name}, one process after each answer: {rates[0]:,.0f} writes/s;"
        f" refused unread: {rates[1]:,.0f} writes/s; ratio {rates[1] / rates[0]:.1f}"
    )


if __name__ == "__main__":
    main()
