"""Data behind the end marker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import ChunkRef, Detector, Found, NotChecked, Severity, Upstream
from streams.facts import ChunkFact, StreamFacts
from streams.ledger import HIDDEN


class WriteAfterClose(Detector):
    """## What it does
    Finds data chunks stored behind the first end marker of a stream.

    ## Why it matters
    Readers stop at the first end marker: nobody gets what was written after it. Nothing failed, so nothing
    was logged. Usually a workflow closes its stream while a later step still writes to it.

    ## Example
        start text-start(t1) text-end(t1) finish close data-status -> write_after_close(5)
        start text-start(t1) text-end(t1) finish close -> nothing

    ## Needs
    The stored chunks and the end marker; a probe's reports where the world does not show what lies behind it.

    ## False alarms
    None known of stored chunks. Where a world does not show what lies behind the marker, acknowledged writes that
    a probe reported after the close are suspected. Streams purged by retention and the SDK's own streams are left out.
    """

    kind: ClassVar[str] = "write_after_close"
    severity: ClassVar[Severity] = "error"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Close the stream in one step that runs after all steps that write to it have returned."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#1949", "a stream is closed before its last steps end"),
        Upstream("vercel/workflow#3712", "data behind the end marker in 143 streams of one install"),
    )
    sdk_affected: ClassVar[str] = (
        "all: no world refuses data behind the end marker, but Vercel once the run is over"
    )
    sdk_fixed: ClassVar[str] = (
        "none; PostgreSQL readers of 4.8.9 stop cleanly at the marker, those of 4.2.4 and 5.0.0-beta fail"
    )

    def __init__(self) -> None:
        self._behind: list[ChunkRef] = []
        self._bytes = 0
        self._closed_by = ""

    def feed(self, chunk: ChunkFact) -> None:
        if chunk.is_close:
            self._closed_by = self._closed_by or chunk.chunk_id
        elif chunk.is_behind:
            self._behind.append(ChunkRef(chunk.chunk_id, chunk.position, chunk.arrival))
            self._bytes += chunk.size

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if stream.is_system or stream.expired:
            return
        if not self._behind:
            yield from self._hidden(stream)
            return
        count = len(self._behind)
        message = f"{count} chunks are stored behind the end marker: no reader gets them."
        if count == 1:
            message = "A chunk is stored behind the end marker: no reader gets it."
        yield Found(
            self.kind,
            self.severity,
            "proved",
            message,
            run_id=stream.run.run_id if stream.run else "",
            stream=stream.name,
            chunks=tuple(self._behind),
            evidence={"closed_by": self._closed_by, "chunks": count, "bytes": self._bytes},
        )

    def _hidden(self, stream: StreamFacts) -> Iterator[Found]:
        """Where the world shows nobody what lies behind the marker, but a probe reported the writes."""
        writes = [one for one in (stream.writes.facts if stream.writes else ()) if one.outcome == HIDDEN]
        data = [one for one in writes if not one.is_close]
        if not data:
            return
        many = f"{len(data)} chunks were" if len(data) > 1 else "A chunk was"
        yield Found(
            self.kind,
            self.severity,
            "suspected",
            f"{many} acknowledged after the close, and no reader gets what lies behind the end marker.",
            run_id=stream.run.run_id if stream.run else data[0].run_id,
            stream=stream.name,
            step_id=data[0].step_id,
            evidence={
                "closed_by": self._closed_by,
                "chunks": len(data),
                "bytes": sum(one.size or 0 for one in data),
            },
            missing=("what is stored behind the end marker (this world does not show it)",),
        )
