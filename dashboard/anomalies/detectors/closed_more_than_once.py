"""More than one end marker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import ChunkRef, Detector, Found, NotChecked, Severity, Upstream
from streams.facts import ChunkFact, StreamFacts


class ClosedMoreThanOnce(Detector):
    """## What it does
    Finds streams with more than one end marker: info, or warning if there is data behind the first one.

    ## Why it matters
    By itself a repeated close is harmless, since readers stop at the first end marker. It shows that a step
    ran twice, or that two places of a workflow both believe that they end the stream.

    ## Example
        start text-start(t1) text-end(t1) finish close close -> closed_more_than_once(4,5)
        start text-start(t1) text-end(t1) finish close -> nothing

    ## Needs
    The stored end markers.

    ## False alarms
    A retried close is legal. Streams purged by retention and the SDK's own streams are left out.
    """

    kind: ClassVar[str] = "closed_more_than_once"
    severity: ClassVar[Severity] = "info"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = "Close the stream in one place, and let no other step close it again."
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#3712", "end markers repeated in 1,809 streams"),
    )
    sdk_affected: ClassVar[str] = "all"
    sdk_fixed: ClassVar[str] = "none: it harms nobody"

    def __init__(self) -> None:
        self._closes: list[ChunkRef] = []
        self._behind = 0

    def feed(self, chunk: ChunkFact) -> None:
        self._behind += chunk.is_behind
        if chunk.is_close:
            self._closes.append(ChunkRef(chunk.chunk_id, chunk.position, chunk.arrival))

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if len(self._closes) < 2 or stream.is_system or stream.expired:
            return
        with_data = f", and data chunks lie behind the first ({self._behind})" if self._behind else ""
        yield Found(
            self.kind,
            "warning" if self._behind else self.severity,
            "proved",
            f"The stream was closed {len(self._closes)} times{with_data}.",
            run_id=stream.run.run_id if stream.run else "",
            stream=stream.name,
            chunks=tuple(self._closes),
            evidence={"end_markers": len(self._closes), "chunks_behind": self._behind},
        )
