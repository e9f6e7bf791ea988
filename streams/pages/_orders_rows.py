"""The slope view: what the cells of both columns say, the lines between them as a few SVG paths, and the table."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from string import ascii_uppercase
from typing import NamedTuple

from runs.pages._format import short_id, short_name, size, visible
from runs.payloads import RunKey
from streams._orders_window import Cell, Gap, Window
from streams.order import BEHIND, CLOSE, CLOSE2
from streams.order_queries import Looked, Reported, scopes_of
from streams.orders import ARRIVAL, WRITER, Comparison, Order, Pair, Unstored
from streams.pages._cell import cell_of
from streams.queries import ChunkRow

ROW = 22  # pixels
CHARS = 36
SCOPES = 6  # that are named
_LOOKS = ((BEHIND, "behind"), (CLOSE2, "close2"), (CLOSE, "close"))
_CLOSES = {"close": "end marker", "close2": "second end marker"}
_UNTYPED = frozenset(  # what `cell_of` names a value that says nothing of its own type
    {"string", "number", "boolean", "bigint", "object", "array", "Uint8Array", "unread", "large", "encrypted"}
)
_TAG = re.compile(r'<span class="k">.*?</span>|<[^>]*>')


class Shown(NamedTuple):
    """One cell of a column; plain text."""

    look: str = "blank"
    number: str = ""
    label: str = ""
    by: str = ""
    arrival: int | None = None
    title: str = ""


class Line(NamedTuple):
    look: str
    d: str


class TableRow(NamedTuple):
    look: str
    arrival: int | None
    label: str
    left: str
    right: str
    moved: str


@dataclass(frozen=True)
class Picture:
    """All that is needed to write out one window."""

    pair: Pair
    looked: Looked
    found: Comparison
    window: Window
    rows: dict[int, ChunkRow]
    key: RunKey | None

    @cached_property
    def columns(self) -> tuple[list[Shown], list[Shown]]:
        left = [self._shown(cell, self.pair[0]) for cell, _ in self.window.rows]
        right = [self._shown(cell, self.pair[1], is_right=True) for _, cell in self.window.rows]
        return left, right

    @property
    def height(self) -> int:
        return ROW * len(self.window.rows)

    @property
    def lines(self) -> list[Line]:
        """One path for each kind of line; moved ones over all others."""
        left = {cell: at for at, (cell, _) in enumerate(self.window.rows) if isinstance(cell, int)}
        right = {cell: at for at, (_, cell) in enumerate(self.window.rows) if isinstance(cell, int)}
        paths: defaultdict[str, list[str]] = defaultdict(list)
        for arrival, at in left.items():
            look = "moved" if arrival in self.found.moved else self._look(arrival)
            paths[look].append(_path(at, right[arrival]))
        return [Line(look, "".join(paths[look])) for look in sorted(paths, key=lambda one: one == "moved")]

    @property
    def scopes(self) -> list[str]:
        """`A emitStream`, where more than one wrote."""
        if not self._letters:
            return []
        named = [f"{self._letters[one.in_scope]} {_scope_name(one)}" for one in self._scopes[:SCOPES]]
        left = len(self._scopes) - SCOPES
        return [*named, f"{left} more"] if left > 0 else named

    @property
    def table(self) -> list[TableRow]:
        rows = [self._table_row(cell) for _, cell in self.window.rows if isinstance(cell, int)]
        ghosts = [one for row in self.window.rows for one in row if isinstance(one, Unstored)]
        return rows + [self._ghost_row(one) for one in ghosts]

    def _shown(self, cell: Cell | None, order: Order, is_right: bool = False) -> Shown:
        if cell is None:
            return Shown()
        if isinstance(cell, Gap):
            return Shown("gap", label=f"… {cell.chunks:,} more")
        if isinstance(cell, Unstored):
            report = self.looked.failed[cell.pk]
            return Shown(
                "ghost", self._written(report), _what(report), title=f"{report.outcome}: not stored, no line"
            )
        move = self.found.moved.get(cell)
        look = f"{self._look(cell)}{' moved' if move else ''}"
        by = _by(move.by) if move and is_right else ""
        return Shown(look, self._number(cell, order), self._label(cell), by, cell, self._title(cell))

    def _look(self, arrival: int) -> str:
        marks = self.looked.chunks[arrival].marks
        look = next((word for bit, word in _LOOKS if marks & bit), "")
        is_known = arrival in self.found.known or arrival in self.found.closes
        return look or ("kept" if is_known else "unknown")

    def _number(self, arrival: int, order: Order) -> str:
        if order == ARRIVAL:
            return str(arrival)
        if order == WRITER:
            report = self.looked.reports.get(arrival)
            if arrival in self.found.closes:
                return "–"
            return "?" if report is None or not report.has_order else self._written(report)
        position = self.looked.chunks[arrival].position
        return "–" if position is None else str(position)

    def _written(self, report: Reported) -> str:
        """The writer's own number; without one the place of the call among those of its step."""
        letter = self._letters.get(report.in_scope, "")
        if report.is_close or not report.has_order:
            return letter or "–"
        if report.is_exact:
            return f"{letter}{report.sequence}"
        return (
            f"{letter}{self._ranks[report.pk]}" if self.looked.is_whole else f"{letter}call {report.number}"
        )

    def _label(self, arrival: int) -> str:
        """The value of a text chunk, else its type."""
        row = self.rows.get(arrival)
        if row is None:
            return "not stored any more"
        if row.is_close:
            return _CLOSES.get(self._look(arrival), "end marker")
        cell = cell_of(row, self.key)
        value = unescape(_TAG.sub("", cell.value)).strip()
        is_text = cell.type.endswith("-delta") or cell.type in _UNTYPED
        return visible((value if is_text and value else cell.type)[:CHARS])

    def _title(self, arrival: int) -> str:
        row, report = self.rows.get(arrival), self.looked.reports.get(arrival)
        words = [f"chunk {arrival}"]
        if row is not None and not row.is_close:
            cell = cell_of(row, self.key)
            words.append(visible(f"{cell.type} {unescape(re.sub(r'<[^>]*>', '', cell.value))}")[:160])
        if report is not None:
            words.append(f"written by {_scope_name(report)}")
        move = self.found.moved.get(arrival)
        return ", ".join([*words, f"moved, {move.certainty}"] if move else words)

    def _table_row(self, arrival: int) -> TableRow:
        move = self.found.moved.get(arrival)
        look = self._look(arrival)
        words = [f"{_by(move.by)} ({move.certainty})"] if move else []
        words += ["behind the end marker: never read"] if look == "behind" else []
        words += ["not known"] if look == "unknown" and not move else []
        left, right = (self._number(arrival, order) for order in self.pair)
        moved = ", ".join(words) or "in its place"
        return TableRow("moved" if move else look, arrival, self._label(arrival), left, right, moved)

    def _ghost_row(self, one: Unstored) -> TableRow:
        report = self.looked.failed[one.pk]
        left, right = (self._written(report) if order == WRITER else "–" for order in self.pair)
        return TableRow("ghost", None, _what(report), left, right, "not stored")

    @cached_property
    def _scopes(self) -> list[Reported]:
        return scopes_of([*self.looked.reports.values(), *self.looked.failed.values()])

    @cached_property
    def _letters(self) -> dict[Hashable, str]:
        """Numbers count within one scope: with several each has a letter."""
        if len(self._scopes) < 2:
            return {}
        return {one.in_scope: _letter(at) for at, one in enumerate(self._scopes)}

    @cached_property
    def _ranks(self) -> dict[int, int]:
        by_scope: defaultdict[Hashable, list[Reported]] = defaultdict(list)
        for one in (*self.looked.reports.values(), *self.looked.failed.values()):
            if not one.is_close:
                by_scope[one.in_scope].append(one)
        return {
            one.pk: at
            for some in by_scope.values()
            for at, one in enumerate(sorted(some, key=lambda one: one.in_order))
        }


def _letter(at: int) -> str:
    return ascii_uppercase[at] if at < len(ascii_uppercase) else f"{at + 1}:"


def _scope_name(report: Reported) -> str:
    name = visible((short_name(report.step_name) or short_id(report.step_id) or "no step")[:CHARS])
    return f"{name}, attempt {report.attempt}" if (report.attempt or 1) > 1 else name


def _what(report: Reported) -> str:
    what = "end marker" if report.is_close else size(report.size) if report.size is not None else "chunk"
    status = f", HTTP {report.status}" if report.status else ""
    return f"{report.outcome}: {what}{status}"


def _by(places: int) -> str:
    return "moved" if not places else f"{'early' if places > 0 else 'late'} by {abs(places):,}"


def _path(left: int, right: int) -> str:
    """100 units across; a level line is one stroke."""
    begin, end = (ROW * at + ROW // 2 for at in (left, right))
    return f"M0 {begin}H100" if begin == end else f"M0 {begin}h8L90 {end}h10"
