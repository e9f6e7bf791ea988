"""A retried step wrote again what its failed attempt had written."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from dashboard.anomalies.detectors._copies import (
    KEPT,
    ChunkLog,
    Copies,
    beginnings,
    is_alone,
    repeated,
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
from runs.worlds.base import has_times
from streams.facts import ChunkFact, StepFacts, StreamFacts


class RepeatedByRetry(Detector):
    """## What it does
    Finds chunks that an attempt of a step wrote again after an earlier attempt of it had written them and
    failed. Proved if nothing else can have written them (a probe names the attempt, or no other step ran) and
    three different payloads, or a frame of a message (`start`, `text-start`, a tool call), come again; else
    suspected.

    ## Why it matters
    What a failed attempt wrote stays in the stream. Readers get it together with what the retry writes: the
    text of an answer comes twice, with ids that were used already.

    ## Example
        run=completed steps=A@90r80-70 at=89,79,79,60 "a" text-start(t1) "b" close -> nothing
        run=completed steps=A@90r80-70 at=89,89,79,79,60 start "b" start "b" close -> repeated_by_retry(0,1,2,3)
        run=completed steps=A@90-85,B@80-70 at=89,88,79,78,60 "a" "b" "a" "b" close -> nothing

    ## Needs
    The events of the run's steps, and the chunks. Of encrypted chunks it is not checked.

    ## False alarms
    Steps that run at the same time can write the same: then it is only suspected. So it is where a world does not
    tell when chunks were stored (Vercel): attempts are then told apart by how they begin. One payload that comes
    again says nothing by itself. Of a stream of more than 20,000 chunks only the first 20,000 are compared.
    """

    kind: ClassVar[str] = "repeated_by_retry"
    severity: ClassVar[Severity] = "error"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Let an attempt that is not the first one (`getStepMetadata().attempt`) tell readers to drop what came "
        "before, or write to the stream only what can no longer fail."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#2422", "duplicate parts after attempt 2"),
        Upstream("vercel/workflow#2675", "chunks again after redelivery"),
        Upstream("vercel/workflow#2310", "steps run at least once"),
    )
    sdk_affected: ClassVar[str] = "all, by design: steps run at least once and streams are append-only"
    sdk_fixed: ClassVar[str] = "none"

    def __init__(self) -> None:
        self._log = ChunkLog()

    def feed(self, chunk: ChunkFact) -> None:
        if not chunk.is_close:
            self._log.feed(chunk)

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        run = stream.run
        steps = (
            [] if run is None else [step for step in run.steps if any(one.is_retry for one in step.attempts)]
        )
        if run is None or not steps or not len(self._log) or stream.is_system or stream.expired:
            return
        cases = [case for step in steps for case in self._cases(step, stream, len(steps))]
        if cases:
            yield self._found(stream, cases)
            return
        about = f"{stream.name}: a step was retried, but "
        if self._log.is_sealed:
            reason = about + "encrypted chunks cannot be compared"
            yield NotChecked(self.kind, reason, stream.name, run.run_id)
        elif self._log.is_cut:
            reason = about + f"only the first {KEPT:,} chunks were compared"
            yield NotChecked(self.kind, reason, stream.name, run.run_id)

    def _cases(self, step: StepFacts, stream: StreamFacts, retried: int) -> Iterator[_Case]:
        is_timed = stream.writes is not None or has_times(stream.world)
        by_attempt = self._by_attempt(step, stream) if is_timed else []
        if not is_timed and retried == 1:
            by_attempt = beginnings(self._log, len(step.attempts))
        steps = stream.run.steps if stream.run else ()
        told = writers_of(stream)
        for number, later in enumerate(by_attempt[1:], 2):
            copies = repeated(self._log, by_attempt[number - 2], later)
            whole = len(copies.pairs) == len(by_attempt[number - 2])
            if not copies.pairs or not (copies.frames or copies.payloads > 1 or whole):
                continue
            known = all(self._log.entries[at].arrival in told for pair in copies.pairs for at in pair)
            sure = is_timed and (copies.is_telling or (whole and copies.payloads > 1))
            yield _Case(step, number, copies, sure and copies.is_literal and (known or is_alone(step, steps)))

    def _by_attempt(self, step: StepFacts, stream: StreamFacts) -> list[list[int]]:
        """Entries of the log that each attempt wrote: as a probe told it, else by their time."""
        log, told = self._log, writers_of(stream)
        retries = [one.started_ns for one in step.attempts if one.is_retry]
        begin, end = window_of(step, stream.run.steps if stream.run else ())
        group_of = [0]  # starts that no retry explains count with the one before
        for one in step.attempts:
            group_of.append(group_of[-1] + one.is_retry)
        found: list[list[int]] = [[] for _ in range(len(retries) + 1)]
        for at, entry in enumerate(log.entries):
            by, time_ns = told.get(entry.arrival), entry.time_ns
            if by is None and begin <= time_ns <= end:
                found[bisect_right(retries, time_ns)].append(at)
            elif by is not None and by.step_id == step.step_id and by.attempt is not None:
                found[group_of[min(by.attempt, len(group_of) - 1)]].append(at)
        return found

    def _found(self, stream: StreamFacts, cases: list[_Case]) -> Found:
        sure = any(case.sure for case in cases)
        first = next(case for case in cases if case.sure or not sure)
        again = {at for case in cases for _, at in case.copies.pairs}
        all_of = sorted(again | {at for case in cases for at, _ in case.copies.pairs})
        labels = labels_of(case.label for case in cases)
        count = f"{len(again)} chunks" if len(again) > 1 else "a chunk"
        return Found(
            self.kind,
            self.severity if sure else "warning",
            "proved" if sure else "suspected",
            f"Step {labels} was retried and wrote {count} again that a failed attempt had written.",
            run_id=stream.run.run_id if stream.run else "",
            stream=stream.name,
            step_id=first.step.step_id,
            chunks=tuple(self._log.entries[at].ref for at in all_of),
            evidence={"chunks_again": len(again), "attempts": [case.evidence() for case in cases[:20]]},
            missing=() if sure else ("who wrote the chunks (the probe's reports)",),
        )


@dataclass(frozen=True, slots=True)
class _Case:
    step: StepFacts
    number: int  # of the attempt that wrote it again
    copies: Copies
    sure: bool

    @property
    def label(self) -> str:
        return step_label(self.step.name, self.step.step_id)

    def evidence(self) -> dict[str, object]:
        return {
            "step": self.label,
            "attempt": self.number,
            "chunks_again": len(self.copies.pairs),
            "different": self.copies.payloads,
            "frames": self.copies.frames,
            "same_bytes": self.copies.is_literal,
        }
