"""The verdict bar: one question a cell, the answer first, then how sure, then one line of fact.

An absent proof is never a tick: what was not checked stands in the last cell, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.lib.panels import Piece
from runs.pages._format import counted
from runs.worlds.base import TERMINAL
from streams.models import Stream
from streams.pages._glyph import ended_open
from streams.queries import has_proved_move
from streams.write_queries import doubt_of, exact_count

# Answered by the first cells from stored counts, which are newer than any finding.
_COUNTED = frozenset({"write_after_close", "closed_more_than_once", "never_closed", "out_of_order"})
FOUND_SHOWN = 5
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
    by_kind = {piece.kind: piece for piece in pieces}
    answers = (_read(stream, url), _closed(stream, url), _ordered(stream, url, by_kind))
    cells = [cell for cell in (*answers, _complete(stream, by_kind)) if cell is not None]
    found = [piece for piece in pieces if piece.severity and piece.kind not in _COUNTED]
    cells += [
        Cell(_LOOKS.get(p.severity, "sus"), p.text, p.title, p.certainty, p.url) for p in found[:FOUND_SHOWN]
    ]
    unchecked = _not_checked(cells, pieces)
    return [cell for cell in cells if cell.look != "unk"] + ([unchecked] if unchecked.reasons else [])


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


def _ordered(stream: Stream, url: str, by_kind: Mapping[str, Piece]) -> Cell:
    if stream.moved_count:
        fact = f"{stream.moved_count:,} of {counted(stream.chunk_count, 'chunk')} moved"
        told = by_kind.get("out_of_order")
        fact = f"{fact}. {told.title}" if told is not None and told.severity else fact
        return Cell("bad", "in order", fact, "proved" if has_proved_move(stream.pk) else "suspected", url)
    known = exact_count(stream.pk) if stream.write_revision else 0
    if known and known == stream.chunk_count:
        return Cell("good", "in order", f"{counted(known, 'chunk')} as their writers meant them", "proved")
    if known:
        return Cell(
            "unk", "order", f"the writer's order is known of {known:,} of {stream.chunk_count:,} chunks"
        )
    return Cell("unk", "order", "what the writer meant is known only through a probe in exact mode")


def _complete(stream: Stream, by_kind: Mapping[str, Piece]) -> Cell | None:
    """Whether all that was written is stored. None where a finding says what is not."""
    lost = [by_kind[kind] for kind in ("chunk_lost", "write_rejected") if kind in by_kind]
    if any(piece.severity not in {"", "info"} for piece in lost):
        return None
    if not stream.write_revision:
        return Cell("unk", "complete", "what was written but not stored is known only through a probe")
    open_question = next((piece.title for piece in lost if not piece.severity), "") or doubt_of(stream)
    if open_question:
        return Cell("unk", "complete", open_question)
    return Cell("good", "complete", "every write is stored", "proved")


def _not_checked(cells: Sequence[Cell], pieces: Sequence[Piece]) -> Cell:
    reasons = [f"{cell.answer}: {cell.fact}" for cell in cells if cell.look == "unk"]
    reasons += [f"{piece.kind}: {piece.title}" for piece in pieces if piece.kind and not piece.severity]
    reasons += [piece.title for piece in pieces if not piece.kind]
    names = ", ".join(reason.partition(":")[0] for reason in reasons)
    return Cell("unk", "not checked here", names, reasons=tuple(reasons))
