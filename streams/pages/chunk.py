"""One chunk: its value, its bytes, its ids and its three clocks; and the payload as a file."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header

from dashboard.lib.clock import NS_PER_MS
from dashboard.lib.pages import page
from runs.pages._values import LIMITS, Shown, of_decoded, raw
from runs.payloads import decode_chunk
from runs.worlds.base import WORLDS, WorldError
from streams.models import Chunk, Stream
from streams.order import mark_names
from streams.pages._find import find_chunk
from streams.pages._names import title_of

VALUES_SHOWN = 20


@page("w/<slug:slug>/streams/<str:name>/chunks/<int:arrival>/", "chunk")
def chunk(request: HttpRequest, slug: str, name: str, arrival: int) -> HttpResponse:
    stream, found = find_chunk(slug, name, arrival)
    context = {
        "stream": stream,
        "title": title_of(stream.name),
        "chunk": found,
        "marks": mark_names(found.marks),
        "values": _values(stream, found),
        "minted_ns": None if found.minted_ms is None else found.minted_ms * NS_PER_MS,
        "digest": bytes(found.digest).hex(),
    }
    inside = request.headers.get("HX-Request") == "true"
    return render(request, "streams/_chunk.html" if inside else "streams/chunk.html", context)


@page("w/<slug:slug>/streams/<str:name>/chunks/<int:arrival>/raw", "chunk-raw")
def chunk_raw(request: HttpRequest, slug: str, name: str, arrival: int) -> HttpResponse:
    """The whole payload. A large one is kept here only as a head, so it is read from the world again."""
    stream, found = find_chunk(slug, name, arrival)
    data = bytes(found.data)
    if found.size > len(data):
        data = _whole(stream, found)
    response = HttpResponse(data, content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, f"{stream.name}-{arrival}.bin")
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _whole(stream: Stream, found: Chunk) -> bytes:
    world = stream.world
    try:
        return WORLDS.found[world.kind](world.location).fetch_chunk(stream.name, found.chunk_id)
    except WorldError as error:
        raise Http404(
            f"Only the first {len(found.data):,} of {found.size:,} bytes are kept here, and the world cannot "
            f"give the rest: {error}"
        ) from error


def _values(stream: Stream, found: Chunk) -> list[Shown]:
    data = bytes(found.data)
    if found.is_close:
        return []
    if found.size > len(data):
        kept = f"kept as head: {len(data):,} bytes of {found.size:,}; the download has all of it"
        return [raw(data, "too large to be copied whole", kept)]
    decoded = decode_chunk(data, framing=stream.framing or None, limits=LIMITS)
    shown = [of_decoded(value, data) for value in decoded.values[:VALUES_SHOWN]]
    if decoded.problem or not shown:
        shown.append(raw(data, decoded.problem.reason if decoded.problem else "no bytes are stored"))
    return shown
