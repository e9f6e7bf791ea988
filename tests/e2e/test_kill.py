"""Killed at any moment, Tailrace loses nothing and doubles nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from pathlib import Path

CHUNKS = 4000  # there before the first start
STREAMS = ("strm_01M803XX9EKPGB0DR66MWJRZ8Z_user", "strm_01M803XXRMEFHXRQDT3NWX3SN6_user")
FRAME = b"\x00\x00\x00\x00\x0bdevl" + b'["chunk"]'[:7]


def write_chunk(world: Path, number: int) -> None:
    """As the SDK does: whole under another name, then renamed."""
    folder = world / "streams" / "chunks" / STREAMS[number % 2]
    part = folder / f"chnk_{number:026d}.bin.tmp.X"
    part.write_bytes(FRAME + str(number).encode())
    part.replace(folder / f"chnk_{number:026d}.bin")


class Writer(threading.Thread):
    """Writes to both streams, about 1,000 chunks a second, until it is told to stop."""

    def __init__(self, world: Path) -> None:
        super().__init__(daemon=True)
        self.world, self.written, self.stop = world, CHUNKS, threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.01):
            for _ in range(10):
                write_chunk(self.world, self.written)
                self.written += 1


def make_world(world: Path) -> None:
    for name in STREAMS:
        (world / "streams" / "chunks" / name).mkdir(parents=True)
    for number in range(CHUNKS):
        write_chunk(world, number)


def stored(data: Path) -> dict[str, list[tuple[int, str, int, bytes]]]:
    """(arrival, chunk id, position, payload) of each stream, in arrival order."""
    with sqlite3.connect(f"file:{data / 'tailrace.sqlite3'}?mode=ro", uri=True, timeout=20) as connection:
        rows = connection.execute(
            "SELECT name, arrival, chunk_id, position, data FROM streams_chunk"
            " JOIN streams_stream s ON s.id = stream_id ORDER BY name, arrival"
        ).fetchall()
    found: dict[str, list[tuple[int, str, int, bytes]]] = {}
    for name, *row in rows:
        found.setdefault(name, []).append((row[0], row[1], row[2], bytes(row[3])))
    return found


def wait_for(data: Path, count: int, within: float = 60) -> None:
    until = time.monotonic() + within
    while sum(map(len, stored(data).values())) < count:
        assert time.monotonic() < until, "the rows did not come"
        time.sleep(0.2)


def assert_equals_directory(world: Path, data: Path) -> None:
    rows = stored(data)
    assert sorted(rows) == sorted(STREAMS)
    for name, found in rows.items():
        files = sorted((world / "streams" / "chunks" / name).iterdir())
        assert [row[0] for row in found] == list(range(1, len(files) + 1)), (
            "arrivals have no gap and no repeat"
        )
        by_position = sorted(found, key=lambda row: row[2])
        assert [row[1] for row in by_position] == [file.stem for file in files], (
            "positions follow the directory"
        )
        assert [row[2] for row in by_position] == list(range(len(files)))
        assert [row[3] for row in by_position] == [file.read_bytes()[1:] for file in files]


def test_it_equals_the_directory_after_five_kills_during_ingest(serve, tmp_path):
    world, data = tmp_path / "world", tmp_path / "data"
    make_world(world)
    server, writer = serve(world, data), Writer(world)
    writer.start()
    before = 0
    for pause in (0.1, 0.4, 0.2, 0.8, 0.3):
        time.sleep(pause)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        rows = sum(map(len, stored(data).values()))
        assert before <= rows < writer.written, "it was killed while it had still to read"
        before = rows
        server.start()
    assert before > CHUNKS, "rows were stored between the kills"
    writer.stop.set()
    writer.join()
    wait_for(data, writer.written)
    assert_equals_directory(world, data)
    assert server.stop() == 0


def test_it_ends_cleanly_when_asked_to_in_the_middle(serve, tmp_path):
    world, data = tmp_path / "world", tmp_path / "data"
    make_world(world)
    server = serve(world, data)
    assert server.stop() == 0
    server.start()
    wait_for(data, CHUNKS)
    assert_equals_directory(world, data)


def test_a_second_start_on_the_same_data_names_the_first(serve, tmp_path):
    (tmp_path / "world").mkdir()
    first = serve(tmp_path / "world", tmp_path / "data")
    try:
        serve(tmp_path / "world", tmp_path / "data")
    except RuntimeError as error:
        assert f"pid {first.process.pid}, port {first.port}" in str(error)
    else:
        raise AssertionError("the second start was not refused")
