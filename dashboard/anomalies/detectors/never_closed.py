"""A run is over, its stream is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors._entries import Entry, entry_of
from dashboard.anomalies.detectors.base import Detector, Found, NotChecked, Severity, Upstream
from dashboard.lib.clock import NS_PER_S
from runs.worlds.base import TERMINAL
from streams.chunk_types import MessageShape
from streams.facts import ChunkFact, StreamFacts


class NeverClosed(Detector):
    """## What it does
    Finds streams without an end marker whose run ended more than 10 seconds ago: info, or warning if the
    stream carries an AI SDK message that began and did not finish. A stream in its run's list to which
    nothing was ever written counts as well.

    ## Why it matters
    Readers wait for the end marker: they hang until their own timeout. An unfinished message is usually the
    answer that a user is looking at.

    ## Example
        run=completed data-status text-start(t1) text-end(t1) -> never_closed(2)
        run=completed data-status text-start(t1) text-end(t1) finish close -> nothing
        run=running text-start(t1) -> nothing
        run=completed ended=3s text-start(t1) -> unchecked(never_closed)

    ## Needs
    The run's state and the stored end markers.

    ## False alarms
    Apps whose readers do not wait for the end (they count, or stop at `finish`) close no stream on purpose:
    therefore info. The SDK's own streams and streams purged by retention are left out. If the world's clock
    is ahead of ours the grace cannot be measured, and the finding is only suspected.
    """

    kind: ClassVar[str] = "never_closed"
    severity: ClassVar[Severity] = "info"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Close the stream in a last step, also when an earlier one fails (`try … finally` in the workflow)."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#964", "streams stay open when the run is over"),
        Upstream("vercel/workflow#333", "readers hang"),
    )
    sdk_affected: ClassVar[str] = "all: nothing closes a stream but the app"
    sdk_fixed: ClassVar[str] = "none, though the documentation of 5.x promises it"

    def __init__(self) -> None:
        self._shape = MessageShape()
        self._closed = False
        self._chunks = 0
        self._last: Entry | None = None

    def feed(self, chunk: ChunkFact) -> None:
        self._closed |= chunk.is_close
        if self._closed:
            return
        self._chunks += 1
        self._last = entry_of(chunk)
        if not self._shape.ruled_out:
            for value in chunk.values or (None,):
                self._shape.feed(value)

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        run = stream.run
        exists = self._chunks > 0 or stream.listed is True
        if self._closed or not exists or stream.is_system or stream.expired:
            return
        if run is None or run.status not in TERMINAL:
            return
        grace_ns = int(self.thresholds.close_s * NS_PER_S)
        left_ns = 0 if run.ended_ns is None else run.ended_ns + grace_ns - now_ns
        if 0 < left_ns <= 2 * grace_ns:
            reason = f"{stream.name}: its run has just ended, its close may still come"
            yield NotChecked(self.kind, reason, stream.name, run.run_id, due_ns=now_ns + left_ns)
            return
        unfinished = self._shape.unfinished
        yield Found(
            self.kind,
            "warning" if unfinished else self.severity,
            "proved" if left_ns <= 0 else "suspected",
            f"The run is over ({run.status}), but its stream has no end marker: readers wait in vain."
            + (" The message in it is unfinished." if unfinished else ""),
            run_id=run.run_id,
            stream=stream.name,
            chunks=(self._last.ref,) if self._last else (),
            evidence={
                "run_status": run.status,
                "chunks": self._chunks,
                "message_unfinished": unfinished,
                "threshold": self.thresholds.told("close_s"),
            },
            missing=() if left_ns <= 0 else ("the run's end by a clock that agrees with ours",),
        )
