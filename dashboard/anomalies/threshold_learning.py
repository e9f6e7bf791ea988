"""Learning thresholds from what is stored: a few workflows a sweep, each now and then, with bounded questions."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from dashboard.anomalies.threshold_changes import store_learned
from dashboard.anomalies.threshold_medians import (
    LEAST_RUNS,
    MOST_RUNS,
    Learned,
    Sample,
    learned_from,
    sample_of,
    settled,
)
from dashboard.anomalies.threshold_models import LearnedThresholds
from dashboard.anomalies.threshold_values import lessons_in
from dashboard.lib.clock import NS_PER_S, now_ns
from runs.models import Event, Run, World

EVERY_S = 900.0  # between two rounds of one process over all workflows
AGAIN_NS = 600 * NS_PER_S  # a workflow that any process has just looked at is left out
AT_ONCE = 5  # workflows of one sweep
WORKFLOWS = 1_000  # of a world
LOOKED_AT = 1_000  # the latest runs of a workflow, whatever their status
EVENTS_READ = 20_000  # of all runs of a workflow together
_round: deque[tuple[int, str]] = deque()  # what is left of this process's round
_next_round: list[float] = [0.0]  # by the monotonic clock


def look() -> None:
    """For each sweep: learn from the next few workflows."""
    if not _round and time.monotonic() >= _next_round[0]:
        _next_round[0] = time.monotonic() + EVERY_S
        for world_id in World.objects.order_by("pk").values_list("pk", flat=True):
            _round.extend((world_id, workflow) for workflow in workflows_of(world_id))
    for _ in range(min(AT_ONCE, len(_round))):
        learn(*_round.popleft())


def workflows_of(world_id: int) -> Iterator[str]:
    """From one to the next in an index: to list them all at once, all runs would be read."""
    last = ""
    for _ in range(WORKFLOWS):
        later = Run.objects.filter(world=world_id, workflow__gt=last).order_by("workflow")
        found = later.values_list("workflow", flat=True).first()
        if found is None:
            return
        yield found
        last = found


def learn(world_id: int, workflow: str) -> bool:
    """Learn from the latest finished runs of a workflow; whether its thresholds are other than before."""
    row = LearnedThresholds.objects.filter(world=world_id, workflow=workflow).first()
    if row is not None and now_ns() - row.learned_ns < AGAIN_NS:
        return False
    runs = finished_runs(world_id, workflow)
    if len(runs) < LEAST_RUNS or (row is not None and row.latest_run == runs[0]):
        return False
    before = Learned(lessons_in(row.lessons), row.runs) if row is not None else Learned()
    learned = settled(before, learned_from(samples_of(runs)))
    return store_learned(world_id, workflow, learned, runs[0])


def finished_runs(world_id: int, workflow: str) -> list[int]:
    """The latest that completed, among the latest there are; the newest first. What is no longer kept comes last."""
    rows = Run.objects.filter(world=world_id, workflow=workflow).order_by("-created_ns", "-id")
    latest = rows.values_list("pk", "status", "pruned_ns")[:LOOKED_AT]
    return [pk for pk, status, pruned in latest if status == "completed" and pruned is None][:MOST_RUNS]


def samples_of(run_ids: list[int]) -> list[Sample]:
    """What their logs say, group by group until enough events were read; one that was not read whole is left out."""
    samples: list[Sample] = []
    left = EVENTS_READ
    for first in range(0, len(run_ids), LEAST_RUNS):
        if left <= 0:
            break
        rows = list(_events(run_ids[first : first + LEAST_RUNS])[: left + 1])
        is_cut = len(rows) > left
        read = [(run_id, list(log)) for run_id, log in groupby(rows, key=lambda row: row[0])]
        for _, log in read[:-1] if is_cut else read:
            samples.append(
                sample_of((kind, about, created or source) for _, kind, about, created, source in log)
            )
        left -= len(rows)
    return samples


def _events(run_ids: list[int]) -> Any:
    rows = Event.objects.filter(run__in=run_ids).order_by("run", "event_id")
    return rows.values_list("run_id", "type", "correlation_id", "created_ns", "source_ns")


def begin_round() -> None:
    """Begin again with the next sweep: for tests, and after worlds came or went."""
    _round.clear()
    _next_round[0] = 0.0
