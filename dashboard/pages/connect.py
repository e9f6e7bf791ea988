"""Connect an app: the two lines that load the probe, tokens, and live who reports."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from dashboard.account import require_owner
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import clean
from dashboard.lib.pages import page
from dashboard.lib.panels import collect
from dashboard.pages._connect_lines import chosen_tool, lines_for, tools
from dashboard.pages._connect_processes import process_row
from dashboard.worlds.known import TooManyWorlds, ensure_probe_world, served_world
from runs import process_queries, queries, tokens
from runs.managed import is_current
from runs.models import World
from runs.pages._find import find_world

ERRORS_OF_NS = 3600 * NS_PER_S


@page("connect/", "connect-any")
@never_cache
@require_http_methods(["GET", "POST"])
def connect_any(request: HttpRequest) -> HttpResponse:
    """On to the world that is asked for, else the served one; without any world a form that makes one."""
    if request.method == "POST":
        return _add_world(request)
    worlds = queries.worlds()
    wanted = next((world for world in worlds if world.slug == request.GET.get("world")), None)
    world = wanted or served_world() or (worlds[0] if worlds else None)
    return _to(world, chosen_tool(request)) if world else render(request, "connect/no_world.html")


@page("w/<slug:slug>/connect/", "connect")
@never_cache
@require_http_methods(["GET", "POST"])
def connect(request: HttpRequest, slug: str) -> HttpResponse:
    world = find_world(slug)
    if request.method == "GET":
        inside = request.GET.get("part") == "rows"
        return (
            render(request, "connect/_connected.html", _live(request, world))
            if inside
            else _page(request, world)
        )
    require_owner(request)
    match request.POST.get("action"):
        case "create" if not is_current(world):
            return HttpResponseBadRequest("This world is an archive: nothing is added to it.")
        case "create":
            return _create_token(request, world)
        case "revoke":
            token_id = request.POST.get("token", "")
            tokens.revoke(int(token_id) if token_id.isdecimal() and len(token_id) < 19 else 0, world)
            return _to(world, chosen_tool(request), "#tokens")
        case _:
            return HttpResponseBadRequest("The form names no action that there is.")


@sensitive_variables("plain")
def _create_token(request: HttpRequest, world: World) -> HttpResponse:
    """Shown in the answer itself: nothing keeps a token, so there is nothing to redirect to."""
    name = clean(request.POST.get("name", ""), 100)
    who = request.user.get_username() if request.user.is_authenticated else ""
    row, plain = tokens.create(world, name, who)
    return _page(request, world, token=plain, created=row)


def _add_world(request: HttpRequest) -> HttpResponse:
    require_owner(request)
    name = clean(request.POST.get("name", "").strip(), 200)
    if not name:
        return HttpResponseBadRequest("A world needs a name.")
    try:
        return _to(ensure_probe_world(name), chosen_tool(request))
    except TooManyWorlds as error:
        return HttpResponseBadRequest(str(error))


def _to(world: World, tool: str, anchor: str = "") -> HttpResponse:
    return redirect(f"{reverse('connect', args=[world.slug])}?{urlencode({'with': tool})}{anchor}")


def _page(request: HttpRequest, world: World, token: str = "", **more: Any) -> HttpResponse:
    tool = chosen_tool(request)
    fetch, begin = lines_for(request, world, tool, token)
    context = _live(request, world) | more
    context |= {"tools": tools(tool), "fetch": fetch, "begin": begin, "both": f"{fetch}\n{begin}"}
    context |= {"tokens": tokens.of_world(world.pk), "token": token}
    return render(request, "connect/connect.html", context)


def _live(request: HttpRequest, world: World) -> dict[str, Any]:
    """What the world's socket has refreshed."""
    processes = process_queries.processes_of(world.pk)
    errors, error_count = process_queries.app_errors_since(world.pk, now_ns() - ERRORS_OF_NS)
    return {
        "world": world,
        "tool": chosen_tool(request),
        "processes": [process_row(world, process) for process in processes.rows],
        "process_count": processes.total,
        "errors": errors,
        "error_count": error_count,
        "inbox": process_queries.inbox_of(world.pk),
        "found": collect("world_findings", [world.pk]).get(world.pk, []),
    }
