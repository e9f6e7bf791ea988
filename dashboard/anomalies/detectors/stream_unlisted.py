"""A stream that is stored, but not in its run's list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Detector, Found, NotChecked, Severity
from dashboard.lib.clock import NS_PER_S
from runs.worlds.base import TERMINAL
from streams.facts import ChunkFact, StreamFacts


class StreamUnlisted(Detector):
    """## What it does
    Finds streams that are stored but missing from their run's list of streams.

    ## Why it matters
    Whoever lists the streams of the run does not see this one. The local world loses entries when streams of
    one run begin at the same moment.

    ## Example
        run=completed listed=no text-start(t1) text-end(t1) finish close -> stream_unlisted
        run=completed listed=yes text-start(t1) text-end(t1) finish close -> nothing
        run=running listed=no stored=3s text-start(t1) -> unchecked(stream_unlisted)

    ## Needs
    A world that keeps a list of streams per run (`stream_list`).

    ## False alarms
    None known. In the first 10 seconds of a stream of a run that goes on nothing is said, since the list may
    have been read before the stream began.
    """

    kind: ClassVar[str] = "stream_unlisted"
    severity: ClassVar[Severity] = "info"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks", "stream_list"})
    fix: ClassVar[str] = (
        "List streams by what is stored, not by the run's list; or let streams of one run begin one after the other."
    )
    sdk_affected: ClassVar[str] = (
        "local worlds of all versions: streams that begin at the same moment overwrite each other's entry"
    )
    sdk_fixed: ClassVar[str] = "none"

    def __init__(self) -> None:
        self._chunks = 0
        self._first_ns: int | None = None

    def feed(self, chunk: ChunkFact) -> None:
        self._chunks += 1
        self._first_ns = chunk.stored_ns if self._first_ns is None else min(self._first_ns, chunk.stored_ns)

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if stream.listed or self._first_ns is None or stream.is_system or stream.expired:
            return
        run = stream.run
        run_id = run.run_id if run else ""
        if stream.listed is None:
            reason = f"{stream.name}: the list of its run is not there or cannot be read"
            yield NotChecked(self.kind, reason, stream.name, run_id)
            return
        # While a run goes on, its list may have been read just before this stream began.
        grace_ns = int(self.thresholds.list_s * NS_PER_S)
        left_ns = self._first_ns + grace_ns - now_ns
        if (run is None or run.status not in TERMINAL) and 0 < left_ns <= 2 * grace_ns:
            reason = f"{stream.name}: it has just begun, the list may not have it yet"
            yield NotChecked(self.kind, reason, stream.name, run_id, due_ns=now_ns + left_ns)
            return
        whose = "the list of its run" if run else "the list of any run"
        message = f"The stream is stored, but missing from {whose}."
        evidence: dict[str, object] = {"chunks_and_end_markers": self._chunks}
        yield Found(self.kind, self.severity, "proved", message, run_id, stream.name, evidence=evidence)
