"""The log of deliveries as lists show it, and what of it was asked for in the URL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from dashboard.alerts import queries
from dashboard.alerts.channels.base import EVENTS
from dashboard.alerts.models import STATES, AlertChannel, Delivery
from dashboard.alerts.pages._find import number_in
from dashboard.alerts.queries import DeliveryFilter

SHOWN = 10
LOOKS = {
    "waiting": ("info", "clock"),
    "claimed": ("info", "run"),
    "sent": ("ok", "ok"),
    "failed": ("err", "x"),
    "held": ("idle", "pause"),
    "dropped": ("idle", "stop"),
}
_WORDS = {"claimed": "on its way"}
EVENT_WORDS = {
    "anomaly": "anomaly", "recovered": "it is over", "digest": "digest", "absent": "absence",
    "present": "absence is over", "report": "weekly report", "test": "test", "notice": "notice",
}  # fmt: skip
_TONES = {"critical": "err", "error": "err", "warning": "warn", "info": "info"}


def query_of(wanted: DeliveryFilter, **other: object) -> str:
    """The filters as a URL has them; empty where nothing is asked for."""
    return urlencode([(name, str(value)) for name, value in (asdict(wanted) | other).items() if value])


def filter_in(get: QueryDict) -> DeliveryFilter:
    """Words that name nothing are ignored."""
    state, event = get.get("state", ""), get.get("event", "")
    return DeliveryFilter(
        channel=number_in(get.get("channel", "")),
        rule=number_in(get.get("rule", "")),
        state=state if state in STATES else "",
        event=event if event in EVENTS else "",
    )


def log_of(channel: AlertChannel) -> dict[str, Any]:
    """What the page of a channel shows of its log."""
    found = queries.deliveries(DeliveryFilter(channel=channel.pk), limit=SHOWN)
    return {"channel": channel, "log": log_rows(found.rows), "log_goes_on": found.older is not None}


def log_rows(deliveries: Iterable[Delivery]) -> list[dict[str, Any]]:
    return [{"delivery": one} | look_of(one) for one in deliveries]


def look_of(delivery: Delivery) -> dict[str, str]:
    tone, icon = LOOKS.get(delivery.state, ("idle", "dash"))
    return {
        "tone": tone,
        "icon": icon,
        "word": _WORDS.get(delivery.state, delivery.state),
        "event": EVENT_WORDS.get(delivery.event, delivery.event),
        "severity_tone": _TONES.get(delivery.severity, "idle"),
        "why": said_of(delivery),
    }


def said_of(delivery: Delivery) -> str:
    """What there is to say of its state: why it is held or was dropped, what failed, what was answered."""
    if delivery.state == "sent":
        return delivery.answer
    return delivery.reason or delivery.error


def state_choices() -> list[dict[str, str]]:
    return [{"state": state, "word": _WORDS.get(state, state)} for state in STATES]


def event_choices() -> list[dict[str, str]]:
    return [{"event": event, "word": EVENT_WORDS[event]} for event in EVENTS]
