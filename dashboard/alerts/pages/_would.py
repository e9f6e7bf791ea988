"""How often a rule would have fired in the last week, in words and with the ones it would have fired for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from dashboard.alerts.pages._rule_form import RuleForm
from dashboard.alerts.preview import DAYS, Preview, preview
from dashboard.anomalies.models import Anomaly
from dashboard.lib.clock import now_ns
from runs.pages._format import counted, short_name

DAY_PX, TALL_PX = 20, 24


@dataclass(frozen=True, slots=True)
class Would:
    headline: str
    note: str = ""
    rows: tuple[dict[str, Any], ...] = ()
    bars: str = ""  # the path of an SVG, a bar a day
    most: int = 0  # of one day


def would_of(form: RuleForm) -> Would | None:
    """None where the form is not a rule yet."""
    if form.problems.keys() - {"name"}:
        return None
    found = preview(form.rule, [world.pk for world in form.worlds], now_ns())
    if found.why_not:
        return Would(found.why_not)
    return Would(_headline(found), _note(found), tuple(_rows(found)), _bars(found.by_day), max(found.by_day))


def _headline(found: Preview) -> str:
    if not found.fires:
        return "It would not have fired in the last week."
    about = "about " if found.is_estimate else ""
    return f"It would have fired {about}{counted(found.fires, 'time')} in the last week."


def _note(found: Preview) -> str:
    parts = []
    if found.fires:
        parts.append(f"With its limits that is {counted(found.messages, 'message')}, digests included.")
    if found.is_estimate:
        parts.append("History keeps counts by the hour, so this is an estimate.")
    if found.is_partial:
        parts.append("Only the newest were looked at.")
    return " ".join(parts)


def _rows(found: Preview) -> list[dict[str, Any]]:
    known = Anomaly.objects.select_related("world").in_bulk(found.anomalies)
    return [_row(known[pk]) for pk in found.anomalies if pk in known]


def _row(anomaly: Anomaly) -> dict[str, Any]:
    return {
        "at_ns": anomaly.last_seen_ns,
        "kind": anomaly.kind,
        "where": short_name(anomaly.workflow) or anomaly.world.name,
        "url": reverse("anomaly", args=[anomaly.pk]),
    }


def _bars(by_day: tuple[int, ...]) -> str:
    most = max(by_day) or 1
    parts = [
        f"M{day * DAY_PX} {TALL_PX}v{-max(2, number * TALL_PX // most)}h{DAY_PX - 3}V{TALL_PX}z"
        for day, number in enumerate(by_day)
        if number
    ]
    return "".join(parts) if len(by_day) == DAYS else ""
