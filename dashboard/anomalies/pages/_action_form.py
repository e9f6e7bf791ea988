"""What people may ask of anomalies in a form, and who they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from django.conf import settings
from django.http import HttpRequest, QueryDict

from dashboard.anomalies.states import PERIODS, Action, Asked, Mute
from dashboard.lib.clock import NS_PER_S, now_ns

LOCAL = "the owner of this machine"
MOST = 1_000_000  # of "for N more", and of a rate
LONGEST = timedelta(days=3660)


def who_is(request: HttpRequest) -> str:
    """To whom a change is attributed: on loopback nobody signs in."""
    return request.user.get_username() if settings.SIGN_IN and request.user.is_authenticated else LOCAL


def asked_of(post: QueryDict) -> Asked:
    """Raises ValueError, with what is wrong in words."""
    action = post.get("action", "")
    known: tuple[Action, ...] = get_args(Action)
    found = next((one for one in known if one == action.partition("-")[0]), None)
    if found is None:
        raise ValueError("The form names no action that there is.")
    mute = mute_of(post) if found == "mute" else None
    return Asked(found, now_ns(), mute, by_next=action == "resolve-next")


def mute_of(post: QueryDict) -> Mute:
    match post.get("mute", "good"):
        case "until":
            return Mute(until_ns=_time_of(post.get("until", "")))
        case "left":
            return Mute(left=_number(post.get("left", ""), "For how many more?"))
        case "rate":
            rate = _number(post.get("rate", ""), "While under which rate?")
            period = PERIODS.get(post.get("per", ""))
            if period is None:
                raise ValueError("A rate is per minute, hour or day.")
            return Mute(rate=rate, per_ns=period)
        case "good":
            return Mute()
    raise ValueError("The form names no way to mute that there is.")


def ids_of(post: QueryDict) -> list[int]:
    texts = post.getlist("anomaly")
    return [int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) < 19]


def tomorrow() -> str:
    """Nine o'clock, UTC, as a field for date and time writes it."""
    morning = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return morning.strftime("%Y-%m-%dT%H:%M")


def form_context() -> dict[str, Any]:
    return {"tomorrow": tomorrow(), "periods": list(PERIODS), "most": MOST}


def _number(text: str, question: str) -> int:
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if not 1 <= number <= MOST:
        raise ValueError(f"{question} A whole number from 1 to {MOST:,}.")
    return number


def _time_of(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise ValueError("Until when? A date and a time, in UTC.") from None
    now = datetime.now(UTC)
    if not now < moment < now + LONGEST:
        raise ValueError("Until when? A time to come, in the next ten years.")
    return int(moment.timestamp()) * NS_PER_S
