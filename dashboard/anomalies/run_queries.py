"""What the run page reads of the findings of its run itself, beside those of its streams."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from django.urls import reverse

from dashboard.anomalies.models import Finding, RunCheckpoint
from dashboard.anomalies.pieces import badge_of, fix_of, worst_first
from dashboard.lib.panels import Piece
from runs.models import Event, Run
from runs.queries import EVENTS_PAGE


def run_findings(ids: list[int]) -> dict[int, list[Piece]]:
    """Findings of runs with the way out, worst first, then what was not checked and why."""
    pieces: dict[int, list[Piece]] = defaultdict(list)
    rows = Finding.objects.filter(run__in=ids, stream=None).select_related("run", "run__world")
    for one in worst_first(rows):
        piece = replace(badge_of(one), detail=fix_of(one), url=_event_url(one))
        pieces[one.run_id or 0].append(piece)
    for run_id, unchecked in RunCheckpoint.objects.filter(run__in=ids).values_list("run_id", "unchecked"):
        pieces[run_id] += _not_checked(unchecked)
    return pieces


def _not_checked(unchecked: list[dict[str, str]]) -> list[Piece]:
    """One for each reason: where nobody reads the storage all of them have the same."""
    by_reason: dict[str, list[str]] = {}
    for one in unchecked:
        by_reason.setdefault(one["reason"], []).append(one["kind"])
    return [Piece("not checked", kind=", ".join(kinds), title=reason) for reason, kinds in by_reason.items()]


def _event_url(finding: Finding) -> str:
    """The first of its events, on the page of the log that has it."""
    run = finding.run
    if run is None or not finding.events:
        return ""
    earlier = Event.objects.filter(run=run, event_id__lt=finding.events[0])
    number = earlier.count()
    page = reverse("run", args=[run.world.slug, run.run_id])
    if number < EVENTS_PAGE:
        return f"{page}#event-{number + 1}"
    before = earlier.order_by("-event_id").values_list("event_id", flat=True).first()
    return f"{page}?after={before}#event-{number + 1}"


def runs_not_judged(ids: list[int]) -> set[int]:
    """Runs that changed since they were judged: nothing found is no answer yet."""
    rows = Run.objects.filter(pk__in=ids, pruned_ns=None).values_list("pk", "changes", "judged")
    return {pk for pk, changes, judged in rows if changes != judged}
