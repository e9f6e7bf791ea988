"""The fast ways to write chunks: COPY on PostgreSQL, executemany on SQLite, both 4 to 9 times bulk_create."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection


class ChunkRow(NamedTuple):
    """One row of `streams_chunk`, in the order of `_COLUMNS`."""

    stream_id: int
    arrival: int
    chunk_id: str
    position: int | None
    is_close: bool
    marks: int
    revision: int
    size: int
    data: bytes
    digest: bytes
    minted_ms: int | None
    stored_ns: int
    observed_ns: int
    problem: str


_COLUMNS = ", ".join(ChunkRow._fields)
_INSERT = f"INSERT INTO streams_chunk ({_COLUMNS}) VALUES ({', '.join(['%s'] * len(ChunkRow._fields))})"
_COPY = f"COPY streams_chunk ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
_COPY_TYPES = (
    "int8", "int8", "varchar", "int8", "bool", "int2", "int8", "int8", "bytea", "bytea", "int8", "int8", "int8",
    "varchar",
)  # fmt: skip
_UPDATE = (
    "UPDATE streams_chunk SET position = %s, marks = %s, revision = %s WHERE stream_id = %s AND arrival = %s"
)


def insert_chunks(rows: Sequence[ChunkRow]) -> None:
    """Store rows whose (stream, arrival) and (stream, chunk_id) are known to be free."""
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.executemany(_INSERT, rows)
            return
        with cursor.cursor.copy(_COPY) as copy:
            copy.set_types(_COPY_TYPES)
            for row in rows:
                copy.write_row(row)


def update_places(rows: Sequence[tuple[int | None, int, int, int, int]]) -> None:
    """Set (position, marks, revision) of (stream_id, arrival)."""
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_UPDATE, rows)
