"""PostgreSQL worlds: one that is written row by row, and dumps of what real SDKs wrote."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import psycopg

from runs.worlds.postgres import PostgresWorld
from tests.postgres_worlds import Writer, empty_world, restore, rows_of, stream_of
from tests.runs.worlds.conformance import Harness


class _Postgres(Harness):
    fixtures = ("postgres_database",)
    hints = False
    typed = (
        "postgresql://reader@db.example/app",
        "postgres://reader:{secret}@db.example:6432/app?sslmode=require&schema=flows",
        "postgres:///app",
        "postgresql://u:{secret}@[::1],db2/app?target_session_attrs=read-write",
    )
    url: str

    def setup(self) -> None:
        self.url = str(self.resource("postgres_database"))
        self.fill()

    @abstractmethod
    def fill(self) -> None:
        """Put the world's rows into the empty database."""

    def adapter(self) -> PostgresWorld:
        place = PostgresWorld.parse(self.url)
        assert place is not None
        return PostgresWorld(place.location, self.secret)

    def chunk_ids(self) -> set[tuple[str, str]]:
        return set(rows_of(self.url, "SELECT stream_id, id FROM workflow.workflow_stream_chunks"))

    def run_ids(self) -> set[str]:
        return {row[0] for row in rows_of(self.url, "SELECT id FROM workflow.workflow_runs")}

    def payload(self, stream: str, chunk_id: str) -> bytes:
        where = "WHERE stream_id = %s AND id = %s"
        rows = rows_of(
            self.url, f"SELECT data FROM workflow.workflow_stream_chunks {where}", (stream, chunk_id)
        )
        return bytes(rows[0][0])

    def vanish(self) -> None:
        self._allow("false")
        with psycopg.connect(self._server(), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (self._name(),)
            )

    def restore(self) -> None:
        self._allow("true")

    def _allow(self, is_allowed: str) -> None:
        with psycopg.connect(self._server(), autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{self._name()}" ALLOW_CONNECTIONS {is_allowed}'.encode())

    def _server(self) -> str:
        return self.url.rpartition("/")[0] + "/postgres"

    def _name(self) -> str:
        return self.url.rpartition("/")[2]

    def snapshot(self) -> object:
        tables = ("runs", "events", "steps", "hooks", "waits", "stream_chunks")
        rows = [
            rows_of(self.url, f"SELECT t.*, t.xmin::text FROM workflow.workflow_{one} t ORDER BY 1, 2")
            for one in tables
        ]
        indexes = rows_of(self.url, "SELECT indexdef FROM pg_indexes ORDER BY 1")
        return rows, indexes

    def close(self) -> None:
        self._allow("true")


class PostgresMade(_Postgres):
    secret = "hunter2-of-postgres"

    def fill(self) -> None:
        empty_world(self.url)
        with Writer(self.url) as writer:
            run, other = writer.run(), writer.run()
            writer.step(run)
            self.stream = stream_of(run)
            for number in range(5):
                writer.chunk(self.stream, b"chunk %d" % number)
                writer.chunk(stream_of(other), b"other %d" % number)
            writer.chunk(stream_of(other), eof=True)

    def append(self, count: int = 1) -> None:
        with Writer(self.url) as writer:
            for number in range(count):
                writer.chunk(self.stream, b"more %d" % number)


class Postgres43(_Postgres):
    dump: ClassVar[str] = "postgres-4.3.7"
    grows = False

    def fill(self) -> None:
        restore(self.url, self.dump)


class Postgres43App(Postgres43):
    dump = "postgres-4.3.7-realapp"


class Postgres50(Postgres43):
    dump = "postgres-5.0.0-beta.29"
