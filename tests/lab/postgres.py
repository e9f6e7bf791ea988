"""A PostgreSQL world for an app of the lab: a server of its own, prepared by the package's own setup.

with world("4.8.9") as url: ...        # WORKFLOW_POSTGRES_URL of the app, and what Tailrace is given
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests import servers
from tests.lab.app import LabApp
from tests.needs import find_postgres
from tests.processes import end, with_parent

PACKAGE = "@workflow/world-postgres"
VERSIONS = ("4.2.4", "4.8.9")  # of the SDK: their locks have the package (4.1.1 and 4.3.7)
CHUNKS = "SELECT stream_id, eof, data FROM workflow.workflow_stream_chunks ORDER BY stream_id, id"
BEGIN_RUN = (
    "INSERT INTO workflow.workflow_runs (id, deployment_id, status, name, spec_version, started_at)"
    " VALUES (%s, 'postgres', 'running', 'workflow//./workflows/lab//writes', 3, now())"
)
WRITE = (
    "INSERT INTO workflow.workflow_stream_chunks (id, stream_id, run_id, data, eof) VALUES (%s, %s, %s, %s, false)"
    " ON CONFLICT DO NOTHING"
)


@contextmanager
def world(version: str) -> Iterator[str]:
    binaries = find_postgres()
    assert binaries is not None, "PostgreSQL is one of the tests' needs"
    with servers.postgres(binaries) as url:
        LabApp(version).set_up_postgres(url)
        yield url


def stored(url: str) -> dict[str, list[str | None]]:
    """The chunks of each stream in reading order, in base64; None is an end marker."""
    found: defaultdict[str, list[str | None]] = defaultdict(list)
    with psycopg.connect(url) as connection:
        for stream, eof, data in connection.execute(CHUNKS):
            found[stream].append(None if eof else base64.b64encode(data).decode())
    return dict(found)


class Outages:
    """Takes the server behind a URL away, and gives it back as it was.

    with Outages(url) as server: server.stop(); server.start()
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with psycopg.connect(url) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        self._folder = Path(row[0])
        # What it was started with, in the words of a shell.
        self._argv = shlex.split((self._folder / "postmaster.opts").read_text())
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Outages:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process)

    def stop(self) -> None:
        """At once, whoever is connected; what was committed stays."""
        pid = self._folder / "postmaster.pid"
        os.kill(int(pid.read_text().split()[0]), signal.SIGINT)
        self._wait_until(lambda: not pid.exists())

    def start(self) -> None:
        user = self._folder.owner() if os.geteuid() == 0 else None
        with (self._folder.parent / "log").open("a") as log:
            self._process = subprocess.Popen(
                [*with_parent("INT", user), *self._argv], stdout=log, stderr=log, text=True
            )
        self._wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _wait_until(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + servers.READY_WITHIN
        while not holds():
            assert time.monotonic() < until, f"{self._argv[0]} neither comes nor goes"
            time.sleep(0.05)


class Writer(threading.Thread):
    """Writes one stream of a run as the package does, chunk and notification in two statements, and goes on where
    it was when its connection is cut. It says how many are stored: those it had an answer for."""

    def __init__(self, url: str, run_id: str, pause: float) -> None:
        super().__init__(daemon=True)
        self.url, self.run_id, self.pause = url, run_id, pause
        self.stream = f"strm_{run_id.removeprefix('wrun_')}_user"
        self.stored = 0
        self.enough = threading.Event()

    def run(self) -> None:
        is_begun = False
        while not self.enough.is_set():
            try:
                with psycopg.connect(self.url, autocommit=True, connect_timeout=2) as connection:
                    if not is_begun:
                        connection.execute(BEGIN_RUN, (self.run_id,))
                        is_begun = True
                    while not self.enough.wait(self.pause):
                        self._write(connection)
            except psycopg.OperationalError:
                self.enough.wait(0.1)

    def _write(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        """With an id that stays the same when it is written once more: the answer may have been cut off."""
        chunk_id = f"chnk_{self.run_id.removeprefix('wrun_')[:10]}{self.stored:016d}"
        body = b'devl["word %d"]' % self.stored
        data = len(body).to_bytes(4, "big") + body
        connection.execute(WRITE, (chunk_id, self.stream, self.run_id, data))
        note = json.dumps({"streamId": self.stream, "chunkId": chunk_id})
        connection.execute("SELECT pg_notify('workflow_event_chunk', %s)", (note,))
        self.stored += 1
