"""A row of a PostgreSQL world by the names of its columns, whatever they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runs.worlds._local_records import clean
from runs.worlds._postgres_schema import KNOWN
from runs.worlds._postgres_sql import SIZED

_INT_MAX = 2**31 - 1


@dataclass(slots=True)
class Record:
    """One row by the names of its columns; of a value also its size, as it may have been left out."""

    table: str
    key: str
    columns: dict[str, Any]
    sizes: dict[str, int | None]

    def text(self, name: str) -> str:
        return clean(self.columns.get(name))

    def time(self, name: str) -> int | None:
        value = self.columns.get(name)
        return value if isinstance(value, int) else None

    def number(self, name: str) -> int | None:
        value = self.columns.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            return int(value)  # runs keep their spec version as text
        return value if type(value) is int and 0 <= value <= _INT_MAX else None

    def place(self, column: str) -> str:
        return f"{self.table}/{self.key}#{column}"


def record_of(table: str, columns: Sequence[str], key: str, row: Sequence[Any]) -> Record:
    """A row of a statement that reads these columns; the sizes of values stand behind them."""
    found: dict[str, Any] = {}
    sizes: dict[str, int | None] = {}
    at = 0
    for column in columns:
        found[column] = row[at]
        at += 1
        if KNOWN[table][column] in SIZED or column == "error":
            sizes[column] = row[at]
            at += 1
    return Record(table, str(found.get(key) or ""), found, sizes)
