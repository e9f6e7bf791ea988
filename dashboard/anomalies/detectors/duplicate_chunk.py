"""A write that was sent again, and stored twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from dashboard.anomalies.detectors._copies import EARLY_NS, TELLING, is_alone, span_of, writers_of
from dashboard.anomalies.detectors._entries import FRAMES, Entry, entry_of
from dashboard.anomalies.detectors.base import (
    Certainty,
    Detector,
    Found,
    NotChecked,
    Severity,
    Upstream,
)
from dashboard.lib.clock import NS_PER_S
from runs.worlds.base import has_times
from streams.facts import ChunkFact, StreamFacts
from streams.ledger import StepAttempt
from streams.repeating import BATCH, Repeats

KEPT = 100  # repeats that are kept
LONG = 512  # bytes of a single payload that is not said twice in a row by chance


class DuplicateChunk(Detector):
    """## What it does
    Finds a chunk, or a batch of up to 64 chunks, that is stored twice in a row because its write was sent
    again: writes to a stream are not idempotent. Proved if a probe told of one write only, or if encrypted bytes
    come again (each encryption makes other bytes). Suspected if three or more different payloads come again in
    the same order, or a frame of a message does whose id must be unique; info if it is one long payload.

    ## Why it matters
    Readers get a piece of the text twice, or a message whose part begins twice.

    ## Example
        run=completed "ha" "ha" close -> nothing
        run=completed "a" "b" "c" "a" "b" "c" close -> duplicate_chunk(3,4,5)
        run=completed "-" "/" "|" "-" "/" "|" "-" "/" "|" close -> nothing
        run=completed {"type":"data-progress","data":50} {"type":"data-progress","data":50} close -> nothing
        run=completed by=A:0,-,A:1,Ac "a" "a" "b" close -> duplicate_chunk(1)

    ## Needs
    The stored chunks; a probe's reports prove it or rule it out.

    ## False alarms
    Two equal words, blanks, a tick of progress or a repeated pattern are what writers do: nothing is said of
    them, nor of what a retry or a second execution of a step explains, nor of a local world, whose writes are
    never sent again.
    """

    kind: ClassVar[str] = "duplicate_chunk"
    severity: ClassVar[Severity] = "warning"
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})
    fix: ClassVar[str] = (
        "Give each chunk an id of its own and let readers drop what they have; update for fewer writes sent again."
    )
    upstream: ClassVar[tuple[Upstream, ...]] = (
        Upstream("vercel/workflow#2142", "stream writes that fail on the way"),
        Upstream("vercel/workflow#3832", "a write sent again is appended again"),
    )
    sdk_affected: ClassVar[str] = "all, where a write that went wrong on its way is sent again (Vercel)"
    sdk_fixed: ClassVar[str] = "none"

    def __init__(self) -> None:
        self._repeats = Repeats()
        self._last: deque[Entry] = deque(maxlen=2 * BATCH)
        self._found: list[_Repeat] = []
        self._number = self._near = 0

    def feed(self, chunk: ChunkFact) -> None:
        if chunk.is_close or not chunk.size:
            return
        self._number += 1
        entry = entry_of(chunk)
        self._last.append(entry)
        length = self._repeats.feed(entry.raw)
        if length:
            self._note(length, chunk)

    def _note(self, length: int, chunk: ChunkFact) -> None:
        self._near += length
        before = self._found[-1] if self._found else None
        if before is not None and before.length == length and before.end == self._number - length:
            before.end, before.copies = self._number, before.copies + 1
        elif len(self._found) < KEPT:
            seen = list(self._last)
            pairs = list(zip(seen[-2 * length : -length], seen[-length:], strict=True))
            kinds = len(set(self._repeats.last(length)))
            self._found.append(_Repeat(length, self._number, pairs, kinds, chunk.is_sealed, _weight(chunk)))

    def finish(self, stream: StreamFacts, now_ns: int) -> Iterator[Found | NotChecked]:
        if stream.is_system or stream.expired:
            return
        told = writers_of(stream) if stream.writes is not None else {}
        arrivals = (
            {one.arrival for one in stream.writes.facts if one.arrival}
            if stream.writes is not None
            else set()
        )
        sent_again = [one for one in self._found if _is_untold(one, arrivals)]
        if sent_again and stream.writes is not None:
            extra = sum(one.length for one in sent_again)
            all_told = len(arrivals - {None}) + extra >= self._number and not stream.writes.is_lossy
            yield self._say(stream, sent_again, "proved" if all_told else "suspected", "warning")
            return
        within_ns = int(self.thresholds.resend_s * NS_PER_S)
        near = [one for one in self._found if one.ended_ns - one.begun_ns <= within_ns]
        likely = [one for one in near if _is_likely(one, stream, arrivals, told)]
        if likely:
            sealed = any(one.is_sealed for one in likely)
            strong = sealed or any(one.weight == "frame" or one.length > 1 for one in likely)
            yield self._say(
                stream, likely, "proved" if sealed else "suspected", "warning" if strong else "info"
            )

    def _say(self, stream: StreamFacts, repeats: list[_Repeat], sure: Certainty, severity: Severity) -> Found:
        count = sum(one.length for one in repeats)
        chunks = f"{count} chunks are" if count > 1 else "A chunk is"
        probably = "" if sure == "proved" else "probably because a write was sent again, "
        return Found(
            self.kind,
            severity,
            sure,
            f"{chunks} stored twice in a row, {probably}and readers get {'them' if count > 1 else 'it'} twice.",
            run_id=stream.run.run_id if stream.run else "",
            stream=stream.name,
            chunks=tuple(later.ref for one in repeats for _, later in one.pairs),
            evidence={
                "chunks_again": count,
                "batches": [one.length for one in repeats[:20]],
                "repeats_of_any_kind": self._near,
                "repeats": [earlier.arrival for one in repeats for earlier, _ in one.pairs][:100],
            },
            missing=() if sure == "proved" else ("all writes of this stream (the probe's reports)",),
        )


@dataclass(slots=True)
class _Repeat:
    length: int
    end: int  # number of its last chunk
    pairs: list[tuple[Entry, Entry]]
    different: int  # payloads
    is_sealed: bool
    weight: str  # of a single one: "frame", "long" or ""
    copies: int = 1

    @property
    def begun_ns(self) -> int:
        return min(earlier.time_ns for earlier, _ in self.pairs)

    @property
    def ended_ns(self) -> int:
        return max(later.time_ns for _, later in self.pairs)


def _weight(chunk: ChunkFact) -> str:
    value = chunk.plain
    if isinstance(value, dict) and value.get("type") in FRAMES:
        return "frame"
    return "long" if chunk.size >= LONG else ""


def _is_untold(one: _Repeat, told: set[int]) -> bool:
    """A probe told of the write of the first copy, and of no second one."""
    return all(earlier.arrival in told and later.arrival not in told for earlier, later in one.pairs)


def _is_likely(one: _Repeat, stream: StreamFacts, told: set[int], by: Mapping[int, StepAttempt]) -> bool:
    if stream.world == "local" or one.copies > 1:
        return False
    if any(later.arrival in told for _, later in one.pairs) or _is_explained(one, stream):
        return False
    return one.is_sealed or one.different >= TELLING or (one.length == 1 and one.weight != "")


def _is_explained(one: _Repeat, stream: StreamFacts) -> bool:
    """By a step that began once more in between, or by two steps that ran at once."""
    steps = stream.run.steps if stream.run is not None else ()
    if not has_times(stream.world):  # when is not known: it is enough that there was one
        return any(step.attempts[1:] for step in steps) or not all(is_alone(step, steps) for step in steps)
    begin, end = one.begun_ns - EARLY_NS, one.ended_ns + EARLY_NS
    if any(begin <= attempt.started_ns <= end for step in steps for attempt in step.attempts[1:]):
        return True
    spans = [span_of(step) for step in steps]
    return sum(first <= end and last >= begin for first, last in spans) > 1
