"""A message that breaks the AI SDK's chunk grammar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import ChunkRef, Detector, Found, NotChecked, Severity, Upstream
from streams.facts import ChunkFact, StreamFacts
from streams.messages import MessageGrammar

QUOTED = 10  # violations quoted in the evidence
NOTED = 200  # chunks whose violation is named in the evidence, to be shown at their rows


class ProtocolViolation(Detector):
    """## What it does
    Reads the chunks that readers get as AI SDK `UIMessageChunk`s and finds where their order breaks the SDK's
    grammar: error if the SDK's reader throws on it, warning if it silently shows a wrong message.

    ## Why it matters
    A delta before its start makes `useChat` fail with a TypeError far away from the cause. The silent ones
    leave a part "streaming" for ever, or show text twice. Behind it are usually writers that race for one
    stream, a step that wrote again after a retry, or an end marker that came too early.

    ## Example
        start text-delta(t1,"no") text-start(t1) text-end(t1) finish close -> protocol_violation(1)
        text-start(t1) text-delta(t1,"Hel") text-start(t1) text-end(t1) finish close -> protocol_violation(2)
        start text-start(t1) text-delta(t1,"no") text-end(t1) finish close -> nothing
        text-delta(t1,"0") text-delta(t1,"1") close -> nothing

    ## Needs
    Chunks that can be decoded. From the first one that cannot, only faults of single chunks are told.

    ## False alarms
    Other JSON is left alone: half of the first 20 chunks must be chunks of the protocol, and deltas without
    any frame (no start, no end, no step) are not taken for a message. Chunk types newer than AI SDK 7.0 are
    called unknown.
    """

    kind: ClassVar[str] = "protocol_violation"
    severity: ClassVar[Severity] = "error"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Write each part whole: its start, its deltas, its end, under an id that no other part of the message has."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#2422", "parts that break the AI SDK's framing"),
        Upstream("vercel/workflow#2537", "finish-step drops the parts that are open"),
        Upstream("vercel/workflow#1835", "a reader that resumes in the middle of a part"),
    )
    sdk_affected: ClassVar[str] = "all: it is about what the app writes, or in which order it is stored"
    sdk_fixed: ClassVar[str] = "none"

    def __init__(self) -> None:
        self._grammar = MessageGrammar()
        self._codes: Counter[str] = Counter()
        self._quotes: list[str] = []
        self._noted: dict[
            str, str
        ] = {}  # arrival (JSON has no other keys) to the code of its first violation
        self._worst = ""  # the first violation that throws, else the first one
        self._throws: set[int] = set()
        self._chunks: dict[str, ChunkRef] = {}

    def feed(self, chunk: ChunkFact) -> None:
        for one in self._grammar.feed(chunk):
            quote = f"{_where(one.position)}: {one.message}"
            if not self._worst or (one.throws_in and not self._throws):
                self._worst = quote
            if len(self._quotes) < QUOTED:
                self._quotes.append(quote)
            if len(self._noted) < NOTED:
                self._noted.setdefault(str(one.arrival), one.code)
            self._codes[one.code] += 1
            self._throws |= one.throws_in
            self._chunks.setdefault(one.chunk_id, ChunkRef(one.chunk_id, one.position, one.arrival))

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if not self._grammar.is_message:
            return
        run_id = stream.run.run_id if stream.run else ""
        if self._grammar.blind:
            reason = f"{stream.name}: a chunk cannot be read, the order of the chunks after it was not judged"
            yield NotChecked(self.kind, reason, stream.name, run_id)
        if not self._codes:
            return
        count = len(self._chunks)
        yield Found(
            self.kind,
            self.severity if self._throws else "warning",
            "proved",
            self._worst + (f" ({count} chunks break the grammar)." if count > 1 else "."),
            run_id=run_id,
            stream=stream.name,
            chunks=tuple(self._chunks.values()),
            evidence={
                "violations": dict(self._codes),
                "quotes": list(self._quotes),
                "noted": dict(self._noted),
                "ai_sdk_majors_that_throw": sorted(self._throws),
            },
        )


def _where(position: int | None) -> str:
    return "At the end marker" if position is None else f"At position {position}"
