"""Chunks of a stream as a file: NDJSON, CSV, or the bytes themselves; all of them, or a range of arrivals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

from channels.db import database_sync_to_async
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from dashboard.lib.pages import page
from runs.worlds.base import WORLDS, WorldError
from streams import export
from streams.export import Range
from streams.models import Chunk, Stream
from streams.pages._find import find_stream
from streams.pages._window import arrival_in

_TYPES = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "bin": "application/octet-stream",
}


@page("w/<slug:slug>/streams/<str:name>/chunks.<str:form>", "download")
def download(request: HttpRequest, slug: str, name: str, form: str) -> HttpResponseBase:
    """`?from=` and `?to=` are arrivals, both included. Encrypted values stay as they are stored."""
    stream = find_stream(slug, name)
    if form not in _TYPES:
        raise Http404("Chunks can be downloaded as .ndjson, .csv or .bin.")
    first, last = (arrival_in(request.GET.get(name, "")) for name in ("from", "to"))
    wanted = Range(first or 1, stream.head if last is None else min(last, stream.head))
    response = StreamingHttpResponse(_body(stream, wanted, form), content_type=_TYPES[form])
    part = "" if first is None and last is None else f"-{wanted.first}-{wanted.last}"
    response["Content-Disposition"] = content_disposition_header(True, f"{stream.name}{part}.{form}")
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _body(stream: Stream, wanted: Range, form: str) -> AsyncIterator[bytes]:
    """Asynchronous, since the server would gather a plain iterator in memory before it sends anything."""
    if form == "csv":
        yield export.csv_head()
    write = _writer(stream, form)
    rows = export.pages(stream, wanted)
    while (piece := await database_sync_to_async(_next)(rows, write)) is not None:
        yield piece


def _next(rows: Iterator[list[Chunk]], write: Callable[[list[Chunk]], bytes]) -> bytes | None:
    some = next(rows, None)
    return None if some is None else write(some)


def _writer(stream: Stream, form: str) -> Callable[[list[Chunk]], bytes]:
    if form == "ndjson":
        return lambda rows: export.ndjson(stream, rows)
    if form == "csv":
        return lambda rows: export.csv_lines(stream, rows)
    return lambda rows: export.payload_bytes(rows, lambda row: _whole(stream, row))


def _whole(stream: Stream, row: Chunk) -> bytes:
    """From the world again; what it cannot give is left short, as the size in NDJSON shows."""
    world = stream.world
    try:
        return WORLDS.found[world.kind](world.location).fetch_chunk(stream.name, row.chunk_id)
    except WorldError:
        return bytes(row.data)
