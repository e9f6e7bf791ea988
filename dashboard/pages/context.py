"""What the frame of every page shows: the worlds, the one that is open, and whether people sign in here."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from dashboard.anomalies.inbox_queries import waiting_count
from runs import queries
from runs.models import Unreadable, World

UNREADABLE_SHOWN = 20


def page_context(request: HttpRequest) -> dict[str, Any]:
    """Nothing is asked of the database before a template looks at it: fragments have no frame."""
    match = request.resolver_match
    slug = match.kwargs.get("slug", "") if match else ""
    worlds: Any = SimpleLazyObject(queries.worlds)

    def current() -> World | None:
        return next((world for world in worlds if world.slug == slug), None)

    return {
        "worlds": worlds,
        "current_world": SimpleLazyObject(current) if slug else None,
        "unreadable": SimpleLazyObject(lambda: _unreadable(current())),
        "waiting": SimpleLazyObject(lambda: _waiting(current())),
        "nav": _NAV.get(match.url_name or "", "") if match else "",
        "sign_in": settings.SIGN_IN,
    }


_NAV = {
    **dict.fromkeys(("runs", "run", "step"), "runs"),
    **dict.fromkeys(("streams", "streams-all", "stream", "chunk", "bundled"), "streams"),
    **dict.fromkeys(("inbox", "inbox-all", "anomaly", "anomaly-kinds", "anomaly-kind"), "anomalies"),
    **dict.fromkeys(("audit", "audit-all"), "audit"),
    **dict.fromkeys(("connect", "connect-any"), "connect"),
    **dict.fromkeys(("world-settings", "decryptions", "thresholds"), "settings"),
    **dict.fromkeys(("worlds", "world-add", "world-test"), "worlds"),
}


def _waiting(world: World | None) -> int:
    """Anomalies that wait for a person, of the world that is open or of all."""
    return waiting_count(world.pk if world is not None else None)


def _unreadable(world: World | None) -> dict[str, list[Unreadable] | int]:
    if world is None:
        return {"shown": [], "total": 0}
    shown, total = queries.unreadable_in(world.pk, UNREADABLE_SHOWN)
    return {"shown": shown, "total": total}
