"""What open pages show of alerts: the newest deliveries of channels of kind `browser`.

A delivery is shown from the moment it is claimed, since the ring is a part of sending it. Where a page has got to is
our clock at its last look; what was claimed then and is sent now comes twice, and the page knows it by its id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.urls import reverse

from dashboard.alerts.models import AlertChannel, Delivery
from dashboard.lib.clock import NS_PER_S

NEWEST = 50  # deliveries of a channel that are looked at
OLDEST_NS = 3600 * NS_PER_S  # a page that was asleep for longer is not flooded
_TEXT = 300


class _Row(NamedTuple):
    id: int
    state: str
    sent_ns: int


@dataclass(frozen=True, slots=True)
class Toast:
    id: int
    key: str
    event: str
    severity: str
    title: str
    text: str
    link: str  # a path on this server; empty where there is nothing to open

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def head() -> tuple[int, int]:
    """Changes whenever there is something new to show: the newest id, and when one was last sent."""
    rows = _rows()
    return max((row.id for row in rows), default=0), max((row.sent_ns for row in rows), default=0)


def since(from_ns: int, now_ns: int) -> list[Toast]:
    """What was sent after `from_ns` or is on its way, oldest first."""
    after = max(from_ns, now_ns - OLDEST_NS)
    wanted = [row.id for row in _rows() if row.state == "claimed" or row.sent_ns > after]
    found = Delivery.objects.filter(pk__in=wanted).select_related("alert").order_by("pk")
    return [_toast(row) for row in found]


def _rows() -> list[_Row]:
    channels = AlertChannel.objects.filter(kind="browser").values_list("pk", flat=True)
    return [row for channel in channels for row in _newest(channel)]


def _newest(channel_id: int) -> list[_Row]:
    rows = Delivery.objects.filter(channel=channel_id).order_by("-id").values_list("id", "state", "sent_ns")
    return [_Row(pk, state, ns or 0) for pk, state, ns in rows[:NEWEST] if state in ("claimed", "sent")]


def _toast(row: Delivery) -> Toast:
    message: Mapping[str, Any] = row.message if isinstance(row.message, dict) else {}
    lines = message.get("lines")
    text = str(lines[0])[:_TEXT] if isinstance(lines, list) and lines else ""
    return Toast(row.pk, row.key, row.event, row.severity, row.title, text, _link(row, message))


def _link(row: Delivery, message: Mapping[str, Any]) -> str:
    """On this server, by whatever name the reader has reached it."""
    parts = urlsplit(str(message.get("url") or ""))
    if parts.path.startswith("/") and not parts.path.startswith("//"):
        return parts.path + (f"?{parts.query}" if parts.query else "")
    anomaly = row.alert.anomaly_id if row.alert is not None else None
    return reverse("anomaly", args=[anomaly]) if anomaly is not None else ""
