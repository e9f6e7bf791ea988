"""What pages read of the processes that report, of what failed in them, and of the inbox."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Max

from runs.models import AppError, AppProcess, InboxItem

PROCESSES_SHOWN = 50
ERRORS_SHOWN = 20
WAITING_COUNTED = 1000
PROBLEMS_SHOWN = 10
PROBLEMS_AMONG = 2000  # the latest batches of all worlds: the inbox has no index by problem


@dataclass(frozen=True, slots=True)
class ProcessList:
    rows: list[AppProcess]  # the one heard of last comes first
    total: int


@dataclass(frozen=True, slots=True)
class InboxState:
    waiting: int  # counted up to WAITING_COUNTED
    oldest_ns: int | None  # when the one that waits longest came
    problems: list[InboxItem]  # without their bodies


def processes_of(world_id: int) -> ProcessList:
    found = AppProcess.objects.filter(world_id=world_id)
    rows = list(found.order_by("-last_seen_ns", "-id")[: PROCESSES_SHOWN + 1])
    shown = rows[:PROCESSES_SHOWN]
    return ProcessList(shown, len(rows) if len(rows) <= PROCESSES_SHOWN else found.count())


def app_errors_since(world_id: int, since_ns: int) -> tuple[list[AppError], int]:
    """The latest of them, and how many there are. Their times are the processes' own."""
    found = AppError.objects.filter(world_id=world_id, at_ns__gte=since_ns)
    rows = list(found.select_related("run").order_by("-id")[: ERRORS_SHOWN + 1])
    return rows[:ERRORS_SHOWN], len(rows) if len(rows) <= ERRORS_SHOWN else found.count()


def inbox_of(world_id: int) -> InboxState:
    waiting = InboxItem.objects.filter(world_id=world_id, applied_ns=None).order_by("id")
    first = waiting.values_list("received_ns", flat=True).first()
    count = len(waiting.values_list("id")[:WAITING_COUNTED])
    latest = InboxItem.objects.aggregate(id=Max("id"))["id"] or 0
    recent = InboxItem.objects.filter(world_id=world_id, id__gt=latest - PROBLEMS_AMONG).exclude(problem="")
    problems = list(recent.defer("body").order_by("-id")[:PROBLEMS_SHOWN])
    return InboxState(count, first, problems)
