"""What a page says of the action that led to it, with the way to undo it."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from dashboard.anomalies.inbox_queries import batch_of
from dashboard.anomalies.life import UNDO_NS
from dashboard.anomalies.pages._looks import done_words
from dashboard.lib.clock import now_ns
from runs.pages._format import counted


def toast_of(get: QueryDict) -> dict[str, Any] | None:
    if "undone" in get:
        return {"text": _undone(get.get("undone", ""), _count(get.get("stayed", "")))}
    if "done" not in get:
        return None
    left = _count(get.get("left", ""))
    rest = f"; {left} left as {'it was' if left == 1 else 'they were'}" if left else ""
    events = [event for event in batch_of(get.get("done", "")[:40]) if event.was is not None]
    if not events:
        return {"text": "Nothing was changed" + (rest or ": nothing was chosen")}
    batch = events[0].batch if events[0].at_ns > now_ns() - UNDO_NS else ""
    return {"text": done_words(events) + rest, "batch": batch}


def _undone(word: str, stayed: int) -> str:
    if word == "late":
        return "That is too long ago to be undone here"
    rest = f"; {stayed} changed since, which stays" if stayed else ""
    return f"Undone: {counted(_count(word), 'anomaly', 'anomalies')} as before{rest}"


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
