"""The world refused writes."""

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
from streams.facts import ChunkFact, StreamFacts
from streams.ledger import LOST, REJECTED, WriteFact

QUOTED = 20


class WriteRejected(Detector):
    """## What it does
    Finds writes and closes that the world refused, usually with 409 because the run was over
    (vercel/workflow#1949), and says what was lost: error if data or the stream's only end marker was, info if
    nothing was, as when a stream that is closed already is closed once more.

    ## Why it matters
    Nothing of it is stored anywhere. On 4.2 it is an unhandled rejection in the app, on 4.8 a line in its log;
    readers miss the end of the answer, or wait for an end marker that never comes.

    ## Example
        run=completed by=A:0,A:1x "a" -> write_rejected chunk_lost never_closed(0)
        run=completed by=A:0,Bcx "a" -> write_rejected never_closed(0)
        run=completed by=A:0,Bc,Bcx "a" close -> write_rejected
        run=completed by=A:0,Bc "a" close -> nothing

    ## Needs
    A probe's or a proxy's reports (`writes`).

    ## False alarms
    A refused chunk that was written again with success is not counted, where the writer's order tells (exact mode).
    """

    kind: ClassVar[str] = "write_rejected"
    severity: ClassVar[Severity] = "error"
    needs: ClassVar[frozenset[str]] = frozenset({"writes"})
    fix: ClassVar[str] = (
        "Close the stream in the last step that writes to it, and let that step await its writer's "
        "last write before it returns, so that nothing is under way when the run ends."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#1949", "writes after the run completed are rejected with 409"),
        Upstream("vercel/workflow#2731", "the same, from a stream that no step awaits"),
        Upstream("vercel/workflow#2142", "an unhandled rejection ends the process"),
    )
    sdk_affected: ClassVar[str] = (
        "4.2.4 (unhandled rejection) and 4.8.9 (a line in the log); what was written is lost in both"
    )
    sdk_fixed: ClassVar[str] = (
        "5.0.0-beta.5 waits up to 500 ms for a step's writes before it completes; a slower flush can still lose"
    )

    def __init__(self) -> None:
        self._has_end = False

    def feed(self, chunk: ChunkFact) -> None:
        self._has_end |= chunk.is_close

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if stream.writes is None:
            return
        rejected = [one for one in stream.writes.failed if one.outcome == REJECTED]
        if not rejected:
            return
        closes = [one for one in rejected if one.is_close]
        closed = self._has_end or _was_closed(stream)
        data = [one for one in rejected if not one.is_close]
        end_lost = bool(closes) and not closed
        harmful = (bool(data) or end_lost) and not stream.is_system
        first = next(iter(data or rejected))
        yield Found(
            self.kind,
            self.severity if harmful else "info",
            "proved",
            _message(rejected, data, end_lost),
            run_id=stream.run.run_id if stream.run else first.run_id,
            stream=stream.name,
            step_id=next((one.step_id for one in (*data, *rejected) if one.step_id), ""),
            evidence={
                "calls": len({(one.process, one.number) for one in rejected}),
                "lost": {
                    "chunks": len(data),
                    "bytes": sum(one.size or 0 for one in data),
                    "end_marker": end_lost,
                },
                "steps": _steps(rejected),
                "rejected": [_quote(one) for one in rejected[:QUOTED]],
            },
            missing=() if all(one.step_id for one in rejected) else ("the step of every rejected write",),
        )


def _was_closed(stream: StreamFacts) -> bool:
    """An acknowledged close, where the storage itself cannot be seen."""
    facts = stream.writes.facts if stream.writes else []
    return any(one.is_close and one.outcome not in {REJECTED, LOST} for one in facts)


def _steps(rejected: list[WriteFact]) -> list[dict[str, object]]:
    counts = Counter((one.step_id, one.step_name, one.attempt, one.known) for one in rejected)
    return [
        {
            "step": step_label(name, step_id),
            "step_id": step_id,
            "attempt": attempt,
            "known": known,
            "writes": count,
        }
        for (step_id, name, attempt, known), count in counts.most_common(QUOTED)
    ]


def _quote(one: WriteFact) -> dict[str, object]:
    return {
        "what": "close" if one.is_close else "chunk",
        "step_id": one.step_id,
        "size": one.size,
        "sequence": one.sequence,
        "called_ns": one.called_ns,
        "status": one.status,
        "error": one.error[:300],
    }


def _message(rejected: list[WriteFact], data: list[WriteFact], end_lost: bool) -> str:
    harmed = [one for one in rejected if not one.is_close or end_lost]
    by = labels_of(step_label(one.step_name, one.step_id, one.known) for one in harmed or rejected)
    lost = [f"{len(data)} chunk{'s' if len(data) > 1 else ''}"] if data else []
    lost += ["the end marker"] if end_lost else []
    status = next((f" with {one.status}" for one in rejected if one.status), "")
    if not lost:
        return f"A repeated close by step {by} was rejected{status}: nothing was lost."
    are = "is" if len(lost) == 1 and len(data) < 2 else "are"
    return f"Writes of step {by} were rejected{status}: {' and '.join(lost)} {are} lost."
