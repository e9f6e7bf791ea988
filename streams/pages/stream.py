"""The stream page: the verdict, and the chunk table in arrival order with its problems in place."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from dashboard.lib.pages import page
from dashboard.lib.panels import Piece, collect
from runs.keys import opener_for
from streams.models import Stream
from streams.pages._filter import filter_context
from streams.pages._find import find_stream
from streams.pages._glyph import glyph
from streams.pages._lanes import lanes_context, lanes_part
from streams.pages._map import map_of
from streams.pages._names import namespace_of, title_of
from streams.pages._orders import orders_context, orders_part
from streams.pages._pace import pace_part
from streams.pages._readers import readers_part
from streams.pages._rebuilt import rebuilt_context, rebuilt_part
from streams.pages._rows import divider_html, rows_html
from streams.pages._verdict import cells_of
from streams.pages._window import Window, window_of
from streams.pages._writes import writers_context
from streams.queries import has_ended, problem_after
from streams.search import filter_in


@page("w/<slug:slug>/streams/<str:name>/", "stream")
def stream(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    found = find_stream(slug, name)
    if part := _PARTS.get(request.GET.get("part", "")):
        return part(request, found)
    first_problem = problem_after(found.pk, 0)
    context = _judged(found, first_problem)
    if request.GET.get("part") == "verdict":
        return render(request, "streams/_verdict_live.html", context)
    window = _window(request, found)
    context |= rebuilt_context(found, request) | orders_context(request, found)
    context |= filter_context(window.rows, window.wanted, context["writers"])
    return render(request, "streams/stream.html", context | _listed(request, found, window))


def _judged(stream: Stream, first_problem: int | None) -> dict[str, Any]:
    """What an open page asks for again when the stream's counts or its findings have changed."""
    pieces = collect("stream_verdict", [stream.pk]).get(stream.pk, [])
    return {
        "stream": stream,
        "namespace": namespace_of(stream.name),
        "glyph": glyph(stream),
        "cells": cells_of(stream, pieces, first_problem),
        "first_problem": first_problem,
        "told": [piece for piece in pieces if piece.severity],
    } | writers_context(stream)


def _listed(request: HttpRequest, stream: Stream, window: Window) -> dict[str, Any]:
    divider = divider_html(stream.behind_count, stream.close_count)
    return {
        "title": title_of(stream.name),
        "ended": has_ended(stream.close_count, stream.run.status if stream.run else None, stream.expired),
        "window": window,
        "map": map_of(stream, window.first, window.last),
        "rows": _rows(request, stream, window, divider),
        "divider": divider,
    } | lanes_context(stream)


def rows_part(request: HttpRequest, stream: Stream) -> HttpResponse:
    """A window of rows alone, for the page that scrolls or jumps."""
    window = _window(request, stream)
    rows = _rows(request, stream, window, "")
    return render(request, "streams/_rows.html", {"window": window, "rows": rows, "stream": stream})


def _window(request: HttpRequest, stream: Stream) -> Window:
    """A search opens encrypted values too, if the world's settings hold the key: that is noted."""
    if not filter_in(request.GET).looks_inside:
        return window_of(stream, request.GET)
    with opener_for(request, stream.run).noting(f"a search in {stream.name}") as key:
        return window_of(stream, request.GET, key)


def _rows(request: HttpRequest, stream: Stream, window: Window, divider: str) -> SafeString:
    opened = f"chunks {window.first}–{window.last} of {stream.name}"
    with opener_for(request, stream.run).noting(opened) as key:
        return rows_html(window.rows, _notes(stream), divider=divider, key=key)


def _notes(stream: Stream) -> dict[int, list[Piece]]:
    notes: dict[int, list[Piece]] = {}
    for piece in collect("chunk_notes", [stream.pk]).get(stream.pk, []):
        if piece.at is not None:
            notes.setdefault(piece.at, []).append(piece)
    return notes


_PARTS = {
    "rows": rows_part,
    "readers": readers_part,
    "rebuilt": rebuilt_part,
    "orders": orders_part,
    "lanes": lanes_part,
    "pace": pace_part,
}
