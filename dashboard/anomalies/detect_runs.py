"""Judging stored runs: when something of them changed, and again when a time has come that a detector named.

`Run.changes` counts what was recorded of a run, `Run.judged` what has been looked at of it. Beside
`dashboard.anomalies.detect`, which judges streams, and independent of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import F, Q
from django.db.models.functions import Greatest

from dashboard.anomalies import life
from dashboard.anomalies.detectors.base import Found
from dashboard.anomalies.due import is_due, time_in
from dashboard.anomalies.groups import group_of_run
from dashboard.anomalies.judge_run import RunVerdict, judge_run
from dashboard.anomalies.models import Anomaly, Finding, RunCheckpoint, WorldTime
from dashboard.anomalies.reevaluate import NEVER, SET_BACK
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS
from dashboard.anomalies.run_facts import WorldClock
from dashboard.anomalies.run_rows import facts_of, newest_time
from dashboard.anomalies.threshold_changes import reason_for
from dashboard.anomalies.threshold_values import thresholds_of, version_of
from dashboard.lib import doorbell
from dashboard.lib.clock import clamp_ns, now_ns
from dashboard.lib.database import clean, write_transaction
from runs.models import Run, World
from runs.worlds.base import supplies_of

log = logging.getLogger("tailrace.detect")

AT_ONCE = 500
TOGETHER = 100  # runs of one transaction
LONG = 2_000  # events: a longer log takes long to read, and is read anew each time
SHARE = 10  # a run with a long log may take that part of the time
_PAYLOADS = ("input", "output", "error", "attributes", "listed_streams")
_locks: dict[int, threading.Lock] = {}
_resting: OrderedDict[int, float] = OrderedDict()  # runs that are costly to judge: not again before
RESTING_KEPT = 1_000


def _changed() -> Q:
    return ~Q(judged=F("changes"))


def _due() -> Q:
    """Since time has passed, or because a threshold was changed: that is asked of a world that is paused as well."""
    return is_due("due_ns", "run__world", now_ns()) | Q(due_ns=SET_BACK)


def runs_to_judge(world_id: int) -> list[int]:
    """What changed since it was judged, the longest ago first, then what is due."""
    there = {"world": world_id, "world__removing_ns": None, "pruned_ns": None}
    rows = Run.objects.filter(_changed(), **there).order_by("pk")
    due = RunCheckpoint.objects.filter(_due(), **{f"run__{name}": value for name, value in there.items()})
    found = dict.fromkeys(rows.values_list("pk", flat=True)[:AT_ONCE])
    found |= dict.fromkeys(due.order_by("due_ns").values_list("pk", flat=True)[:AT_ONCE])
    now = time.monotonic()
    return [pk for pk in found if _resting.get(pk, 0) <= now]


def worlds_with_runs_to_judge() -> list[int]:
    changed = Run.objects.filter(_changed(), pruned_ns=None).order_by().values_list("world", flat=True)
    due = RunCheckpoint.objects.filter(_due(), run__pruned_ns=None)
    return sorted({*changed.distinct(), *due.values_list("run__world", flat=True).distinct()})


def judge_runs(world_id: int, stop: threading.Event) -> None:
    """Judge what has changed or is due until nothing is left; returns at once if another thread is at it.

    The other thread asks once more after it has let go of the lock, so a change is never left unjudged.
    """
    lock = _locks.setdefault(world_id, threading.Lock())
    while not stop.is_set() and runs_to_judge(world_id):
        if not lock.acquire(blocking=False):
            return
        try:
            if _judge_some(world_id, runs_to_judge(world_id), stop):
                doorbell.ring(doorbell.world_group(world_id), {"type": "world.changed"})
        finally:
            lock.release()


def _judge_some(world_id: int, pks: list[int], stop: threading.Event) -> bool:
    """Returns whether anything is new, gone or other.

    The rows of runs were read before their events: what is recorded in between counts as a later change.
    """
    world = World.objects.get(pk=world_id)
    clock = _clock(world, pks, now_ns())
    runs = list(Run.objects.filter(pk__in=pks).defer(*_PAYLOADS).order_by("pk"))
    changed = False
    for first in range(0, len(runs), TOGETHER):
        if stop.is_set():
            break
        changed |= _judge_group(world, runs[first : first + TOGETHER], clock)
    return changed


def _judge_group(world: World, runs: list[Run], clock: WorldClock) -> bool:
    """Read and judged outside of the transaction, stored in one."""
    verdicts = []
    now, supplies, began = time_in(world, now_ns()), supplies_of(world.kind), time.monotonic()
    resolved = thresholds_of(world.pk)
    for run, facts in facts_of(runs, clock, now):
        verdicts.append((run, judge_run(facts, now, supplies, resolved.of(run.workflow))))
        _rest(run.pk, time.monotonic() - began if len(facts.events) > LONG else 0)
    with write_transaction():
        if version_of(world.pk) != resolved.version:
            return False  # a threshold was changed since they were judged; they are still to be judged
        known = _Known.of(runs)
        anomalies = _anomalies(world, verdicts, known)
        changed = [_store(run, verdict, known, anomalies) for run, verdict in verdicts]
        for run in runs:
            run.judged = run.changes
        Run.objects.bulk_update(runs, ["judged"])
    return any(changed)


def _rest(run_id: int, took: float) -> None:
    """A live run with a long log is judged now and then, not with each event; the sweep asks again."""
    _resting.pop(run_id, None)
    if took:
        _resting[run_id] = time.monotonic() + took * SHARE
    while len(_resting) > RESTING_KEPT:
        _resting.popitem(last=False)


def _clock(world: World, pks: list[int], now: int) -> WorldClock:
    """The clock of a world, moved on by what is new in these runs. It never goes back."""
    row = WorldTime.objects.filter(world=world).values_list("newest_ns", "observed_ns").first()
    known = WorldClock(*row) if row is not None else WorldClock(0, now)
    newest_ns = newest_time(pks)
    if newest_ns <= known.now(now):
        return known
    clock = WorldClock(clamp_ns(newest_ns), now)
    with write_transaction():
        values = {"newest_ns": clock.newest_ns, "observed_ns": clock.observed_ns}
        WorldTime.objects.update_or_create(world=world, defaults=values)
        # What other runs wait for comes that much earlier; in a world that was cold, it may be there already.
        ahead = now if known.is_cold else max(0, clock.now(now) - known.now(now))
        waiting = RunCheckpoint.objects.filter(run__world=world, due_ns__isnull=False)
        waiting.update(due_ns=Greatest(F("due_ns") - ahead, 0))
    return clock


def _anomalies(
    world: World, verdicts: list[tuple[Run, RunVerdict]], known: _Known
) -> dict[tuple[int, str], Anomaly]:
    """For each run and kind that was found, all locked; those of findings that may go are locked as well."""
    groups = {
        (run.pk, found.kind): group_of_run(run.pk, run.workflow, found.kind, found.step_id)
        for run, verdict in verdicts
        for found in verdict.found
    }
    before = {one.anomaly_id for of_run in known.findings.values() for one in of_run.values()}
    made = life.prepare(world, groups.values(), before)
    return {key: made[group] for key, group in groups.items()}


@dataclass(frozen=True, slots=True)
class _Known:
    """What is stored of several runs already."""

    findings: Mapping[int, dict[str, Finding]]
    checkpoints: Mapping[int, int | None]  # when each is to be judged again

    @classmethod
    def of(cls, runs: list[Run]) -> _Known:
        findings: dict[int, dict[str, Finding]] = {}
        for one in Finding.objects.filter(run__in=runs, stream=None).select_related("anomaly"):
            findings.setdefault(one.run_id or 0, {})[one.kind] = one
        rows = RunCheckpoint.objects.filter(run__in=runs).values_list("pk", "due_ns")
        return cls(findings, dict(rows))


def _store(
    run: Run, verdict: RunVerdict, known: _Known, anomalies: Mapping[tuple[int, str], Anomaly]
) -> bool:
    """Findings in the place of earlier ones of the same kind; returns whether any is new, gone or other."""
    before = dict(known.findings.get(run.pk, {}))
    changed = False
    for found in verdict.found:
        changed |= _store_finding(run, found, anomalies[run.pk, found.kind], before.pop(found.kind, None))
    for gone in before.values():
        Finding.objects.filter(pk=gone.pk).delete()
        life.withdrawn(gone, _why(run, gone, known))
        changed = True
    _remember(run, verdict, run.pk in known.checkpoints)
    return changed


def _why(run: Run, gone: Finding, known: _Known) -> str:
    """The threshold that was changed, where nothing else has since it was judged."""
    is_set_back = run.judged == run.changes and known.checkpoints.get(run.pk) == SET_BACK
    return reason_for(run.world_id, run.workflow, gone) if is_set_back or run.judged == NEVER else ""


def _remember(run: Run, verdict: RunVerdict, is_known: bool) -> None:
    unchecked = [{"kind": one.kind, "reason": clean(one.reason, 500)} for one in verdict.unchecked]
    if verdict.due_ns is not None or unchecked:
        due_ns = None if verdict.due_ns is None else clamp_ns(verdict.due_ns)
        values = {"due_ns": due_ns, "unchecked": unchecked}
        RunCheckpoint.objects.update_or_create(run=run, defaults=values)
    elif is_known:
        RunCheckpoint.objects.filter(run=run).delete()


def _store_finding(run: Run, found: Found, anomaly: Anomaly, before: Finding | None) -> bool:
    values = {
        "severity": found.severity,
        "certainty": found.certainty,
        "message": clean(found.message, 2000),
        "step_id": clean(found.step_id, 255),
        "events": list(found.events),
        "evidence": found.evidence,
        "missing": list(found.missing),
        "detector_version": RUN_DETECTORS.found[found.kind].version,
    }
    same = before is not None and before.anomaly_id == anomaly.pk
    if same and all(getattr(before, name) == value for name, value in values.items()):
        return False
    defaults = values | {
        "anomaly": anomaly,
        "found_ns": before.found_ns if before else now_ns(),
    }
    finding, _ = Finding.objects.update_or_create(run=run, stream=None, kind=found.kind, defaults=defaults)
    life.stored(finding, before)
    return True


def judge_again(run_ids: Iterable[int]) -> None:
    """Let runs be judged anew, as after a change of thresholds."""
    Run.objects.filter(pk__in=list(run_ids)).update(judged=NEVER)
