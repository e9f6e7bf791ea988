"""One chunk: its values, its bytes, its ids and its three clocks; and the payload as a file."""

from __future__ import annotations

from contextlib import AbstractContextManager

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from dashboard.lib.clock import NS_PER_MS
from dashboard.lib.pages import page
from runs.keys import opener_for
from runs.pages._file import as_file, as_piece
from runs.pages._links import links_in
from runs.pages._place import Asked, Place, asked_in, number_in
from runs.pages._stored import Stored
from runs.pages._values import Shown, node_html, view
from runs.secrets import adapter_of
from runs.worlds.base import WorldError
from streams.models import Chunk, Stream
from streams.order import mark_names
from streams.pages._find import find_chunk
from streams.pages._frames import values_in
from streams.pages._names import title_of
from streams.write_queries import write_of

VALUES_SHOWN = 20


@page("w/<slug:slug>/streams/<str:name>/chunks/<int:arrival>/", "chunk")
def chunk(request: HttpRequest, slug: str, name: str, arrival: int) -> HttpResponse:
    """The chunk; with `value=<n>` one of its values, for htmx alone and for others as the page."""
    stream, found = find_chunk(slug, name, arrival)
    asked, only = asked_in(request.GET), number_in(request.GET, "value", -1)
    inside = request.headers.get("HX-Request") == "true"
    data, trouble = _data(stream, found, asked)
    values, problem = _values(stream, found, data)
    if 0 <= len(values) <= only:
        raise Http404(f"This chunk has no value {only}: there are {len(values)}.")
    if inside and only >= 0:
        return _one(request, stream, found, values, only, asked, trouble)
    first = only if only >= 0 else number_in(request.GET, "first", 0)
    count = 1 if only >= 0 else VALUES_SHOWN
    with _noting(request, stream, found) as key:
        shown = [_shown(stream, found, value, at, asked, key) for at, value in _part(values, first, count)]
    context = {
        "stream": stream,
        "title": title_of(stream.name),
        "chunk": found,
        "marks": mark_names(found.marks),
        "values": shown,
        "trouble": trouble,
        "problem": problem,
        "value_total": len(values),
        "only": only if only >= 0 else None,
        "next": first + count if first + count < len(values) else None,
        "minted_ns": None if found.minted_ms is None else found.minted_ms * NS_PER_MS,
        "digest": bytes(found.digest).hex(),
        "write": write_of(stream.pk, found.arrival) if stream.write_revision else None,
    }
    return render(request, "streams/_chunk.html" if inside else "streams/chunk.html", context)


@page("w/<slug:slug>/streams/<str:name>/chunks/<int:arrival>/raw", "chunk-raw")
def chunk_raw(request: HttpRequest, slug: str, name: str, arrival: int) -> HttpResponse:
    """The whole payload. A large one is kept here only as a head, so it is read from the world again."""
    stream, found = find_chunk(slug, name, arrival)
    data, trouble = _data(stream, found, Asked(whole=True))
    if trouble:
        raise Http404(trouble)
    return as_file(data, f"{stream.name}-{arrival}.bin")


def _data(stream: Stream, found: Chunk, asked: Asked) -> tuple[bytes, str]:
    """What is kept here, or the whole of it if that is asked for; and why the world did not give it."""
    data = bytes(found.data)
    if found.size <= len(data) or not asked.whole:
        return data, ""
    world = stream.world
    try:
        return adapter_of(world).fetch_chunk(stream.name, found.chunk_id), ""
    except WorldError as error:
        return data, (
            f"Only the first {len(data):,} of {found.size:,} bytes are kept here, and the world cannot give"
            f" the rest: {error}"
        )


def _values(stream: Stream, found: Chunk, data: bytes) -> tuple[list[Stored], str]:
    """The chunk's values and what is wrong with it as a whole."""
    if found.is_close:
        return [], ""
    if found.size > len(data):
        return [Stored(data, size=found.size)], ""
    values, problem = values_in(data, stream.framing or None)
    if problem is not None:
        return values or [Stored(data, "bytes")], problem.reason
    return values, "" if values else "no bytes are stored"


def _part(values: list[Stored], first: int, count: int) -> list[tuple[int, Stored]]:
    return list(enumerate(values))[first : first + count]


def _one(
    request: HttpRequest,
    stream: Stream,
    found: Chunk,
    values: list[Stored],
    at: int,
    asked: Asked,
    trouble: str,
) -> HttpResponse:
    place = _place(stream, found, at, asked)
    with _noting(request, stream, found) as key:
        if asked.node >= 0:
            return HttpResponse(f"<li>{node_html(values[at], place, asked, key)}</li>")
        shown = view(values[at], place, key=key, asked=asked)
    return as_piece(request, {"value": shown, "trouble": trouble})


def _noting(request: HttpRequest, stream: Stream, found: Chunk) -> AbstractContextManager[bytes | None]:
    return opener_for(request, stream.run).noting(f"chunk {found.arrival} of {stream.name}")


def _shown(stream: Stream, found: Chunk, value: Stored, at: int, asked: Asked, key: bytes | None) -> Shown:
    return view(value, _place(stream, found, at, asked), key=key, asked=asked)


def _place(stream: Stream, found: Chunk, at: int, asked: Asked) -> Place:
    names = [stream.world.slug, stream.name, found.arrival]
    links = links_in(stream.world.slug, stream.run)
    raw = reverse("chunk-raw", args=names)
    place = Place(reverse("chunk", args=names), (("value", str(at)),), links, raw)
    return place.whole() if asked.whole else place
