"""Telegram, by a bot."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from django.utils.html import escape

from dashboard.alerts.channels._sending import cut, refusal, scrub
from dashboard.alerts.channels.base import Channel, DeliveryError, Field, FieldError, Message, Values
from dashboard.lib import outbound

_TOKEN = re.compile(r"\d{5,}:[\w-]{30,}$", re.ASCII)
_CHAT = re.compile(r"(-?\d{1,20}|@\w{4,64})$", re.ASCII)


class Telegram(Channel):
    kind: ClassVar[str] = "telegram"
    label: ClassVar[str] = "Telegram"
    help: ClassVar[str] = (
        "Make a bot with @BotFather, add it to the chat, and give its token and the chat's id."
    )
    fields: ClassVar[tuple[Field, ...]] = (
        Field("token", "Bot token", "secret", "From @BotFather: 123456789:ABC…", required=True),
        Field("chat", "Chat", "text", "Its id (-1001234567890) or @name of a public channel", required=True),
        Field("thread", "Topic", "number", "Id of the topic in a group that has topics"),
    )

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        if not _TOKEN.match(secrets.get("token", "").strip()):
            raise FieldError("token", "a bot's token reads 123456789:ABC…")
        if not _CHAT.match(settings.get("chat", "").strip()):
            raise FieldError("chat", "this is a number, or @ and the name of a public channel")

    def send(self, message: Message) -> str:
        token = self.value("token")
        payload = _payload(message, self.value("chat"), self.value("thread"))
        try:
            answer = outbound.request(
                "POST",
                f"https://api.telegram.org/bot{token}/sendMessage",
                headers={"content-type": "application/json"},
                content=json.dumps(payload).encode(),
            )
        except outbound.OutboundError as error:
            raise DeliveryError(scrub(str(error), [token]), permanent=error.permanent) from None
        said = _said(answer)
        if answer.is_success and said.get("ok") is True:
            return f"{answer.status} posted"
        raise _refused(answer, said, token)


def _payload(message: Message, chat: str, thread: str) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "chat_id": chat,
        "text": _text(message),
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
    }
    return payload | ({"message_thread_id": int(thread)} if thread else {})


def _text(message: Message) -> str:
    """At most 4,096 characters once the marks are read: each part is cut before it is escaped."""
    parts = [f"<b>{escape(cut(message.title, 200))}</b>"]
    if message.lines:
        parts.append(escape(cut("\n".join(message.lines), 1500)))
    if message.facts:
        parts.append(
            "\n".join(f"<b>{escape(cut(a, 40))}</b>: {escape(cut(b, 100))}" for a, b in message.facts[:10])
        )
    if message.fix:
        parts.append(f"<b>How to fix it</b>: {escape(cut(message.fix, 600))}")
    if message.url:
        parts.append(f'<a href="{escape(message.url)}">Open in Tailrace</a>')
    return "\n\n".join(parts)


def _said(answer: outbound.Answer) -> dict[str, Any]:
    try:
        said = json.loads(answer.body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _refused(answer: outbound.Answer, said: dict[str, Any], token: str) -> DeliveryError:
    """Telegram says in the body how long to wait."""
    parameters = said.get("parameters")
    wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
    seconds = float(wait) if isinstance(wait, int) else answer.retry_after_s()
    return refusal(answer.status, str(said.get("description") or answer.text()), seconds, [token])
