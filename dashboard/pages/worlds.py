"""All worlds on one page, live; and the form that adds one, after it was tried."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.account import require_owner
from dashboard.lib import sealing
from dashboard.lib.pages import page
from dashboard.lib.redacted import without_password
from dashboard.worlds import manage, paths
from dashboard.worlds.check import mends_of, preparation_of, try_given
from dashboard.worlds.kinds import about_kind, kinds
from dashboard.worlds.manage import Given, Refused
from dashboard.worlds.rows import world_rows
from runs.managed import state_of
from runs.models import World


class AddForm(forms.Form):
    given = forms.CharField(max_length=4000)
    secret = forms.CharField(max_length=10_000, required=False, strip=False)
    name = forms.CharField(max_length=manage.NAME_CHARS, required=False)

    taken: Given

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        """Takes apart what was typed; no message repeats a secret."""
        data: dict[str, Any] = super().clean() or {}
        if "given" not in data:
            return data
        try:
            self.taken = taken_by_web(data["given"], data.get("secret", ""))
        except Refused as error:
            self.add_error("given", str(error))
        return data


@sensitive_variables()
def taken_by_web(given: str, secret: str) -> Given:
    """What a person typed into a page. Raises Refused, also for a directory that is none of its business."""
    taken = manage.taken_apart(given, secret)
    about = about_kind(taken.kind)
    if about is None or not about.can_be_added:
        raise Refused(f"A {taken.label} is not added here.")
    reason = paths.why_not(taken.place.location) if taken.kind == "local" else ""
    if reason:
        raise Refused(reason)
    return taken


@page("worlds/", "worlds")
@never_cache
@require_safe
def worlds(request: HttpRequest) -> HttpResponse:
    """With `only`, the number of a world, the rows are that one."""
    inside, only = request.GET.get("part") == "rows", request.GET.get("only", "")
    number = int(only) if inside and only.isdecimal() and len(only) < 19 else None
    state = state_of(
        World.objects.all()
    )  # before the rows: what changes in between is seen by the page's socket
    context = {"rows": world_rows(number), "only": number, "state": state}
    return render(request, "worlds/_list.html" if inside else "worlds/worlds.html", context)


@page("worlds/add/", "world-add")
@sensitive_post_parameters("secret", "given")
@never_cache
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    require_owner(request)
    if request.method == "GET":
        return _form(request, AddForm())
    form = AddForm(request.POST)
    if form.is_valid():
        try:
            manage.add(form.taken, form.cleaned_data["name"])
        except Refused as error:
            form.add_error(None, str(error))
        else:
            return redirect("worlds")
    return _form(request, form, status=422)


@page("worlds/test/", "world-test")
@sensitive_post_parameters("secret", "given")
@never_cache
@require_POST
def test(request: HttpRequest) -> HttpResponse:
    """Tries what was typed, item by item. Nothing is stored."""
    require_owner(request)
    form = AddForm(request.POST)
    tried: dict[str, Any] = {"checks": []}
    if form.is_valid():
        checks = list(try_given(form.taken))
        tried = {"checks": checks, "mends": mends_of(checks), "preparation": preparation_of(form.taken)}
    if request.headers.get("HX-Request") != "true":
        return _form(request, form, **tried)
    return render(request, "worlds/_checks.html", tried | {"form": form})


@sensitive_variables()
def _form(request: HttpRequest, form: AddForm, status: int = 200, **more: Any) -> HttpResponse:
    wanted = form.taken.kind if hasattr(form, "taken") else request.GET.get("kind", "local")
    found = kinds()
    chosen = next((one for one in found if one.kind == wanted), found[0])
    context: dict[str, Any] = {
        "form": form,
        # What was typed comes back without the password that may stand in it.
        "given": without_password(form.data.get("given", "")),
        "name": form.data.get("name", ""),
        "kinds": found,
        "chosen": chosen,
        "can_seal": sealing.is_ready(),
        "sealed_with": sealing.where(),
    }
    return render(request, "worlds/add.html", context | more, status=status)
