"""A step runs, and its stream says nothing for long."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from statistics import median_low
from typing import ClassVar, NamedTuple

from dashboard.anomalies.detectors._copies import NO_TIMES, is_alone, span_of, writers_of
from dashboard.anomalies.detectors._entries import Entry, entry_of
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
from dashboard.lib.clock import NS_PER_MS, NS_PER_S
from runs.worlds.base import TERMINAL, has_times
from streams.facts import ChunkFact, StepFacts, StreamFacts

GAPS = 1000  # of the last gaps the median is taken
KEPT = 50  # the longest gaps


class _Gap(NamedTuple):
    length_ns: int
    begin_ns: int
    arrival: int  # of the chunk behind it
    before: int
    ref: ChunkRef


class StreamSilent(Detector):
    """## What it does
    Finds that nothing was written for more than 30 seconds, and more than ten times the usual gap, while a step
    that writes to the stream was running: right now, or earlier between two chunks.

    ## Why it matters
    Whoever reads sees a frozen answer. A model or a service that the step calls hangs, or the step's process is
    gone and nobody has noticed yet.

    ## Example
        run=running steps=A@120 at=100,95 "a" "b" -> stream_silent(1)
        run=running steps=A@120 at=100,10,9 "a" "b" close -> stream_silent(1)
        run=running steps=A@120-85 at=100,90 "a" "b" -> nothing
        run=running steps=A@25 at=20,10 "a" "b" -> unchecked(stream_silent)

    ## Needs
    The chunks, and when steps began and ended.

    ## False alarms
    Time between two steps, or while a step waits for its retry, does not count. If several steps ran it is not
    known without a probe which of them was to write: then it is suspected. Both clocks, the world's and the
    writer's, must show the gap: a copied file has another time than its chunk.
    """

    kind: ClassVar[str] = "stream_silent"
    severity: ClassVar[Severity] = "warning"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Give what the step waits for a timeout of its own, and write a sign of life while it takes long."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#2767", "minutes between the write and the reader"),
    )
    sdk_affected: ClassVar[str] = "all: it is about what the step does"
    sdk_fixed: ClassVar[str] = "none"

    def __init__(self) -> None:
        self._gaps: deque[int] = deque(maxlen=GAPS)
        self._longest: list[_Gap] = []
        self._last_ns: int | None = None
        self._last_minted: int | None = None
        self._last: Entry | None = None
        self._closed = False

    def feed(self, chunk: ChunkFact) -> None:
        last_ns, last_minted, before = self._last_ns, self._last_minted, self._last
        self._last_ns = chunk.stored_ns if last_ns is None else max(last_ns, chunk.stored_ns)
        self._last_minted = chunk.minted_ms
        if last_ns is not None:
            gap = chunk.stored_ns - last_ns
            self._gaps.append(max(0, gap))
            if gap > self._least_ns and not self._closed and before is not None:
                self._note(chunk, gap, last_ns, last_minted, before.arrival)
        self._closed = self._closed or chunk.is_close
        self._last = entry_of(chunk)

    @cached_property
    def _least_ns(self) -> int:
        return int(self.thresholds.silent_s * NS_PER_S)

    def _note(self, chunk: ChunkFact, gap: int, last_ns: int, last_minted: int | None, before: int) -> None:
        if chunk.minted_ms is not None and last_minted is not None:
            gap = min(gap, (chunk.minted_ms - last_minted) * NS_PER_MS)
        ref = ChunkRef(chunk.chunk_id, chunk.position, chunk.arrival)
        heapq.heappush(self._longest, _Gap(gap, last_ns, chunk.arrival, before, ref))
        if len(self._longest) > KEPT:
            heapq.heappop(self._longest)

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        run = stream.run
        if run is None or self._last_ns is None or stream.is_system or stream.expired:
            return
        if not has_times(stream.world):
            yield NotChecked(self.kind, f"{stream.name}: {NO_TIMES}", stream.name, run.run_id)
            return
        usual_ns = median_low(self._gaps) if self._gaps else 0
        limit = max(self._least_ns, int(self.thresholds.silent_times * usual_ns))
        is_open = not self._closed and run.status not in TERMINAL
        silent_ns = now_ns - self._last_ns
        running = [step for step in run.steps if is_open and _covers(step, self._last_ns, now_ns)]
        past = [gap for gap in sorted(self._longest, reverse=True) if gap.length_ns > limit]
        if running and silent_ns > limit:
            yield self._now(stream, running, silent_ns)
            return
        for gap in past:
            if found := self._past(stream, gap, len(past)):
                yield found
                return
        if running:
            reason = f"{stream.name}: its step is running, it may fall silent yet"
            yield NotChecked(
                self.kind, reason, stream.name, run.run_id, due_ns=self._last_ns + limit + NS_PER_S
            )

    def _now(self, stream: StreamFacts, running: list[StepFacts], silent_ns: int) -> Found:
        assert stream.run is not None and self._last is not None
        by = writers_of(stream).get(self._last.arrival)
        writer = next((step for step in running if by is not None and step.step_id == by.step_id), None)
        at_last = [step for step in stream.run.steps if _covers(step, self._last_ns or 0, self._last_ns or 0)]
        sure = writer is not None or (by is None and len(at_last) == 1)
        step = writer or running[0]
        seconds = silent_ns // NS_PER_S
        message = f"Nothing was written for {seconds:,} s, and step {_label(step)} is running."
        return self._found(
            stream, step, message, "proved" if sure else "suspected", self._last.ref, silent_ns
        )

    def _past(self, stream: StreamFacts, gap: _Gap, count: int) -> Found | None:
        assert stream.run is not None
        steps = stream.run.steps
        covering = [one for one in steps if _covers(one, gap.begin_ns, gap.begin_ns + gap.length_ns)]
        told = writers_of(stream)
        before, behind = told.get(gap.before), told.get(gap.arrival)
        if before is not None and behind is not None:
            covering = [one for one in covering if before == behind and one.step_id == before.step_id]
        if not covering:
            return None
        step = covering[0]
        sure = before is not None or (len(covering) == 1 and is_alone(step, steps))
        more = f" ({count} such gaps)" if count > 1 else ""
        message = (
            f"Nothing was written for {gap.length_ns // NS_PER_S:,} s while step {_label(step)} ran{more}."
        )
        return self._found(stream, step, message, "proved" if sure else "suspected", gap.ref, gap.length_ns)

    def _found(
        self,
        stream: StreamFacts,
        step: StepFacts,
        message: str,
        sure: Certainty,
        ref: ChunkRef,
        silent_ns: int,
    ) -> Found:
        return Found(
            self.kind,
            self.severity,
            sure,
            message,
            run_id=stream.run.run_id if stream.run else "",
            stream=stream.name,
            step_id=step.step_id,
            chunks=(ref,),
            evidence={
                "seconds": round(silent_ns / NS_PER_S, 3),
                "usual_gap_seconds": round(median_low(self._gaps) / NS_PER_S, 3) if self._gaps else None,
                "step": _label(step),
                "threshold": self.thresholds.told("silent_s", "silent_times"),
            },
            missing=() if sure == "proved" else ("which step was to write (the probe's reports)",),
        )


def _label(step: StepFacts) -> str:
    return step_label(step.name, step.step_id)


def _covers(step: StepFacts, begin_ns: int, end_ns: int) -> bool:
    """It ran all that time, and did not wait for a retry meanwhile."""
    first, last = span_of(step)
    starts = [one.started_ns for one in step.attempts[1:]]
    return first <= begin_ns and end_ns <= last and not any(begin_ns < one <= end_ns for one in starts)
