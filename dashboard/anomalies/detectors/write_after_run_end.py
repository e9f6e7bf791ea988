"""Chunks that were stored long after their run had ended."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors._entries import Entry, entry_of
from dashboard.anomalies.detectors.base import Detector, Found, NotChecked, Severity, Upstream
from dashboard.lib.clock import NS_PER_S
from streams.facts import ChunkFact, StreamFacts

KEPT = 2000  # late chunks named, the last of them; their number is told whole


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
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#1949", "writes after the run completed"),
        Upstream("vercel/workflow#3749", "waits that fire after the run has ended"),
    )
    sdk_affected: ClassVar[str] = "local and PostgreSQL worlds of all versions, which accept such writes"
    sdk_fixed: ClassVar[str] = "none"

    def __init__(self) -> None:
        self._times = array("q")  # of all: the earlier of both clocks
        self._latest: list[Entry] = []

    def feed(self, chunk: ChunkFact) -> None:
        """Only the latest can be late: of a long stream that goes on, no more than their times are kept."""
        if chunk.is_close:
            return
        entry = entry_of(chunk)
        self._times.append(entry.time_ns)
        self._latest.append(entry)
        if len(self._latest) > 2 * KEPT:
            self._latest.sort(key=lambda one: one.time_ns)
            del self._latest[:-KEPT]

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        run = stream.run
        if run is None or run.ended_ns is None or stream.is_system or stream.expired:
            return
        bound_ns = run.ended_ns + int(self.thresholds.late_s * NS_PER_S)
        late = [one for one in self._latest if one.time_ns > bound_ns]
        if not late:
            return
        late = sorted(late, key=lambda one: one.time_ns)[-KEPT:]
        total = sum(time_ns > bound_ns for time_ns in self._times)
        sure = all(one.is_minted for one in late)
        behind_s = (max(one.stored_ns for one in late) - run.ended_ns) / NS_PER_S
        count = f"{total} chunks were" if total > 1 else "A chunk was"
        yield Found(
            self.kind,
            self.severity,
            "proved" if sure else "suspected",
            f"{count} written after the run was {run.status}, up to {behind_s:.1f} s later.",
            run_id=run.run_id,
            stream=stream.name,
            chunks=tuple(sorted((one.ref for one in late), key=lambda ref: ref.chunk_id)),
            evidence={
                "chunks": total,
                "run_status": run.status,
                "seconds_late": round(behind_s, 3),
                "threshold": self.thresholds.told("late_s"),
            },
            missing=() if sure else ("the writer's clock",),
        )
