"""Sentry, or what speaks its protocol: anomalies appear as issues where errors already are."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from dashboard.alerts.channels._sending import CLOSING, cut, iso, post, told
from dashboard.alerts.channels.base import Channel, DeliveryError, Field, FieldError, Message, Values
from dashboard.lib import outbound
from dashboard.lib.clock import NS_PER_S, now_ns

_LEVELS = {"info": "info", "warning": "warning", "error": "error", "critical": "fatal"}
_EVENT_IDS = uuid.UUID("6f1a3c52-3d0e-5a5e-9b0b-8d1f6f3c7a10")
_CLIENT = "tailrace/1"


class Sentry(Channel):
    kind: ClassVar[str] = "sentry"
    label: ClassVar[str] = "Sentry"
    help: ClassVar[str] = "Sentry, GlitchTip, Bugsink and others that take its events: give a project's DSN."
    fields: ClassVar[tuple[Field, ...]] = (
        Field("dsn", "DSN", "secret", "https://key@host/project", required=True),
        Field("environment", "Environment", "text", "Shown with each event", default="production"),
    )

    @classmethod
    def check_more(cls, settings: Values, secrets: Values) -> None:
        _Dsn.parse(secrets.get("dsn", ""))

    def send(self, message: Message) -> str:
        if message.event in CLOSING:
            return "not sent: an event would open the issue again; Sentry has none that closes it"
        try:
            dsn = _Dsn.parse(self.value("dsn"))
        except FieldError as error:
            raise DeliveryError(error.message, permanent=True) from None
        headers = {
            "content-type": "application/x-sentry-envelope",
            "x-sentry-auth": f"Sentry sentry_version=7, sentry_client={_CLIENT}, sentry_key={dsn.key}",
        }
        content = _envelope(_event(message, self.value("environment")))
        return told(post(dsn.url, content, headers=headers, secrets=[dsn.key]), [dsn.key])


@dataclass(frozen=True, slots=True)
class _Dsn:
    key: str
    url: str

    @classmethod
    def parse(cls, text: str) -> _Dsn:
        """`https://KEY@HOST[:PORT][/PATH]/PROJECT`. Raises FieldError."""
        try:
            parts = urlsplit(text.strip())
            key, host, port = parts.username, parts.hostname, parts.port
        except ValueError:
            key = host = port = None
        path, _, project = parts.path.rpartition("/") if host else ("", "", "")
        if not (key and re.fullmatch(r"\w+", key, re.ASCII) and re.fullmatch(r"\w+", project, re.ASCII)):
            raise FieldError("dsn", "a DSN reads https://key@host/project")
        where = (f"[{host}]" if ":" in str(host) else str(host)) + (f":{port}" if port else "")
        url = f"{parts.scheme}://{where}{path}/api/{project}/envelope/"
        try:
            outbound.check_url(url)
        except outbound.TargetRefused as error:
            raise FieldError("dsn", str(error)) from None
        return cls(key, url)


def _event(message: Message, environment: str) -> dict[str, Any]:
    """The id follows from the delivery's key: an event that is sent again is the same event."""
    details = {label: cut(value, 2000) for label, value in message.facts}
    tags = {
        "tailrace.event": message.event,
        "tailrace.severity": message.severity,
        "tailrace.url": message.url[:200],
    }
    return {
        "event_id": uuid.uuid5(_EVENT_IDS, message.key).hex,
        "timestamp": iso(message.at_ns),
        "platform": "other",
        "logger": "tailrace",
        "level": _LEVELS.get(message.severity, "warning"),
        "environment": environment,
        "fingerprint": ["tailrace", cut(message.subject, 200)],
        "logentry": {"formatted": cut(message.title, 8000)},
        "tags": {name: value for name, value in tags.items() if value},
        "contexts": {"tailrace": details | {"type": "tailrace"}},
        "extra": {"details": message.text(), "fix": message.fix, "url": message.url},
    }


def _envelope(event: dict[str, Any]) -> bytes:
    """Three lines: the envelope's header, the item's header, the item."""
    item = _json(event)
    head = _json({"event_id": event["event_id"], "sent_at": iso(now_ns() // NS_PER_S * NS_PER_S)})
    item_head = _json({"type": "event", "content_type": "application/json", "length": len(item)})
    return b"\n".join((head, item_head, item)) + b"\n"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
