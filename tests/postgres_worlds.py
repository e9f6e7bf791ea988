"""PostgreSQL worlds for tests: dumps of real ones, and a writer that does what the SDK's world does.

The dumps lie in tests/fixtures/recordings/postgres; `restored` puts one into a database of its own.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import cbor2
import psycopg

from tests import servers
from tests.processes import end, free_port, with_parent
from tests.recordings import RECORDINGS

DUMPS = RECORDINGS / "postgres"
VERSIONS = ("postgres-4.3.7", "postgres-4.3.7-realapp", "postgres-5.0.0-beta.29")
EMPTY = "schema-4.1.1"
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def restore(url: str, name: str) -> None:
    """Runs a dump in an empty database."""
    script = gzip.decompress(Path(DUMPS / f"{name}.sql.gz").read_bytes())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(script)


@contextmanager
def restored(server: str, name: str) -> Iterator[str]:
    """The URL of a new database of that server with the dump in it."""
    with servers.database(server, f"world_{uuid4().hex}") as url:
        restore(url, name)
        yield url


def empty_world(url: str, name: str = "postgres-4.3.7") -> None:
    """The tables of a version without rows."""
    restore(url, name)
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables"
            " WHERE schemaname = 'workflow'"
        ).fetchone()
        assert tables is not None
        connection.execute(f"TRUNCATE {tables[0]}".encode())


def ulid(milliseconds: int | None = None) -> str:
    """As the SDK makes them, by this machine's clock or any other."""
    value = milliseconds if milliseconds is not None else time.time_ns() // 1_000_000
    digits = ""
    for _ in range(10):
        value, digit = divmod(value, 32)
        digits = _DIGITS[digit] + digits
    return digits + "".join(random.choice(_DIGITS) for _ in range(16))


def cbor(value: object) -> bytes:
    """As cbor-x writes it: byte arrays with tag 64."""
    return cbor2.dumps(_tagged(value))


def _tagged(value: Any) -> Any:
    if isinstance(value, bytes):
        return cbor2.CBORTag(64, value)
    if isinstance(value, dict):
        return {name: _tagged(inner) for name, inner in value.items()}
    return [_tagged(inner) for inner in value] if isinstance(value, list) else value


class Writer:
    """One process of an app with `@workflow/world-postgres`: ids by its own clock, notes behind their rows."""

    def __init__(self, url: str, *, behind_ms: int = 0, autocommit: bool = True) -> None:
        self.connection = psycopg.connect(url, autocommit=autocommit)
        self.behind_ms = behind_ms
        self._last = ""

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def id(self, prefix: str) -> str:
        """Monotonic within the process, as the SDK's factory is."""
        made = ulid(time.time_ns() // 1_000_000 - self.behind_ms)
        if made[:10] <= self._last[:10] and self._last:
            made = _after(self._last)
        self._last = made
        return f"{prefix}_{made}"

    def run(
        self, run_id: str | None = None, status: str = "running", name: str = "workflow//./shop//order"
    ) -> str:
        """A run that has begun."""
        run_id = run_id or self.id("wrun")
        self.connection.execute(
            "INSERT INTO workflow.workflow_runs (id, deployment_id, status, name, spec_version, input_cbor,"
            " execution_context_cbor, started_at, updated_at) VALUES (%s, 'postgres', %s, %s, '3', %s, %s,"
            " now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')",
            (run_id, status, name, cbor(b'devl["in"]'), cbor({"workflowCoreVersion": "4.8.9"})),
        )
        self.event(run_id, "run_created", data={"input": b'devl["in"]'})
        return run_id

    def end(self, run_id: str, status: str = "completed") -> None:
        self.connection.execute(
            "UPDATE workflow.workflow_runs SET status = %s, completed_at = clock_timestamp() AT TIME ZONE 'UTC',"
            " updated_at = clock_timestamp() AT TIME ZONE 'UTC', output_cbor = %s WHERE id = %s",
            (status, cbor(b"devl[1]"), run_id),
        )
        for table in ("hooks", "waits"):
            self.connection.execute(
                f"DELETE FROM workflow.workflow_{table} WHERE run_id = %s".encode(), (run_id,)
            )
        self.event(run_id, f"run_{status}")

    def step(self, run_id: str, status: str = "completed", attempt: int = 1) -> str:
        step_id = self.id("step")
        self.connection.execute(
            "INSERT INTO workflow.workflow_steps (run_id, step_id, step_name, status, attempt, spec_version)"
            " VALUES (%s, %s, 'step//./shop//emit', %s, %s, 3)",
            (run_id, step_id, status, attempt),
        )
        self.event(run_id, "step_created", step_id)
        return step_id

    def event(
        self, run_id: str, kind: str, about: str | None = None, data: dict[str, object] | None = None
    ) -> str:
        event_id = self.id("wevt")
        self.connection.execute(
            "INSERT INTO workflow.workflow_events (id, type, correlation_id, run_id, payload_cbor, spec_version)"
            " VALUES (%s, %s, %s, %s, %s, 3)",
            (event_id, kind, about, run_id, None if data is None else cbor(data)),
        )
        return event_id

    def chunk(self, stream: str, data: bytes = b"x", *, run_id: str | None = None, eof: bool = False) -> str:
        """The row, and a statement later the note."""
        chunk_id = self.put(stream, data, run_id=run_id, eof=eof)
        self.tell(stream, chunk_id)
        return chunk_id

    def put(
        self,
        stream: str,
        data: bytes = b"x",
        *,
        run_id: str | None = None,
        eof: bool = False,
        chunk_id: str = "",
    ) -> str:
        chunk_id = chunk_id or self.id("chnk")
        self.connection.execute(
            "INSERT INTO workflow.workflow_stream_chunks (id, stream_id, data, eof, run_id)"
            " VALUES (%s, %s, %s, %s, %s)",
            (chunk_id, stream, b"" if eof else data, eof, run_id or owner_of(stream)),
        )
        return chunk_id

    def tell(self, stream: str, chunk_id: str) -> None:
        self.connection.execute(
            "SELECT pg_notify('workflow_event_chunk', %s)",
            (json.dumps({"streamId": stream, "chunkId": chunk_id}),),
        )


class Cluster:
    """A server that can be killed and started again, with its data and on its port."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.binaries, self.folder, self.port = binaries, folder, free_port()
        self.user = servers._unprivileged()
        if self.user:
            shutil.chown(folder, self.user)
        servers._initdb(binaries, folder / "data", self.user)
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        settings = servers.POSTGRES_SETTINGS | {"synchronous_commit": "on"}  # what was acknowledged stays
        given = [item for name, value in settings.items() for item in ("-c", f"{name}={value}")]
        argv = [
            str(self.binaries / "postgres"),
            "-D",
            str(self.folder / "data"),
            "-p",
            str(self.port),
            *given,
        ]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [*with_parent("INT", self.user), *argv], cwd=self.folder, stdout=log, stderr=log, text=True
            )
        until = time.monotonic() + servers.READY_WITHIN
        while not servers._postgres_answers(self.url):
            assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """At once, without a word to anyone: SIGQUIT, after which it recovers from its log."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(20)


@contextmanager
def cluster(binaries: Path) -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="tailrace-postgres-"))
    made = Cluster(binaries, folder)
    try:
        made.start()
        yield made
    finally:
        if made.process is not None:
            end(made.process)
        shutil.rmtree(folder, ignore_errors=True)


def stream_of(run_id: str, name: str = "user") -> str:
    return f"strm_{run_id.removeprefix('wrun_')}_{name}"


def owner_of(stream: str) -> str | None:
    ulid_part = stream.removeprefix("strm_")[:26]
    return f"wrun_{ulid_part}" if "_user" in stream else None


def _after(last: str) -> str:
    """The next id of the same millisecond."""
    at = len(last) - 1
    while last[at] == "Z":
        at -= 1
    return last[:at] + _DIGITS[_DIGITS.index(last[at]) + 1] + "0" * (len(last) - 1 - at)


def rows_of(url: str, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement.encode(), parameters or None).fetchall()
