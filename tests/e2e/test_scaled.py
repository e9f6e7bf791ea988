"""The same code on PostgreSQL and Redis: several processes, killed workers, a broker that forgets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests import postgres_worlds, servers
from tests.needs import ROOT
from tests.processes import end, free_port, with_parent

NAME = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"
CHUNKS = 3000


@pytest.fixture
def env(postgres_database, redis_url, tmp_path) -> dict[str, str]:
    return {
        **os.environ, "TAILRACE_DATABASE_URL": postgres_database, "TAILRACE_REDIS_URL": redis_url,
        "TAILRACE_SECRET_KEY": "k" * 50, "TAILRACE_DATA": str(tmp_path / "data"), "TAILRACE_SIGN_IN": "0",
        "TAILRACE_SWEEP_SECONDS": "1", "DJANGO_SETTINGS_MODULE": "dashboard.settings",
    }  # fmt: skip


@pytest.fixture
def start(env) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def run(*argv: str) -> subprocess.Popen[str]:
        command = [*with_parent(), sys.executable, *argv]
        started.append(subprocess.Popen(command, cwd=ROOT, env=env, text=True))
        return started[-1]

    yield run
    for process in started:
        end(process)


def manage(env: dict[str, str], *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *argv], cwd=ROOT, env=env, text=True, capture_output=True, check=True
    )
    return done.stdout


def make_world(world: Path) -> Path:
    folder = world / "streams" / "chunks" / NAME
    folder.mkdir(parents=True)
    return folder


def write(folder: Path, first: int, last: int) -> None:
    for number in range(first, last):
        part = folder / f"chnk_{number:026d}.bin.tmp.X"
        part.write_bytes(b"\x00a\x00b" + str(number).encode())  # U+0000, which PostgreSQL's text would refuse
        part.replace(folder / f"chnk_{number:026d}.bin")


def rows(url: str) -> list[tuple[int, str, int, bytes]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT arrival, chunk_id, position, data FROM streams_chunk ORDER BY arrival"
        ).fetchall()


def wait_for(url: str, count: int, within: float = 60) -> None:
    until = time.monotonic() + within
    while len(rows(url)) < count:
        assert time.monotonic() < until, f"{len(rows(url))} of {count} rows came"
        time.sleep(0.2)


def assert_complete(url: str, count: int) -> None:
    found = rows(url)
    assert [row[0] for row in found] == list(range(1, count + 1))
    by_position = sorted(found, key=lambda row: row[2])
    assert [row[1] for row in by_position] == [f"chnk_{n:026d}" for n in range(count)]
    assert [row[3] for row in by_position] == [b"a\x00b" + str(n).encode() for n in range(count)]


def test_killed_workers_and_a_broker_that_forgets_lose_nothing(
    env, start, postgres_database, redis_url, tmp_path
):
    folder = make_world(tmp_path / "shop")
    manage(env, "migrate", "--verbosity", "0")
    assert manage(env, "worlds", "add", str(tmp_path / "shop")).startswith("shop: added, ")
    worker = ("-m", "celery", "-A", "dashboard.celery", "worker", "--concurrency", "2", "--loglevel", "ERROR")
    first = start(*worker)
    start("-m", "celery", "-A", "dashboard.celery", "beat", "--schedule", str(tmp_path / "beat"))
    start("manage.py", "follow")
    port = free_port()
    start("-m", "daphne", "-p", str(port), "dashboard.asgi:application")
    write(folder, 0, 1000)
    wait_for(postgres_database, 1)
    os.kill(first.pid, signal.SIGKILL)
    write(folder, 1000, 2000)
    redis.Redis.from_url(redis_url).flushall()
    start(*worker)
    write(folder, 2000, CHUNKS)
    wait_for(postgres_database, CHUNKS)
    assert_complete(postgres_database, CHUNKS)
    assert_a_socket_shows_what_the_worker_stores(port, folder)


def assert_a_socket_shows_what_the_worker_stores(port: int, folder: Path) -> None:
    got: list[str] = []
    last, goal = CHUNKS - 1, CHUNKS + 40
    with connect_when_open(port, f"/ws/w/shop/streams/{NAME}/?after={last}") as socket:
        write(folder, CHUNKS, goal)
        while last < goal:
            frame = json.loads(socket.recv(timeout=20))
            if "from" in frame:
                assert frame["from"] == last
                last = frame["to"]
                got.append(frame["html"])
                socket.send(json.dumps({"ack": last}))
    assert "".join(got).count('id="chunk-') == 41


def connect_when_open(port: int, path: str) -> ClientConnection:
    until = time.monotonic() + 30
    while True:
        try:
            return connect(f"ws://127.0.0.1:{port}{path}", origin=f"http://127.0.0.1:{port}", open_timeout=20)
        except OSError:
            assert time.monotonic() < until, "the web process did not start"
            time.sleep(0.2)


def test_a_page_of_another_site_gets_no_socket(serve, tmp_path):
    make_world(tmp_path / "shop")
    server = serve(tmp_path / "shop", tmp_path / "data")
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://127.0.0.1:{server.port}/ws/w/shop/", origin="http://evil.example")
    with connect(f"ws://127.0.0.1:{server.port}/ws/w/shop/", origin=server.url):
        pass


def test_a_postgresql_world_is_read_by_the_process_that_watches_it(
    env, start, postgres_url, postgres_database, tmp_path
):
    """What the listener hears is known to its process alone; a worker's sweep, here each second, leaves it alone."""
    with servers.database(postgres_url, f"world_{uuid4().hex}") as url, postgres_worlds.Writer(url) as writer:
        postgres_worlds.empty_world(url)
        manage(env, "migrate", "--verbosity", "0")
        manage(env, "worlds", "add", url)
        start("-m", "celery", "-A", "dashboard.celery", "worker", "--concurrency", "2", "--loglevel", "ERROR")
        start("-m", "celery", "-A", "dashboard.celery", "beat", "--schedule", str(tmp_path / "beat"))
        start("manage.py", "follow")
        until_told(postgres_database, "SELECT facts::text LIKE '%listening%' FROM runs_world")
        stream = postgres_worlds.stream_of(writer.run())
        for number in range(200):
            writer.chunk(stream, b"%d" % number)
            time.sleep(0.01)
        wait_for(postgres_database, 200)
        assert told_in_order(postgres_database) == [row[1] for row in rows(postgres_database)]
        until_told(postgres_database, "SELECT verdict <> 30 FROM streams_stream")  # the worker has judged it
        sessions = writer.connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tailrace'"
            " AND datname = current_database()"
        ).fetchone()
        assert sessions == (2,), "the reader and the listener of one process"


def told_in_order(url: str) -> list[str]:
    """Chunks in the order in which one session heard of them."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT listener, chunk_id FROM streams_note ORDER BY place").fetchall()
    assert len({listener for listener, _ in found}) == 1
    return [chunk_id for _, chunk_id in found]


def until_told(url: str, query: str) -> None:
    until = time.monotonic() + 60
    with psycopg.connect(url, autocommit=True) as connection:
        while connection.execute(query.encode()).fetchone() != (True,):
            assert time.monotonic() < until, query
            time.sleep(0.2)
