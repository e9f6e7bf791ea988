"""The verdict bar: one question a cell, the answer first, then how sure, then one line of fact.

An absent proof is never a tick: what was not checked stands in the last cell, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.lib.panels import Piece
from runs.pages._format import counted
from runs.worlds.base import TERMINAL
from streams.models import Stream
from streams.pages._glyph import ended_open
from streams.queries import has_proved_move

# Answered by the first cells from stored counts, which are newer than any finding.
_COUNTED = frozenset({"write_after_close", "closed_more_than_once", "never_closed"})
_LOOKS = {"critical": "bad", "error": "bad", "warning": "sus", "info": "sus"}


@dataclass(frozen=True, slots=True)
class Cell:
    look: str  # good, bad, sus (looks wrong or may be harmless) or unk (no answer)
    answer: str
    fact: str
    sure: str = ""  # proved, suspected, at_risk
    url: str = ""
    reasons: tuple[str, ...] = ()  # of the last cell: one for each question without an answer


def cells_of(stream: Stream, pieces: Sequence[Piece], first_problem: int | None) -> list[Cell]:
    url = f"?at={first_problem}#chunk-{first_problem}" if first_problem else ""
    cells = [_read(stream, url), _closed(stream, url), _ordered(stream, url)]
    found = [piece for piece in pieces if piece.severity and piece.kind not in _COUNTED]
    cells += [Cell(_LOOKS.get(p.severity, "sus"), p.text, p.title, p.certainty, p.url) for p in found[:3]]
    return [cell for cell in cells if cell.look != "unk"] + [_not_checked(cells, pieces)]


def _read(stream: Stream, url: str) -> Cell:
    if stream.behind_count:
        fact = f"{counted(stream.behind_count, 'chunk')} behind the end marker, never read"
        return Cell("bad", "readable to the end", fact, "proved", url)
    if stream.close_count:
        return Cell(
            "good",
            "readable to the end",
            f"all {counted(stream.chunk_count, 'chunk')} before the end marker",
            "proved",
        )
    return Cell("unk", "readable to the end", "not closed yet" if not ended_open(stream) else "never closed")


def _closed(stream: Stream, url: str) -> Cell:
    if stream.close_count > 1:
        look = "bad" if stream.behind_count else "sus"
        return Cell(look, "closed once", f"{stream.close_count} end markers", "proved", url)
    if stream.close_count == 1:
        return Cell("good", "closed once", "one end marker", "proved")
    if ended_open(stream):
        return Cell(
            "sus", "never closed", "the run has ended; readers of this stream wait for ever", "proved"
        )
    return Cell("unk", "closed once", _why_open(stream))


def _why_open(stream: Stream) -> str:
    if stream.expired:
        return "its chunks were removed by the world"
    if stream.is_system:
        return "the SDK leaves its own streams open"
    if stream.run is None:
        return "its run is not known"
    return "its run has not ended" if stream.run.status not in TERMINAL else "still open"


def _ordered(stream: Stream, url: str) -> Cell:
    if stream.moved_count:
        fact = f"{stream.moved_count:,} of {counted(stream.chunk_count, 'chunk')} moved"
        return Cell("bad", "in order", fact, "proved" if has_proved_move(stream.pk) else "suspected", url)
    return Cell("unk", "order", "what the writer meant is known only through a probe")


def _not_checked(cells: Sequence[Cell], pieces: Sequence[Piece]) -> Cell:
    reasons = [f"{cell.answer}: {cell.fact}" for cell in cells if cell.look == "unk"]
    reasons += [f"{piece.kind}: {piece.title}" for piece in pieces if piece.kind and not piece.severity]
    reasons += [piece.title for piece in pieces if not piece.kind]
    reasons.append("complete: what was written but not stored is known only through a probe")
    names = ", ".join(reason.partition(":")[0] for reason in reasons)
    return Cell("unk", "not checked here", names, reasons=tuple(reasons))
