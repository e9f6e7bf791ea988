"""Rows of a stream that fit a filter, found by keyset; a long search goes on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q

from runs.payloads import as_plain, decode_chunk
from streams import queries
from streams.chunk_types import chunk_type
from streams.models import Stream
from streams.order import PROBLEM_FROM
from streams.queries import ChunkRow

PAGE = 500
BUDGET_S = 0.4  # of one request; then the page says how far it has looked
TEXT_CHARS = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty fields ask for nothing. `text` is looked for in the payload as text, whatever its case."""

    problems: bool = False
    type: str = ""
    text: str = ""
    step: str = ""  # a step id

    def __bool__(self) -> bool:
        return bool(self.problems or self.type or self.text or self.step)

    @property
    def query(self) -> str:
        """As it stands in an address."""
        fields = {"only": "problems" if self.problems else "", "type": self.type, "text": self.text}
        return urlencode({name: value for name, value in (fields | {"step": self.step}).items() if value})


@dataclass(frozen=True, slots=True)
class Found:
    rows: list[ChunkRow]
    looked_to: int  # the arrival up to which everything was looked at
    is_end: bool  # nothing of the stream is left to look at


def filter_in(query: Mapping[str, str]) -> Filter:
    return Filter(
        query.get("only") == "problems",
        query.get("type", "").strip()[:TEXT_CHARS],
        query.get("text", "").strip()[:TEXT_CHARS],
        query.get("step", "").strip()[:TEXT_CHARS],
    )


def find(stream: Stream, wanted: Filter, after: int, limit: int) -> Found:
    """The next rows after an arrival that fit, at most `limit`, within the time of one request."""
    until = time.monotonic() + BUDGET_S
    rows: list[ChunkRow] = []
    while True:
        page = queries.chunk_rows_where(stream.pk, _where(wanted), after, PAGE)
        for row in page:
            if len(rows) == limit:
                return Found(rows, after, False)
            after = row.arrival
            if _fits(row, wanted):
                rows.append(row)
        if len(page) < PAGE:
            return Found(rows, stream.head, True)
        if time.monotonic() > until:
            return Found(rows, after, False)


def _where(wanted: Filter) -> Q:
    """What the database can tell by itself."""
    where = Q(marks__gte=PROBLEM_FROM) if wanted.problems else Q()
    return where & Q(writer__step_id=wanted.step) if wanted.step else where


def _fits(row: ChunkRow, wanted: Filter) -> bool:
    if wanted.text and wanted.text.casefold() not in bytes(row.data).decode("utf-8", "replace").casefold():
        return False
    return not wanted.type or type_of(row) == wanted.type


def type_of(row: ChunkRow) -> str:
    """The `type` of an AI SDK chunk, `close` for an end marker; empty for anything else."""
    if row.is_close:
        return "close"
    values = decode_chunk(bytes(row.data), framing=row.framing or None).values
    plain = as_plain(values[0].value) if values and values[0].status == "ok" else None
    return chunk_type(plain) or ""
