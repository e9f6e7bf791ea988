"""What absence rules ask of runs and streams: a look at an index for each answer, never a scan."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from runs.models import Run
from streams.models import Stream

WORKFLOWS = 200  # of one world
RUNNING = 1000  # the newest running runs; a rule about silence is about what runs now


@dataclass(frozen=True, slots=True)
class Silent:
    stream: str
    run_id: str
    workflow: str
    last_ns: int


def workflows_of(world_id: int) -> list[str]:
    """Their names, hopping from one to the next: as many looks as there are workflows, whatever the number of runs."""
    names: list[str] = []
    while len(names) < WORKFLOWS:
        rows = Run.objects.filter(world=world_id, workflow__gt=names[-1] if names else "")
        found = rows.order_by("workflow").values_list("workflow", flat=True).first()
        if found is None:
            break
        names.append(found)
    return names


def newest_run_ns(world_id: int, workflow: str) -> int | None:
    """When its latest run was created, by the world's clock."""
    rows = Run.objects.filter(world=world_id, workflow=workflow)
    return rows.order_by("-created_ns", "-id").values_list("created_ns", flat=True).first()


def silent_streams(world_id: int, before_ns: int) -> list[Silent]:
    """Streams that are open, in runs that are running, with nothing stored since then; the longest silent first."""
    running = Run.objects.filter(world=world_id, status="running").order_by("-created_ns", "-id")
    ids = list(running.values_list("pk", flat=True)[:RUNNING])
    silent = Q(last_stored_ns__lt=before_ns) | Q(last_stored_ns=None, run__started_ns__lt=before_ns)
    rows = Stream.objects.filter(silent, run__in=ids, close_count=0, is_system=False, expired=False)
    rows = rows.select_related(None).order_by("last_stored_ns", "pk")
    columns = rows.values_list("name", "run__run_id", "run__workflow", "last_stored_ns", "run__started_ns")
    return [Silent(name, run, workflow, last or began or 0) for name, run, workflow, last, began in columns]
