"""Alerts at a glance: what is open, who is told, what waits, and what does not work."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.alerts import queries
from dashboard.alerts.pages._health import channel_rows
from dashboard.alerts.pages._log import LOOKS
from dashboard.alerts.pages._open_alerts import alert_rows
from dashboard.alerts.pages._rule_rows import rule_rows
from dashboard.alerts.pages._said import said_in
from dashboard.lib.pages import page

COUNTED_STATES = ("waiting", "failed", "held", "sent")


@page("alerts/", "alerts")
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """`?part=live` is the piece that an open page asks for every few seconds."""
    found, total = queries.open_alerts()
    channels = queries.channels()
    context: dict[str, Any] = {
        "open": alert_rows(found),
        "open_total": total,
        "open_capped": total >= queries.COUNTED,
        "rules": rule_rows(),
        "channels": channel_rows(channels),
        "notices": queries.disabled_channels(),
        "digests": digests(),
        "counts": state_counts(),
        "only_here": bool(channels) and all(channel.kind == "browser" for channel in channels),
        "has_links": bool(settings.BASE_URL),
    }
    if request.GET.get("part") == "live":
        return render(request, "alerts/_live.html", context)
    return render(request, "alerts/overview.html", context | {"said": said_in(request)})


def digests() -> list[dict[str, Any]]:
    """Rules that hold something back, the next digest first."""
    return [
        {"rule": rule, "held": queries.untold(rule.pk), "due_ns": rule.digest_due_ns}
        for rule in queries.rules_with_digest()
    ]


def state_counts() -> list[dict[str, Any]]:
    """Deliveries of each state that may want a look."""
    counts = queries.delivery_counts(COUNTED_STATES)
    return [
        {"state": state, "count": count, "tone": LOOKS[state][0], "icon": LOOKS[state][1]}
        for state, count in counts.items()
    ]
