"""The inbox: anomalies that wait for someone, of one world or of all. What is asked for is in the URL."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dashboard.anomalies import documentation
from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.inbox_queries import values_seen
from dashboard.anomalies.life_facts import CERTAINTIES
from dashboard.anomalies.pages._action_form import form_context
from dashboard.anomalies.pages._inbox_query import WITHIN, asked_in
from dashboard.anomalies.pages._inbox_rows import counts_of, rows_of
from dashboard.anomalies.pages._toast import toast_of
from dashboard.lib.pages import page
from runs import queries
from runs.models import World
from runs.pages._find import find_world

WORLDS_ASKED = 20  # for the workflows that can be chosen where all worlds are shown


@page("anomalies/", "inbox-all")
@require_safe
def all_anomalies(request: HttpRequest) -> HttpResponse:
    chosen = queries.world_named(request.GET.get("world", ""))
    if chosen is not None:
        query = asked_in(request.GET, chosen).query()
        return redirect(reverse("inbox", args=[chosen.slug]) + (f"?{query}" if query else ""))
    return _inbox(request, None)


@page("w/<slug:slug>/anomalies/", "inbox")
@require_safe
def anomalies(request: HttpRequest, slug: str) -> HttpResponse:
    return _inbox(request, find_world(slug))


def _inbox(request: HttpRequest, world: World | None) -> HttpResponse:
    asked = asked_in(request.GET, world)
    here = asked.query(older=str(asked.older or ""))
    context: dict[str, Any] = {
        "world": world,
        "asked": asked.values,
        "filtered": asked.is_filtered,
        "newest": asked.newest,
        "query": asked.query(),
        "here": here,
        "next": request.path + (f"?{here}" if here else ""),
        "later": asked.older is not None,
        "worst_query": asked.query(order=""),
        "newest_query": asked.query(order="newest"),
        "counts": counts_of(asked),
    } | rows_of(asked)
    inside = request.GET.get("part") == "rows"
    context["oob"] = inside  # then the number in the header comes along
    if not inside:
        context |= _choices(world) | form_context() | {"toast": toast_of(request.GET)}
    return render(request, "anomalies/_inbox_list.html" if inside else "anomalies/inbox.html", context)


def _choices(world: World | None) -> dict[str, Any]:
    worlds = [world] if world is not None else queries.worlds()[:WORLDS_ASKED]
    pk = world.pk if world is not None else None
    return {
        "workflows": sorted({name for one in worlds for name in queries.workflow_names(one.pk)}),
        "kinds": documentation.kinds(),
        "severities": tuple(reversed(SEVERITIES)),
        "certainties": tuple(reversed(CERTAINTIES)),
        "versions": values_seen("sdk", pk),
        "deployments": values_seen("deployment", pk),
        "times": list(WITHIN),
    }
