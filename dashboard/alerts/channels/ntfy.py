"""ntfy: a push message to a topic, of ntfy.sh or one's own server."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from dashboard.alerts.channels._sending import CLOSING, cut, post_json
from dashboard.alerts.channels.base import Channel, Field, FieldError, Message, Values

_TOPIC = re.compile(r"[\w-]{1,64}$", re.ASCII)
_PRIORITIES = {"info": 2, "warning": 3, "error": 4, "critical": 5}
_TAGS = {
    "info": "information_source",
    "warning": "warning",
    "error": "rotating_light",
    "critical": "rotating_light",
}
_BODY_BYTES = 4000  # more than 4,096 would arrive as an attachment


class Ntfy(Channel):
    kind: ClassVar[str] = "ntfy"
    label: ClassVar[str] = "ntfy"
    help: ClassVar[str] = "Choose a topic that nobody guesses, or protect it, and subscribe to it in the app."
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            "topic", "Topic", "secret", "Who knows it can read it, where it is not protected", required=True
        ),
        Field("server", "Server", "url", "Empty means https://ntfy.sh", default="https://ntfy.sh"),
        Field("token", "Access token", "secret", "tk_…, where the topic is protected"),
    )

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        if not _TOPIC.match(secrets.get("topic", "").strip()):
            raise FieldError("topic", "a topic has up to 64 letters, digits, _ and -")

    def send(self, message: Message) -> str:
        topic, token = self.value("topic"), self.value("token")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        server = self.value("server").rstrip("/") + "/"
        answer = post_json(server, _payload(message, topic), headers=headers, secrets=[topic, token])
        return f"{answer.status} published"


def _payload(message: Message, topic: str) -> dict[str, Any]:
    calm = message.event in CLOSING
    payload: dict[str, Any] = {
        "topic": topic,
        "title": cut(message.title, 250),
        "message": _bounded(message.text() or message.title),
        "priority": 2 if calm else _PRIORITIES.get(message.severity, 3),
        "tags": ["white_check_mark" if calm else _TAGS.get(message.severity, "warning")],
    }
    return payload | ({"click": message.url} if message.url else {})


def _bounded(text: str) -> str:
    return text.encode("utf-8", "replace")[:_BODY_BYTES].decode("utf-8", "ignore")
