"""The rows of a comparison as the template shows them: a page of them, each side a link to its chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from runs.pages._format import counted, visible
from streams._compare_rows import Line, Part
from streams._compare_values import differing_fields
from streams.compare import (
    ALIKE,
    CHANGED,
    LEFT,
    MOVED,
    RECUT,
    RIGHT,
    SAME,
    SEALED,
    Alignment,
    Entry,
    Row,
)
from streams.models import Stream
from streams.order import BEHIND
from streams.pages._cell import cell_of

ROWS = 150  # of a page
BEFORE = 5  # rows above the difference that a link leads to
_LOOKS = {
    SAME: ("same", "idle", "ok", ""),
    ALIKE: ("same", "idle", "ok", "but for ids and times"),
    RECUT: ("cut elsewhere", "info", "swap", "together the same text"),
    SEALED: ("encrypted", "idle", "dash", "cannot be compared without the key"),
    CHANGED: ("changed", "warn", "swap", "the same type, other content"),
    MOVED: ("moved", "moved", "moved", "the same chunk stands at another place"),
    LEFT: ("only in A", "err", "left", ""),
    RIGHT: ("only in B", "err", "right", ""),
}


class Half(NamedTuple):
    """One side of a row."""

    arrival: int
    place: str
    url: str
    type: str
    value: SafeString
    look: str


class Shown(NamedTuple):
    """One row; where `folded` is more than 0, so many rows without a difference that are left out."""

    number: int
    relation: str = ""
    word: str = ""
    style: str = ""
    symbol: str = ""
    note: str = ""
    left: Half | None = None
    right: Half | None = None
    elsewhere: Half | None = None
    is_difference: bool = False
    folded: int = 0


class Listed(NamedTuple):
    """A page of rows, and where others are: numbers for `?row=`, None if there is no such page."""

    rows: list[Shown]
    first: int
    total: int
    earlier: int | None
    later: int | None
    difference_before: int | None
    difference_after: int | None


class Sides(NamedTuple):
    """What one side's chunks are shown from."""

    url: str
    lines: Mapping[int, Line]
    key: bytes | None
    letter: str


def side_of(stream: Stream, part: Part, key: bytes | None, letter: str) -> Sides:
    url = reverse("stream", args=[stream.world.slug, stream.name])
    return Sides(url, {line.fact.arrival: line for line in part.lines}, key, letter)


def listed(found: Alignment, left: Sides, right: Sides, first: int, only_differences: bool) -> Listed:
    """The page of rows that begins with a row's number."""
    numbers = [at for at, row in enumerate(found.rows) if row.is_difference or not only_differences]
    start = next((at for at, number in enumerate(numbers) if number >= first), len(numbers))
    chosen = numbers[start : start + ROWS]
    rows: list[Shown] = []
    done = numbers[start - 1] + 1 if start else 0
    for number in chosen:
        if number > done:
            rows.append(Shown(done, folded=number - done))
        rows.append(_shown(number, found.rows[number], left, right))
        done = number + 1
    is_end = start + ROWS >= len(numbers)
    if chosen and is_end and done < len(found.rows) and only_differences:
        rows.append(Shown(done, folded=len(found.rows) - done))
    before, after = _differences_around(found.rows, chosen)
    return Listed(
        rows, chosen[0] if chosen else 0, len(found.rows),
        numbers[max(0, start - ROWS)] if start else None, None if is_end else numbers[start + ROWS],
        before, after,
    )  # fmt: skip


def _differences_around(rows: Sequence[Row], chosen: Sequence[int]) -> tuple[int | None, int | None]:
    if not chosen:
        return None, None
    before = next((at for at in range(chosen[0] - 1, -1, -1) if rows[at].is_difference), None)
    after = next((at for at in range(chosen[-1] + 1, len(rows)) if rows[at].is_difference), None)
    return before, after


def _shown(number: int, row: Row, left: Sides, right: Sides) -> Shown:
    word, style, symbol, note = _LOOKS[row.relation]
    elsewhere = None
    if row.elsewhere is not None:
        elsewhere = _place_of(row.elsewhere, right if row.left is not None else left)
    if row.relation in (CHANGED, ALIKE) and row.left is not None and row.right is not None:
        note = _fields(row.left, row.right, left, right) or note
    return Shown(
        number, row.relation, word, style, symbol, note, _half(row.left, left), _half(row.right, right),
        elsewhere, row.is_difference,
    )  # fmt: skip


def _fields(one: Entry, other: Entry, left: Sides, right: Sides) -> str:
    names = differing_fields(left.lines[one.arrival].fact, right.lines[other.arrival].fact)
    return ("other " + ", ".join(visible(name[:40]) for name in names)) if names else ""


def _half(entry: Entry | None, side: Sides) -> Half | None:
    if entry is None:
        return None
    line = side.lines[entry.arrival]
    cell = cell_of(line.row, side.key)
    look = "behind" if line.row.marks & BEHIND else "close" if line.row.is_close else ""
    value = mark_safe(cell.value)  # escaped where it is made
    return _place_of(entry, side)._replace(type=cell.type, value=value, look=look)


def _place_of(entry: Entry, side: Sides) -> Half:
    row = side.lines[entry.arrival].row
    place = f"position {row.position}" if row.position is not None else ""
    place = place or ("end marker" if row.is_close else "never read")
    url = f"{side.url}?at={entry.arrival}#chunk-{entry.arrival}"
    return Half(entry.arrival, f"{place} in {side.letter}", url, "", mark_safe(""), "")


def counts_in_words(found: Alignment) -> str:
    """`8 the same, 3 moved, 1 only in A`."""
    words = {SAME: "the same", ALIKE: "the same but for ids and times", RECUT: "cut elsewhere"}
    words |= {SEALED: "encrypted and not compared", CHANGED: "changed", MOVED: "moved"}
    words |= {LEFT: "only in A", RIGHT: "only in B"}
    counts = found.counts
    parts = [f"{counts[relation]:,} {word}" for relation, word in words.items() if counts[relation]]
    return ", ".join(parts) or counted(0, "chunk")
