"""The only writer of thresholds: what a person sets or resets, what runs taught, and the history of both.

Each change lets what it may concern be judged anew (`reevaluate`), in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.anomalies import reevaluate
from dashboard.anomalies.detectors.base import DETECTORS
from dashboard.anomalies.history import AUTOMATIC
from dashboard.anomalies.models import Finding
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS
from dashboard.anomalies.threshold_medians import Learned, Lesson
from dashboard.anomalies.threshold_models import LearnedThresholds, ThresholdChange, ThresholdValue
from dashboard.anomalies.threshold_values import lessons_in
from dashboard.anomalies.thresholds import ABOUT, names_for
from dashboard.lib.clock import now_ns
from dashboard.lib.database import clean, write_transaction
from runs.models import World

WORKFLOW_CHARS = 1000  # as `runs.record` stores them
LEARNED_KEPT = 500  # lines of the history of a world; what people did is always kept
SHOWN = 50


def set_threshold(world: World, workflow: str, name: str, value: float | None, who: str) -> bool:
    """Set a threshold of a workflow, or with "" of all of a world; None resets it. Whether anything changed.

    The value must be within its bounds: `About.parsed`.
    """
    workflow, who = clean(workflow, WORKFLOW_CHARS), clean(who, 150)
    with write_transaction():
        rows = ThresholdValue.objects.select_for_update().filter(world=world, workflow=workflow, name=name)
        before = rows.values_list("value", flat=True).first()
        if before == value:
            return False
        if value is None:
            rows.delete()
        else:
            ThresholdValue.objects.update_or_create(
                world=world, workflow=workflow, name=name,
                defaults={"value": value, "who": who, "set_ns": now_ns()},
            )  # fmt: skip
        _note(world.pk, workflow, name, before, value, who)
        reevaluate.begin(world.pk, workflow, {ABOUT[name].subject})
    return True


def store_learned(world_id: int, workflow: str, learned: Learned, latest_run: int) -> bool:
    """Keep what was learned; whether it is other than before. A value that nobody set may change by it."""
    with write_transaction():
        rows = LearnedThresholds.objects.select_for_update().filter(world=world_id, workflow=workflow)
        row = rows.first()
        before = lessons_in(row.lessons) if row is not None else {}
        LearnedThresholds.objects.update_or_create(
            world_id=world_id, workflow=workflow,
            defaults={
                "lessons": {name: [one.value, one.median_s] for name, one in learned.lessons.items()},
                "runs": learned.runs, "latest_run": latest_run, "learned_ns": now_ns(),
            },
        )  # fmt: skip
        changed = _changed(before, learned.lessons)
        for name in changed:
            old, new = before.get(name), learned.lessons[name]
            note = f"median of {learned.runs:,} finished runs: {ABOUT[name].words(new.median_s)}"
            _note(world_id, workflow, name, old.value if old else None, new.value, AUTOMATIC, note)
        if changed:
            subjects = {ABOUT[name].subject for name in changed}
            reevaluate.begin(world_id, workflow, subjects, is_learned=True)
    return bool(changed)


def _changed(before: Mapping[str, Lesson], now: Mapping[str, Lesson]) -> list[str]:
    values = {name: about.default for name, about in ABOUT.items()}
    values |= {name: one.value for name, one in before.items()}
    return [name for name, one in now.items() if one.value != values[name]]


def _note(
    world_id: int,
    workflow: str,
    name: str,
    before: float | None,
    after: float | None,
    who: str,
    note: str = "",
) -> None:
    made = ThresholdChange.objects.create(
        world_id=world_id, workflow=workflow, name=name, before=before, after=after, who=who,
        note=clean(note, 200), at_ns=now_ns(),
    )  # fmt: skip
    if who == AUTOMATIC and made.pk % 20 == 0:
        own = ThresholdChange.objects.filter(world=world_id, who=AUTOMATIC).order_by("-id")
        oldest = own.values_list("id", flat=True)[LEARNED_KEPT : LEARNED_KEPT + 1].first()
        if oldest is not None:
            ThresholdChange.objects.filter(world=world_id, who=AUTOMATIC, id__lte=oldest).delete()


def history_of(world_id: int, workflow: str = "") -> list[ThresholdChange]:
    """The latest changes of a workflow and of its world; of all of a world where no workflow is named."""
    rows = ThresholdChange.objects.filter(world=world_id)
    if workflow:
        rows = rows.filter(workflow__in=("", workflow))
    return list(rows.order_by("-id")[:SHOWN])


def reason_for(world_id: int, workflow: str, gone: Finding) -> str:
    """Why a finding no longer holds of which nothing else has changed; "" where no threshold was changed since, or
    its detector was as well."""
    known: Any = (RUN_DETECTORS if gone.stream_id is None else DETECTORS).found.get(gone.kind)
    if known is None or known.version != gone.detector_version:
        return ""
    rows = ThresholdChange.objects.filter(
        world=world_id, workflow__in=("", workflow), name__in=names_for(gone.kind), at_ns__gte=gone.found_ns
    )
    row = rows.order_by("-id").first()
    if row is None:
        return ""
    about = ABOUT[row.name]
    to = "reset" if row.after is None else f"changed to {about.words(row.after)}"
    return f"the threshold “{about.label}” was {to} by {row.who}"
