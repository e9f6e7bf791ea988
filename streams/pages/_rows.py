"""Rows of the chunk table: the one renderer for pages and for live frames.

Plain string formatting instead of a template: a frame has up to 500 rows, and a template takes ten times
as long. Everything that comes from a world is escaped here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

from django.utils.safestring import SafeString, mark_safe

from dashboard.lib.clock import NS_PER_MS
from dashboard.lib.panels import Piece
from runs.pages._format import clock_time, counted, milliseconds, size, visible
from streams.order import BEHIND, CLOSE, CLOSE2, MOVED, MOVED_PROVED, OVERTAKEN, mark_names
from streams.pages._cell import cell_of
from streams.queries import ChunkRow

BIG_GAP_MS = 1000
Notes = Mapping[int, Sequence[Piece]]


def icon(name: str) -> str:
    return f'<svg class="ic" aria-hidden="true"><use href="#i-{name}"/></svg>'


def _badge(style: str, symbol: str, word: str, title: str = "") -> str:
    hint = f' title="{escape(title)}"' if title else ""
    return f'<span class="badge {style}"{hint}>{icon(symbol)}{escape(word)}</span>'


_BADGES = {
    MOVED: _badge("moved", "moved", "moved", "suspected: the message grammar breaks here"),
    MOVED_PROVED: _badge("moved", "moved", "moved", "proved by the writer's own numbers"),
    OVERTAKEN: _badge("idle", "swap", "overtaken", "arrival and position disagree; parallel writes do that"),
    BEHIND: _badge("err", "behind", "never read", "behind the first end marker, where readers stop"),
    CLOSE: _badge("idle", "gate", "end marker", "readers stop here"),
    CLOSE2: _badge("warn", "gate2", "second end marker", "the stream was closed more than once"),
}
_STYLES = ((BEHIND, "behind"), (CLOSE2, "close2"), (CLOSE, "close"), (MOVED | MOVED_PROVED, "moved"))
_SEVERITY = {
    "critical": ("err", "fail"),
    "error": ("err", "x"),
    "warning": ("warn", "warn"),
    "info": ("info", "dash"),
}


def rows_html(
    rows: Sequence[ChunkRow], notes: Notes | None = None, *, divider: str = "", key: bytes | None = None
) -> SafeString:
    """`<tr>` elements. `divider` is put once, before the first row behind the end marker.

    With the run's `key` encrypted values are opened: what it opened is to be noted (`runs.keys.Opener`).
    """
    parts = []
    for row in rows:
        if divider and row.marks & (BEHIND | CLOSE2):
            parts.append(divider)
            divider = ""
        parts.append(_row(row, notes.get(row.arrival, ()) if notes else (), key))
    return mark_safe("".join(parts))  # every part is escaped where it is made


def divider_html(behind: int, closes: int) -> SafeString:
    """The line above everything that no reader gets."""
    return mark_safe(  # numbers and constants
        '<tr role="row" class="divider" id="behind-divider"><td role="cell" colspan="8">'
        f"{icon('behind')} behind the end marker: "
        f'<span data-fact="behind">{behind_words(behind, closes)}</span>. <b>Readers never see this.</b>'
        "</td></tr>"
    )


def behind_words(behind: int, closes: int) -> str:
    """`5 chunks and a second end marker`; the live client writes the same words."""
    parts = [counted(behind, "chunk")] if behind else []
    if closes == 2:
        parts.append("a second end marker")
    elif closes > 2:
        parts.append(f"{closes - 1} more end markers")
    return " and ".join(parts) or "nothing"


def _row(row: ChunkRow, notes: Sequence[Piece], key: bytes | None) -> str:
    arrival, marks = row.arrival, row.marks
    position = "" if row.position is None else row.position
    cell = cell_of(row, key)
    style = next((name for mask, name in _STYLES if marks & mask), "") if marks else ""
    return (
        f'<tr role="row" id="chunk-{arrival}" class="{style}" data-arrival="{arrival}"'
        f' data-position="{position}" data-marks="{" ".join(mark_names(marks)) if marks else ""}">'
        f'<td role="cell" class="num a"><a href="chunks/{arrival}/">{arrival}</a></td>'
        f'<td role="cell" class="num p">{"–" if position == "" and not row.is_close else position}</td>'
        f'<td role="cell" class="mono c">{clock_time(row.stored_ns)}</td>{_gap_cell(row.gap_ns)}'
        f'<td role="cell" class="num s">{size(row.size)}</td><td role="cell" class="type t">{escape(cell.type)}</td>'
        f'<td role="cell" class="val v">{cell.value}</td>'
        f'<td role="cell" class="m">{_marks_cell(row, cell.problem, notes)}</td></tr>'
    )


def _gap_cell(gap_ns: int | None) -> str:
    """One element, its bar being a background: a browser lays out hundreds of rows a second here."""
    if gap_ns is None:
        return '<td role="cell" class="gap x">–</td>'
    ms = gap_ns / NS_PER_MS
    # A tenth of the bar for each 0.4 of a decade: 1 ms and 10 s are both worth seeing.
    level = min(10, round(2.5 * log10(1 + ms))) if ms > 0 else 0
    return f'<td role="cell" class="gap x g{level}{" big" if ms >= BIG_GAP_MS else ""}">{milliseconds(gap_ns)}</td>'


def _marks_cell(row: ChunkRow, problem: str, notes: Sequence[Piece]) -> str:
    parts = [_BADGES[bit] for bit in _BADGES if row.marks & bit] if row.marks else []
    for reason in (row.problem, problem):
        if reason:
            parts.append(_badge("idle", "dash", visible(reason[:60]), reason[:300]))
    parts += [_note(note) for note in notes]
    return "".join(parts)


def _note(note: Piece) -> str:
    style, symbol = _SEVERITY.get(note.severity, ("idle", "dash"))
    return _badge(style, symbol, visible(note.text), note.title)
