"""What pages and the API read of worlds, runs, steps, events, hooks and waits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import (
    BigIntegerField,
    BinaryField,
    BooleanField,
    Count,
    F,
    Func,
    Model,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Length, Substr

from runs.managed import KNOWN
from runs.models import AppError, Event, Hook, Run, Step, Unreadable, Wait, World

RUNS_PAGE = 50
EVENTS_PAGE = 200
STEPS_SHOWN = 500
LIST_BYTES = 8 * 1024  # of a value, in lists
COUNTED = 1000  # new runs are counted up to here
_KEY = re.compile(r"(-?\d{1,19})\.(\d{1,18})$", re.ASCII)
_PAYLOADS = ("input", "output", "error")
M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Key:
    """A place in a list that is ordered by time, then id, newest first."""

    time_ns: int
    id: int

    def __str__(self) -> str:
        return f"{self.time_ns}.{self.id}"

    def below(self, field: str) -> Q:
        """`(field, id) < (…, …)`: as row values, which an index answers as one range."""
        return Q(_Lower(*self._rows(field)))

    def above(self, field: str) -> Q:
        return Q(_Higher(*self._rows(field)))

    def _rows(self, field: str) -> tuple[_Row, _Row]:
        return _Row(F(field), F("id")), _Row(Value(self.time_ns), Value(self.id))


class _Row(Func):
    template = "(%(expressions)s)"
    output_field = BigIntegerField()


class _Lower(Func):
    template = "%(expressions)s"
    arg_joiner = " < "
    output_field = BooleanField()


class _Higher(_Lower):
    arg_joiner = " > "


def parse_key(text: str) -> Key | None:
    """None for anything that is no key: a URL may hold any text."""
    match = _KEY.match(text)
    if match is None or abs(int(match[1])) >= 2**63:
        return None
    return Key(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class RunFilter:
    status: str = ""
    workflow: str = ""
    text: str = ""  # contained in the run id or the workflow's name

    def __bool__(self) -> bool:
        return bool(self.status or self.workflow or self.text)


@dataclass(frozen=True, slots=True)
class RunList:
    runs: list[Run]
    older: Key | None  # where the next page begins; None at the end
    newer: Key | None


@dataclass(frozen=True, slots=True)
class StepRow:
    step: Step
    error_head: bytes | None  # at most LIST_BYTES of its last error


@dataclass(frozen=True, slots=True)
class EventRow:
    number: int
    event_id: str
    type: str
    correlation_id: str
    created_ns: int | None
    data: bytes | None  # at most LIST_BYTES of it
    size: int


@dataclass(frozen=True, slots=True)
class EventList:
    events: list[EventRow]
    total: int
    later: str  # the event id to go on after; empty at the end


def worlds() -> list[World]:
    return list(World.objects.filter(KNOWN).order_by("name", "id"))


def world_named(slug: str) -> World | None:
    return World.objects.filter(KNOWN, slug=slug).first()


def unreadable_in(world_id: int, limit: int) -> tuple[list[Unreadable], int]:
    """The newest things that could not be read, and how many there are."""
    found = Unreadable.objects.filter(world_id=world_id)
    newest = list(found.order_by("-since_ns", "-id")[: limit + 1])
    return newest[:limit], len(newest) if len(newest) <= limit else found.count()


def run_list(world_id: int, wanted: RunFilter, older: Key | None = None, newer: Key | None = None) -> RunList:
    """A page of runs, newest first: the first one, the one below `older`, or the one just above `newer`."""
    runs = _filtered(world_id, wanted).defer(*_PAYLOADS, "attributes", "listed_streams")
    if newer is not None:
        above = list(runs.filter(newer.above("created_ns")).order_by("created_ns", "id")[: RUNS_PAGE + 1])
        if len(above) > RUNS_PAGE:
            return RunList(above[RUNS_PAGE - 1 :: -1], older=_key(above[0]), newer=_key(above[RUNS_PAGE - 1]))
        older = None  # less than a page is left above: that is the first page
    if older is not None:
        runs = runs.filter(older.below("created_ns"))
    found = list(runs.order_by("-created_ns", "-id")[: RUNS_PAGE + 1])
    shown = found[:RUNS_PAGE]
    more = len(found) > RUNS_PAGE
    return RunList(
        shown, older=_key(shown[-1]) if more else None, newer=_key(shown[0]) if shown and older else None
    )


def run_list_from(world_id: int, wanted: RunFilter, top: Key) -> tuple[list[Run], int]:
    """The rows of a page that a reader has open, from its first row `top` on, and how many came above it."""
    runs = _filtered(world_id, wanted)
    same = Q(created_ns=top.time_ns, id=top.id) | top.below("created_ns")
    rows = runs.filter(same).defer(*_PAYLOADS, "attributes", "listed_streams")
    fresh = runs.filter(top.above("created_ns")).order_by()[:COUNTED].count()
    return list(rows.order_by("-created_ns", "-id")[:RUNS_PAGE]), fresh


def status_counts(world_id: int) -> dict[str, int]:
    found = Run.objects.filter(world_id=world_id).order_by().values("status").annotate(n=Count("id"))
    return {row["status"]: row["n"] for row in found}


def workflow_names(world_id: int, limit: int = 200) -> list[str]:
    names = Run.objects.filter(world_id=world_id).order_by("workflow").values_list("workflow", flat=True)
    return [name for name in names.distinct()[:limit] if name]


def run_named(world_id: int, run_id: str) -> Run | None:
    return Run.objects.filter(world_id=world_id, run_id=run_id).first()


def steps_of(run_id: int) -> list[StepRow]:
    """The first steps of a run, without their payloads."""
    steps = Step.objects.filter(run_id=run_id).defer(*_PAYLOADS).annotate(error_head=_head("error"))
    found = steps.order_by("created_ns", "id")[:STEPS_SHOWN]
    return [StepRow(step, vars(step)["error_head"]) for step in found]


def step_named(run_id: int, step_id: str) -> Step | None:
    return Step.objects.filter(run_id=run_id, step_id=step_id).first()


def step_id_of(run_id: int, name: str) -> str:
    """The first step of a run that calls the function of this name; empty where none does."""
    steps = Step.objects.filter(run_id=run_id, name=name).order_by("created_ns", "id")
    return steps.values_list("step_id", flat=True).first() or ""


def event_data(run_id: int, event_id: str) -> bytes | memoryview | None:
    return Event.objects.filter(run_id=run_id, event_id=event_id).values_list("data", flat=True).first()


def hook_metadata(run_id: int, hook_id: str) -> bytes | memoryview | None:
    found = Hook.objects.filter(run_id=run_id, hook_id=hook_id)
    return found.values_list("metadata", flat=True).first()


def step_states(run_id: int) -> dict[str, int]:
    found = Step.objects.filter(run_id=run_id).order_by().values("status").annotate(n=Count("id"))
    return {row["status"]: row["n"] for row in found}


def hooks_of(run_id: int) -> list[Hook]:
    return list(Hook.objects.filter(run_id=run_id).order_by("created_ns", "id")[:STEPS_SHOWN])


def waits_of(run_id: int) -> list[Wait]:
    return list(Wait.objects.filter(run_id=run_id).order_by("created_ns", "id")[:STEPS_SHOWN])


def events_of(run_id: int, after: str = "", correlation_id: str = "") -> EventList:
    """Events in the order of their ids, which is the order of the log in every version of the SDK."""
    events = Event.objects.filter(run_id=run_id)
    if correlation_id:
        events = events.filter(correlation_id=correlation_id)
    total = events.count()
    before = events.filter(event_id__lte=after).count() if after else 0
    rest = events.filter(event_id__gt=after) if after else events
    found = list(_event_rows(rest)[: EVENTS_PAGE + 1])
    rows = [EventRow(before + at, *row) for at, row in enumerate(found[:EVENTS_PAGE], start=1)]
    return EventList(rows, total, rows[-1].event_id if len(found) > EVENTS_PAGE else "")


def attempts_of(run_id: int, limit: int = 2000) -> list[tuple[str, str, int | None]]:
    """(step id, event type, time) of the events that begin and end attempts, in the order of the log."""
    kinds = ("step_started", "step_retrying", "step_completed", "step_failed")
    found = Event.objects.filter(run_id=run_id, type__in=kinds).order_by("event_id")
    return list(found.values_list("correlation_id", "type", "created_ns")[:limit])


def _event_rows(
    events: QuerySet[Event],
) -> QuerySet[Event, tuple[str, str, str, int | None, bytes | None, int]]:
    size = Length("data")
    fields = ("event_id", "type", "correlation_id", "created_ns")
    return events.order_by("event_id").values_list(*fields, _head("data"), size)


def _head(field: str) -> Substr:
    return Substr(field, 1, LIST_BYTES, output_field=BinaryField())


def _filtered(world_id: int, wanted: RunFilter) -> QuerySet[Run]:
    runs = Run.objects.filter(world_id=world_id)
    if wanted.status:
        runs = runs.filter(status=wanted.status)
    if wanted.workflow:
        runs = runs.filter(workflow=wanted.workflow)
    if wanted.text:
        runs = runs.filter(Q(run_id__icontains=wanted.text) | Q(workflow__icontains=wanted.text))
    return runs


def _key(run: Run) -> Key:
    return Key(run.created_ns, run.pk)


def ids_of(rows: Sequence[Model]) -> list[int]:
    return [row.pk for row in rows]


def app_errors_of(run_id: int, limit: int = 100) -> list[AppError]:
    """Failures of the run's streams that surfaced in the app, in the order of their time."""
    return list(AppError.objects.filter(run=run_id).order_by("at_ns", "pk")[:limit])
