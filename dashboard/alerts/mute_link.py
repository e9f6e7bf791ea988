"""The signed link that lets whoever got a message mute its anomaly: no sign-in, one anomaly, for a week."""

from __future__ import annotations

from django.conf import settings
from django.core import signing

from dashboard.anomalies import life
from dashboard.anomalies.life import Done
from dashboard.anomalies.states import Asked, Mute
from dashboard.lib.clock import NS_PER_S, now_ns

PATH = "alerts/mute/<str:token>/"  # of the page: GET asks, POST mutes
VALID_S = 7 * 86_400
WHO = "a link in an alert"
DAY_NS = 86_400 * NS_PER_S
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


def mute(token: str, days: int = 0) -> Done:
    """For so many days, or for good. Raises MuteLinkError. One that is resolved or gone is left as it is."""
    asked = Mute(until_ns=now_ns() + days * DAY_NS) if days else Mute()
    return life.act([anomaly_of(token)], Asked("mute", now_ns(), asked), WHO)


def base_url() -> str:
    """Where people reach this dashboard, without a slash at its end; empty where it is not known."""
    return str(getattr(settings, "BASE_URL", "") or "").rstrip("/")


def url_of(anomaly_id: int) -> str:
    base = base_url()
    return f"{base}/{PATH.replace('<str:token>', token_of(anomaly_id))}" if base else ""
