"""The rows of the inbox, and how they stay where they are while a reader works on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboard.anomalies import inbox_queries
from dashboard.anomalies.inbox_queries import COUNTED, certainty_word, inbox, kept, severity_word
from dashboard.anomalies.models import Anomaly
from dashboard.anomalies.pages._inbox_query import Asked
from dashboard.anomalies.pages._looks import STATE_LOOKS, kind_piece, namespace_words, state_look
from dashboard.anomalies.pages._spark import bars_svg, earliest_hour, spark_of
from dashboard.anomalies.states import ATTENTION, STATES


def rows_of(asked: Asked) -> dict[str, Any]:
    """The page that the URL asks for; or, for a reader who is in the middle of it, the same rows as they are now."""
    found = inbox(asked.filter, asked.older, newest=asked.newest)
    rows, fresh = found.rows, 0
    if asked.kept:
        rows = kept(asked.kept)
        fresh = len({row.pk for row in found.rows} - set(asked.kept))
    elif {(row.pk, row.severity, row.state) for row in rows} == set(asked.shown):
        rows = kept([row[0] for row in asked.shown])  # what is seen again and again would swap places
    return {"rows": _shown(rows), "older": found.older, "fresh": fresh, "shown": token_of(rows)}


def token_of(rows: Sequence[Anomaly]) -> str:
    return "-".join(f"{row.pk}.{row.severity}{row.state}" for row in rows)


def _shown(rows: Sequence[Anomaly]) -> list[dict[str, Any]]:
    hours = inbox_queries.hours_of([row.pk for row in rows], earliest_hour())
    return [_row(row, hours.get(row.pk, {})) for row in rows]


def _row(anomaly: Anomaly, hours: dict[int, int]) -> dict[str, Any]:
    return {
        "anomaly": anomaly,
        "namespace": namespace_words(anomaly),
        "badge": kind_piece(anomaly),
        "severity": severity_word(anomaly.severity),
        "certainty": certainty_word(anomaly.certainty),
        "state": state_look(anomaly),
        "spark": bars_svg(spark_of(hours, anomaly.first_seen_ns), 96, 20, "small"),
        "bad": anomaly.severity >= 2,
    }


def counts_of(asked: Asked) -> list[dict[str, Any]]:
    """The states with their numbers, as ways to filter; first of all what waits for a person."""
    counts = inbox_queries.state_counts(asked.filter.world)
    word = asked.values.get("state", "")
    waiting = sum(counts[state] for state in ATTENTION)
    first = {"word": "waiting", "count": number(waiting), "tone": "err" if waiting else "ok", "icon": "warn"}
    shown = [first | {"query": asked.query(state=""), "on": not word, "none": not waiting}]
    for state in STATES:
        tone, icon = STATE_LOOKS[state]
        other = {"query": asked.query(state=state), "on": word == state, "none": not counts[state]}
        shown.append({"word": state, "count": number(counts[state]), "tone": tone, "icon": icon} | other)
    total = sum(counts.values())
    all_of_it = {"query": asked.query(state="all"), "on": word == "all", "none": not total}
    return [*shown, {"word": "all", "count": number(total), "tone": "idle", "icon": "dash"} | all_of_it]


def number(count: int) -> str:
    return f"{count:,}" + ("+" if count >= COUNTED else "")
