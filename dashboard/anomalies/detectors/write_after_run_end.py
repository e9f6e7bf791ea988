"""Chunks that were stored long after their run had ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import ChunkRef, Detector, Found, NotChecked, Severity
from dashboard.lib.clock import NS_PER_MS, NS_PER_S
from streams.facts import ChunkFact, StreamFacts

GRACE_NS = 2 * NS_PER_S  # the flush of the last step may legally come that much later
KEPT = 2000  # late chunks named; their number is told whole


class WriteAfterRunEnd(Detector):
    """## What it does
    Finds data chunks written more than 2 seconds after their run completed, failed or was cancelled, and
    accepted all the same. Proved if both clocks say so: the world's (stored) and the writer's (minted).

    ## Why it matters
    Something goes on after the end: a step that was not awaited, a timer, a step of a cancelled run. Other
    worlds refuse such writes, and they are lost there.

    ## Example
        run=completed ended=60s stored=30s "a" close -> write_after_run_end(0)
        run=completed ended=60s stored=59s "a" close -> nothing
        run=running stored=30s "a" -> nothing

    ## Needs
    The run's end and the stored chunks.

    ## False alarms
    If the writer's clock says that a chunk was minted in time, its file was only copied or touched later, and
    nothing is said. Without that clock (no time in the chunk's id) the finding is suspected.
    """

    kind: ClassVar[str] = "write_after_run_end"
    severity: ClassVar[Severity] = "warning"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = "Await everything that writes to the stream before the workflow returns."

    def __init__(self) -> None:
        self._chunks: list[tuple[ChunkRef, int, int | None]] = []
        self._latest_ns = 0

    def feed(self, chunk: ChunkFact) -> None:
        """Only the latest can be late: of a long stream that goes on, most are dropped again."""
        if chunk.is_close:
            return
        minted_ns = None if chunk.minted_ms is None else chunk.minted_ms * NS_PER_MS
        ref = ChunkRef(chunk.chunk_id, chunk.position, chunk.arrival)
        self._chunks.append((ref, chunk.stored_ns, minted_ns))
        if len(self._chunks) > 2 * KEPT:
            self._chunks.sort(key=lambda one: one[1])
            del self._chunks[:KEPT]

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        run = stream.run
        if run is None or run.ended_ns is None or stream.is_system or stream.expired:
            return
        bound_ns = run.ended_ns + GRACE_NS
        late = [one for one in self._chunks if one[1] > bound_ns and (one[2] is None or one[2] > bound_ns)]
        if not late:
            return
        late.sort(key=lambda one: one[0].chunk_id)
        sure = all(minted_ns is not None for _, _, minted_ns in late)
        behind_s = (max(stored_ns for _, stored_ns, _ in late) - run.ended_ns) / NS_PER_S
        count = f"{len(late)} chunks were" if len(late) > 1 else "A chunk was"
        yield Found(
            self.kind,
            self.severity,
            "proved" if sure else "suspected",
            f"{count} written after the run was {run.status}, up to {behind_s:.1f} s later.",
            run_id=run.run_id,
            stream=stream.name,
            chunks=tuple(ref for ref, _, _ in late),
            evidence={"chunks": len(late), "run_status": run.status, "seconds_late": round(behind_s, 3)},
            missing=() if sure else ("the writer's clock",),
        )
