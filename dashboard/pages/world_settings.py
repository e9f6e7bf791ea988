"""A world's settings: where it is, how far it was read, and the key that opens its encrypted values."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from dashboard.account import require_owner
from dashboard.lib import sealing
from dashboard.lib.pages import page
from runs import keys
from runs.models import World
from runs.pages._find import find_world
from runs.payloads.crypto import KEY
from runs.queries import parse_key
from runs.worlds.base import WORLDS


class KeyForm(forms.Form):
    project_id = forms.CharField(
        max_length=100,
        validators=[
            RegexValidator(
                r"\A[A-Za-z0-9_-]+\Z", "A project id is letters, digits, - and _, such as prj_8x2a."
            )
        ],
    )
    deployment_key = forms.CharField(max_length=200)

    @sensitive_variables()
    def clean_deployment_key(self) -> bytes:
        """No message repeats what was entered."""
        try:
            key = base64.b64decode(self.cleaned_data["deployment_key"], validate=True)
        except (binascii.Error, ValueError):
            raise forms.ValidationError("This is not base64.") from None
        if len(key) != KEY:
            raise forms.ValidationError(
                f"These are {len(key)} bytes in base64; a deployment key is {KEY} (44 characters)."
            )
        return key


@page("w/<slug:slug>/settings/", "world-settings")
@sensitive_post_parameters("deployment_key")
@never_cache
@require_http_methods(["GET", "POST"])
def world_settings(request: HttpRequest, slug: str) -> HttpResponse:
    require_owner(request)
    world = find_world(slug)
    if request.method == "GET":
        return _page(request, world)
    match request.POST.get("action"):
        case "keep":
            return _keep(request, world)
        case "on" | "off" as wanted:
            keys.switch(world, is_on=wanted == "on")
        case "remove":
            keys.remove_key(world)
        case _:
            return HttpResponseBadRequest("The form names no action that there is.")
    return redirect("world-settings", slug=slug)


@page("w/<slug:slug>/decryptions/", "decryptions")
@never_cache
def decryptions(request: HttpRequest, slug: str) -> HttpResponse:
    require_owner(request)
    world = find_world(slug)
    listed = keys.decryptions(world.pk, parse_key(request.GET.get("older", "")))
    return render(request, "decryptions.html", {"world": world, "listed": listed})


@sensitive_variables()
def _keep(request: HttpRequest, world: World) -> HttpResponse:
    form = KeyForm(request.POST)
    if form.is_valid():
        try:
            keys.keep_key(world, form.cleaned_data["deployment_key"], form.cleaned_data["project_id"])
        except sealing.SealError as error:
            form.add_error(None, f"Nothing was stored: {error}.")
        else:
            return redirect("world-settings", slug=world.slug)
    return _page(request, world, form, status=422)


def _page(request: HttpRequest, world: World, form: KeyForm | None = None, status: int = 200) -> HttpResponse:
    kept = keys.key_of_world(world)
    adapter = WORLDS.found.get(world.kind)
    context: dict[str, Any] = {
        "world": world,
        "kind_label": adapter.label if adapter else world.kind,
        "kept": kept,
        "trouble": keys.trouble_with(kept) if kept else "",
        "has_own_keys": keys.has_own_keys(world),
        "can_seal": sealing.is_ready(),
        "form": form or KeyForm(initial={"project_id": kept.project_id if kept else ""}),
    }
    return render(request, "world_settings.html", context, status=status)
