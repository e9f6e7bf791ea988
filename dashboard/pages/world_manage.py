"""What a person can do with one world: pause, rename, move, a new secret, an archive, away with it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.account import require_owner
from dashboard.lib import sealing
from dashboard.lib.pages import page
from dashboard.pages.worlds import taken_by_web
from dashboard.worlds import manage
from dashboard.worlds.check import mends_of, tried
from dashboard.worlds.kinds import about_kind
from dashboard.worlds.manage import Refused
from dashboard.worlds.rows import row_of
from runs.models import World
from runs.pages._find import find_world
from runs.secrets import adapter_of
from runs.worlds.base import Check, WorldError

ACTIONS = ("pause", "resume", "rename", "secret", "forget", "move", "archive", "remove")


@page("w/<slug:slug>/manage/", "world-manage")
@sensitive_post_parameters("secret", "given")
@never_cache
@require_http_methods(["GET", "POST"])
def manage_world(request: HttpRequest, slug: str) -> HttpResponse:
    require_owner(request)
    world = find_world(slug)
    if request.method == "GET":
        return _page(request, world)
    action = request.POST.get("action", "")
    if action not in ACTIONS:
        return HttpResponseBadRequest("The form names no action that there is.")
    try:
        _do(request, world, action)
    except Refused as error:
        world.refresh_from_db()
        return _page(request, world, status=422, refused=action, why=str(error))
    return redirect("worlds") if action in ("archive", "remove") else redirect("world-manage", slug=slug)


@page("w/<slug:slug>/manage/test/", "world-manage-test")
@never_cache
@require_POST
def test(request: HttpRequest, slug: str) -> HttpResponse:
    """Tries a known world with what is stored of it."""
    require_owner(request)
    world = find_world(slug)
    checks = _tried(world)
    if request.headers.get("HX-Request") != "true":
        return _page(request, world, checks=checks, mends=mends_of(checks))
    return render(request, "worlds/_checks.html", {"checks": checks, "mends": mends_of(checks)})


@sensitive_variables()
def _do(request: HttpRequest, world: World, action: str) -> None:
    """Raises Refused."""
    secret = request.POST.get("secret", "")
    match action:
        case "pause":
            manage.pause(world)
        case "resume":
            manage.resume(world)
        case "rename":
            manage.rename(world, request.POST.get("name", ""))
        case "secret" if not secret:
            raise Refused("Nothing was entered, so the secret stays as it is.")
        case "secret" | "forget":
            manage.give_secret(world, secret if action == "secret" else "")
        case "move":
            manage.move(world, taken_by_web(request.POST.get("given", ""), secret))
        case _:
            _end(request, world, action)


def _end(request: HttpRequest, world: World, action: str) -> None:
    """What cannot be undone asks for the name."""
    if request.POST.get("confirm", "").strip() != world.name.strip():
        raise Refused("That is not its name; nothing was done.")
    if action == "archive":
        manage.archive(world)
    else:
        manage.remove(world)


def _tried(world: World) -> list[Check]:
    try:
        adapter = adapter_of(world)
    except WorldError as error:
        return [Check("readable", False, str(error))]
    return list(tried(lambda: adapter))


def _page(request: HttpRequest, world: World, status: int = 200, **more: Any) -> HttpResponse:
    row = row_of(world)
    context: dict[str, Any] = {
        "world": world,
        "row": row,
        "rows": [row],
        "kind": about_kind(world.kind),
        "has_secret": world.sealed is not None,
        "sealed_with": sealing.where(),
        "can_seal": sealing.is_ready(),
    }
    return render(request, "worlds/manage.html", context | more, status=status)
