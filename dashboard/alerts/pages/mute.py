"""Muting from the alert itself: the signature of the link is the right to do it, with or without a sign-in.

A GET only asks: mail programs and chats open links by themselves.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboard.alerts.mute_link import PATH, MuteLinkError, anomaly_of
from dashboard.anomalies import life
from dashboard.anomalies.inbox_queries import anomaly_named, end_of_moves
from dashboard.anomalies.models import Anomaly
from dashboard.anomalies.pages._action_form import MOST
from dashboard.anomalies.pages._looks import kind_piece, state_look
from dashboard.anomalies.states import Asked, Mute, applies
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.pages import page

WHO = "a link in an alert"
TIMES = {"1h": ("1 hour", 3600), "1d": ("1 day", 86_400), "7d": ("7 days", 7 * 86_400)}


@page(PATH, "alert-mute")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def mute(request: HttpRequest, token: str) -> HttpResponse:
    try:
        found = anomaly_named(anomaly_of(token))
    except MuteLinkError as error:
        return _no(request, "This link cannot be used", str(error), 403)
    if found is None:
        return _no(request, "It is gone", "There is no such anomaly any more, so nothing of it is told.", 404)
    anomaly = end_of_moves(found)
    if request.method != "POST":
        return _ask(request, anomaly)
    try:
        wanted = _wanted(request)
    except ValueError as error:
        return _ask(request, anomaly, str(error), 422)
    done = life.act([anomaly.pk], Asked("mute", now_ns(), wanted), WHO)
    said = "muted" if done.changed else "nothing"
    response = HttpResponseRedirect(f"{reverse('alert-mute', args=[token])}?said={said}")
    response.status_code = 303
    return response


def _wanted(request: HttpRequest) -> Mute:
    """Raises ValueError, with what is wrong in words."""
    word = request.POST.get("for", "")
    if word in TIMES:
        return Mute(until_ns=now_ns() + TIMES[word][1] * NS_PER_S)
    if word != "left":
        raise ValueError("Choose for how long.")
    text = request.POST.get("left", "")
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if not 1 <= number <= MOST:
        raise ValueError(f"For how many more? A whole number from 1 to {MOST:,}.")
    return Mute(left=number)


def _ask(request: HttpRequest, anomaly: Anomaly, problem: str = "", status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {
        "anomaly": anomaly,
        "badge": kind_piece(anomaly),
        "state": state_look(anomaly),
        "can_mute": applies("mute", anomaly.state),
        "times": [{"value": value, "words": words} for value, (words, _) in TIMES.items()],
        "most": MOST,
        "problem": problem,
        "is_done": request.GET.get("said") == "muted" and anomaly.state == "muted",
    }
    return render(request, "alerts/mute.html", context, status=status)


def _no(request: HttpRequest, title: str, text: str, status: int) -> HttpResponse:
    return render(request, "alerts/mute_no.html", {"title": title, "text": text}, status=status)
