"""The list of a world's streams, also of those whose run is not known."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.lib.pages import page
from dashboard.lib.panels import collect
from runs.pages._find import find_world
from runs.queries import ids_of
from streams.pages._glyph import glyph, problems, state_words
from streams.pages._names import title_of
from streams.queries import stream_list


@page("w/<slug:slug>/streams/", "streams")
def streams(request: HttpRequest, slug: str) -> HttpResponse:
    world = find_world(slug)
    only_problems = request.GET.get("only") == "problems"
    found = stream_list(world.pk, only_problems, request.GET.get("older", ""))
    badges = collect("stream_badges", ids_of(found.streams))
    rows = [
        {
            "stream": stream,
            "title": title_of(stream.name),
            "glyph": glyph(stream),
            "words": ", ".join(problems(stream)) or state_words(stream),
            "badges": badges.get(stream.pk),
        }
        for stream in found.streams
    ]
    context = {"world": world, "rows": rows, "older": found.older, "only_problems": only_problems}
    inside = request.GET.get("part") == "rows"
    return render(request, "streams/_list.html" if inside else "streams/streams.html", context)
