"""The evidence of a stream as a file, and what a bundle that is open here said when it was made."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from typing import IO, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.bundle.bundled import bundled_of
from dashboard.bundle.make import bundle_report, make_bundle
from dashboard.lib.pages import page
from runs.pages._file import kept_as
from runs.worlds.base import WorldError
from runs.worlds.bundle import BundleWorld
from streams.models import Stream
from streams.pages._find import find_stream
from streams.pages._names import title_of

BLOCK = 256 * 1024
IN_MEMORY = 1024 * 1024  # bytes of a bundle that need no file


@page("w/<slug:slug>/streams/<str:name>/bundle.zip", "bundle")
@require_safe
def bundle(request: HttpRequest, slug: str, name: str) -> HttpResponseBase:
    """Without user text, unless `payloads=1` asks for it."""
    stream = _find(slug, name)
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed by whoever sends it
    make_bundle(stream, file, payloads=_wants_payloads(request))
    size = file.tell()
    file.seek(0)
    response = _streamed(request, file)
    response["Content-Type"] = "application/zip"
    response["Content-Length"] = str(size)
    return kept_as(response, f"{_file_name(stream)}.zip")


@page("w/<slug:slug>/streams/<str:name>/bundle.md", "bundle-markdown")
@require_safe
def bundle_markdown(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """The report alone, as text to copy into an issue."""
    text = bundle_report(_find(slug, name), payloads=_wants_payloads(request))
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["X-Content-Type-Options"] = "nosniff"
    return response


@page("w/<slug:slug>/streams/<str:name>/bundled/", "bundled")
@require_safe
def bundled(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """The verdict as it was bundled, beside what follows from the bundle here; for htmx the panel alone."""
    stream = find_stream(slug, name)
    if stream.world.kind != BundleWorld.kind:
        raise Http404("This stream was read from its own world, not from a bundle.")
    context: dict[str, Any] = {"stream": stream, "title": title_of(stream.name)}
    try:
        context["bundled"] = bundled_of(stream)
    except WorldError as error:
        context["trouble"] = str(error)
    inside = request.headers.get("HX-Request") == "true"
    return render(request, "bundle/_bundled.html" if inside else "bundle/bundled.html", context)


def _find(slug: str, name: str) -> Stream:
    stream = find_stream(slug, name)
    if stream.pruned_ns is not None:
        raise Http404("The chunks of this stream are no longer kept here: there is nothing to bundle.")
    return stream


def _wants_payloads(request: HttpRequest) -> bool:
    return request.GET.get("payloads") == "1"


def _file_name(stream: Stream) -> str:
    kept = "".join(
        char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in stream.name
    )
    return f"tailrace-{kept[:120]}"


def _streamed(request: HttpRequest, file: IO[bytes]) -> HttpResponseBase:
    """Under ASGI Django would read a file's iterator to its end before it sends the first block."""
    if isinstance(request, ASGIRequest):
        return StreamingHttpResponse(_blocks(file))
    return FileResponse(file)


async def _blocks(file: IO[bytes]) -> AsyncIterator[bytes]:
    try:
        while block := await sync_to_async(file.read)(BLOCK):
            yield block
    finally:
        file.close()
