"""All streams, the worst first: of one world, or of all. What is asked for and the place in the list are in the URL."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from dashboard.lib.pages import page
from runs import queries
from runs.models import World
from runs.pages._find import find_world
from streams import list_queries
from streams.pages._list_query import WITHIN, asked_in
from streams.pages._list_rows import counts_of, rows_of

WORLDS_ASKED = 20  # for the workflows that can be chosen where all worlds are shown


@page("streams/", "streams-all")
def all_streams(request: HttpRequest) -> HttpResponse:
    chosen = queries.world_named(request.GET.get("world", ""))
    if chosen is not None:
        query = asked_in(request.GET).query()
        return redirect(reverse("streams", args=[chosen.slug]) + (f"?{query}" if query else ""))
    return _list(request, None)


@page("w/<slug:slug>/streams/", "streams")
def streams(request: HttpRequest, slug: str) -> HttpResponse:
    return _list(request, find_world(slug))


def _list(request: HttpRequest, world: World | None) -> HttpResponse:
    asked = asked_in(request.GET)
    context: dict[str, Any] = {
        "world": world,
        "asked": asked.values,
        "filtered": bool(asked.filter),
        "newest": asked.newest,
        "query": asked.query(),
        "here": asked.query(older=str(asked.older or "")),
        "later": asked.older is not None,
        "worst_query": asked.query(order=""),
        "newest_query": asked.query(order="newest"),
        "own_query": asked.query(own="" if asked.filter.own else "1"),
        "counts": counts_of(world, asked),
    } | rows_of(world, asked)
    inside = request.GET.get("part") == "rows"
    if not inside:
        context |= _choices(world)
    return render(request, "streams/_list.html" if inside else "streams/streams.html", context)


def _choices(world: World | None) -> dict[str, Any]:
    worlds = [world] if world is not None else queries.worlds()[:WORLDS_ASKED]
    names = {name for one in worlds for name in queries.workflow_names(one.pk)}
    return {"workflows": sorted(names), "kinds": list_queries.kinds_known(), "times": list(WITHIN)}
