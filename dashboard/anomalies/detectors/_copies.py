"""What the chunks of a stream carry, for detectors that look for the same thing written twice.

Chunks are compared by 64-bit hashes. Kept are the first `KEPT` chunks of a stream, some 250 bytes
for each, which all detectors share.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboard.anomalies.detectors._entries import Entry, entry_of
from dashboard.lib.clock import NS_PER_S
from streams.chunk_types import PROBE
from streams.facts import ChunkFact, StepFacts, StreamFacts
from streams.ledger import StepAttempt
from streams.sequence import moved_by_sequence

KEPT = 20_000
EARLY_NS = NS_PER_S // 10  # a step's first chunks can be stored before its start is (5.x)
LATE_NS = NS_PER_S // 2  # its last chunks are flushed after its end
NEVER = 1 << 62
NO_TIMES = "this world does not tell when chunks were stored"
TELLING = 3  # so many different payloads are not the same by chance

Pair = tuple[int, int]  # two entries of a log: the earlier one, and the one that says the same again


class ChunkLog:
    """The first chunks of a stream, in reading order."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.is_cut = self.is_sealed = False

    def __len__(self) -> int:
        return len(self.entries)

    def feed(self, chunk: ChunkFact) -> None:
        if len(self.entries) >= KEPT:
            self.is_cut = True
            return
        self.is_sealed = self.is_sealed or (len(self.entries) < PROBE and chunk.is_sealed)
        self.entries.append(entry_of(chunk))


@dataclass
class Copies:
    """What was written twice, and how much that says."""

    pairs: list[Pair] = field(default_factory=list)
    frames: int = 0
    payloads: int = 0  # different ones
    is_literal: bool = True  # the same bytes, not only the same but for the attempt's number

    @property
    def is_telling(self) -> bool:
        return self.frames > 0 or self.payloads >= TELLING


def copies_of(log: ChunkLog, pairs: Iterable[Pair]) -> Copies:
    found = Copies(list(pairs))
    found.frames = sum(log.entries[earlier].is_frame for earlier, _ in found.pairs)
    found.payloads = len({log.entries[earlier].key for earlier, _ in found.pairs})
    found.is_literal = all(
        log.entries[earlier].raw == log.entries[later].raw or log.entries[later].is_frame
        for earlier, later in found.pairs
    )
    return found


def repeated(log: ChunkLog, earlier: Sequence[int], later: Sequence[int]) -> Copies:
    """What the later chunks say again of the earlier ones, in the same order."""
    free: defaultdict[int, deque[int]] = defaultdict(deque)
    for at in earlier:
        free[log.entries[at].key].append(at)
    pairs = [(free[key].popleft(), at) for at in later if free.get(key := log.entries[at].key)]
    moved = moved_by_sequence([first for first, _ in pairs])
    return copies_of(log, (pair for number, pair in enumerate(pairs) if number not in moved))


def twice(log: ChunkLog, among: Iterable[int]) -> Copies:
    """What comes more than once among some chunks: each later one with the first."""
    first: dict[int, int] = {}
    return copies_of(
        log, ((first[key], at) for at in among if first.setdefault(key := log.entries[at].key, at) != at)
    )


def beginnings(log: ChunkLog, most: int) -> list[list[int]]:
    """A log cut where the first chunk that comes more than once comes again: how attempts look that say the same.

    Empty where that is never, or more often than there were attempts.
    """
    places: defaultdict[int, list[int]] = defaultdict(list)
    for at, entry in enumerate(log.entries):
        places[entry.key].append(at)
    starts = next((some for some in places.values() if len(some) > 1), [])
    if not 1 < len(starts) <= most:
        return []
    return [
        list(range(begin, end)) for begin, end in zip(starts, [*starts[1:], len(log.entries)], strict=True)
    ]


def writers_of(stream: StreamFacts) -> Mapping[int, StepAttempt]:
    """Arrival to the step attempt that wrote it, where a probe told."""
    facts = stream.writes.facts if stream.writes is not None else ()
    return {one.arrival: one.by for one in facts if one.arrival is not None and one.step_id}


def span_of(step: StepFacts) -> tuple[int, int]:
    """When its body ran: from its first start to its end, if it has one."""
    starts = [attempt.started_ns for attempt in step.attempts]
    first = min([*starts, *([] if step.started_ns is None else [step.started_ns])], default=NEVER)
    return first, NEVER if step.completed_ns is None else max(step.completed_ns, first)


def window_of(step: StepFacts, steps: Iterable[StepFacts]) -> tuple[int, int]:
    """When its chunks can have been stored: a little more than its span, up to where other steps ran."""
    first, last = span_of(step)
    begin, end = first - EARLY_NS, min(last + LATE_NS, NEVER)
    for other in steps:
        starts, ends = span_of(other)
        begin = max(begin, ends) if ends <= first else begin
        end = min(end, starts) if starts >= last else end
    return begin, end


def is_alone(step: StepFacts, steps: Iterable[StepFacts]) -> bool:
    """No other step ran at the same time, so what was written then is its own."""
    begin, end = span_of(step)
    spans = [span_of(other) for other in steps if other is not step]
    return not any(first < end and last > begin for first, last in spans)
