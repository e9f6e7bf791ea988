"""Chunks of a stream as a file: NDJSON, CSV, or the bytes themselves; all of them, or a range of arrivals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

from channels.db import database_sync_to_async
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from dashboard.lib.pages import page
from runs.pages._file import kept_as
from streams import export
from streams.models import Chunk, Stream
from streams.pages._find import find_stream
from streams.pages._window import arrival_in
from streams.whole import chunk_pages, payloads_of

PAGE = 500  # chunks read and sent at a time

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
    wanted = (first or 1, stream.head if last is None else min(last, stream.head))
    response = StreamingHttpResponse(_body(stream, wanted, form), content_type=_TYPES[form])
    part = "" if first is None and last is None else f"-{wanted[0]}-{wanted[1]}"
    return kept_as(response, f"{stream.name}{part}.{form}")


async def _body(stream: Stream, wanted: tuple[int, int], form: str) -> AsyncIterator[bytes]:
    """Asynchronous, since the server would gather a plain iterator in memory before it sends anything."""
    if form == "csv":
        yield export.csv_head()
    write = _writer(stream, form)
    rows = chunk_pages(stream, *wanted, PAGE)
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
    payload = payloads_of(stream)
    return lambda rows: b"".join(payload(row) for row in rows if not row.is_close)
