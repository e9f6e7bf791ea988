"""Facts about runs from stored rows: for many runs at once, bounded, and without the payloads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import BinaryField, Count, Max
from django.db.models.functions import Coalesce, Substr

from dashboard.anomalies.run_facts import (
    ErrorFact,
    EventFact,
    HookRow,
    RunFacts,
    StepRow,
    WaitRow,
    WorldClock,
)
from dashboard.anomalies.run_said import ASKED, error_of, said_by
from runs.models import Event, Hook, Run, Step, Wait
from streams.models import Stream

RUNS_AT_ONCE = 100
EVENTS_AT_ONCE = 20_000  # of all runs that are read together
EVENTS_READ = 50_000  # of one run, twice as many as it may have; a longer log is judged by its beginning
STEPS_READ = 20_000
ENTITIES_READ = 2_000  # hooks, and sleeps
HEAD_BYTES = 16 * 1024  # of an error, and of an event's data
AT_ONCE = 2_000
_Said = tuple[Mapping[str, str], ErrorFact]
_NOTHING: _Said = ({}, ErrorFact())


def run_facts(run: Run, clock: WorldClock, now_ns: int) -> RunFacts:
    """Everything that is stored of a run. `run` may come without its payloads."""
    return next(iter(facts_of([run], clock, now_ns)))[1]


def facts_of(runs: list[Run], clock: WorldClock, now_ns: int) -> Iterator[tuple[Run, RunFacts]]:
    """The same of many, with a few questions for all that fit into memory together."""
    for group in groups_of(runs):
        rows = _read([run for run, _ in group])
        for run, total in group:
            yield run, _facts(run, total, rows, clock, now_ns)


def groups_of(runs: list[Run]) -> Iterator[list[tuple[Run, int]]]:
    """Runs that can be read together, each with the number of its events; one with a long log is read alone."""
    counted = Event.objects.filter(run__in=runs).order_by().values("run").annotate(n=Count("pk"))
    totals: dict[int, int] = dict(counted.values_list("run_id", "n"))
    group: list[tuple[Run, int]] = []
    events = 0
    for run in runs:
        total = totals.get(run.pk, 0)
        if group and (len(group) >= RUNS_AT_ONCE or events + total > EVENTS_AT_ONCE):
            yield group
            group, events = [], 0
        group.append((run, total))
        events += total
    if group:
        yield group


@dataclass(slots=True)
class _Rows:
    """Of several runs, by their primary keys."""

    errors: dict[int, ErrorFact] = field(default_factory=dict)
    events: dict[int, list[EventFact]] = field(default_factory=lambda: defaultdict(list))
    steps: dict[int, list[StepRow]] = field(default_factory=lambda: defaultdict(list))
    waits: dict[int, list[WaitRow]] = field(default_factory=lambda: defaultdict(list))
    hooks: dict[int, list[HookRow]] = field(default_factory=lambda: defaultdict(list))
    chunks: dict[int, int | None] = field(default_factory=dict)


def _facts(run: Run, total: int, rows: _Rows, clock: WorldClock, now_ns: int) -> RunFacts:
    events = tuple(rows.events[run.pk])
    # Some worlds call a sleep `<run>-<id>` in its row, and by the id alone in events.
    waits = (
        replace(wait, wait_id=wait.wait_id.removeprefix(f"{run.run_id}-")) for wait in rows.waits[run.pk]
    )
    return RunFacts(
        run.run_id,
        run.workflow,
        run.status,
        run.sdk_version,
        run.spec_version,
        run.created_ns if run.source_ns is not None else None,
        run.completed_ns,
        run.source_ns,
        run.error_code,
        rows.errors.get(run.pk, ErrorFact()),
        is_expired=run.expired_ns is not None and run.expired_ns <= now_ns,
        steps=tuple(rows.steps[run.pk]),
        events=events,
        waits=tuple(waits),
        hooks=tuple(rows.hooks[run.pk]),
        event_total=max(total, len(events)),
        last_chunk_ns=rows.chunks.get(run.pk),
        clock=clock,
    )


def _read(runs: list[Run]) -> _Rows:
    rows, pks = _Rows(), [run.pk for run in runs]
    failed = [run.pk for run in runs if run.status == "failed"]
    if failed:
        heads = Run.objects.filter(pk__in=failed).values_list("pk", _head("error"))
        rows.errors = {pk: error_of(error) for pk, error in heads}
    _read_events(pks, rows)
    _read_steps(pks, rows)
    columns = ("run_id", "wait_id", "status", "created_ns", "resume_ns", "completed_ns", "source_ns")
    for run_id, *wait in _some(Wait.objects.filter(run__in=pks).order_by("pk").values_list(*columns), pks):
        rows.waits[run_id].append(WaitRow(*wait))
    hooks = Hook.objects.filter(run__in=pks).order_by("pk")
    for run_id, *hook in _some(hooks.values_list("run_id", "hook_id", "token", "created_ns"), pks):
        rows.hooks[run_id].append(HookRow(*hook))
    last = Stream.objects.filter(run__in=pks).order_by().values("run").annotate(last=Max("last_stored_ns"))
    rows.chunks = dict(last.values_list("run_id", "last"))
    return rows


def _some(found: Any, pks: list[int]) -> Iterator[Any]:
    return iter(found[: ENTITIES_READ * len(pks)].iterator(chunk_size=AT_ONCE))


def _read_events(pks: list[int], rows: _Rows) -> None:
    """In the order of the log. What is said is read first: an event that comes in between is a later change."""
    asked = Event.objects.filter(run__in=pks, type__in=ASKED).order_by("run", "event_id")
    said: dict[tuple[int, str], _Said] = {}
    found = asked.values_list("run_id", "event_id", "type", _head("data"))[:EVENTS_READ]
    for run_id, event_id, kind, data in found.iterator(chunk_size=AT_ONCE):
        said[run_id, event_id] = said_by(kind, data)
    columns = ("run_id", "event_id", "type", "correlation_id", "created_ns", "source_ns")
    events = Event.objects.filter(run__in=pks).order_by("run", "event_id").values_list(*columns)
    for run_id, event_id, kind, about, created_ns, source_ns in events[:EVENTS_READ].iterator(
        chunk_size=AT_ONCE
    ):
        fields, error = said.get((run_id, event_id), _NOTHING)
        rows.events[run_id].append(EventFact(event_id, kind, about, created_ns, source_ns, fields, error))


def _read_steps(pks: list[int], rows: _Rows) -> None:
    steps = Step.objects.filter(run__in=pks)
    heads = steps.filter(status="failed").values_list("pk", _head("error"))[:STEPS_READ]
    errors = {pk: error_of(error) for pk, error in heads.iterator(chunk_size=AT_ONCE)}
    columns = (
        "pk", "run_id", "step_id", "name", "status", "attempt", "started_ns", "completed_ns", "retry_after_ns",
        "source_ns",
    )  # fmt: skip
    limit = STEPS_READ + EVENTS_AT_ONCE
    for pk, run_id, *step in steps.order_by("pk").values_list(*columns)[:limit].iterator(chunk_size=AT_ONCE):
        row = StepRow(*step)
        rows.steps[run_id].append(replace(row, error=errors[pk]) if pk in errors else row)


def newest_time(run_ids: list[int]) -> int:
    """The newest time that the world itself gave in these runs: of an event, a run, a chunk."""
    event = Event.objects.filter(run__in=run_ids).aggregate(at=Max(Coalesce("created_ns", "source_ns")))["at"]
    seen = Run.objects.filter(pk__in=run_ids, source_ns__isnull=False)
    run = seen.aggregate(at=Max("created_ns"))["at"]
    chunk = Stream.objects.filter(run__in=run_ids).aggregate(at=Max("last_stored_ns"))["at"]
    return max(event or 0, run or 0, chunk or 0)


def _head(column: str) -> Substr:
    """A value cut short is unknown, not empty."""
    return Substr(column, 1, HEAD_BYTES, output_field=BinaryField())
