"""What rules have fired for, as lists show it: what, since when, told to whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from dashboard.alerts.models import Alert, Delivery
from dashboard.anomalies.inbox_queries import severity_word
from dashboard.lib.panels import Piece, Severity
from runs.pages._format import counted, short_name

SHOWN = 50
COUNTED = 1000
_NOT_TOLD = ("held", "dropped", "failed")


def open_alerts() -> tuple[list[Alert], int]:
    """The latest, and how many there are, counted up to COUNTED."""
    rows = Alert.objects.filter(recovered_ns=None)
    found = rows.select_related("rule", "world", "anomaly").order_by("-id")[:SHOWN]
    return list(found), rows.order_by()[:COUNTED].count()


def alert_rows(alerts: Sequence[Alert]) -> list[dict[str, Any]]:
    told = _told(alerts)
    return [_row(alert, told[alert.pk]) for alert in alerts]


def _row(alert: Alert, told: dict[str, str]) -> dict[str, Any]:
    anomaly = alert.anomaly
    word = severity_word(alert.severity)
    severity: Severity = word if word in ("info", "warning", "error", "critical") else ""  # type: ignore[assignment]
    if anomaly is not None:
        badge = Piece(anomaly.kind, anomaly.kind, severity, title=word)
        where, url = short_name(anomaly.workflow), reverse("anomaly", args=[anomaly.pk])
    else:
        badge = Piece("absence", "", severity, title=word)
        where, url = str(alert.about.get("title", "")), str(alert.about.get("path", ""))
    return {
        "alert": alert,
        "badge": badge,
        "where": where or alert.world.name,
        "url": url if url.startswith("/") and not url.startswith("//") else "",
        "told": list(told.items()),
        "note": _note(alert, told),
    }


def _note(alert: Alert, told: dict[str, str]) -> str:
    """Why there is no message, or none any more."""
    anomaly = alert.anomaly
    if anomaly is not None and anomaly.state in ("acknowledged", "muted"):
        return f"{anomaly.state}: nothing more is told"
    if alert.is_flapping:
        return f"comes and goes, {counted(alert.episodes, 'time')} so far; told again when it is calm"
    if alert.pending and not told:
        return "waits for the next digest"
    return f"told in a digest on {alert.rule.name}" if alert.told == "digest" and not told else ""


def _told(alerts: Sequence[Alert]) -> dict[int, dict[str, str]]:
    """Names of channels and what came of it, of what was told since it was last opened. One query."""
    opened = {alert.pk: alert.opened_ns for alert in alerts}
    rows = Delivery.objects.filter(alert__in=opened, event__in=("anomaly", "absent")).order_by("pk")
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for pk, name, state, created_ns in rows.values_list("alert", "channel__name", "state", "created_ns"):
        if created_ns >= opened[pk]:
            found[pk][name] = state
    return found
