"""What channels over HTTP share: send, judge the answer, and say what went wrong without the secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from dashboard.alerts.channels.base import DeliveryError, Message
from dashboard.lib import outbound
from dashboard.lib.clock import NS_PER_S

COLORS = {"info": 0x3B82F6, "warning": 0xD97706, "error": 0xDC2626, "critical": 0x991B1B}
CALM = 0x16A34A
CLOSING = frozenset({"recovered", "present"})
_AGAIN = frozenset({408, 409, 423, 425, 429})
_OF_MESSAGE = frozenset({400, 413, 422})
_SHORTEST_SECRET, _SHORTEST_PART = 5, 10


def post_json(
    url: str, payload: object, *, headers: Mapping[str, str] | None = None, secrets: Iterable[str] = ()
) -> outbound.Answer:
    """Raises DeliveryError for anything but a 2xx."""
    content = json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")
    return post(
        url, content, headers={"content-type": "application/json", **(headers or {})}, secrets=secrets
    )


def post(
    url: str, content: bytes, *, headers: Mapping[str, str], secrets: Iterable[str] = ()
) -> outbound.Answer:
    """Raises DeliveryError for anything but a 2xx."""
    hidden = [url, *secrets]
    try:
        answer = outbound.request("POST", url, headers=headers, content=content)
    except outbound.OutboundError as error:
        raise DeliveryError(scrub(str(error), hidden), permanent=error.permanent) from None
    if not answer.is_success:
        raise refusal(answer.status, answer.text(), answer.retry_after_s(), hidden)
    return answer


def refusal(
    status: int, said: str, retry_after_s: float | None, secrets: Iterable[str] = ()
) -> DeliveryError:
    """The error that an answer stands for. 4xx is permanent, but for the few that ask to come again."""
    permanent = 400 <= status < 500 and status not in _AGAIN
    text = f"answered with {status}" + (f": {scrub(said, secrets)}" if said else "")
    return DeliveryError(
        text,
        permanent=permanent,
        of_message=status in _OF_MESSAGE,
        retry_after_s=None if permanent else retry_after_s,
    )


def told(answer: outbound.Answer, secrets: Iterable[str] = ()) -> str:
    """The answer in one line."""
    said = scrub(answer.text(120), secrets)
    return f"{answer.status} {said}".strip()


def scrub(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, nor the parts of an address that may be one."""
    for part in sorted(_hidden(secrets), key=len, reverse=True):
        text = text.replace(part, "…")
    return text


def _hidden(secrets: Iterable[str]) -> set[str]:
    hidden = set()
    for secret in secrets:
        is_address = "://" in secret
        host, _, rest = secret.partition("://")[2].partition("/") if is_address else ("", "", secret)
        parts = re.split(r"[/?&=:@#\s]", rest) + host.rpartition("@")[0].split(":")
        hidden |= {part for part in parts if len(part) >= _SHORTEST_PART}
        hidden |= {secret} if len(secret) >= _SHORTEST_SECRET else set()
    return hidden


def color(message: Message) -> int:
    return CALM if message.event in CLOSING else COLORS.get(message.severity, COLORS["info"])


def iso(ns: int) -> str:
    """A time as services want it; our own clock where a calendar has no such year."""
    try:
        moment = datetime.fromtimestamp(ns / NS_PER_S, UTC)
    except (OverflowError, ValueError, OSError):
        moment = datetime.now(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str, limit: int) -> str:
    return cut(" ".join(text.split()), limit)
