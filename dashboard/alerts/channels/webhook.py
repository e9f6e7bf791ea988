"""A webhook of one's own: JSON by docs/webhook.schema.json, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, ClassVar

from dashboard.alerts.channels._sending import iso, post, told
from dashboard.alerts.channels.base import Channel, Field, FieldError, Message, Values
from dashboard.lib.clock import NS_PER_S, now_ns

SCHEMA_VERSION = 1


class Webhook(Channel):
    kind: ClassVar[str] = "webhook"
    label: ClassVar[str] = "Webhook"
    help: ClassVar[str] = (
        "Posts JSON to an address of yours. With a signing secret, each request carries a signature."
    )
    fields: ClassVar[tuple[Field, ...]] = (
        Field(
            "url",
            "URL",
            "url",
            "Answer with 2xx once the message is yours",
            required=True,
        ),
        Field("secret", "Signing secret", "secret", "16 characters or more, known to the receiver"),
        Field("authorization", "Authorization header", "secret", "As a whole, for example: Bearer …"),
    )

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        if 0 < len(secrets.get("secret", "").strip()) < 16:
            raise FieldError("secret", "this must have at least 16 characters")
        if not secrets.get("authorization", "").isascii():
            raise FieldError("authorization", "a header has ASCII letters only")

    def send(self, message: Message) -> str:
        content = json.dumps(body(message), ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )
        secret, authorization = self.value("secret"), self.value("authorization")
        headers = {
            "content-type": "application/json",
            "idempotency-key": message.key,
            "x-tailrace-event": message.event,
        }
        if secret:
            headers["x-tailrace-signature"] = signature(content, secret, now_ns() // NS_PER_S)
        if authorization:
            headers["authorization"] = authorization
        hidden = [secret, authorization]
        return told(post(self.value("url"), content, headers=headers, secrets=hidden), hidden)


def body(message: Message) -> dict[str, Any]:
    """What is said of every message, and beside it what `data` knows of its subject."""
    return dict(message.data) | {
        "version": SCHEMA_VERSION,
        "event": message.event,
        "key": message.key,
        "subject": message.subject,
        "title": message.title,
        "severity": message.severity,
        "lines": list(message.lines),
        "facts": [{"label": label, "value": value} for label, value in message.facts],
        "fix": message.fix,
        "url": message.url,
        "at": iso(message.at_ns),
        "at_ns": str(message.at_ns),
    }


def signature(content: bytes, secret: str, at_s: int) -> str:
    """`t` is signed too, so that a receiver can refuse what was recorded and is sent again later."""
    signed = hmac.new(secret.encode(), f"{at_s}.".encode() + content, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={signed}"
