"""The stream page: the verdict, and the chunk table in arrival order with its problems in place."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.lib.pages import page
from dashboard.lib.panels import Piece, collect
from streams.models import Stream
from streams.pages._find import find_stream
from streams.pages._glyph import glyph, problems, state_words
from streams.pages._names import namespace_of, title_of
from streams.pages._rows import behind_words, divider_html, rows_html
from streams.pages._verdict import cells_of
from streams.pages._window import ALL_ROWS, Window, window_of
from streams.queries import has_ended, problem_after


@page("w/<slug:slug>/streams/<str:name>/", "stream")
def stream(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    found = find_stream(slug, name)
    if request.GET.get("part") == "verdict":
        pieces = collect("stream_verdict", [found.pk]).get(found.pk, [])
        cells = cells_of(found, pieces, problem_after(found.pk, 0))
        return render(request, "streams/_verdict.html", {"cells": cells, "stream": found})
    window = window_of(found, request.GET)
    return render(request, "streams/stream.html", _context(found, window))


def _context(stream: Stream, window: Window) -> dict[str, Any]:
    pieces = collect("stream_verdict", [stream.pk]).get(stream.pk, [])
    divider = divider_html(stream.behind_count, stream.close_count)
    return {
        "stream": stream,
        "title": title_of(stream.name),
        "namespace": namespace_of(stream.name),
        "glyph": glyph(stream),
        "state_words": state_words(stream),
        "problems": problems(stream),
        "ended": has_ended(stream.close_count, stream.run.status if stream.run else None, stream.expired),
        "window": window,
        "rows": rows_html(window.rows, _notes(stream), divider=divider),
        "divider": divider,
        "behind_words": behind_words(stream.behind_count, stream.close_count),
        "cells": cells_of(stream, pieces, window.first_problem),
        "all_rows": ALL_ROWS,
    }


def _notes(stream: Stream) -> dict[int, list[Piece]]:
    notes: dict[int, list[Piece]] = {}
    for piece in collect("chunk_notes", [stream.pk]).get(stream.pk, []):
        if piece.at is not None:
            notes.setdefault(piece.at, []).append(piece)
    return notes
