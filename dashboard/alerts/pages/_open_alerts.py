"""What rules have fired for, as lists show it: what, since when, told to whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from dashboard.alerts import queries
from dashboard.alerts.models import Alert
from dashboard.anomalies.inbox_queries import severity_word
from dashboard.lib.panels import Piece, Severity
from runs.pages._format import counted, short_name


def alert_rows(alerts: Sequence[Alert]) -> list[dict[str, Any]]:
    told = queries.told_of(alerts)
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
