"""The verdict bar: one question a cell, the answer first, then how sure, then one line of fact.

An absent proof is never a tick: what was not checked stands in the last cell, with the evidence that is missing and
who would supply it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.lib.panels import Piece
from streams.answers import GRAMMAR, LOSS, TWICE, Answer, answers_of, unanswered
from streams.models import Stream

# Answered by the questions, from stored counts that are newer than any finding, or from the finding itself.
_ASKED = frozenset(
    {"write_after_close", "closed_more_than_once", "never_closed", "out_of_order", GRAMMAR, *LOSS, *TWICE}
)
FOUND_SHOWN = 4
_LOOKS = {"critical": "bad", "error": "bad", "warning": "sus", "info": "sus"}


@dataclass(frozen=True, slots=True)
class Cell:
    look: str  # good, bad, sus (looks wrong or may be harmless) or unk (no answer)
    answer: str
    fact: str
    sure: str = ""  # proved, suspected, at_risk
    url: str = ""
    reasons: tuple[str, ...] = ()  # of the last cell: one for each question without an answer
    needs_probe: bool = False  # of the last cell: a probe would answer some of them


def cells_of(stream: Stream, pieces: Sequence[Piece], first_problem: int | None) -> list[Cell]:
    url = f"?at={first_problem}#chunk-{first_problem}" if first_problem else ""
    answers = answers_of(stream, pieces)
    cells = [_cell(answer, url) for answer in answers if answer.look != "unk"]
    found = [piece for piece in pieces if _is_further(piece, answers)]
    cells += [
        Cell(_LOOKS.get(p.severity, "sus"), p.text, p.title, p.certainty, p.url) for p in found[:FOUND_SHOWN]
    ]
    unchecked = _not_checked(answers, pieces)
    return cells + ([unchecked] if unchecked.reasons else [])


def _cell(answer: Answer, url: str) -> Cell:
    return Cell(answer.look, answer.name, answer.fact, answer.sure, url if answer.is_marked else "")


def _is_further(piece: Piece, answers: Sequence[Answer]) -> bool:
    """A finding that no question has shown: the second of two losses or repeats is one."""
    shown = any(piece.title and piece.title in answer.fact for answer in answers)
    return bool(piece.severity) and not shown and (piece.kind not in _ASKED or piece.kind in (*LOSS, *TWICE))


def _not_checked(answers: Sequence[Answer], pieces: Sequence[Piece]) -> Cell:
    open_ones = [answer for answer in answers if answer.look == "unk"]
    by_reason: dict[str, list[str]] = {}
    for piece in pieces:
        if not piece.severity:
            by_reason.setdefault(piece.title, []).append(piece.kind)
    told = {reason: ", ".join(filter(None, kinds)) for reason, kinds in by_reason.items()}
    others = [f"{kinds}: {reason}" if kinds else reason for reason, kinds in told.items()]
    names = ", ".join([*(answer.name for answer in open_ones), *(kinds for kinds in told.values() if kinds)])
    reasons = (*(unanswered(answer) for answer in open_ones), *others)
    needs = any("probe" in reason for reason in reasons)
    return Cell("unk", "not checked here", names, reasons=reasons, needs_probe=needs)
