"""The reader simulator on the stream page: what a live reader got, and what a later one gets, from any index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from streams.models import Stream
from streams.reader_queries import Readings, readings_of
from streams.readers import CLOSED, PROVED, SUSPECTED, UNCHECKED, ReaderFacts, Reading, read_later

CELLS = 24  # chunks drawn one by one; of more the first and the last
LIMIT = 10_000_000
_SURE = {PROVED: "proved", SUSPECTED: "suspected"}


@dataclass(frozen=True, slots=True)
class ReaderCell:
    label: str  # the position, or `#arrival` for a chunk without one; "…" for those left out
    arrival: int | None
    is_again: bool = False  # delivered before


@dataclass(frozen=True, slots=True)
class ReaderRow:
    who: str
    cells: list[ReaderCell]
    never: int  # chunks that this reader never gets
    end: str  # in words
    certainty: str
    why: tuple[str, ...]
    is_checked: bool


def readers_part(request: HttpRequest, stream: Stream) -> HttpResponse:
    """`?part=readers&start=<startIndex>`; negative counts from the end, as in the SDK."""
    start = start_in(request.GET.get("start", ""))
    return render(request, "streams/_readers.html", {"stream": stream} | _context(stream, start))


def start_in(text: str) -> int:
    digits = text.removeprefix("-")
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 9 else 0
    return -min(number, LIMIT) if text.startswith("-") else min(number, LIMIT)


def _context(stream: Stream, start: int) -> dict[str, Any]:
    readings = readings_of(stream)
    rows = [_row("A live reader got", readings.facts, readings.live)]
    rows.append(_row("A later reader gets", readings.facts, readings.later))
    if start:
        rows.append(_row(f"From {start}", readings.facts, read_later(readings.facts, readings.choice, start)))
    context = {"rows": rows, "start": start, "rules": _rules(readings), "sentence": readings.sentence}
    return context | {"heard": _heard(readings.facts)}


def _heard(facts: ReaderFacts) -> str:
    """What the live reading rests on, where a listener was there."""
    heard = sum(chunk.notified is not None for chunk in facts.chunks)
    return (
        f"Heard here: {heard:,} of {len(facts.chunks):,} notifications of chunks and end markers"
        if heard
        else ""
    )


def _rules(readings: Readings) -> str:
    rules = readings.choice.rules
    return f"{rules.world} world, workflow {rules.sdk}" if rules is not None else readings.choice.note


def _row(who: str, facts: ReaderFacts, reading: Reading) -> ReaderRow:
    missed = {chunk.arrival for chunk in facts.chunks if not chunk.is_close} - set(reading.arrivals)
    end = "ended" if reading.ended == CLOSED else "waits for ever"
    return ReaderRow(
        who,
        _cells(facts, reading.arrivals),
        len(missed) if not reading.start else 0,
        f"failed: {reading.error}" if reading.error else end,
        _SURE.get(reading.sure, ""),
        reading.why,
        reading.sure != UNCHECKED,
    )


def _cells(facts: ReaderFacts, arrivals: tuple[int, ...]) -> list[ReaderCell]:
    seen: set[int] = set()
    cells = []
    for arrival in arrivals:
        cells.append(ReaderCell(facts.labels[arrival], arrival, arrival in seen))
        seen.add(arrival)
    if len(cells) <= CELLS:
        return cells
    half = CELLS // 2
    return [*cells[:half], ReaderCell(f"… {len(cells) - CELLS:,} more …", None), *cells[-half:]]
