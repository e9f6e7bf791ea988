"""Chunks that a step wrote and that are not stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import (
    Detector,
    Found,
    NotChecked,
    Severity,
    Upstream,
    labels_of,
    step_label,
)
from dashboard.lib.clock import NS_PER_S
from streams.facts import StreamFacts
from streams.ledger import HIDDEN, REJECTED, UNMATCHED, WriteFact

QUOTED = 20
AGAIN_NS = 2 * NS_PER_S


class ChunkLost(Detector):
    """## What it does
    Finds data chunks that a step wrote and that are not in storage: the world acknowledged them and does not
    have them, or refused them, or they never left the step's writable because an earlier write had failed.

    ## Why it matters
    The step goes on as if all was well. Readers miss a piece, most often the end, and no error says so.

    ## Example
        run=completed by=A:0,A:1? "a" close -> chunk_lost
        run=completed by=A:0,A:1x,A:2! "a" close -> chunk_lost write_rejected
        run=completed by=A:0,A:1 "a" "b" close -> nothing
        run=completed by=A:0,A:1. "a" close -> unchecked(chunk_lost)

    ## Needs
    A probe's reports (`writes`) and the stored chunks.

    ## False alarms
    A write counts as lost only after the whole world was looked at again later than it was acknowledged, by
    the clocks of both. One that was written again with success is not, where the writer's order tells (exact
    mode). Streams purged by retention are left out.
    """

    kind: ClassVar[str] = "chunk_lost"
    severity: ClassVar[Severity] = "error"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks", "writes"})
    fix: ClassVar[str] = (
        "Await the last write of a step before it returns, keep one writer per step, and close the "
        "stream after the last write of all steps."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#2735", "the background flush of a step's stream failed"),
        Upstream("vercel/workflow#3933", "a step completes before its chunks are durable"),
        Upstream("vercel/workflow#1446", "the last chunks are missing"),
    )
    sdk_affected: ClassVar[str] = "4.x up to 4.8.9: the flush of a step's stream is not awaited"
    sdk_fixed: ClassVar[str] = "5.0.0-beta.5 waits up to 500 ms"

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if stream.writes is None or stream.expired:
            return
        data = [one for one in stream.writes.facts if not one.is_close]
        lost = [one for one in stream.writes.failed if not one.is_close]
        run_id = stream.run.run_id if stream.run else next((one.run_id for one in data), "")
        # A close that waits is no chunk, but it is looked for too: what became of it matters to others.
        waiting = sum(one.outcome == UNMATCHED and one.took_ns is not None for one in stream.writes.facts)
        if waiting:
            reason = f"{stream.name}: {waiting} acknowledged writes were not found in storage so far"
            yield NotChecked(self.kind, reason, stream.name, run_id, due_ns=now_ns + AGAIN_NS)
        if hidden := sum(one.outcome == HIDDEN for one in data):
            reason = f"{stream.name}: {hidden} writes may lie behind the end marker, which this world does not show"
            yield NotChecked(self.kind, reason, stream.name, run_id)
        if lost:
            yield self._found(stream, lost, run_id)

    def _found(self, stream: StreamFacts, lost: list[WriteFact], run_id: str) -> Found:
        causes = Counter(map(_cause, lost))
        steps = Counter(step_label(one.step_name, one.step_id, one.known) for one in lost)
        return Found(
            self.kind,
            "info" if stream.is_system else self.severity,
            "proved",
            _message(causes, steps),
            run_id=run_id,
            stream=stream.name,
            step_id=next((one.step_id for one in lost if one.step_id), ""),
            evidence={
                "chunks": len(lost),
                "bytes": sum(one.size or 0 for one in lost),
                "causes": dict(causes),
                "steps": dict(steps.most_common(QUOTED)),
                "sequences": [one.sequence for one in lost[:QUOTED]],
            },
        )


def _cause(one: WriteFact) -> str:
    if one.outcome == REJECTED:
        return "rejected by the world"
    return "acknowledged, but not stored" if one.is_sent else "never sent to the world"


def _message(causes: Counter[str], steps: Counter[str]) -> str:
    total = causes.total()
    what = "; ".join(f"{count} {cause}" for cause, count in causes.most_common())
    chunks = (
        f"{total} chunks of step {labels_of(steps)} are"
        if total > 1
        else f"A chunk of step {labels_of(steps)} is"
    )
    return f"{chunks} not stored: {what}."
