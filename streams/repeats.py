"""Payloads that come twice in a row: what a write that was sent again leaves, and what an honest writer may do too.

A chunk repeats if it equals the one before it, or if it ends a batch that equals the batch before it, in the order
in which they became durable. Only digests are compared, each chunk once: `Stream.looked` keeps what was seen. Whether
a repeat is a duplicate is told by the writes of a probe: two chunks of one write are, two writes of equal text are not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Literal

from streams.chunk_types import PROBE, MessageShape, chunk_values
from streams.facts import ChunkFact
from streams.ledger import STORED
from streams.models import Chunk, Stream, Write
from streams.repeating import BATCH, Repeats
from streams.write_queries import lossy_processes

PAIRS = 100  # repeats that are kept one by one
TELLING = 3  # a batch of so many chunks does not repeat by chance
_SEALED = (b"encr", b"encp")

FAULTS = {"twice": ("warning", "proved"), "perhaps twice": ("warning", "suspected")}

Doubt = Literal["none", "one write each", "twice", "perhaps twice", "unknown"]


@dataclass(slots=True)
class Looked:
    """What was seen of a stream's payloads up to an arrival."""

    to: int = 0
    near: int = 0  # chunks that repeat, all of them
    batches: int = 0  # of these, chunks of batches too long to repeat by chance
    pairs: list[list[int]] = field(
        default_factory=list
    )  # [arrival, arrival that it repeats], the first of them
    sealed: bool = False  # encrypted with a nonce: equal payloads are stored as different bytes
    message: bool = False  # the chunks are an AI SDK message


def looked_of(stream: Stream) -> Looked:
    return Looked(**stream.looked)


def look(stream: Stream) -> None:
    """Bring `stream.looked` up to its head, without saving. Costs what is new, and two batches to find the place."""
    seen = looked_of(stream)
    if seen.to >= stream.head:
        return
    if seen.to < PROBE:
        _read_first(stream, seen)
    rows = Chunk.objects.filter(stream=stream, arrival__gt=seen.to - 2 * BATCH, arrival__lte=stream.head)
    found = rows.filter(is_close=False, size__gt=0).order_by("arrival").values_list("arrival", "digest")
    count_repeats(seen, ((arrival, bytes(digest)) for arrival, digest in found.iterator(chunk_size=5000)))
    seen.to = stream.head
    stream.looked = asdict(seen)


def count_repeats(seen: Looked, chunks: Iterable[tuple[int, bytes]]) -> None:
    """Add the repeats behind `seen.to`. `chunks` are (arrival, digest), from two batches before it on."""
    window: deque[int] = deque(maxlen=2 * BATCH)
    repeats, counted = Repeats(), seen.to
    for arrival, digest in chunks:
        window.append(arrival)
        length = repeats.feed(digest)
        if length and arrival > counted:
            _note(seen, window, length)
            counted = arrival


def _note(seen: Looked, window: deque[int], length: int) -> None:
    seen.near += length
    seen.batches += length if length >= TELLING else 0
    for at in range(length):
        if len(seen.pairs) < PAIRS:
            seen.pairs.append([window[at - length], window[at - 2 * length]])


def _read_first(stream: Stream, seen: Looked) -> None:
    rows = Chunk.objects.filter(stream=stream, is_close=False).order_by("chunk_id")[:PROBE]
    heads = [bytes(data) for data in rows.values_list("data", flat=True)]
    seen.sealed = any(data[4:8] in _SEALED or data[:4] in _SEALED for data in heads)
    shape = MessageShape()
    for data in heads:
        fact = ChunkFact("", 0, None, False, False, len(data), 0, None, partial(bytes, data), stream.framing)
        for value in chunk_values(fact) or [None]:
            shape.feed(value)
    seen.message = shape.is_message


def doubt_of_repeats(stream: Stream) -> Doubt:
    """What the repeats of a stream are, by the writes of the kept pairs."""
    seen = looked_of(stream)
    pairs = seen.pairs
    if not pairs:
        return "none"
    if not stream.write_revision:
        return "perhaps twice" if seen.batches else "unknown"
    arrivals = {arrival for pair in pairs for arrival in pair}
    writes = Write.objects.filter(stream=stream, arrival__in=arrivals, outcome=STORED)
    told = dict(writes.values_list("arrival", "process"))
    extra = [arrival for arrival, earlier in pairs if arrival not in told and earlier in told]
    if extra:
        lossy = lossy_processes(stream.world_id, set(told.values()))
        return "perhaps twice" if lossy or not _all_others_told(stream, len(extra)) else "twice"
    all_told = seen.near == len(pairs) and all(arrival in told for arrival, _ in pairs)
    return "one write each" if all_told else "unknown"


def _all_others_told(stream: Stream, extra: int) -> bool:
    """Nothing else of this stream came without a report, so no writer is unknown."""
    known = Write.objects.filter(stream=stream, is_close=False, arrival__isnull=False).count()
    return known + extra >= stream.chunk_count
