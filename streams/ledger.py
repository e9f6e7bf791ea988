"""What is known of the writes of one stream, kept up as reports come in. Pure.

Known only through a probe or a proxy. Times are the writing process's own clock, in nanoseconds since 1970.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from streams.sequence import moved_by_sequence

Outcome = Literal["stored", "rejected", "lost", "hidden", "unmatched"]
STORED: Outcome = "stored"
REJECTED: Outcome = "rejected"
LOST: Outcome = "lost"  # acknowledged, or written by the step, and not stored
HIDDEN: Outcome = "hidden"  # acknowledged behind the end marker, where its world shows nobody what lies
UNMATCHED: Outcome = "unmatched"  # not (yet) known


class StepAttempt(NamedTuple):
    """Who wrote: one attempt of one step in one process. Empty where the step is not known."""

    process: str
    run_id: str
    step_id: str
    attempt: int | None


@dataclass(frozen=True, slots=True)
class WriteFact:
    """One chunk of one call of a writer (or a close), and what became of it."""

    pk: int
    process: str
    number: int
    place: int
    outcome: str
    is_close: bool
    is_sent: bool
    called_ns: int
    took_ns: int | None
    size: int | None
    error: str
    status: int | None
    is_overlapping: bool
    acquired: int | None
    order: int | None
    sequence: int | None
    arrival: int | None
    chunk_id: str
    writer: int  # primary key of the writer
    known: str  # how the writer is known: exact, proved, step only, inferred, unknown
    run_id: str
    step_id: str
    step_name: str
    attempt: int | None
    scope: str

    @property
    def by(self) -> StepAttempt:
        return StepAttempt(self.process, self.run_id, self.step_id, self.attempt)


@dataclass(frozen=True, slots=True)
class WriterOrder:
    """Stored order against the writers'. Keys are arrivals; values say whether it is certain."""

    known: frozenset[int] = frozenset()  # chunks whose writer's order is known exactly
    moved: Mapping[int, bool] = field(default_factory=dict)
    steps: Mapping[int, StepAttempt] = field(default_factory=dict)  # who wrote the moved ones


class WriteLedger:
    """All writes of one stream by primary key."""

    def __init__(self) -> None:
        self._facts: dict[int, WriteFact] = {}
        self.streams_of_step: Mapping[StepAttempt, int] = {}  # streams a step attempt wrote to, all together
        self.is_lossy = True  # a process could not deliver all its reports, or it is not known that it could

    def __len__(self) -> int:
        return len(self._facts)

    def put(self, facts: Iterable[WriteFact]) -> bool:
        """Take new or newer facts; returns whether there were any."""
        fresh = {fact.pk: fact for fact in facts}
        self._facts |= fresh
        if fresh:
            for name in ("facts", "by_step", "order", "failed"):
                self.__dict__.pop(name, None)
        return bool(fresh)

    @cached_property
    def facts(self) -> list[WriteFact]:
        """In the order of calls, process by process."""
        return sorted(self._facts.values(), key=lambda one: (one.process, one.number, one.place))

    @cached_property
    def by_step(self) -> dict[StepAttempt, list[WriteFact]]:
        """Writes whose step is known."""
        groups: defaultdict[StepAttempt, list[WriteFact]] = defaultdict(list)
        for fact in self.facts:
            if fact.step_id:
                groups[fact.by].append(fact)
        return dict(groups)

    @cached_property
    def failed(self) -> list[WriteFact]:
        """What was refused or lost, but for what is known to have been written again with success."""
        failed = [one for one in self.facts if one.outcome in {REJECTED, LOST}]
        if not failed:
            return []
        others = (
            one for one in self.facts if one.outcome not in {REJECTED, LOST} and one.took_ns is not None
        )
        again = {(one.process, one.scope, one.order) for one in others if not one.is_close}
        return [
            one for one in failed if one.order is None or (one.process, one.scope, one.order) not in again
        ]

    @cached_property
    def order(self) -> WriterOrder:
        """Which chunks are not where their writer meant them to be: the smallest set, scope by scope.

        The writer's own order is certain. The order of calls is not: the world decides what comes first.
        """
        exact: defaultdict[str, list[WriteFact]] = defaultdict(list)
        called: defaultdict[StepAttempt, list[WriteFact]] = defaultdict(list)
        for fact in self.facts:
            if fact.arrival is None or fact.is_close:
                continue
            if fact.sequence is not None:
                exact[fact.scope].append(fact)
            elif fact.step_id:
                called[fact.by].append(fact)
        moved: dict[int, StepAttempt] = {}
        for group in exact.values():
            moved |= _moved(group, [one.sequence or 0 for one in group])
        sure = dict.fromkeys(moved, True)
        for group in called.values():
            unsure = _moved(group, list(range(len(group))))
            moved |= unsure
            sure |= dict.fromkeys(unsure, False)
        known = frozenset(one.arrival for group in exact.values() for one in group if one.arrival is not None)
        return WriterOrder(known, sure, moved)


def _moved(group: list[WriteFact], numbers: list[int]) -> dict[int, StepAttempt]:
    """Arrivals outside the longest run of chunks that are stored in the order of their numbers."""
    stored = sorted(zip(group, numbers, strict=True), key=lambda pair: pair[0].chunk_id)
    found = moved_by_sequence([number for _, number in stored])
    return {stored[at][0].arrival or 0: stored[at][0].by for at in found}
