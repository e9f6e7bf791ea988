"""The stored rows that a rebuilt message is made of: the first chunks in reading order, and who wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.db.models import BinaryField
from django.db.models.functions import Substr

from runs.payloads import ChunkValue, Limits, decode_chunk
from streams.facts import ChunkFact
from streams.models import Chunk, Stream, Write
from streams.rebuilt import MOST, Told

MOST_BYTES = 2_000_000
AT_ONCE = 500
LEAST_NODES = 1_000  # values of a chunk that are read however short it is


@dataclass(eq=False)
class OpenedChunk(ChunkFact):
    """A chunk whose encrypted values are opened, where the run's key is there."""

    key: bytes | None = field(default=None, repr=False)

    @cached_property
    def value(self) -> ChunkValue:
        # The SDK never compresses chunks: what grows far beyond its own size is not worth the memory here.
        nodes, inflated = max(LEAST_NODES, self.size), self.size + 4096
        limits = Limits(nodes=nodes, depth=100, inflated=inflated, seconds=0.5)
        return decode_chunk(self.load(), key=self.key, framing=self.framing or None, limits=limits)


@dataclass(frozen=True, slots=True)
class FirstChunks:
    """Data chunks in stored order, those behind the end marker too (they have no position)."""

    chunks: list[ChunkFact]
    left_out: int
    arrivals: tuple[int, int]  # the lowest and the highest

    @property
    def read(self) -> list[ChunkFact]:
        """What a later reader gets."""
        return [chunk for chunk in self.chunks if chunk.position is not None]


def first_chunks(stream: Stream, key: bytes | None = None, most: int | None = None) -> FirstChunks:
    """At most `most` chunks (and never more than `MOST`) of at most `MOST_BYTES` all together, and at least one."""
    data = Chunk.objects.filter(stream=stream, is_close=False).order_by("chunk_id")
    sizes = data.values_list("chunk_id", "size")[: min(most or MOST, MOST)]
    last, total = "", 0
    for chunk_id, size in sizes.iterator(chunk_size=AT_ONCE):
        if last and total + size > MOST_BYTES:
            break
        last, total = chunk_id, total + size
    rows = data.filter(chunk_id__lte=last) if last else data.none()
    head = Substr("data", 1, MOST_BYTES, output_field=BinaryField())
    columns = ("chunk_id", "arrival", "position", "size", "stored_ns", "minted_ms", head)
    chunks = [_fact(row, stream.framing, key) for row in rows.values_list(*columns).iterator(AT_ONCE)]
    arrivals = [chunk.arrival for chunk in chunks] or [0]
    return FirstChunks(chunks, max(0, stream.chunk_count - len(chunks)), (min(arrivals), max(arrivals)))


def _fact(
    row: tuple[str, int, int | None, int, int, int | None, bytes | None], framing: str, key: bytes | None
) -> ChunkFact:
    chunk_id, arrival, position, size, stored_ns, minted_ms, data = row
    # `is_behind` stays False: in the writer's order there is no end marker to be behind of.
    return OpenedChunk(
        chunk_id, arrival, position, False, False, size, stored_ns, minted_ms,
        lambda: bytes(data or b""), framing, key,
    )  # fmt: skip


def told_of(stream: Stream, first: FirstChunks) -> Iterator[Told]:
    """What reports say of the places of these chunks: the writer's own numbers, else the order of a step's calls."""
    writes = Write.objects.filter(stream=stream, is_close=False, arrival__range=first.arrivals)
    columns = (
        "arrival", "sequence", "writer__scope", "process", "writer__run_id", "writer__step_id", "writer__attempt",
        "number", "place",
    )  # fmt: skip
    rows = writes.order_by("arrival").values_list(*columns)
    for arrival, sequence, scope, *by, number, place in rows[: 2 * MOST].iterator(AT_ONCE):
        if sequence is not None:
            yield Told(arrival, scope, (sequence,), True)
        elif by[2]:
            yield Told(arrival, tuple(by), (number, place), False)


def why_unknown(stream: Stream, told: Sequence[Told]) -> str:
    """Why the writers' order cannot be told; empty if it can."""
    if told:
        return ""
    if not stream.write_revision:
        return "no probe reported who wrote this stream"
    return "the reports of its writes name no step and no order"
