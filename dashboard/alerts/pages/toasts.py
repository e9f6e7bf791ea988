"""What a page asks for when its socket has rung."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET

from dashboard.alerts import toasts
from dashboard.lib.clock import now_ns
from dashboard.lib.pages import page


@page("alerts/toasts/", "alert-toasts")
@require_GET
def alert_toasts(request: HttpRequest) -> JsonResponse:
    """`{since, toasts}`: `since` is given back with the next request. Without it nothing is old enough to be new."""
    now, given = now_ns(), request.GET.get("since", "")
    is_known = given.isascii() and given.isdigit() and len(given) < 20
    found = toasts.since(int(given), now) if is_known else []
    answer = JsonResponse({"since": str(now), "toasts": [toast.as_json() for toast in found]})
    answer["Cache-Control"] = "no-store"
    return answer
