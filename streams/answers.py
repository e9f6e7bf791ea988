"""The five questions that every stream is asked, answered from what is stored, each with how sure.

Good means proved: what could not be checked is no answer, with the evidence that is missing and who would supply it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dashboard.lib.panels import Piece
from runs.pages._format import counted
from runs.worlds.base import TERMINAL
from streams.models import Stream
from streams.queries import has_proved_move
from streams.repeats import doubt_of_repeats, looked_of
from streams.verdicts import ended_open, is_judged, is_open
from streams.write_queries import doubt_of, exact_count

Look = Literal["good", "bad", "sus", "unk"]  # sus: looks wrong, or may be harmless; unk: no answer
EXACT = "a probe in exact mode"
TOLD = "a probe or the recording proxy"
LOSS = ("chunk_lost", "write_rejected")
TWICE = ("duplicate_chunk", "repeated_by_retry")
GRAMMAR = "protocol_violation"


@dataclass(frozen=True, slots=True)
class Answer:
    name: str
    look: Look
    fact: str
    sure: str = ""  # proved, suspected, at_risk
    needs: str = ""  # who would supply the evidence that is missing
    is_marked: bool = False  # rows of the stream are marked for it


def answers_of(stream: Stream, pieces: Sequence[Piece], judged: bool | None = None) -> list[Answer]:
    """`pieces` are of the slot `stream_verdict`. Whether a grammar was kept is asked of messages alone."""
    by_kind = {piece.kind: piece for piece in pieces}
    known = is_judged(stream) if judged is None else judged
    answers = (
        _ordered(stream, by_kind),
        _complete(stream, by_kind),
        _closed(stream),
        _unrepeated(stream, by_kind, known),
        _grammar(stream, by_kind, known),
    )
    return [answer for answer in answers if answer is not None]


def are_all_good(stream: Stream) -> bool:
    """For a stream that has just been judged without any finding."""
    return all(answer.look == "good" for answer in answers_of(stream, (), judged=True))


def _ordered(stream: Stream, by_kind: Mapping[str, Piece]) -> Answer:
    chunks = counted(stream.chunk_count, "chunk")
    if stream.moved_count:
        fact = f"{stream.moved_count:,} of {chunks} moved"
        told = by_kind.get("out_of_order")
        fact = f"{fact}. {told.title}" if told is not None and told.severity else fact
        sure = "proved" if has_proved_move(stream.pk) else "suspected"
        return Answer("ordered", "bad" if sure == "proved" else "sus", fact, sure, is_marked=True)
    known = exact_count(stream.pk) if stream.write_revision else 0
    if known and known >= stream.chunk_count:
        return Answer("ordered", "good", f"{counted(known, 'chunk')} as their writers meant them", "proved")
    if known:
        fact = f"the writer's order is known of {known:,} of {stream.chunk_count:,} chunks"
        return Answer("order", "unk", fact, needs=f"{EXACT} in every writer")
    return Answer("order", "unk", f"what the writer meant is known only through {EXACT}", needs=EXACT)


def _complete(stream: Stream, by_kind: Mapping[str, Piece]) -> Answer:
    """Whether all that was written is stored."""
    told = [by_kind[kind] for kind in LOSS if kind in by_kind]
    worst = next((piece for piece in told if piece.severity not in {"", "info"}), None)
    if worst is not None:
        look: Look = "bad" if worst.severity != "warning" and worst.certainty == "proved" else "sus"
        return Answer("complete", look, worst.title, worst.certainty)
    if not stream.write_revision:
        fact = "what was written but not stored is known only through a probe"
        return Answer("complete", "unk", fact, needs=TOLD)
    reason = next((piece.title for piece in told if not piece.severity), "") or doubt_of(stream)
    if reason:
        return Answer("complete", "unk", reason, needs=f"{TOLD}, told of every write")
    return Answer("complete", "good", "every write is stored", "proved")


def _closed(stream: Stream) -> Answer:
    markers = f"{stream.close_count} end markers" if stream.close_count > 1 else "one end marker"
    if stream.behind_count:
        behind = f"{counted(stream.behind_count, 'chunk')} behind the end marker, never read"
        name = "closed once" if stream.close_count > 1 else "closed at the end"
        fact = f"{markers}, {behind}" if stream.close_count > 1 else behind
        return Answer(name, "bad", fact, "proved", is_marked=True)
    if stream.close_count > 1:
        return Answer("closed once", "sus", markers, "proved", is_marked=True)
    if stream.close_count == 1:
        fact = f"{markers}, {counted(stream.chunk_count, 'chunk')} before it"
        return Answer("closed once", "good", fact, "proved")
    if ended_open(stream):
        fact = "the run has ended; readers of this stream wait for ever"
        return Answer("never closed", "sus", fact, "proved")
    return Answer("closed once", "unk", _why_open(stream))


def _why_open(stream: Stream) -> str:
    if stream.expired:
        return "its chunks were removed by the world"
    if stream.is_system:
        return "the SDK leaves its own streams open"
    if stream.run is None:
        return "its run is not known"
    return "its run has not ended" if stream.run.status not in TERMINAL else "still open"


def _unrepeated(stream: Stream, by_kind: Mapping[str, Piece], judged: bool) -> Answer:
    found = next((by_kind[kind] for kind in TWICE if kind in by_kind and by_kind[kind].severity), None)
    if found is not None:
        look: Look = "bad" if found.severity == "error" and found.certainty == "proved" else "sus"
        return Answer("no duplicates", look, found.title, found.certainty)
    seen = looked_of(stream)
    if seen.sealed:
        return Answer("duplicates", "unk", "equal payloads are encrypted to different bytes", needs=TOLD)
    if seen.to < stream.head or not judged:
        fact = f"looked at {seen.to:,} of {stream.head:,} so far"
        return Answer("duplicates", "unk", "not looked at yet" if not seen.to else fact)
    doubt = doubt_of_repeats(stream)
    near = f"{counted(seen.near, 'chunk')} {'repeats' if seen.near == 1 else 'repeat'} what came just before"
    if doubt == "none":
        return Answer("no duplicates", "good", "no payload or batch twice in a row", "proved")
    if doubt == "one write each":
        return Answer("no duplicates", "good", f"{near}, each a write of its own", "proved")
    if doubt == "twice":
        return Answer("no duplicates", "sus", f"{near}; one write is stored twice", "proved")
    if doubt == "perhaps twice":
        return Answer("no duplicates", "sus", f"{near}, as a batch sent twice would", "suspected", TOLD)
    fact = f"{near}; whether they were written twice is known only through a probe"
    return Answer("duplicates", "unk", fact, needs=TOLD)


def _grammar(stream: Stream, by_kind: Mapping[str, Piece], judged: bool) -> Answer | None:
    told = by_kind.get(GRAMMAR)
    if told is not None and told.severity:
        look: Look = "bad" if told.severity in {"error", "critical"} else "sus"
        return Answer("grammar kept", look, told.title, told.certainty, is_marked=True)
    if not looked_of(stream).message:
        return None
    if told is not None:
        return Answer("grammar", "unk", told.title.removeprefix(f"{stream.name}: "), needs="the run's key")
    if not judged or is_open(stream):
        return Answer(
            "grammar", "unk", "not judged yet" if not judged else "the message is still being written"
        )
    return Answer("grammar kept", "good", "as the AI SDK reads it", "proved")


def unanswered(answer: Answer) -> str:
    """One line for what was not checked."""
    return f"{answer.name}: {answer.fact}" + (f". Supplied by {answer.needs}" if answer.needs else "")
