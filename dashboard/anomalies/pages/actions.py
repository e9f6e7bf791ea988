"""What people do with anomalies: one or many at once, each time with a way back for ten minutes."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from dashboard.account import require_owner
from dashboard.anomalies import life
from dashboard.anomalies.history import NOTE_CHARS
from dashboard.anomalies.pages._action_form import asked_of, ids_of, who_is
from dashboard.anomalies.pages._find import find_anomaly
from dashboard.lib.database import clean
from dashboard.lib.pages import page

SAYS = ("done", "left", "undone", "stayed")  # what a page says of the action before it


@page("anomalies/actions/", "anomaly-actions")
@never_cache
@require_POST
def actions(request: HttpRequest) -> HttpResponse:
    require_owner(request)
    try:
        asked = asked_of(request.POST)
    except ValueError as error:
        return HttpResponseBadRequest(str(error), content_type="text/plain; charset=utf-8")
    said = clean(request.POST.get("said", "").strip(), NOTE_CHARS)
    done = life.act(ids_of(request.POST), asked, who_is(request), said)
    return _back(request, done=done.batch or "nothing", left=str(done.left or ""))


@page("anomalies/undo/", "anomaly-undo")
@never_cache
@require_POST
def undo(request: HttpRequest) -> HttpResponse:
    require_owner(request)
    try:
        undone = life.undo(request.POST.get("batch", ""), who_is(request))
    except LookupError:
        return _back(request, undone="late")
    return _back(request, undone=str(undone.restored), stayed=str(undone.left or ""))


@page("anomalies/<int:pk>/comments/", "anomaly-comments")
@never_cache
@require_POST
def comments(request: HttpRequest, pk: int) -> HttpResponse:
    require_owner(request)
    anomaly = find_anomaly(pk)
    text = request.POST.get("text", "").strip()
    if text:
        life.comment(anomaly.pk, who_is(request), clean(text, NOTE_CHARS))
    return HttpResponseRedirect(reverse("anomaly", args=[anomaly.pk]) + "#history")


def _back(request: HttpRequest, **says: str) -> HttpResponse:
    """To the page that the form was on, if it is one of ours, which says what was done."""
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None) or not back.startswith("/"):
        back = reverse("inbox-all")
    parts = urlsplit(back)
    kept = [
        (name, value)
        for name, values in QueryDict(parts.query).lists()
        for value in values
        if name not in SAYS
    ]
    query = urlencode([*kept, *((name, value) for name, value in says.items() if value)])
    response = HttpResponseRedirect(urlunsplit(("", "", parts.path, query, "")))
    response.status_code = 303
    return response
