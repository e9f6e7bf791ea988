"""What `getReadable({startIndex})` gives, for a reader that was there from the beginning and for one that comes later.

The rules of each world and SDK version are in `streams._readers_rules`. Nothing here guesses: where the evidence
does not decide, the reading is "not checked" and says which evidence was missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from streams._readers_facts import (
    CLOSED,
    LATER,
    LIVE,
    PROVED,
    SUSPECTED,
    UNCHECKED,
    UNKNOWN,
    WAITS,
    Doubt,
    ReaderFacts,
    Reading,
    StoredChunk,
)
from streams._readers_order import doubt_close, told_order
from streams._readers_rules import RULES, Choice, ReaderRules, rules_for
from streams._readers_sessions import Outcome, Reader
from streams._readers_words import listed, summary

__all__ = [
    "CLOSED",
    "LATER",
    "LIVE",
    "PROVED",
    "RULES",
    "SUSPECTED",
    "UNCHECKED",
    "UNKNOWN",
    "WAITS",
    "Choice",
    "ReaderFacts",
    "ReaderRules",
    "Reading",
    "StoredChunk",
    "listed",
    "read_later",
    "read_live",
    "rules_for",
    "summary",
]


def read_later(facts: ReaderFacts, choice: Choice, start: int = 0) -> Reading:
    """A reader that comes when everything that is known is stored, and nothing more is written."""
    doubt = _doubt(facts, choice)
    if choice.rules is None or doubt.is_hopeless:
        return _unchecked(LATER, start, doubt)
    order = facts.stored
    outcome = Reader(choice.rules, order).read(start, len(order))
    return _reading(LATER, start, _cut_waiting(outcome, choice.rules), doubt)


def read_live(
    facts: ReaderFacts, choice: Choice, start: int = 0, *, attached: int = 0, elsewhere: bool = False
) -> Reading:
    """A reader that was there when the chunks were written.

    `attached`: how many chunks readers had been told of when it came; 0: from the beginning. `elsewhere`: in
    another process than the writer's, which makes a difference on a local world only.
    """
    doubt = _doubt(facts, choice)
    if choice.rules is None or doubt.is_hopeless:
        return _unchecked(LIVE, start, doubt)
    order = told_order(facts, choice.rules.world, doubt)
    doubt_close(order, attached, doubt)
    if elsewhere and choice.rules.world == "local":
        _doubt_elsewhere(order[attached:], doubt)
    if doubt.is_hopeless:
        return _unchecked(LIVE, start, doubt)
    outcome = Reader(choice.rules, _before_cut(order, attached, choice.rules, doubt)).read(start, attached)
    return _reading(LIVE, start, _cut_waiting(outcome, choice.rules), doubt)


def _doubt(facts: ReaderFacts, choice: Choice) -> Doubt:
    doubt = Doubt()
    if choice.note:
        doubt.add(UNCHECKED if choice.rules is None else SUSPECTED, choice.note)
    if choice.rules is not None and choice.rules.source:
        doubt.add(SUSPECTED, choice.rules.source)
    if facts.missing:
        doubt.add(UNCHECKED, facts.missing)
    return doubt


def _doubt_elsewhere(order: Sequence[StoredChunk], doubt: Doubt) -> None:
    """It looks at the directory each 100 ms and gets what is new in the order of ids."""
    ids = [chunk.chunk_id for chunk in order]
    if ids != sorted(ids):
        doubt.add(UNCHECKED, "in another process it depends on the moment at which it looks")


def _before_cut(
    order: Sequence[StoredChunk], attached: int, rules: ReaderRules, doubt: Doubt
) -> Sequence[StoredChunk]:
    """The writes that a reader is told of before the server cuts it off and it does not come again."""
    if rules.cut_after_ns is None or rules.resumes != "never" or attached >= len(order):
        return order
    if any(chunk.stored_ns is None for chunk in order[attached:]):
        doubt.add(SUSPECTED, "when chunks were stored is not known: the server may have cut the reader off")
        return order
    until = (order[attached].stored_ns or 0) + rules.cut_after_ns
    kept = [chunk for chunk in order[attached:] if (chunk.stored_ns or 0) <= until]
    return [*order[:attached], *kept]


def _cut_waiting(outcome: Outcome, rules: ReaderRules) -> Outcome:
    """Where the server ends each reading after a while, a reader that does not come again takes it for the end."""
    if outcome.ended == WAITS and rules.cut_after_ns is not None and rules.resumes == "never":
        return replace(outcome, ended=CLOSED)
    return outcome


def _reading(kind: str, start: int, outcome: Outcome, doubt: Doubt) -> Reading:
    arrivals = tuple(chunk.arrival for chunk in outcome.chunks)
    return Reading(kind, start, arrivals, outcome.ended, outcome.error, doubt.sure, tuple(doubt.why))


def _unchecked(kind: str, start: int, doubt: Doubt) -> Reading:
    return Reading(kind, start, sure=UNCHECKED, why=tuple(doubt.why))
