"""Microsoft Teams, by a workflow that posts what it gets ("When a Teams webhook request is received")."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from dashboard.alerts.channels._sending import CLOSING, cut, post_json, told
from dashboard.alerts.channels.base import Channel, Field, FieldError, Message, Values

_COLORS = {"info": "Accent", "warning": "Warning", "error": "Attention", "critical": "Attention"}


class Teams(Channel):
    kind: ClassVar[str] = "teams"
    label: ClassVar[str] = "Microsoft Teams"
    help: ClassVar[str] = "In a channel: Workflows, Send webhook alerts to a channel. Copy the URL it gives."
    fields: ClassVar[tuple[Field, ...]] = (
        Field("url", "Workflow URL", "secret", "It has a signature (sig=…) at its end", required=True),
    )

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        if not secrets.get("url", "").strip().startswith("https://"):
            raise FieldError("url", "the URL of a workflow begins with https://")

    def send(self, message: Message) -> str:
        url = self.value("url")
        return told(post_json(url, _payload(message)), [url])


def _payload(message: Message) -> dict[str, Any]:
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": _body(message),
    }
    if message.url:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open in Tailrace", "url": message.url}]
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _body(message: Message) -> list[dict[str, Any]]:
    shade = "Good" if message.event in CLOSING else _COLORS.get(message.severity, "Default")
    title = {
        "type": "TextBlock",
        "text": _escaped(message.title),
        "size": "Large",
        "weight": "Bolder",
        "wrap": True,
    }
    body: list[dict[str, Any]] = [title | {"color": shade}]
    body += [_paragraph(line) for line in message.lines[:20]]
    if message.facts:
        facts = [{"title": _escaped(a), "value": _escaped(cut(b, 500))} for a, b in message.facts[:20]]
        body.append({"type": "FactSet", "facts": facts})
    if message.fix:
        body.append(_paragraph(f"How to fix it: {message.fix}"))
    return body


def _paragraph(text: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": _escaped(cut(text, 1000)), "wrap": True}


def _escaped(text: str) -> str:
    """Cards read some Markdown, links too."""
    return re.sub(r"([\\`*_\[\]])", r"\\\1", text)
