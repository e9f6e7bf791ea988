"""Rows of a stream that fit a filter, found by keyset; a long search goes on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from streams import queries
from streams._search_text import TEXT_CHARS, Needle, Payload, needle_of
from streams.models import Stream, Write, Writer
from streams.order import PROBLEM_FROM
from streams.queries import LIST_BYTES, ChunkRow

PAGE = 500
BUDGET_S = 0.4  # of one request; then the page says how far it has looked
SPAN = 20_000  # arrivals that one question looks at where no index has the writer
FEW = 20_000  # chunks of a writer that are found by their writes
ATTEMPTS = 500  # of one step; of more, the writer of each chunk is looked at
_ASKED_CHARS = 1_000  # kept of a text that is too long, for the field


class By(NamedTuple):
    """A step attempt of a process: all its writables together, as the page lists them."""

    attempt: int | None
    step_id: str
    process: str

    @property
    def key(self) -> str:
        """As it stands in an address."""
        return f"{'' if self.attempt is None else self.attempt}~{self.step_id}~{self.process}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty fields ask for nothing. `text` is a text, or a pattern between slashes; see `needle_of`."""

    problems: bool = False
    type: str = ""
    text: str = ""
    step: str = ""  # a step id
    writer: str = ""  # `By.key`

    def __bool__(self) -> bool:
        return bool(self.problems or self.type or self.text or self.step or self.writer)

    @property
    def query(self) -> str:
        """As it stands in an address."""
        fields = {"only": "problems" if self.problems else "", "type": self.type, "text": self.text}
        fields |= {"step": self.step, "writer": self.writer}
        return urlencode({name: value for name, value in fields.items() if value})

    @property
    def needle(self) -> Needle | None:
        return needle_of(self.text) if self.text else None

    @property
    def trouble(self) -> str:
        """Why the text cannot be looked for: then rows are chosen by the other fields alone."""
        return self.needle.trouble if self.needle is not None else ""

    @property
    def looks_inside(self) -> bool:
        """Whether values have to be read, and encrypted ones opened."""
        return bool(self.type or self.text)

    @property
    def by(self) -> By | None:
        return by_in(self.writer)


@dataclass(frozen=True, slots=True)
class Found:
    rows: list[ChunkRow]
    looked_to: int  # the arrival up to which everything was looked at
    is_end: bool  # nothing of the stream is left to look at
    is_out_of_time: bool = False  # it stopped there for the time of one request
    sealed: int = 0  # chunks whose encrypted value was not searched
    cut: int = 0  # chunks that were searched in their first LIST_BYTES

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what the search did not see."""
        notes = []
        if self.is_out_of_time:
            notes.append(f"The time of one request was up after chunk {self.looked_to:,}.")
        if self.sealed:
            notes.append(f"{self.sealed:,} encrypted: not searched without the key in the world's settings.")
        if self.cut:
            notes.append(f"{self.cut:,} large: searched in the first {LIST_BYTES // 1024} KiB alone.")
        return tuple(notes)


def filter_in(query: Mapping[str, str]) -> Filter:
    writer = query.get("writer", "")[:_ASKED_CHARS]
    return Filter(
        query.get("only") == "problems",
        query.get("type", "").strip()[:TEXT_CHARS],
        query.get("text", "").strip()[:_ASKED_CHARS],
        query.get("step", "").strip()[:TEXT_CHARS],
        writer if by_in(writer) else "",
    )


def by_in(text: str) -> By | None:
    """What `By.key` wrote."""
    attempt, *rest = text.split("~", 2)
    if len(rest) != 2 or (attempt and not (attempt.isascii() and attempt.isdecimal() and len(attempt) < 10)):
        return None
    return By(int(attempt) if attempt else None, *rest)


def find(stream: Stream, wanted: Filter, after: int, limit: int, *, key: bytes | None = None) -> Found:
    """The next rows after an arrival that fit, at most `limit`, within the time of one request.

    With the run's `key` encrypted values are searched: what it opened is to be noted (`runs.keys.Opener`).
    """
    until = time.monotonic() + BUDGET_S
    look, rows = Look(wanted, key), list[ChunkRow]()

    def found(is_end: bool = False, is_out_of_time: bool = False) -> Found:
        return Found(rows, after, is_end, is_out_of_time, look.sealed, look.cut)

    for page in candidates(stream, wanted, after, stream.head):
        for row in page.rows:
            if len(rows) == limit:
                return found()
            if look.fits(row):
                rows.append(row)
            after = row.arrival
            if time.monotonic() > until and after < page.upto:
                return found(is_out_of_time=True)
        after = page.upto
        if time.monotonic() > until and after < stream.head:
            return found(is_out_of_time=True)
    after = stream.head
    return found(is_end=True)


def arrivals_that_fit(stream: Stream, look: Look, first: int, last: int) -> Iterator[list[int]]:
    """All of them between two arrivals (both included), some at a time; often none, so that a search through
    a long stream can be given up in between."""
    some: list[int] = []
    for page in candidates(stream, look.wanted, first - 1, last):
        until = time.monotonic() + BUDGET_S
        for row in page.rows:
            if look.fits(row):
                some.append(row.arrival)
            if time.monotonic() > until:
                yield some
                some, until = [], time.monotonic() + BUDGET_S
        yield some
        some = []


@dataclass(slots=True)
class Look:
    """Looks at chunks one by one, for what the database cannot tell; counts what it could not see."""

    wanted: Filter
    key: bytes | None = None
    sealed: int = 0
    cut: int = 0
    needle: Needle | None = field(init=False)

    def __post_init__(self) -> None:
        self.needle = None if self.wanted.trouble else self.wanted.needle

    def fits(self, row: ChunkRow) -> bool:
        if self.needle is None and not self.wanted.type:
            return True
        payload = Payload(bytes(row.data), is_close=row.is_close, framing=row.framing, key=self.key)
        is_it = (not self.wanted.type or payload.type == self.wanted.type) and (
            self.needle is None or payload.holds(self.needle)
        )
        if not is_it and not row.is_close:
            self.cut += row.size > LIST_BYTES
            self.sealed += payload.is_sealed
        return is_it


class Page(NamedTuple):
    rows: list[ChunkRow]
    upto: int  # no other row up to this arrival is a candidate


def candidates(stream: Stream, wanted: Filter, after: int, last: int) -> Iterator[Page]:
    """Rows after an arrival up to another that fit as far as the database can tell.

    Every question goes to an index and looks at a bounded part of it, however long the stream is.
    """
    where = Q(marks__gte=PROBLEM_FROM) if wanted.problems else Q()
    if not wanted.step and wanted.by is None:
        yield from _in_order(stream, where, after, last)
        return
    writers = list(_writers(stream, wanted).values_list("pk", flat=True)[: ATTEMPTS + 1])
    if len(writers) > ATTEMPTS:
        yield from _in_spans(stream, where & _by(wanted, "writer__"), after, last)
    elif (arrivals := _written(writers)) is not None:
        yield from _at(stream, where, [one for one in arrivals if after < one <= last], last)
    else:
        yield from _in_spans(stream, where & Q(writer__in=writers), after, last)


def _by(wanted: Filter, prefix: str) -> Q:
    where = Q(**{f"{prefix}step_id": wanted.step}) if wanted.step else Q()
    if wanted.by is None:
        return where
    fields = {f"{prefix}{name}": value for name, value in wanted.by._asdict().items() if value is not None}
    return where & Q(**fields) & (Q(**{f"{prefix}attempt": None}) if wanted.by.attempt is None else Q())


def _writers(stream: Stream, wanted: Filter) -> QuerySet[Writer]:
    return Writer.objects.filter(_by(wanted, ""), stream=stream)


def _written(writers: list[int]) -> list[int] | None:
    """The arrivals of what these wrote, by the index on their writes; None if they are too many.

    Nothing is asked of the arrival: the database would go by that, through the writes of all others.
    """
    rows = Write.objects.filter(writer__in=writers).values_list("arrival", flat=True)
    found = list(rows[: FEW + 1])
    return sorted({arrival for arrival in found if arrival is not None}) if len(found) <= FEW else None


def _in_order(stream: Stream, where: Q, after: int, last: int) -> Iterator[Page]:
    while after < last:
        rows = queries.chunk_rows_where(stream.pk, where & Q(arrival__lte=last), after, PAGE)
        after = rows[-1].arrival if len(rows) == PAGE else last
        yield Page(rows, after)


def _at(stream: Stream, where: Q, arrivals: list[int], last: int) -> Iterator[Page]:
    for at in range(0, len(arrivals), PAGE):
        some = arrivals[at : at + PAGE]
        is_last = at + PAGE >= len(arrivals)
        rows = queries.chunk_rows_where(stream.pk, where & Q(arrival__in=some), 0, PAGE)
        yield Page(rows, last if is_last else some[-1])


def _in_spans(stream: Stream, where: Q, after: int, last: int) -> Iterator[Page]:
    while after < last:
        upto = min(after + SPAN, last)
        yield from _in_order(stream, where, after, upto)
        after = upto


def type_of(row: ChunkRow) -> str:
    """The `type` of an AI SDK chunk, `close` for an end marker; empty for anything else."""
    return Payload(bytes(row.data), is_close=row.is_close, framing=row.framing).type
