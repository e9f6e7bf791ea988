"""The body of a step ran twice at the same time, and both wrote to the stream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from dashboard.anomalies.detectors._copies import (
    TELLING,
    ChunkLog,
    Copies,
    copies_of,
    is_alone,
    twice,
    window_of,
    writers_of,
)
from dashboard.anomalies.detectors.base import (
    Detector,
    Found,
    NotChecked,
    Severity,
    Upstream,
    labels_of,
    step_label,
)
from streams.facts import ChunkFact, StepFacts, StreamFacts
from streams.ledger import StepAttempt, WriteFact


class DoubleExecution(Detector):
    """## What it does
    Finds what two executions of one step wrote to the stream: the log starts the step twice without a retry
    between, or a probe saw two executions write at once, and the same chunk or end marker is there twice.
    Without either, two copies that interleave within one attempt are suspected.

    ## Why it matters
    The step did everything twice, outside the stream as well: what it sent, charged or stored. Readers get two
    answers mixed up with each other. Nothing failed, and the log can look as if all was well.

    ## Example
        run=completed steps=A@90+89-80 at=88,88,88,88,70 "a" "b" "a" finish close -> double_execution(0,2)
        run=completed steps=A@90-80 stored=85s "a" "b" "a" "c" "b" "c" close -> double_execution(0,1,2,3,4,5)
        run=completed steps=A@90r89-80 at=90,88,70 "a" "b" close -> nothing
        run=completed steps=A@90+89-80 at=88,87,70 "a" "b" close -> nothing

    ## Needs
    The events of the run's steps, or a probe's reports, and the chunks. That a step ran twice without a trace in
    the stream is said of the run, not of the stream.

    ## False alarms
    Steps that run at the same time can write the same: then it is only suspected. A copy behind the first one
    is no proof of two executions: a writer may say the same twice. Of a stream of more than 20,000 chunks only
    the first 20,000 are compared; encrypted ones never are.
    """

    kind: ClassVar[str] = "double_execution"
    severity: ClassVar[Severity] = "error"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Make the step's effects idempotent (a key made from the step's id), and update: "
        "5.0.0-beta.5 starts steps twice, 5.0.0-beta.55 was not seen to."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#3553", "one attempt in the log, two executions"),
        Upstream("vercel/workflow#2780", "concurrent execution of a step"),
    )
    sdk_affected: ClassVar[str] = "5.0.0-beta.5 and the Python SDK 0.12.0 (seen); redelivery can do it in any"
    sdk_fixed: ClassVar[str] = "not seen in 5.0.0-beta.55"

    def __init__(self) -> None:
        self._log = ChunkLog()

    def feed(self, chunk: ChunkFact) -> None:
        self._log.feed(chunk)

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if not len(self._log) or stream.is_system or stream.expired:
            return
        cases = [*self._told(stream), *self._logged(stream)] or list(self._interleaved(stream))
        if cases:
            yield self._found(stream, cases)

    def _told(self, stream: StreamFacts) -> Iterator[_Case]:
        """By the probe's reports: two executions of one step that wrote at the same time, and the same."""
        entries = {entry.arrival: at for at, entry in enumerate(self._log.entries)}
        by_step: defaultdict[tuple[str, str], list[tuple[StepAttempt, list[WriteFact]]]] = defaultdict(list)
        for by, writes in (stream.writes.by_step if stream.writes is not None else {}).items():
            by_step[by.run_id, by.step_id].append((by, writes))
        for groups in by_step.values():
            for number, (by, writes) in enumerate(groups):
                at_once = [own for other, own in groups[:number] if _are_at_once(other, own, by, writes)]
                for own in at_once:
                    both = [entries[one.arrival] for one in (*own, *writes) if one.arrival in entries]
                    copies = twice(self._log, sorted(both))
                    if copies.pairs:
                        yield _Case(step_label(writes[0].step_name, by.step_id), by.step_id, copies, True)

    def _logged(self, stream: StreamFacts) -> Iterator[_Case]:
        """By the log: started twice without a retry between."""
        steps = stream.run.steps if stream.run is not None else ()
        for step in steps:
            if not any(not one.is_retry for one in step.attempts[1:]):
                continue
            copies = twice(self._log, self._written(step, stream))
            if copies.pairs:
                sure = is_alone(step, steps) or copies.payloads >= TELLING
                yield _Case(step_label(step.name, step.step_id), step.step_id, copies, sure)

    def _interleaved(self, stream: StreamFacts) -> Iterator[_Case]:
        """By the stream alone: two copies of at least three payloads, the second begun before the first ended."""
        steps = stream.run.steps if stream.run is not None else ()
        for step in steps if stream.writes is None else ():
            if len(step.attempts) == 1 and is_alone(step, steps):
                found = twice(self._log, self._written(step, stream))
                pairs = [pair for pair in found.pairs if not self._log.entries[pair[0]].is_frame]
                copies = copies_of(self._log, pairs)
                if copies.payloads == len(pairs) >= TELLING and _do_interleave(copies):
                    yield _Case(step_label(step.name, step.step_id), step.step_id, copies, False)

    def _written(self, step: StepFacts, stream: StreamFacts) -> list[int]:
        log, told = self._log, writers_of(stream)
        begin, end = window_of(step, stream.run.steps if stream.run else ())
        found = []
        for at, entry in enumerate(log.entries):
            by, time_ns = told.get(entry.arrival), entry.time_ns
            if (begin <= time_ns <= end) if by is None else by.step_id == step.step_id:
                found.append(at)
        return found

    def _found(self, stream: StreamFacts, cases: list[_Case]) -> Found:
        sure = any(case.sure for case in cases)
        first = next(case for case in cases if case.sure or not sure)
        again = {at for case in cases for _, at in case.copies.pairs}
        all_of = sorted(again | {at for case in cases for at, _ in case.copies.pairs})
        count = f"{len(again)} chunks are" if len(again) > 1 else "a chunk is"
        does = "ran twice at the same time" if sure else "may have run twice at the same time"
        return Found(
            self.kind,
            self.severity if sure else "warning",
            "proved" if sure else "suspected",
            f"Step {labels_of(case.label for case in cases)} {does}: {count} in the stream again.",
            run_id=stream.run.run_id if stream.run else "",
            stream=stream.name,
            step_id=first.step_id,
            chunks=tuple(self._log.entries[at].ref for at in all_of),
            evidence={
                "chunks_again": len(again),
                "steps": [
                    {"step": case.label, "chunks_again": len(case.copies.pairs)} for case in cases[:20]
                ],
            },
            missing=() if sure else ("two starts in the run's log, or the probe's reports",),
        )


@dataclass(frozen=True, slots=True)
class _Case:
    label: str
    step_id: str
    copies: Copies
    sure: bool


def _are_at_once(one: StepAttempt, ones: list[WriteFact], two: StepAttempt, twos: list[WriteFact]) -> bool:
    """One attempt has one execution; clocks of different processes are not compared."""
    if one.process != two.process:
        return one.attempt is not None and one.attempt == two.attempt
    first, second = _span(ones), _span(twos)
    return first[0] < second[1] and second[0] < first[1]


def _span(writes: list[WriteFact]) -> tuple[int, int]:
    return min(one.called_ns for one in writes), max(one.called_ns + (one.took_ns or 0) for one in writes)


def _do_interleave(copies: Copies) -> bool:
    """Neither a copy behind the other nor chunks that each come twice in a row."""
    firsts, seconds = [first for first, _ in copies.pairs], [second for _, second in copies.pairs]
    return min(seconds) < max(firsts) and any(second - first > 1 for first, second in copies.pairs)
