"""Real PostgreSQL and Redis servers of our own: on free ports, in directories that go away."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.processes import end, free_port, with_parent

READY_WITHIN = 30.0
# Nothing here has to survive a power cut; everything has to be quick.
POSTGRES_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
}


@contextmanager
def postgres(binaries: Path) -> Iterator[str]:
    """A new cluster; gives the URL of its empty database `postgres`, where everyone may log in."""
    user = _unprivileged()
    # Not below pytest's own directories: those are closed to the user that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="tailrace-postgres-"))
    try:
        if user:
            shutil.chown(folder, user)
        _initdb(binaries, folder / "data", user)
        port = free_port()
        settings = [item for name, value in POSTGRES_SETTINGS.items() for item in ("-c", f"{name}={value}")]
        argv = [str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port), *settings]
        url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients that a test forgot.
        with _server([*with_parent("INT", user), *argv], folder, lambda: _postgres_answers(url)):
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(url: str, name: str) -> Iterator[str]:
    """A new empty database in that cluster; gives its URL and drops it afterwards, whoever is still in it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield f"{url.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@contextmanager
def redis(binary: Path) -> Iterator[str]:
    """A Redis that stores nothing; gives the URL of its database 0."""
    with tempfile.TemporaryDirectory(prefix="tailrace-redis-") as folder:
        port = free_port()
        argv = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder]
        argv += ["--save", "", "--appendonly", "no"]
        with _server([*with_parent("TERM"), *argv], Path(folder), lambda: _redis_answers(port)):
            yield f"redis://127.0.0.1:{port}/0"


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: the user to run it as instead, if we are root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _initdb(binaries: Path, data: Path, user: str | None) -> None:
    argv = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    argv += ["--no-locale", "--no-sync"]
    done = subprocess.run(
        [*with_parent("KILL", user), *argv], cwd=data.parent, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")


@contextmanager
def _server(argv: list[str], folder: Path, answers: Callable[[], bool]) -> Iterator[None]:
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(argv, cwd=folder, stdout=output, stderr=output, text=True)
    try:
        until = time.monotonic() + READY_WITHIN
        while not answers():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{argv[-1]} did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.05)
        yield
    finally:
        end(process)


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _redis_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
