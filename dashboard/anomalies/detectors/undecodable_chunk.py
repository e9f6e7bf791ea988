"""Chunks that do not hold what the SDK writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import (
    ChunkRef,
    Detector,
    Found,
    NotChecked,
    Severity,
    Upstream,
)
from runs.payloads import ChunkValue
from streams.facts import ChunkFact, StreamFacts

NAMED = 1000  # chunks that are named; their number is told whole
REASONS = 20
_BROKEN = frozenset({"corrupt", "truncated", "unsupported"})
_BYTES = frozenset({"raw-bytes", "framed-bytes"})
_LIMIT = "only the first"  # the decoder stopped at one of its limits: nothing is wrong with the chunk


class UndecodableChunk(Detector):
    """## What it does
    Finds chunks that cannot be decoded, whole or in part: a frame whose length is not that of its bytes, an
    unknown prefix, text that is no devalue, bytes that do not inflate.

    ## Why it matters
    The SDK's reader fails at such a chunk, or gives its bytes out as they are, and everything behind it is lost
    to whoever reads.

    ## Example
        run=completed "a" undecodable "b" close -> undecodable_chunk(1)
        run=completed "a" "b" close -> nothing

    ## Needs
    The stored chunks. Of a payload of which only the head is kept it is not checked.

    ## False alarms
    Encrypted chunks are not meant, nor streams of bytes, which may hold anything: bytes without a frame count
    only where most chunks of the stream are values.
    """

    kind: ClassVar[str] = "undecodable_chunk"
    severity: ClassVar[Severity] = "warning"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Let writer and reader use the same version of the SDK, and write to the stream through "
        "getWritable() only."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#379", "frames that cannot be decoded"),
        Upstream("vercel/workflow#2680", "compressed values shown as bytes"),
    )
    sdk_affected: ClassVar[str] = "readers of 4.x and 5.0.0-beta.5, of what later versions compress"
    sdk_fixed: ClassVar[str] = "5.0.0-beta.55 reads all that it writes"

    def __init__(self) -> None:
        self._broken = _Chunks()
        self._loose = _Chunks()  # without a frame: perhaps bytes that only begin like a payload
        self._bytes = _Chunks()
        self._values = self._heads = 0

    def feed(self, chunk: ChunkFact) -> None:
        if chunk.is_close or not chunk.size:
            return
        value = chunk.value
        if value.kind == "framed-value" and value.problem is None and len(value.values) == 1:
            one = value.values[0]
            if one.status == "ok" and one.problem is None:
                self._values += 1
                return
        self._look(chunk, value)

    def _look(self, chunk: ChunkFact, value: ChunkValue) -> None:
        reason = _problem_of(value)
        if not chunk.is_whole:
            self._heads += 1
        elif reason:
            (self._loose if value.kind == "unframed-value" else self._broken).take(chunk, reason)
        elif value.kind in _BYTES:
            self._bytes.take(chunk, "bytes without a frame among values")
        else:
            self._values += 1

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        run_id = stream.run.run_id if stream.run else ""
        if self._heads:
            reason = f"{stream.name}: of {self._heads:,} very large chunks only the head is kept"
            yield NotChecked(self.kind, reason, stream.name, run_id)
        wrong = [self._broken]
        if not stream.framing and self._bytes.count <= self._values:
            wrong += [self._loose, self._bytes]
        count = sum(one.count for one in wrong)
        if not count or stream.expired:
            return
        reasons = sum((one.reasons for one in wrong), Counter[str]())
        chunks = sorted((ref for one in wrong for ref in one.refs), key=lambda ref: ref.chunk_id)
        are = f"{count:,} chunks cannot be decoded" if count > 1 else "A chunk cannot be decoded"
        yield Found(
            self.kind,
            self.severity,
            "proved",
            f"{are}: {reasons.most_common(1)[0][0]}.",
            run_id=run_id,
            stream=stream.name,
            chunks=tuple(chunks[:NAMED]),
            evidence={"chunks": count, "reasons": dict(reasons.most_common(10))},
        )


class _Chunks:
    """The first of some chunks, the number of all, and why they are here."""

    def __init__(self) -> None:
        self.refs: list[ChunkRef] = []
        self.reasons: Counter[str] = Counter()
        self.count = 0

    def take(self, chunk: ChunkFact, reason: str) -> None:
        self.count += 1
        self.reasons[reason if reason in self.reasons or len(self.reasons) < REASONS else "others"] += 1
        if len(self.refs) < NAMED:
            self.refs.append(ChunkRef(chunk.chunk_id, chunk.position, chunk.arrival))


def _problem_of(value: ChunkValue) -> str:
    """Why it cannot be decoded; empty if it can, or if it is only encrypted."""
    for one in value.values:
        if one.status in _BROKEN or (one.status == "ok" and one.problem is not None):
            return one.problem.reason if one.problem is not None else one.status
    problem = value.problem
    return "" if problem is None or problem.reason.startswith(_LIMIT) else problem.reason
