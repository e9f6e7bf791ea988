"""Discord, by a channel's webhook. Mentions are switched off: a run named `@everyone` calls nobody."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from dashboard.alerts.channels._sending import color, cut, iso, post_json
from dashboard.alerts.channels.base import Channel, Field, FieldError, Message, Values

_URL = re.compile(
    r"https://(?:\w+\.)?(?:discord|discordapp)\.com/api/(?:v\d+/)?webhooks/\d+/[\w-]+(?:\?.*)?$"
)


class Discord(Channel):
    kind: ClassVar[str] = "discord"
    label: ClassVar[str] = "Discord"
    help: ClassVar[str] = "In Discord: edit a channel, Integrations, Webhooks, New Webhook, Copy Webhook URL."
    fields: ClassVar[tuple[Field, ...]] = (
        Field("url", "Webhook URL", "secret", "https://discord.com/api/webhooks/…/…", required=True),
    )

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        if not _URL.match(secrets.get("url", "").strip()):
            raise FieldError("url", "a webhook URL of Discord reads https://discord.com/api/webhooks/…/…")

    def send(self, message: Message) -> str:
        url = self.value("url")
        answer = post_json(f"{url}{'&' if '?' in url else '?'}wait=true", _payload(message), secrets=[url])
        return f"{answer.status} posted"


def _payload(message: Message) -> dict[str, Any]:
    description = "\n".join(_escaped(line) for line in message.lines)
    if message.fix:
        description += f"\n\n**How to fix it:** {_escaped(message.fix)}"
    embed: dict[str, Any] = {
        "title": cut(_escaped(message.title), 256),
        "description": cut(description, 3000),
        "color": color(message),
        "timestamp": iso(message.at_ns),
        "fields": _fields(message),
    }
    if message.url:
        embed["url"] = message.url
    return {"username": "Tailrace", "embeds": [embed], "allowed_mentions": {"parse": []}}


def _fields(message: Message) -> list[dict[str, Any]]:
    """An embed holds 6,000 characters in all: what is left after title and description."""
    return [
        {
            "name": cut(_escaped(label), 60) or "·",
            "value": cut(_escaped(value), 200) or "·",
            "inline": len(value) < 40,
        }
        for label, value in message.facts[:10]
    ]


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_~|>#\[\]<])", r"\\\1", text)
