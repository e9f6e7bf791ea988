"""States, severities and history as people read them. Icon and word, never a colour alone."""

from __future__ import annotations

from typing import Any

from dashboard.anomalies.inbox_queries import severity_word
from dashboard.anomalies.life import life_of
from dashboard.anomalies.models import Anomaly, AnomalyEvent
from dashboard.anomalies.states import words_of
from dashboard.lib.panels import Piece, Severity
from runs.pages._format import clock_date, clock_time, counted
from streams.pages._names import namespace_of

STATE_LOOKS = {
    "open": ("info", "pend"),
    "regressed": ("err", "up"),
    "acknowledged": ("idle", "ok"),
    "resolved": ("ok", "done"),
    "muted": ("idle", "pause"),
}
_SAID = {
    "opened": "opened", "seen": "seen again", "regressed": "regressed", "reopened": "reopened",
    "acknowledged": "acknowledged", "resolved": "resolved", "muted": "muted", "undone": "undone",
    "moved": "moved", "withdrawn": "a finding was withdrawn", "certainty": "certainty", "comment": "comment",
}  # fmt: skip


def state_look(anomaly: Anomaly) -> dict[str, str]:
    tone, icon = STATE_LOOKS.get(anomaly.state, ("idle", "dash"))
    return {"word": anomaly.state, "tone": tone, "icon": icon, "note": state_note(anomaly)}


def state_note(anomaly: Anomaly) -> str:
    """What ends it by itself, in words."""
    life = life_of(anomaly)
    if life.mute is not None:
        until = life.mute.until_ns
        return f"until {at_words(until)}" if until is not None else words_of(life.mute)
    return "by the next deployment or SDK version" if life.by_next and life.state == "resolved" else ""


def namespace_words(anomaly: Anomaly) -> str:
    """As it was given to `getWritable`; kept is what the streams' names have of it. "" for the default one."""
    if not anomaly.namespace:
        return ""
    return namespace_of(f"strm_{'0' * 26}_user_{anomaly.namespace}") or anomaly.namespace


def at_words(ns: int) -> str:
    return f"{clock_date(ns)} {clock_time(ns)[:5]} UTC"


def kind_piece(anomaly: Anomaly) -> Piece:
    word = severity_word(anomaly.severity)
    severity: Severity = word if word in ("info", "warning", "error", "critical") else ""  # type: ignore[assignment]
    return Piece(anomaly.kind, anomaly.kind, severity, title=word)


def told(event: AnomalyEvent) -> dict[str, Any]:
    """A line of the history."""
    return {
        "event": event,
        "what": _SAID.get(event.what, event.what),
        "change": bool(event.before and event.after) and event.what in ("certainty", "undone"),
        "times": f"{event.times:,} times" if event.times > 1 else "",
        "is_comment": event.what == "comment",
    }


def done_words(events: list[AnomalyEvent]) -> str:
    """What one action did: `3 anomalies acknowledged`."""
    what = _SAID.get(events[0].what, events[0].what)
    return f"{counted(len(events), 'anomaly', 'anomalies')} {what}"
