"""The only writer of worlds' runs, steps, events, hooks and waits. Idempotent; called inside one transaction.

A row that a world rewrites is replaced only by a version that is not older (`source_ns`), so replays and
races between two readers end in the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from django.db.models import F, Model, Q

from dashboard.lib.clock import NS_PER_MS, now_ns
from dashboard.lib.database import clean
from dashboard.lib.ulid import ulid_ms
from runs.models import Event, Hook, Run, Step, Unreadable, Wait, World
from runs.observations import (
    EventSeen,
    HookSeen,
    Observation,
    ReadableAgain,
    RunSeen,
    StepSeen,
    StreamListSeen,
    StreamSeen,
    WaitSeen,
)
from runs.observations import (
    Unreadable as UnreadableSeen,
)

ID = 255
TEXT = 1000
RUNS_AT_ONCE = 100  # named in one question
M = TypeVar("M", bound=Model)
T = TypeVar("T")


@dataclass(slots=True)
class Recorded:
    """What a batch changed: runs by id, those whose streams are to be judged again, and whether anything did."""

    runs: dict[str, Run] = field(default_factory=dict)
    # Primary keys of runs whose status or stream list changed, or a step of which began once more: what is said of
    # their streams rests on that.
    restated: set[int] = field(default_factory=set)
    changed: bool = False


class Batch:
    """Observations by their type, sorted out once: a batch may hold a thousand chunks and nothing else."""

    def __init__(self, observations: Iterable[Observation]) -> None:
        self._by_type: dict[type, list[Any]] = {}
        for one in observations:
            self._by_type.setdefault(type(one), []).append(one)

    def of(self, kind: type[T]) -> list[T]:
        return self._by_type.get(kind, [])

    def run_ids(self) -> set[str]:
        return {one.run_id for kind in _NAMING_A_RUN for one in self._by_type.get(kind, ())}


def record(world: World, batch: Batch) -> Recorded:
    """Store everything of a batch but chunks and streams. Raises only database errors."""
    done = Recorded(runs=ensure_runs(world, batch.run_ids()))
    _record_runs(batch.of(RunSeen), done)
    _record_steps(batch.of(StepSeen), done)
    _record_hooks(world, batch.of(HookSeen), done)
    _record_waits(batch.of(WaitSeen), done)
    _record_lists(batch.of(StreamListSeen), done)
    _record_events(batch.of(EventSeen), done)
    _restate_retried(batch, done)
    _record_unreadable(world, batch.of(UnreadableSeen), batch.of(ReadableAgain), done)
    _count_changes(batch, done)
    return done


def _count_changes(batch: Batch, done: Recorded) -> None:
    """Every run of which the batch says something: once too often costs one more judging, never a missed one."""
    said = {_run_of(done, one.run_id).pk for kind in _CHANGING_A_RUN for one in batch.of(kind)}
    if said:
        Run.objects.filter(pk__in=said).update(changes=F("changes") + 1)


def ensure_runs(world: World, run_ids: Iterable[str]) -> dict[str, Run]:
    """Run rows by id; those not seen yet are made with an empty status, to be filled when they are."""
    names = {clean(run_id, ID) for run_id in run_ids if run_id}
    found = {run.run_id: run for run in _known_runs(world, names)}
    missing = sorted(names - found.keys())
    if missing:
        Run.objects.bulk_create([_placeholder(world, run_id) for run_id in missing], ignore_conflicts=True)
        found |= {run.run_id: run for run in _known_runs(world, set(missing))}
    return found


def _known_runs(world: World, names: set[str]) -> Iterable[Run]:
    return Run.objects.filter(world=world, run_id__in=names).defer("input", "output", "error")


def _placeholder(world: World, run_id: str) -> Run:
    minted = ulid_ms(run_id)
    return Run(world=world, run_id=run_id, created_ns=minted * NS_PER_MS if minted else now_ns())


def _run_of(done: Recorded, run_id: str) -> Run:
    return done.runs[clean(run_id, ID)]


def _record_runs(seen: list[RunSeen], done: Recorded) -> None:
    fresh = []
    for one in seen:
        run = _run_of(done, one.run_id)
        if run.source_ns is not None and one.source_ns < run.source_ns:
            continue
        if run.status != one.status:
            done.restated.add(run.pk)
        _fill_run(run, one)
        fresh.append(run)
    if fresh:
        Run.objects.bulk_update(fresh, _RUN_COLUMNS, batch_size=100)
        done.changed = True


def _fill_run(run: Run, one: RunSeen) -> None:
    run.status, run.workflow = clean(one.status, 40), clean(one.workflow, TEXT)
    run.deployment, run.sdk_version = clean(one.deployment, TEXT), clean(one.sdk_version, 100)
    run.language, run.spec_version = one.language, one.spec_version
    run.created_ns = one.created_ns if one.created_ns is not None else run.created_ns
    run.started_ns, run.completed_ns, run.expired_ns = one.started_ns, one.completed_ns, one.expired_ns
    run.input, run.output, run.error = one.input, one.output, one.error
    run.error_code, run.attributes = clean(one.error_code, 100), _clean_json(dict(one.attributes))
    run.source_ns = one.source_ns


def _clean_json(value: Any) -> Any:
    """Attributes as JSON that PostgreSQL takes too (it rejects U+0000)."""
    if isinstance(value, dict):
        return {clean(key, TEXT): _clean_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean_json(item) for item in value]
    return clean(value, 100_000) if isinstance(value, str) else value


def _record_steps(seen: list[StepSeen], done: Recorded) -> None:
    rows = [
        Step(
            run=_run_of(done, one.run_id), step_id=clean(one.step_id, ID), name=clean(one.name, TEXT),
            status=clean(one.status, 40), attempt=one.attempt, created_ns=one.created_ns,
            started_ns=one.started_ns, completed_ns=one.completed_ns, retry_after_ns=one.retry_after_ns,
            input=one.input, output=one.output, error=one.error, source_ns=one.source_ns,
        )
        for one in seen
    ]  # fmt: skip
    known = Step.objects.filter(run__in={row.run_id for row in rows}).values_list(
        "run_id", "step_id", "source_ns"
    )
    _replace(Step, rows, {(run, step): at for run, step, at in known}, ("run_id", "step_id"), done)


def _record_hooks(world: World, seen: list[HookSeen], done: Recorded) -> None:
    rows = [
        Hook(
            world=world, run=_run_of(done, one.run_id), hook_id=clean(one.hook_id, ID),
            token=clean(one.token, TEXT), is_webhook=one.is_webhook, is_system=one.is_system,
            metadata=one.metadata, created_ns=one.created_ns, source_ns=one.source_ns,
        )
        for one in seen
    ]  # fmt: skip
    ids = [row.hook_id for row in rows]
    known = Hook.objects.filter(world=world, hook_id__in=ids).values_list("world_id", "hook_id", "source_ns")
    _replace(Hook, rows, {(w, hook): at for w, hook, at in known}, ("world_id", "hook_id"), done)


def _record_waits(seen: list[WaitSeen], done: Recorded) -> None:
    rows = [
        Wait(
            run=_run_of(done, one.run_id), wait_id=clean(one.wait_id, ID), status=clean(one.status, 40),
            created_ns=one.created_ns, resume_ns=one.resume_ns, completed_ns=one.completed_ns,
            source_ns=one.source_ns,
        )
        for one in seen
    ]  # fmt: skip
    known = Wait.objects.filter(run__in={row.run_id for row in rows}).values_list(
        "run_id", "wait_id", "source_ns"
    )
    _replace(Wait, rows, {(run, wait): at for run, wait, at in known}, ("run_id", "wait_id"), done)


def _replace(
    model: type[M], rows: list[M], known: dict[tuple[Any, ...], int], key: tuple[str, str], done: Recorded
) -> None:
    """Insert rows, or put them in the place of older versions with the same key."""
    newest: dict[tuple[Any, ...], Any] = {}
    for row in rows:
        name = tuple(getattr(row, column) for column in key)
        other = newest.get(name)
        if _source(row) >= max(known.get(name, -1), _source(other) if other is not None else -1):
            newest[name] = row
    if not newest:
        return
    unique = [column.removesuffix("_id") if column in {"run_id", "world_id"} else column for column in key]
    columns = [f.name for f in model._meta.concrete_fields if not f.primary_key and f.name not in unique]
    model._default_manager.bulk_create(
        list(newest.values()),
        update_conflicts=True,
        unique_fields=unique,
        update_fields=columns,
        batch_size=500,
    )
    done.changed = True


def _source(row: Any) -> int:
    return int(row.source_ns)


def _record_lists(seen: list[StreamListSeen], done: Recorded) -> None:
    for one in seen:
        run = _run_of(done, one.run_id)
        if run.list_source_ns is not None and one.source_ns < run.list_source_ns:
            continue
        names = [clean(name, ID) for name in one.names]
        if names != run.listed_streams:
            done.restated.add(run.pk)
        run.list_source_ns, run.listed_streams = one.source_ns, names
        run.save(update_fields=["list_source_ns", "listed_streams"])
        done.changed = True


def _record_events(seen: list[EventSeen], done: Recorded) -> None:
    rows = [
        Event(
            run=_run_of(done, one.run_id), event_id=clean(one.event_id, ID), type=clean(one.type, 60),
            correlation_id=clean(one.correlation_id, ID), created_ns=one.created_ns,
            source_ns=one.source_ns, data=one.data,
        )
        for one in seen
    ]  # fmt: skip
    if rows:
        Event.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
        done.changed = True


def _restate_retried(batch: Batch, done: Recorded) -> None:
    """Steps that are tried again, or began once more: by the event of the retry, or by an attempt beyond the first.

    A second beginning is told by the row of its step, one look at an index: to count events, the whole log of the
    run would be read. Whichever of the row and the event comes last finds the other.
    """
    events = batch.of(EventSeen)
    asked: dict[int, set[str]] = {}
    done.restated |= {_run_of(done, one.run_id).pk for one in events if one.type == "step_retrying"}
    begun = [(one.run_id, one.correlation_id) for one in events if one.type == "step_started"]
    begun += [(one.run_id, one.step_id) for one in batch.of(StepSeen) if (one.attempt or 0) > 1]
    for run_id, step_id in begun:
        asked.setdefault(_run_of(done, run_id).pk, set()).add(clean(step_id, ID))
    left = [(run, steps) for run, steps in asked.items() if run not in done.restated]
    for first in range(0, len(left), RUNS_AT_ONCE):
        some = left[first : first + RUNS_AT_ONCE]
        of_runs = reduce(or_, (Q(run=run, step_id__in=steps) for run, steps in some))
        done.restated.update(Step.objects.filter(of_runs, attempt__gt=1).values_list("run_id", flat=True))


def _record_unreadable(
    world: World, seen: list[UnreadableSeen], again: list[ReadableAgain], done: Recorded
) -> None:
    rows = [
        Unreadable(
            world=world,
            where=clean(o.where, 500),
            reason=clean(o.reason, TEXT),
            head=o.head,
            since_ns=now_ns(),
        )
        for o in seen
    ]
    gone = [clean(o.where, 500) for o in again]
    if rows:
        Unreadable.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["world", "where"], update_fields=["reason", "head"]
        )
    if gone:
        Unreadable.objects.filter(world=world, where__in=gone).delete()
    done.changed = done.changed or bool(rows or gone)


_CHANGING_A_RUN: tuple[type[Any], ...] = (RunSeen, StepSeen, HookSeen, WaitSeen, EventSeen)
_NAMING_A_RUN = (RunSeen, StepSeen, HookSeen, WaitSeen, StreamListSeen, EventSeen, StreamSeen)
_RUN_COLUMNS = [
    "status", "workflow", "deployment", "sdk_version", "language", "spec_version", "created_ns", "started_ns",
    "completed_ns", "expired_ns", "input", "output", "error", "error_code", "attributes", "source_ns",
]  # fmt: skip
