"""What the page of an anomaly shows of alerts: who was told of it, and the way to a rule for it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.alerts import queries
from dashboard.alerts.pages._log import log_rows
from dashboard.anomalies.pages._find import find_anomaly
from dashboard.lib.pages import page

SHOWN = 6


@page("alerts/of-anomaly/<int:pk>/", "alerts-of-anomaly")
@require_safe
def alerts_of_anomaly(request: HttpRequest, pk: int) -> HttpResponse:
    """A piece: the page asks for it once it is there."""
    found = queries.deliveries_of_anomaly(find_anomaly(pk).pk, SHOWN + 1)
    context = {"anomaly_id": pk, "rows": log_rows(found[:SHOWN]), "more": len(found) > SHOWN}
    return render(request, "alerts/_of_anomaly.html", context)
