"""The signed link that lets whoever got a message mute its anomaly: no sign-in, one anomaly, for a week."""

from __future__ import annotations

from django.conf import settings
from django.core import signing

PATH = "alerts/mute/<str:token>/"  # of the page: GET asks, POST mutes
VALID_S = 7 * 86_400
_SALT = "tailrace.alerts.mute"


class MuteLinkError(Exception):
    """The link cannot be used; the text says why, for whoever opened it."""


def token_of(anomaly_id: int) -> str:
    return signing.dumps(anomaly_id, salt=_SALT)


def anomaly_of(token: str) -> int:
    """Whose anomaly it is. Raises MuteLinkError."""
    try:
        found = signing.loads(token, salt=_SALT, max_age=VALID_S)
    except signing.SignatureExpired:
        raise MuteLinkError("This link is older than a week. Mute the anomaly on its page.") from None
    except signing.BadSignature:
        raise MuteLinkError("This link is not one that Tailrace has made, or only a part of it.") from None
    if not isinstance(found, int):
        raise MuteLinkError("This link is not one that Tailrace has made.")
    return found


def base_url() -> str:
    """Where people reach this dashboard, without a slash at its end; empty where it is not known."""
    return str(getattr(settings, "BASE_URL", "") or "").rstrip("/")


def url_of(anomaly_id: int) -> str:
    base = base_url()
    return f"{base}/{PATH.replace('<str:token>', token_of(anomaly_id))}" if base else ""
