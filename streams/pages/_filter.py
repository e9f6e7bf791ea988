"""What the filter bar offers beside what is written in it: types that occur, and which files hold what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streams.pages._writes import Writers
from streams.queries import LIST_BYTES, ChunkRow
from streams.search import By, Filter, type_of
from streams.write_queries import WriterRow

LOOKED = 100  # rows whose types are offered


@dataclass(frozen=True, slots=True)
class Choice:
    """A step attempt of a process, as it may be chosen."""

    key: str
    row: WriterRow


def filter_context(rows: list[ChunkRow], wanted: Filter, writers: Writers | None) -> dict[str, Any]:
    """`rows` are those shown. `chosen`: a writer that is asked for and not among the choices."""
    choices = (
        [Choice(By(row.attempt, row.step_id, row.process).key, row) for row in writers.rows]
        if writers
        else []
    )
    known = {choice.key for choice in choices}
    return {
        "types": types_of(rows),
        "choices": choices,
        "chosen": wanted.by if wanted.writer not in known else None,
    }


def types_of(rows: list[ChunkRow]) -> list[str]:
    """The types among some of the rows, all along them."""
    every = max(1, len(rows) // LOOKED)
    return sorted({type_of(row) for row in rows[::every] if row.size <= LIST_BYTES} - {""})
