"""PagerDuty, by its Events API v2: an incident opens with an alert and is resolved with its recovery."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from dashboard.alerts.channels._sending import CLOSING, cut, iso, post_json, told
from dashboard.alerts.channels.base import Channel, Field, FieldError, Message, Values

_HOSTS = {"us": "events.pagerduty.com", "eu": "events.eu.pagerduty.com"}
_SEVERITIES = frozenset({"info", "warning", "error", "critical"})
_KEY = re.compile(r"[0-9A-Za-z]{32}$")


class PagerDuty(Channel):
    kind: ClassVar[str] = "pagerduty"
    label: ClassVar[str] = "PagerDuty"
    help: ClassVar[str] = "Add the integration Events API v2 to a service and copy its integration key."
    fields: ClassVar[tuple[Field, ...]] = (
        Field("key", "Integration key", "secret", "32 letters and digits", required=True),
        Field(
            "region", "Region", "choice", choices=(("us", "United States"), ("eu", "Europe")), default="us"
        ),
    )

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        if not _KEY.match(secrets.get("key", "").strip()):
            raise FieldError("key", "an integration key has 32 letters and digits")

    def send(self, message: Message) -> str:
        key = self.value("key")
        url = f"https://{_HOSTS[self.value('region')]}/v2/enqueue"
        return told(post_json(url, _event(message, key), secrets=[key]), [key])


def _event(message: Message, key: str) -> dict[str, Any]:
    closes = message.event in CLOSING
    event: dict[str, Any] = {
        "routing_key": key,
        "event_action": "resolve" if closes else "trigger",
        "dedup_key": cut(message.subject, 255),
    }
    if closes:
        return event
    return event | {"payload": _details(message), "client": "Tailrace", **_links(message)}


def _links(message: Message) -> dict[str, Any]:
    if not message.url:
        return {}
    return {"client_url": message.url, "links": [{"href": message.url, "text": "Open in Tailrace"}]}


def _details(message: Message) -> dict[str, Any]:
    facts = dict(message.facts)
    return {
        "summary": cut(message.title, 1024),
        "source": cut(facts.get("World") or "Tailrace", 255),
        "severity": message.severity if message.severity in _SEVERITIES else "warning",
        "timestamp": iso(message.at_ns),
        "class": message.event,
        "custom_details": facts | {"Details": "\n".join(message.lines), "How to fix it": message.fix},
    }
