"""The log of deliveries as lists show it, and what of it was asked for in the URL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from dashboard.alerts.channels.base import EVENTS
from dashboard.alerts.models import STATES, Delivery
from dashboard.alerts.pages._find import number_in

PAGE = 50
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


@dataclass(frozen=True, slots=True)
class LogFilter:
    channel: int | None = None
    rule: int | None = None
    state: str = ""
    event: str = ""

    def query(self, **other: object) -> str:
        values = {"channel": self.channel, "rule": self.rule, "state": self.state, "event": self.event}
        return urlencode([(name, str(value)) for name, value in (values | other).items() if value])

    def __bool__(self) -> bool:
        return bool(self.query())


def filter_in(get: QueryDict) -> LogFilter:
    """Words that name nothing are ignored."""
    state, event = get.get("state", ""), get.get("event", "")
    return LogFilter(
        number_in(get.get("channel", "")),
        number_in(get.get("rule", "")),
        state if state in STATES else "",
        event if event in EVENTS else "",
    )


def log_page(
    wanted: LogFilter, before: int | None = None, limit: int = PAGE
) -> tuple[list[Delivery], int | None]:
    """The newest first, and the id below which the next page begins. An event has no index of its own: the log is
    walked until the page is full, and keeps 30 days."""
    rows = Delivery.objects.select_related("channel", "rule").defer("message")
    asked = {"channel": wanted.channel, "rule": wanted.rule, "state": wanted.state, "event": wanted.event}
    rows = rows.filter(**{name: value for name, value in asked.items() if value})
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: limit + 1])
    return found[:limit], found[limit - 1].pk if len(found) > limit else None


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
