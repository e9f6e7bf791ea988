"""The log of what was told, is held, or was dropped; and one message as it was sent."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from dashboard.account import require_owner
from dashboard.alerts import bell, editing, queries
from dashboard.alerts.channels.base import Message
from dashboard.alerts.models import Delivery
from dashboard.alerts.pages._channel_form import label_of
from dashboard.alerts.pages._find import find_delivery, number_in
from dashboard.alerts.pages._log import (
    event_choices,
    filter_in,
    log_rows,
    look_of,
    query_of,
    state_choices,
)
from dashboard.alerts.pages._said import back_to, said_in
from dashboard.lib.pages import page
from runs.pages._format import lines

# In a frame of its own, which runs nothing and loads nothing; it takes no colour from the page.
_RICH = (
    '<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    "<style>body{font:13px/20px system-ui,sans-serif;margin:12px;overflow-wrap:anywhere}"
    "td,th{padding:2px 12px 2px 0;vertical-align:top}</style>"
)


@page("alerts/deliveries/", "alert-deliveries")
@require_safe
def deliveries(request: HttpRequest) -> HttpResponse:
    wanted, before = filter_in(request.GET), number_in(request.GET.get("older", ""))
    found = queries.deliveries(wanted, before)
    context = {
        "rows": log_rows(found.rows),
        "wanted": wanted,
        "newest_query": query_of(wanted),
        "older_query": query_of(wanted, older=found.older) if found.older is not None else "",
        "later": before is not None,
        "channels": queries.channels(),
        "rules": queries.rules(),
        "states": state_choices(),
        "events": event_choices(),
    }
    return render(request, "alerts/deliveries.html", context)


@page("alerts/deliveries/<int:pk>/", "alert-delivery")
@require_safe
def delivery(request: HttpRequest, pk: int) -> HttpResponse:
    """With the link that mutes its anomaly, which is as good as a sign-in for that: for the owner alone."""
    require_owner(request)
    found = find_delivery(pk)
    message = _message(found)
    context: dict[str, Any] = {
        "delivery": found,
        "kind": label_of(found.channel.kind),
        "message": message,
        "rich": _RICH + message.html() if message is not None else "",
        "plain": lines(message.text()) if message is not None else "",
        "as_json": json.dumps(found.message, ensure_ascii=False, indent=2),
        "can_again": editing.can_try_again(found),
        "said": said_in(request),
    }
    return render(request, "alerts/delivery.html", context | look_of(found))


@page("alerts/deliveries/<int:pk>/again/", "alert-delivery-again")
@never_cache
@require_POST
def send_again(request: HttpRequest, pk: int) -> HttpResponse:
    require_owner(request)
    found = find_delivery(pk)
    is_again = editing.try_again(found.pk)
    bell.ring()
    return back_to(reverse("alert-delivery", args=[pk]), "again" if is_again else "not-again")


def _message(found: Delivery) -> Message | None:
    """None for one that another version has written."""
    try:
        return Message.from_json(found.message)
    except (KeyError, TypeError, ValueError):
        return None
