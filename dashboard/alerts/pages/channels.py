"""Channels: the list, the choice of a kind, and the form that its kind asks for."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.account import require_owner
from dashboard.alerts import editing, queries
from dashboard.alerts.channels.base import CHANNELS, Channel
from dashboard.alerts.models import AlertChannel
from dashboard.alerts.pages._channel_form import (
    HOURS,
    WEEKDAYS,
    Shown,
    form_in,
    kinds,
    label_of,
    shown_again,
    shown_of,
    trouble_with,
)
from dashboard.alerts.pages._choices import zones
from dashboard.alerts.pages._find import find_channel
from dashboard.alerts.pages._health import channel_rows
from dashboard.alerts.pages._log import log_of
from dashboard.alerts.pages._said import back_to, said_in
from dashboard.lib import sealing
from dashboard.lib.pages import page


@page("alerts/channels/", "alert-channels")
@require_safe
def channels(request: HttpRequest) -> HttpResponse:
    context = {"rows": channel_rows(queries.channels()), "said": said_in(request)}
    return render(request, "alerts/channels.html", context)


@page("alerts/channels/new/", "alert-channel-kinds")
@require_safe
def channel_kinds(request: HttpRequest) -> HttpResponse:
    require_owner(request)
    return render(request, "alerts/channel_kinds.html", {"kinds": kinds()})


@page("alerts/channels/new/<slug:kind>/", "alert-channel-new")
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
def create_channel(request: HttpRequest, kind: str) -> HttpResponse:
    require_owner(request)
    made = _made(kind)
    if request.method == "POST":
        return _save(request, made, None, kind)
    return _page(request, made, None, kind, shown_of(made, None))


@page("alerts/channels/<int:pk>/", "alert-channel")
@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "POST"])
def channel(request: HttpRequest, pk: int) -> HttpResponse:
    require_owner(request)
    row = find_channel(pk)
    made = CHANNELS.found.get(row.kind)
    if made is None or request.method == "GET":
        return _page(request, made, row, row.kind, shown_of(made, row) if made is not None else None)
    return _save(request, made, row, row.kind)


@sensitive_variables()
def _save(request: HttpRequest, made: type[Channel], row: AlertChannel | None, kind: str) -> HttpResponse:
    form = form_in(request.POST, made, kind)
    try:
        saved = editing.save_channel(row.pk if row is not None else None, form)
    except editing.NotSaved as error:
        shown = shown_again(made, row, form, error.problems)
        return _page(request, made, row, kind, shown, status=422)
    return back_to(reverse("alert-channel", args=[saved.pk]), "saved" if row is not None else "created")


def _page(
    request: HttpRequest,
    made: type[Channel] | None,
    row: AlertChannel | None,
    kind: str,
    shown: Shown | None,
    status: int = 200,
) -> HttpResponse:
    """`shown` is None for a channel of a kind that this version does not have."""
    context: dict[str, Any] = {
        "channel": row,
        "kind": kind,
        "label": label_of(kind),
        "help": made.help if made is not None else "",
        "form": shown,
        "weekdays": list(enumerate(WEEKDAYS)),
        "hours": HOURS,
        "choices": {"zones": zones()},
        "can_seal": sealing.is_ready() or made is None or all(one.kind != "secret" for one in made.fields),
        "said": said_in(request),
    }
    if row is not None:
        context |= {"row": channel_rows([row])[0], "trouble": trouble_with(row)} | log_of(row)
    return render(request, "alerts/channel.html", context, status=status)


def _made(kind: str) -> type[Channel]:
    made = CHANNELS.found.get(kind)
    if made is None:
        raise Http404("There is no such kind of channel.")
    return made
