"""Slack, by an incoming webhook. World text is escaped: a run named `<!channel>` calls nobody."""

from __future__ import annotations

from typing import Any, ClassVar

from dashboard.alerts.channels._sending import color, cut, post_json, told
from dashboard.alerts.channels.base import Channel, Field, FieldError, Message, Values

_HOSTS = ("https://hooks.slack.com/", "https://hooks.slack-gov.com/")


class Slack(Channel):
    kind: ClassVar[str] = "slack"
    label: ClassVar[str] = "Slack"
    help: ClassVar[str] = "In Slack, add the app Incoming Webhooks to a channel and copy its webhook URL."
    fields: ClassVar[tuple[Field, ...]] = (
        Field("url", "Webhook URL", "secret", "https://hooks.slack.com/services/T…/B…/…", required=True),
    )

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        if not secrets.get("url", "").strip().startswith(_HOSTS):
            raise FieldError("url", f"a webhook URL of Slack begins with {_HOSTS[0]}")

    def send(self, message: Message) -> str:
        url = self.value("url")
        return told(post_json(url, _payload(message)), [url])


def _payload(message: Message) -> dict[str, Any]:
    attachment = {
        "color": f"#{color(message):06x}",
        "fallback": cut(_escaped(message.title), 200),
        "blocks": _blocks(message),
    }
    return {"text": _escaped(message.title), "mrkdwn": False, "attachments": [attachment]}


def _blocks(message: Message) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if message.lines:
        blocks.append({"type": "section", "text": _plain("\n".join(message.lines))})
    if message.facts:
        fields = [_plain(f"{label}: {value}", 2000) for label, value in message.facts[:10]]
        blocks.append({"type": "section", "fields": fields})
    if message.fix:
        blocks.append({"type": "section", "text": _plain(f"How to fix it: {message.fix}")})
    if message.url:
        link = _escaped(message.url).replace("|", "%7C")
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<{link}|Open in Tailrace>"}})
    return blocks or [{"type": "section", "text": _plain(message.title)}]


def _plain(text: str, limit: int = 3000) -> dict[str, Any]:
    return {"type": "plain_text", "text": cut(text, limit) or " ", "emoji": False}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
