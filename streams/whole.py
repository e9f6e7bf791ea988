"""All chunks of a stream with their whole payloads, a page at a time, however long the stream is."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runs.secrets import adapter_of
from runs.worlds.base import World, WorldError
from streams.models import Chunk, Stream


def chunk_pages(stream: Stream, first: int, last: int, size: int) -> Iterator[list[Chunk]]:
    """Chunks from one arrival to another (both included) with their writers, `size` at a time.

    By keyset: the database is asked for each page by itself, so that nothing is locked in between.
    """
    after = first - 1
    while rows := list(
        Chunk.objects.filter(stream=stream, arrival__gt=after, arrival__lte=last)
        .select_related("writer")
        .order_by("arrival")[:size]
    ):
        yield rows
        after = rows[-1].arrival


def payloads_of(stream: Stream) -> Callable[[Chunk], bytes]:
    """Gives a chunk's whole payload. Of a large one only the head is kept here: the world is asked for it again,
    and where it cannot give it, the head is what there is."""
    opened: list[World] = []

    def payload(row: Chunk) -> bytes:
        data = bytes(row.data)
        if len(data) >= row.size:
            return data
        try:
            opened[:] = opened or [adapter_of(stream.world)]
            return opened[0].fetch_chunk(stream.name, row.chunk_id)
        except WorldError:
            return data

    return payload
