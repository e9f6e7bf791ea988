"""Judging anew what a change of thresholds may concern: newest runs first, a batch a sweep.

As in `redetect` nothing is judged here. What is set back keeps its `judged` and `changes`; only its time to be asked
again has come. So nothing is shown as not judged meanwhile, and a finding that goes is known to go for no other
reason. A stream that is linked to no run is not set back: no threshold decides about an old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet

from dashboard.anomalies.models import Checkpoint, Finding, RunCheckpoint
from dashboard.anomalies.threshold_models import Reevaluation
from dashboard.anomalies.thresholds import ABOUT
from dashboard.lib.database import write_transaction
from runs.models import Run
from runs.worlds.base import TERMINAL

BATCH = 100
LEARNED_BATCH = 1_000  # runs that are looked at; few of them are set back
NEVER = -1  # the state in which `redetect` leaves what is to be judged by other versions
SET_BACK = 0  # a time to be asked again that has come: by it a judge knows why it is asked
_LEARNED_KINDS = sorted({kind for about in ABOUT.values() if about.learning for kind in about.kinds})


def begin(world_id: int, workflow: str, subjects: Iterable[str], *, is_learned: bool = False) -> None:
    """Begin, or begin again where one is under way. Called in the transaction of the change.

    After something was learned only runs that are not over, or have such a finding, are judged anew: learning goes
    on all the time, and of a run that completed long ago it tells nothing new.
    """
    for subject in sorted(subjects):
        rows = Reevaluation.objects.filter(world=world_id, workflow=workflow, subject=subject)
        known = rows.values_list("is_learned", flat=True).first()
        Reevaluation.objects.update_or_create(
            world_id=world_id, workflow=workflow, subject=subject,
            defaults={"is_learned": is_learned and known is not False, "next_created_ns": None, "next_id": None},
        )  # fmt: skip


def continue_all() -> None:
    """For each sweep: set back the next batch of each that is under way, once the one before has been judged."""
    for row in Reevaluation.objects.order_by("pk"):
        if not _is_behind(row):
            _set_back_next(row)


def _set_back_next(row: Reevaluation) -> None:
    window = list(_runs(row).values_list("pk", "created_ns")[: LEARNED_BATCH if row.is_learned else BATCH])
    same = Reevaluation.objects.filter(
        pk=row.pk, next_id=row.next_id, next_created_ns=row.next_created_ns, is_learned=row.is_learned
    )
    with write_transaction():
        if not window:
            same.delete()
            return
        last_pk, last_ns = window[-1]
        if not same.update(next_id=last_pk, next_created_ns=last_ns):
            return  # another process was quicker, or a change began it again
        ids = _concerned([pk for pk, _ in window]) if row.is_learned else [pk for pk, _ in window]
        set_back(row.subject, ids)


def _runs(row: Reevaluation) -> QuerySet[Run]:
    """What is left, in the order of an index."""
    runs = Run.objects.filter(world=row.world_id)
    if row.workflow:
        runs = runs.filter(workflow=row.workflow)
    at_ns = row.next_created_ns
    if at_ns is not None:
        runs = runs.filter(created_ns__lte=at_ns).filter(Q(created_ns__lt=at_ns) | Q(id__lt=row.next_id))
    return runs.order_by("-created_ns", "-id")


def _concerned(ids: Sequence[int]) -> list[int]:
    findings = Finding.objects.filter(run=OuterRef("pk"), stream=None, kind__in=_LEARNED_KINDS)
    rows = Run.objects.filter(~Q(status__in=TERMINAL) | Exists(findings), pk__in=ids)
    return list(rows.values_list("pk", flat=True))


def set_back(subject: str, run_ids: Sequence[int]) -> None:
    """Let runs, or their streams, be judged again, though nothing of them has changed."""
    if subject == "stream":
        rows = Checkpoint.objects.filter(stream__run__in=run_ids, stream__pruned_ns=None)
        rows.update(due_ns=SET_BACK)
        return
    kept = Run.objects.filter(pk__in=run_ids, pruned_ns=None).order_by("pk").values_list("pk", flat=True)
    RunCheckpoint.objects.bulk_create(
        [RunCheckpoint(run_id=pk, due_ns=SET_BACK) for pk in kept],
        update_conflicts=True, unique_fields=["run"], update_fields=["due_ns"],
    )  # fmt: skip


def _is_behind(row: Reevaluation) -> bool:
    if row.subject == "stream":
        waiting = Checkpoint.objects.filter(
            due_ns__lte=SET_BACK, stream__world=row.world_id, stream__pruned_ns=None
        )
        return waiting.exists()
    runs = RunCheckpoint.objects.filter(due_ns__lte=SET_BACK, run__world=row.world_id, run__pruned_ns=None)
    return runs.exists()
