"""Chunks of a stream as a file: NDJSON, CSV, or the bytes alone; all, a range, or those that fit a filter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from channels.db import database_sync_to_async
from django.http import Http404, HttpRequest, HttpResponseBadRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from dashboard.lib.pages import page
from runs.keys import Opener, opener_for
from runs.pages._file import kept_as
from streams import export
from streams.models import Chunk, Stream
from streams.pages._find import find_stream
from streams.pages._window import arrival_in
from streams.search import Filter, Look, arrivals_that_fit, filter_in
from streams.whole import chunk_pages, payloads_of

PAGE = 500  # chunks read and sent at a time

_TYPES = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "bin": "application/octet-stream",
}


@page("w/<slug:slug>/streams/<str:name>/chunks.<str:form>", "download")
def download(request: HttpRequest, slug: str, name: str, form: str) -> HttpResponseBase:
    """`?from=` and `?to=` are arrivals, both included; the fields of the page's filter choose among them.

    Encrypted values stay as they are stored.
    """
    stream = find_stream(slug, name)
    if form not in _TYPES:
        raise Http404("Chunks can be downloaded as .ndjson, .csv or .bin.")
    wanted = filter_in(request.GET)
    if wanted.trouble:
        return HttpResponseBadRequest(wanted.trouble, content_type="text/plain; charset=utf-8")
    first, last = (arrival_in(request.GET.get(name, "")) for name in ("from", "to"))
    part = Part(stream, wanted, first or 1, stream.head if last is None else min(last, stream.head))
    body = _body(part, opener_for(request, stream.run), form)
    response = StreamingHttpResponse(body, content_type=_TYPES[form])
    ends = "" if first is None and last is None else f"-{part.first}-{part.last}"
    return kept_as(response, f"{stream.name}{ends}{'-filtered' if wanted else ''}.{form}")


@dataclass(frozen=True, slots=True)
class Part:
    """Arrivals from `first` to `last`, and which of them."""

    stream: Stream
    wanted: Filter
    first: int
    last: int


async def _body(part: Part, opener: Opener, form: str) -> AsyncIterator[bytes]:
    """Asynchronous, since the server would gather a plain iterator in memory before it sends anything."""
    if form == "csv":
        yield export.csv_head()
    write = _writer(part.stream, form)
    rows = _fitting(part, opener) if part.wanted else chunk_pages(part.stream, part.first, part.last, PAGE)
    while (piece := await database_sync_to_async(_next)(rows, write)) is not None:
        if piece:
            yield piece


def _next(rows: Iterator[list[Chunk]], write: Callable[[list[Chunk]], bytes]) -> bytes | None:
    some = next(rows, None)
    return None if some is None else write(some)


def _fitting(part: Part, opener: Opener) -> Iterator[list[Chunk]]:
    """What a search opened is noted before anything that it found is sent."""
    look = Look(part.wanted, opener.key)
    found = arrivals_that_fit(part.stream, look, part.first, part.last)
    while True:
        with opener.noting(f"a filtered download of {part.stream.name}"):
            arrivals = next(found, None)
        if arrivals is None:
            return
        chunks = Chunk.objects.filter(stream=part.stream, arrival__in=arrivals).select_related("writer")
        yield list(chunks.order_by("arrival")) if arrivals else []


def _writer(stream: Stream, form: str) -> Callable[[list[Chunk]], bytes]:
    if form == "ndjson":
        return lambda rows: export.ndjson(stream, rows)
    if form == "csv":
        return lambda rows: export.csv_lines(stream, rows)
    payload = payloads_of(stream)
    return lambda rows: b"".join(payload(row) for row in rows if not row.is_close)
