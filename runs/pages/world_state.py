"""When a world was last read, or since when it cannot be: the piece of the header that pages refresh."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.lib.pages import page
from runs.pages._find import find_world


@page("w/<slug:slug>/state/", "world-state")
def world_state(request: HttpRequest, slug: str) -> HttpResponse:
    return render(request, "_world_state.html", {"world": find_world(slug)})
