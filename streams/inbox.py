"""What apps push, applied: the inbox is read in order, one short transaction a batch.

A batch stays in the inbox until the transaction that holds its rows marks it as applied, so a crash in between
applies it once more, which changes nothing. A batch that the database refuses is kept as it is, with the reason, and
those behind it are applied.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any

from django.db import InterfaceError, OperationalError

from dashboard.lib import doorbell
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import clean, write_transaction
from runs.models import Event, InboxItem, Run, World
from runs.observations import EventSeen
from runs.processes import note_batch, record_failures
from runs.record import Batch, ensure_runs, record
from runs.reports import Report, read_batch
from runs.worlds.probe import ProbeWorld, run_of
from streams.arrivals import lock_world, touch_streams_of
from streams.writes import record_writes

log = logging.getLogger("tailrace.inbox")

AT_ONCE = 50  # batches fetched with one query
PROBLEM = 4000  # characters
APPLIED_KEPT_NS = 3600 * NS_PER_S
PROBLEMS_KEPT_NS = 7 * 86_400 * NS_PER_S
_locks: dict[int, threading.Lock] = {}


def worlds_to_apply() -> list[int]:
    waiting = InboxItem.objects.filter(applied_ns=None, world__removing_ns=None)
    return list(waiting.values_list("world", flat=True).distinct())


def apply(world_id: int, stop: threading.Event, changed: Callable[[], None] = lambda: None) -> None:
    """Apply what waits until nothing does; `changed` is called after each batch.

    Returns at once if another thread is at it: that one looks once more after it has let go of the lock.
    """
    lock = _locks.setdefault(world_id, threading.Lock())
    waiting = InboxItem.objects.filter(world=world_id, applied_ns=None, world__removing_ns=None)
    waiting = waiting.order_by("pk")
    while not stop.is_set() and waiting.exists():
        if not lock.acquire(blocking=False):
            return
        try:
            world = World.objects.get(pk=world_id)
            for pk in list(waiting.values_list("pk", flat=True)[:AT_ONCE]):
                if stop.is_set():
                    return
                _apply_one(world, pk)
                changed()
        finally:
            lock.release()
        doorbell.ring(doorbell.world_group(world_id), {"type": "world.changed"})


def forget_applied() -> int:
    """Drop batches applied long ago, whose resending is over; those with a problem are shown for a week."""
    now = now_ns()
    applied = InboxItem.objects.filter(applied_ns__lt=now - APPLIED_KEPT_NS, problem="")
    told = InboxItem.objects.filter(applied_ns__lt=now - PROBLEMS_KEPT_NS)
    with write_transaction():
        return applied.delete()[0] + told.delete()[0]


def _apply_one(world: World, pk: int) -> None:
    try:
        _apply_whole(world, pk)
    except (OperationalError, InterfaceError):
        raise  # the database is away, or two writers stood in each other's way: it is tried again
    except Exception as error:  # at this edge: one batch must not stop all that come after it
        log.exception("batch %s cannot be applied", pk)
        problem = clean(f"the batch cannot be applied: {type(error).__name__}: {error}", PROBLEM)
        with write_transaction():
            InboxItem.objects.filter(pk=pk, applied_ns=None).update(applied_ns=now_ns(), problem=problem)


def _apply_whole(world: World, pk: int) -> None:
    with write_transaction():
        lock_world(world.pk)
        item = InboxItem.objects.select_for_update().filter(pk=pk, applied_ns=None).first()
        if item is None:
            return
        problems = _take(world, item)
        item.applied_ns, item.body = now_ns(), b""
        item.problem = clean("\n".join(problems), PROBLEM)
        item.save(update_fields=["applied_ns", "body", "problem"])


def _take(world: World, item: InboxItem) -> list[str]:
    """What could not be applied, in words."""
    try:
        batch = json.loads(bytes(item.body))
        report = read_batch(batch)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        log.warning("batch %s of %s cannot be read: %s", item.number, item.process, error)
        return [f"the batch cannot be read: {error}"]
    _record(world, item, batch, report)
    more = [f"and {report.more_problems} more"] if report.more_problems else []
    return report.problems + more


def _record(world: World, item: InboxItem, batch: Mapping[str, Any], report: Report) -> None:
    process = note_batch(world, item, batch)
    runs = ensure_runs(world, report.run_ids())
    if world.kind == ProbeWorld.kind:
        runs = _record_events(world, report.events, process.sdk_version, runs)
    record_writes(world, report.writes, runs)
    record_failures(world, item, report.failures, runs)


def _record_events(
    world: World, events: list[EventSeen], sdk_version: str, runs: dict[str, Run]
) -> dict[str, Run]:
    """Store events, and fold runs and steps anew from all that is known of them."""
    record(world, Batch(events))
    touched = {one.run_id for one in events}
    folded = Batch([seen for run_id in touched for seen in _folded(world, run_id, sdk_version)])
    recorded = record(world, folded)
    touch_streams_of(recorded.restated)
    return runs | recorded.runs


def _folded(world: World, run_id: str, sdk_version: str) -> list[Any]:
    rows = Event.objects.filter(run__world=world, run__run_id=clean(run_id, 255))
    columns = ("event_id", "type", "source_ns", "correlation_id", "created_ns", "data")
    events = [
        EventSeen(run_id, event_id, kind, source_ns, about, created_ns, bytes(data) if data else None)
        for event_id, kind, source_ns, about, created_ns, data in rows.values_list(*columns)
    ]
    run, steps = run_of(run_id, events, sdk_version)
    return [run, *steps]
