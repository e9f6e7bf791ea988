from __future__ import annotations

from django.http import Http404

from dashboard.lib.database import clean
from runs.pages._find import NAME_CHARS, find_world
from streams import queries
from streams.models import Chunk, Stream


def find_stream(slug: str, name: str) -> Stream:
    """The stream with its run and world."""
    stream = queries.stream_named(find_world(slug).pk, clean(name, NAME_CHARS))
    if stream is None:
        raise Http404(
            "This world has no stream with that name. It may not have been read yet, or it is older than"
            " what is kept."
        )
    return stream


def find_chunk(slug: str, name: str, arrival: int) -> tuple[Stream, Chunk]:
    stream = find_stream(slug, name)
    chunk = queries.chunk_at(stream.pk, arrival)
    if chunk is None:
        raise Http404(f"This stream has no chunk with the arrival {arrival}; its last one is {stream.head}.")
    return stream, chunk
