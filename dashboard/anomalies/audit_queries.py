"""Counts of all stored streams and runs for the fleet audit: a fixed number of grouped queries, kept for a moment.

Each query reads all rows of one table once and answers with as many rows as there are groups. A result is kept per
process while no world has changed, and in any case for a time that follows from what it took: at most a tenth of
the time goes into counting, however many pages are open.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Case, Count, ExpressionWrapper, F, Q, QuerySet, Sum, Value, When

from dashboard.anomalies.audit import Cube, Group, Kind, Subject
from dashboard.anomalies.models import Checkpoint, Finding, RunCheckpoint
from dashboard.lib.clock import NS_PER_S, now_ns
from runs.managed import KNOWN, removing
from runs.models import Run, World
from streams.models import Stream
from streams.verdicts import Level

DAY_NS = 86_400 * NS_PER_S
SHARE = 10  # counting takes at most that part of the time
KEPT_S = 60  # seconds for which an unchanged world's counts are kept: findings may come late
WORLDS_KEPT = 20
_RUN = ("workflow", "deployment", "sdk_version")


@dataclass(frozen=True, slots=True)
class Taken:
    """Counts, and when they were taken."""

    cube: Cube
    as_of_ns: int
    took_s: float


@dataclass(frozen=True, slots=True)
class _Kept:
    taken: Taken
    generation: int
    until: float  # by the monotonic clock
    until_unchanged: float


_kept: OrderedDict[int | None, _Kept] = OrderedDict()
_lock = threading.Lock()


def audit_of(world_id: int | None) -> Taken:
    """Of a world, or of all (None)."""
    generation = _generation(world_id)
    kept = _kept.get(world_id)
    if kept is not None and _is_fresh(kept, generation):
        return kept.taken
    with _lock:  # several pages that ask at the same time count once
        kept = _kept.get(world_id)
        if kept is not None and _is_fresh(kept, generation):
            return kept.taken
        return _take(world_id, generation)


def forget() -> None:
    _kept.clear()


def _is_fresh(kept: _Kept, generation: int) -> bool:
    now = time.monotonic()
    return now < kept.until or (kept.generation == generation and now < kept.until_unchanged)


def _take(world_id: int | None, generation: int) -> Taken:
    began, as_of_ns = time.monotonic(), now_ns()
    cube = cube_of(world_id)
    ended = time.monotonic()
    taken = Taken(cube, as_of_ns, ended - began)
    until = ended + SHARE * taken.took_s
    _kept[world_id] = _Kept(
        taken, generation, until, max(until, ended + KEPT_S) if taken.took_s > 1 else until
    )
    _kept.move_to_end(world_id)
    while len(_kept) > WORLDS_KEPT:
        _kept.popitem(last=False)
    return taken


def _generation(world_id: int | None) -> int:
    worlds = World.objects.filter(KNOWN) if world_id is None else World.objects.filter(pk=world_id)
    return worlds.aggregate(sum=Sum("generation"))["sum"] or 0


def cube_of(world_id: int | None) -> Cube:
    """Counted now."""
    cube = Cube()
    _count_streams(cube, world_id)
    _count_runs(cube, world_id)
    _count_findings(cube, world_id)
    return cube


def _count_streams(cube: Cube, world_id: int | None) -> None:
    streams = _of(Stream.objects.all(), "world", world_id)
    left_out = Q(is_system=True) | Q(expired=True)
    cube.left_out = streams.filter(left_out).count()
    there = Q(judged=F("changes"), pruned_ns=None)
    bad = Q(verdict__gte=Level.SUSPECTED)
    rows = _grouped(streams.exclude(left_out), "run__", "latest_ns")
    for *key, total, judged, wrong in rows.annotate(
        total=Count("pk"), good=Count("pk", filter=there), wrong=Count("pk", filter=bad)
    ):
        _add(cube, "stream", _group(key), total, judged)
        cube.bad[_group(key)] += wrong
    checkpoints = _of(Checkpoint.objects.exclude(unchecked=[]), "stream__world", world_id)
    judged_now = checkpoints.filter(
        stream__judged=F("stream__changes"),
        stream__pruned_ns=None,
        stream__is_system=False,
        stream__expired=False,
    )
    rows = _grouped(judged_now, "stream__run__", "stream__latest_ns", "unchecked")
    _add_unchecked(cube, "stream", rows.annotate(total=Count("pk")))


def _count_runs(cube: Cube, world_id: int | None) -> None:
    runs = _of(Run.objects.all(), "world", world_id)
    there = Q(judged=F("changes"), pruned_ns=None, expired_ns=None)
    rows = _grouped(runs, "", "created_ns")
    for *key, total, judged in rows.annotate(total=Count("pk"), good=Count("pk", filter=there)):
        _add(cube, "run", _group(key), total, judged)
    checkpoints = _of(RunCheckpoint.objects.exclude(unchecked=[]), "run__world", world_id)
    judged_now = checkpoints.filter(run__judged=F("run__changes"), run__pruned_ns=None, run__expired_ns=None)
    rows = _grouped(judged_now, "run__", "run__created_ns", "unchecked")
    _add_unchecked(cube, "run", rows.annotate(total=Count("pk")))


def _count_findings(cube: Cube, world_id: int | None) -> None:
    findings = _of(Finding.objects.all(), "anomaly__world", world_id)
    of_streams = _grouped(
        findings.filter(stream__isnull=False), "stream__run__", "stream__latest_ns", "kind", "severity"
    )
    of_runs = _grouped(findings.filter(stream=None), "run__", "run__created_ns", "kind", "severity")
    subjects: tuple[tuple[Subject, Any], ...] = (("stream", of_streams), ("run", of_runs))
    for subject, rows in subjects:
        for *key, kind, severity, number in rows.annotate(total=Count("pk")):
            cube.see(Kind(subject, kind), severity, _group(key), number)


def _of(rows: QuerySet[Any], world: str, world_id: int | None) -> QuerySet[Any]:
    """Of one world, else of all that are not being removed."""
    return (
        rows.exclude(**{f"{world}__in": removing()}) if world_id is None else rows.filter(**{world: world_id})
    )


def _grouped(rows: QuerySet[Any], run: str, time_ns: str, *more: str) -> QuerySet[Any]:
    """Rows by workflow, deployment, SDK version, day and more; annotations follow."""
    day = Case(
        When(**{f"{time_ns}__gt": 0}, then=F(time_ns) / Value(DAY_NS, BigIntegerField())), default=Value(0)
    )
    dated = rows.order_by().annotate(day=ExpressionWrapper(day, BigIntegerField()))
    grouped: QuerySet[Any] = dated.values_list(*(run + name for name in _RUN), "day", *more)
    return grouped


def _group(key: Iterable[Any]) -> Group:
    workflow, deployment, sdk, day = key
    return Group(workflow or "", deployment or "", sdk or "", day or 0)


def _add(cube: Cube, subject: Subject, group: Group, total: int, judged: int) -> None:
    cube.totals[subject][group] += total
    cube.judged[subject][group] += judged


def _add_unchecked(cube: Cube, subject: Subject, rows: Iterable[Any]) -> None:
    """The lists of what was not checked are few: most streams of a world have the same one."""
    for *key, unchecked, number in rows:
        for kind in {one["kind"] for one in unchecked}:
            cube.unchecked[Kind(subject, kind)][_group(key)] += number
