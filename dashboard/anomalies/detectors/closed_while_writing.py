"""One step closed the stream while another was still writing to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from dashboard.anomalies.detectors._copies import NO_TIMES
from dashboard.anomalies.detectors.base import (
    LABELS,
    ChunkRef,
    Detector,
    Found,
    NotChecked,
    Severity,
    Upstream,
    labels_of,
    step_label,
)
from dashboard.lib.clock import NS_PER_MS
from runs.worlds.base import has_times
from streams.facts import ChunkFact, StepFacts, StreamFacts
from streams.ledger import LOST, REJECTED, WriteFact, WriteLedger


class ClosedWhileWriting(Detector):
    """## What it does
    Finds an end marker that came while another step was still writing to the stream, so that what it wrote
    is behind the marker, rejected or lost. `close()` ends the stream for all writers, whichever step calls it.

    ## Why it matters
    Readers stop at the marker: the rest of the other step's answer never reaches them.

    ## Example
        by=A:0#1,Bc#3,A:1#2+ "a" close "b" -> closed_while_writing(2) write_after_close(2)
        by=A:0#1,Ac#2,B:0#3 "a" close "b" -> write_after_close(2)
        by=A:0#1,A:1#2,Bc#3 "a" "b" close -> nothing

    ## Needs
    The stored chunks; a probe's reports name the steps and prove it. Without them it is suspected, if the
    windows of two steps contain the end marker and a chunk of that time lies behind it.

    ## False alarms
    A step that begins after the close is not meant (that is `write_after_close` alone). Without harm nothing
    is said: on 4.x the last writes of a step are often under way when the next step closes.
    """

    kind: ClassVar[str] = "closed_while_writing"
    severity: ClassVar[Severity] = "warning"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Close the stream in one step that runs after all steps that write to it have returned."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#1949", "close() ends the stream for all steps"),
    )
    sdk_affected: ClassVar[str] = "all: close() is shared by all writers of a stream"
    sdk_fixed: ClassVar[str] = "none"

    def __init__(self) -> None:
        self._close: ChunkFact | None = None
        self._behind: list[ChunkFact] = []

    def feed(self, chunk: ChunkFact) -> None:
        if chunk.is_close and self._close is None:
            self._close = chunk
        elif chunk.is_behind:
            self._behind.append(chunk)

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if self._close is None or stream.is_system or stream.expired:
            return
        closing = _write_of(stream.writes, self._close.arrival)
        if stream.writes is not None and closing is not None and closing.step_id:
            cut = list(_cut_off(stream.writes, closing, {one.arrival for one in self._behind}))
            if cut:
                yield self._proved(stream, closing, cut)
        elif not has_times(stream.world):
            yield NotChecked(self.kind, f"{stream.name}: {NO_TIMES}", stream.name)
        elif stream.run is not None:
            yield from self._suspected(stream, stream.run.steps)

    def _proved(self, stream: StreamFacts, closing: WriteFact, cut: list[WriteFact]) -> Found:
        labels = list(dict.fromkeys(step_label(one.step_name, one.step_id) for one in cut))
        closer = step_label(closing.step_name, closing.step_id)
        return Found(
            self.kind,
            self.severity,
            "proved",
            f"Step {closer} closed the stream while step {labels_of(labels)} was still writing: "
            f"{_count(len(cut))} after the end marker.",
            run_id=stream.run.run_id if stream.run else closing.run_id,
            stream=stream.name,
            step_id=closing.step_id,
            chunks=tuple(ChunkRef(one.chunk_id, None, one.arrival) for one in cut if one.arrival is not None),
            evidence={"closed_by": closer, "writing": labels[:LABELS], "chunks": len(cut)},
        )

    def _suspected(self, stream: StreamFacts, steps: tuple[StepFacts, ...]) -> Iterator[Found]:
        assert self._close is not None
        closed_ns = _time_of(self._close)
        running = [step for step in steps if _contains(step, closed_ns)]
        ends = [step.completed_ns for step in running if step.completed_ns is not None]
        cut = [one for one in self._behind if ends and closed_ns <= _time_of(one) <= max(ends)]
        if len(running) < 2 or not cut:
            return
        labels = [step_label(step.name, step.step_id) for step in running]
        yield Found(
            self.kind,
            self.severity,
            "suspected",
            f"The stream was closed while the steps {labels_of(labels)} were running: "
            f"{_count(len(cut))} after the end marker.",
            run_id=stream.run.run_id if stream.run else "",
            stream=stream.name,
            chunks=tuple(ChunkRef(one.chunk_id, one.position, one.arrival) for one in cut),
            evidence={"running": labels[:LABELS], "chunks": len(cut)},
            missing=("who wrote and who closed (the probe's reports)",),
        )


@dataclass(frozen=True, slots=True)
class _Window:
    """From a step attempt's first call on this stream to the end of its last."""

    first_ns: int
    last_ns: int


def _write_of(ledger: WriteLedger | None, arrival: int) -> WriteFact | None:
    facts = ledger.facts if ledger is not None else []
    return next((one for one in facts if one.arrival == arrival), None)


def _cut_off(ledger: WriteLedger, closing: WriteFact, behind: set[int]) -> Iterator[WriteFact]:
    """Data of other step attempts of the same process that were writing when the close was called."""
    for by, writes in ledger.by_step.items():
        if by == closing.by or by.process != closing.process:
            continue
        window = _window(writes)
        if window.first_ns <= closing.called_ns <= window.last_ns:
            yield from (one for one in writes if not one.is_close and _is_cut(one, behind))


def _window(writes: list[WriteFact]) -> _Window:
    calls = [one for one in writes if not one.is_close] or writes
    ends = (one.called_ns + (one.took_ns or 0) for one in calls)
    return _Window(min(one.called_ns for one in calls), max(ends))


def _is_cut(one: WriteFact, behind: set[int]) -> bool:
    return one.outcome in {REJECTED, LOST} or (one.arrival is not None and one.arrival in behind)


def _contains(step: StepFacts, at_ns: int) -> bool:
    started, ended = step.started_ns, step.completed_ns
    return started is not None and ended is not None and started < at_ns < ended


def _time_of(chunk: ChunkFact) -> int:
    """The writer's clock, which is that of the steps' times too; else the world's."""
    return chunk.stored_ns if chunk.minted_ms is None else chunk.minted_ms * NS_PER_MS


def _count(chunks: int) -> str:
    return f"{chunks} chunks came" if chunks > 1 else "a chunk came"
