"""Several writers of one step race for one stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import (
    Certainty,
    ChunkRef,
    Detector,
    Found,
    NotChecked,
    Severity,
    Upstream,
    step_label,
)
from streams.facts import StreamFacts
from streams.ledger import StepAttempt, WriteFact, WriteLedger

QUOTED = 20  # step attempts described in the evidence


class RacingWriters(Detector):
    """## What it does
    Finds steps that write to one stream through several writables at once: every `getWritable()` of SDK 4.x
    makes its own pipe in the background, and the pipes race (vercel/workflow#2058). Proved by the writables
    themselves (exact mode) or by calls that overlap, which one writable never does; only suspected where
    nothing but the number of acquired writables says so.

    ## Why it matters
    Chunks are stored in the order in which the pipes win, not in the order of the writes. On a fast local
    disk it goes well nearly always; with the latency of a network the text is scrambled.

    ## Example
        by=A/1:0,A/2:1 "a" "b" close -> racing_writers(0,1)
        by=A#1,A#2~ "a" "b" close -> racing_writers(0,1)
        by=A/1:0,A/1:1,B/2:0 "a" "b" "c" close -> nothing
        by=A#1,B#2 "a" "b" close -> nothing

    ## Needs
    A probe's reports (`writes`).

    ## False alarms
    The number of acquired writables counts streams that came as arguments too, so it is only asked after the
    run has ended, and is called suspected.
    """

    kind: ClassVar[str] = "racing_writers"
    severity: ClassVar[Severity] = "error"
    needs: ClassVar[frozenset[str]] = frozenset({"writes"})
    fix: ClassVar[str] = (
        "Call getWritable() once per step, keep its writer for all writes and release it at the end; "
        "or update to workflow 5.x, where a repeated call gives the same writable."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#2058", "getWritable() for each write scrambles the order"),
        Upstream("vercel/workflow#2086", "the fix: one cached writable a step and stream"),
    )
    sdk_affected: ClassVar[str] = "4.x up to 4.8.9, and 5.0.0-beta.5"
    sdk_fixed: ClassVar[str] = "5.0.0-beta.39"

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        ledger = stream.writes
        if ledger is None or stream.is_system:
            return
        ended = stream.run is not None and stream.run.ended_ns is not None
        racing = [case for by in ledger.by_step if (case := _case(ledger, by, ended)) is not None]
        if not racing:
            return
        racing.sort(key=lambda case: (case.certainty != "proved", -case.writables))
        worst = racing[0]
        yield Found(
            self.kind,
            self.severity if worst.certainty == "proved" else "warning",
            worst.certainty,
            _message(worst, len(racing)),
            run_id=stream.run.run_id if stream.run else worst.by.run_id,
            stream=stream.name,
            step_id=worst.by.step_id,
            chunks=tuple(_refs(worst.writes)),
            evidence={"steps": [case.evidence() for case in racing[:QUOTED]], "step_total": len(racing)},
            missing=()
            if worst.certainty == "proved"
            else ("exact mode of the probe, or calls that overlap",),
        )


class _Case:
    """One step attempt that races with itself."""

    def __init__(
        self, by: StepAttempt, writes: list[WriteFact], writables: int, certainty: Certainty
    ) -> None:
        self.by, self.writes, self.writables, self.certainty = by, writes, writables, certainty
        self.calls = len({one.number for one in writes})
        self.overlapping = len({one.number for one in writes if one.is_overlapping})
        self.label = step_label(writes[0].step_name, by.step_id)

    def evidence(self) -> dict[str, object]:
        return {
            "step": self.label,
            "step_id": self.by.step_id,
            "attempt": self.by.attempt,
            "process": self.by.process,
            "writables": self.writables,
            "calls": self.calls,
            "overlapping_calls": self.overlapping,
            "certainty": self.certainty,
        }


def _case(ledger: WriteLedger, by: StepAttempt, ended: bool) -> _Case | None:
    writes = ledger.by_step[by]
    exact = {one.writer for one in writes if one.known == "exact" and not one.is_close}
    if len(exact) > 1 and by.attempt is not None:
        return _Case(by, writes, len(exact), "proved")
    if any(one.is_overlapping for one in writes):
        acquired = max((one.acquired or 0 for one in writes), default=0)
        return _Case(by, writes, max(2, acquired), "proved")
    acquired = max((one.acquired or 0 for one in writes if one.known != "exact"), default=0)
    if ended and acquired > ledger.streams_of_step.get(by, acquired):
        return _Case(by, writes, acquired, "suspected")
    # Which attempt it was is not known: each may have had a writable of its own.
    return _Case(by, writes, len(exact), "suspected") if len(exact) > 1 else None


def _message(case: _Case, steps: int) -> str:
    attempt = f" (attempt {case.by.attempt})" if (case.by.attempt or 1) > 1 else ""
    text = f"Step {case.label}{attempt} wrote to this stream through {case.writables} writables that race"
    if case.certainty == "proved" and case.overlapping:
        text += f": {case.overlapping} of its {case.calls} calls overlapped"
    return text + (f"; {steps - 1} more step attempts did the same." if steps > 1 else ".")


def _refs(writes: list[WriteFact]) -> Iterator[ChunkRef]:
    for one in sorted(writes, key=lambda one: one.chunk_id):
        if one.arrival is not None:
            yield ChunkRef(one.chunk_id, None, one.arrival)
