"""Opsgenie, by its Alert API: an alert opens with the first message and is closed with the recovery."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import quote

from dashboard.alerts.channels._sending import CLOSING, cut, post_json, told
from dashboard.alerts.channels.base import Channel, Field, Message

_HOSTS = {"us": "api.opsgenie.com", "eu": "api.eu.opsgenie.com"}
_PRIORITIES = {"info": "P5", "warning": "P3", "error": "P2", "critical": "P1"}


class Opsgenie(Channel):
    kind: ClassVar[str] = "opsgenie"
    label: ClassVar[str] = "Opsgenie"
    help: ClassVar[str] = "Add an API integration to a team and copy its key."
    fields: ClassVar[tuple[Field, ...]] = (
        Field("key", "API key", "secret", "Of an integration that may create alerts", required=True),
        Field(
            "region", "Region", "choice", choices=(("us", "United States"), ("eu", "Europe")), default="us"
        ),
    )

    def send(self, message: Message) -> str:
        key = self.value("key")
        url = f"https://{_HOSTS[self.value('region')]}/v2/alerts"
        alias = cut(message.subject, 512)
        payload = _alert(message, alias)
        if message.event in CLOSING:
            url += f"/{quote(alias, safe='')}/close?identifierType=alias"
            payload = {"source": "Tailrace", "note": cut(message.title, 25_000)}
        answer = post_json(url, payload, headers={"authorization": f"GenieKey {key}"}, secrets=[key])
        return told(answer, [key])


def _alert(message: Message, alias: str) -> dict[str, Any]:
    return {
        "message": cut(message.title, 130),
        "alias": alias,
        "description": cut(message.text(), 15_000),
        "details": {cut(label, 100): cut(value, 500) for label, value in message.facts[:20]},
        "source": "Tailrace",
        "priority": _PRIORITIES.get(message.severity, "P3"),
        "tags": ["tailrace", message.event],
    }
