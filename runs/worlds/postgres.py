"""A PostgreSQL world: the schema that `@workflow/world-postgres` writes, read beside the apps that write it.

A pure reader with a connection of its own. It follows what readers are told (NOTIFY) for chunks, and ids with
an overlap for everything else: see docs/postgres.md.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from threading import Event as StopEvent
from typing import Any

from runs.observations import Observation
from runs.worlds._local_look import usable_id
from runs.worlds._postgres_beside import beside_of
from runs.worlds._postgres_checks import checks, grants_sql
from runs.worlds._postgres_chunks import Chunks
from runs.worlds._postgres_clock import Clock, clock_of
from runs.worlds._postgres_eye import Eye
from runs.worlds._postgres_facts import facts_of
from runs.worlds._postgres_jobs import Jobs, read_jobs
from runs.worlds._postgres_link import Link
from runs.worlds._postgres_look import Look
from runs.worlds._postgres_place import parse, target_of
from runs.worlds._postgres_read import Reading
from runs.worlds._postgres_rows import Rows, decoded
from runs.worlds._postgres_schema import EVENTS, Schema, read_schema
from runs.worlds._postgres_sql import VALUES, Statements
from runs.worlds._postgres_values import BadValue, plain, whole
from runs.worlds._postgres_watch import follow
from runs.worlds.base import Check, Fact, Place, Seen, World, WorldError

__all__ = ["PostgresWorld", "grants_sql"]

BATCH = 1_000  # observations
FRESH_S = 60.0  # so long the clock and the jobs that were found are taken for today's


class PostgresWorld(World):
    """Schemas of versions 4.1 to the betas of 5.0."""

    kind = "postgres"
    label = "PostgreSQL world"
    supplies = frozenset({"chunks"})
    example = "postgresql://tailrace@db.example/app"
    secret_label = "password"
    is_read_where_watched = True
    is_large = True

    def __init__(self, location: str, secret: str = "") -> None:
        super().__init__(location, secret)
        self._link = Link(location, secret)
        weakref.finalize(self, self._link.close)
        self._beside = beside_of(location)
        self._eye = Eye()
        self._reading: Reading | None = None
        self._jobs: Jobs | None = None
        self._fresh_until = 0.0

    @classmethod
    def parse(cls, given: str) -> Place | None:
        return parse(given)

    @classmethod
    def preparation(cls, location: str) -> str:
        return grants_sql(location)

    def read(self, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        try:
            reading = self._opened(seen)
            look = Look(reading, self._eye, self._beside, is_bounded=self._beside.watchers > 0)
            for group in look.groups(hints):
                for at in range(0, len(group), BATCH):
                    yield group[at : at + BATCH]
            if hints is None:
                self._look_around(reading)
        except WorldError:
            self._beside.failed()
            raise
        self._beside.worked(self._link.take_slowest())

    @property
    def is_behind(self) -> bool:
        """Whether older runs are still to be read."""
        return self._eye.older_than is not None

    def _opened(self, seen: Seen | None = None) -> Reading:
        if self._reading is None:
            sql = Statements(self._schema())
            rows = Rows(Clock(), self._fetch_value, sql.extra)
            self._reading = Reading(self._link, sql, rows, Chunks(self._link, sql, Clock()), seen or Seen())
            self._learn(self._reading)
        self._reading.seen = self._reading.seen if seen is None else seen
        return self._reading

    def _look_around(self, reading: Reading) -> None:
        """What may change while we read and is not looked at each time: the schema, the time zone, the queue."""
        if time.monotonic() < self._fresh_until:
            return
        if self._schema() == reading.schema:
            self._learn(reading)
        else:  # the SDK's setup ran, or a right was granted
            self._reading = None
            self._opened(reading.seen)

    def _learn(self, reading: Reading) -> None:
        self._fresh_until = time.monotonic() + FRESH_S
        if reading.schema.has(EVENTS):
            found = self._link.rows(reading.sql.clock.text, 200)
            reading.rows.clock = reading.chunks.clock = clock_of((row[0], row[1]) for row in found)
        self._jobs = read_jobs(self._link)

    def _schema(self) -> Schema:
        return read_schema(self._link, target_of(self.location).schema)

    def watch(self, stop: StopEvent) -> Iterator[frozenset[str] | None]:
        return follow(self.location, self.secret, stop)

    def fetch_chunk(self, stream: str, chunk_id: str) -> bytes:
        if not usable_id(stream) or not usable_id(chunk_id):
            raise WorldError("no chunk of a PostgreSQL world has such a name", permanent=True)
        return self._opened().chunks.fetch(stream, chunk_id)

    def fetch_payload(self, pointer: str) -> bytes:
        """`pointer` is `table/key#column`; what it gives has the stored size and hash."""
        place, _, column = pointer.rpartition("#")
        table, _, key = place.partition("/")
        if (table, column) not in VALUES or not key.isprintable():
            return super().fetch_payload(pointer)
        try:
            value = decoded(table, column, self._fetch_value(table, column, key))
            return whole(value if isinstance(value, bytes) else plain(value))
        except (BadValue, ValueError, RecursionError) as error:
            raise WorldError(f"{pointer} cannot be read: {error}", permanent=True) from None

    def _fetch_value(self, table: str, column: str, key: str) -> Any:
        rows = self._link.rows(self._opened().sql.value(table, column).text, key)
        if not rows or rows[0][0] is None:
            raise WorldError(f"{table}/{key}#{column} is no longer in the world")
        return rows[0][0]

    def facts(self) -> tuple[Fact, ...]:
        if self._reading is None:
            return ()
        return facts_of(self._link, self._reading, self._eye, self._beside, self._jobs)

    def check(self) -> Iterator[Check]:
        return checks(self.location, self.secret)

    def close(self) -> None:
        self._link.close()
        self._reading = None
