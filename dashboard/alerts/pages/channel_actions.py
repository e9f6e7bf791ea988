"""What people do with a channel beside its settings: test it, switch it, have a report sent now, delete it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from dashboard.account import require_owner
from dashboard.alerts import bell, editing, outbox, report, testing
from dashboard.alerts.models import AlertChannel, Delivery
from dashboard.alerts.outbox import Parcel
from dashboard.alerts.pages._find import find_channel, find_delivery
from dashboard.alerts.pages._log import log_of, look_of
from dashboard.alerts.pages._said import back_to
from dashboard.lib.clock import now_ns
from dashboard.lib.database import write_transaction
from dashboard.lib.pages import page


@page("alerts/channels/<int:pk>/actions/", "alert-channel-actions")
@never_cache
@require_POST
def channel_actions(request: HttpRequest, pk: int) -> HttpResponse:
    require_owner(request)
    found = find_channel(pk)
    match request.POST.get("action"):
        case "on" | "off" as said:
            editing.switch_channel(found.pk, said == "on")
            bell.ring()  # what was held may go out now
        case "report" as said:
            _report_now(found)
        case "delete":
            editing.delete_channel(found.pk)
            return back_to(reverse("alert-channels"), "deleted")
        case _:
            return HttpResponseBadRequest("The form names no action that there is.")
    return back_to(_where(request, pk), said)


@page("alerts/channels/<int:pk>/test/", "alert-channel-test")
@never_cache
@require_POST
def test_channel(request: HttpRequest, pk: int) -> HttpResponse:
    """Begins it; the piece that is answered asks for the outcome by itself."""
    require_owner(request)
    return _outcome(request, testing.start(find_channel(pk)))


@page("alerts/channels/<int:pk>/test/<int:delivery>/", "alert-channel-tested")
@never_cache
@require_safe
def channel_tested(request: HttpRequest, pk: int, delivery: int) -> HttpResponse:
    require_owner(request)
    row = find_delivery(delivery)
    if row.channel_id != pk or row.event != "test":
        raise Http404("There is no such test.")
    return _outcome(request, row)


def _outcome(request: HttpRequest, row: Delivery) -> HttpResponse:
    context: dict[str, Any] = {"delivery": row, "is_looked_for": testing.is_looked_for(row)} | look_of(row)
    if row.state != "claimed":  # the log on the page does not have it yet
        context |= log_of(row.channel)
    return render(request, "alerts/_tested.html", context)


def _report_now(channel: AlertChannel) -> None:
    """Beside its day and hour, which stay."""
    message = report.message_of(report.week_before(now_ns()))
    with write_transaction():
        outbox.put([Parcel(message, (channel,))])
    bell.ring()


def _where(request: HttpRequest, pk: int) -> str:
    """Back to the page that the form was on."""
    pages = {"overview": "alerts", "list": "alert-channels"}
    name = pages.get(request.POST.get("from", ""))
    return reverse(name) if name else reverse("alert-channel", args=[pk])
