"""The history of an anomaly: one line for everything that happened to it, and who did it. Bounded.

What Tailrace itself says again and again becomes one line with a number; of its own lines only the latest are kept.
What people did and said is always kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F

from dashboard.anomalies.models import AnomalyEvent
from dashboard.lib.clock import now_ns
from dashboard.lib.database import clean

AUTOMATIC = "Tailrace"  # who, where no person did it
KEPT = 200  # of its own lines
NOTE_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Entry:
    who: str
    what: str
    before: str = ""
    after: str = ""
    note: str = ""
    batch: str = ""
    was: dict[str, Any] | None = None
    revision: int | None = None
    is_kept: bool = False  # never joined with the line before it


def note(anomaly_id: int, entry: Entry) -> None:
    """Must be called in the transaction of what it tells about."""
    if not _is_repeated(anomaly_id, entry):
        made = AnomalyEvent.objects.create(
            anomaly_id=anomaly_id,
            at_ns=now_ns(),
            who=clean(entry.who, 150),
            what=entry.what,
            before=entry.before,
            after=entry.after,
            note=clean(entry.note, NOTE_CHARS),
            batch=entry.batch,
            was=entry.was,
            revision=entry.revision,
        )
        if entry.who == AUTOMATIC and made.pk % 20 == 0:
            _trim(anomaly_id)


def _is_repeated(anomaly_id: int, entry: Entry) -> bool:
    """The same as the line before it: then that one says how often. A change of state is always a line of its own."""
    if entry.who != AUTOMATIC or entry.revision is not None or entry.is_kept:
        return False
    latest = AnomalyEvent.objects.filter(anomaly=anomaly_id).order_by("-id").first()
    same = (entry.who, entry.what, entry.before, entry.after)
    if latest is None or (latest.who, latest.what, latest.before, latest.after) != same:
        return False
    again = {"times": F("times") + 1, "at_ns": now_ns(), "note": clean(entry.note, NOTE_CHARS)}
    return bool(AnomalyEvent.objects.filter(pk=latest.pk).update(**again))


def _trim(anomaly_id: int) -> None:
    own = AnomalyEvent.objects.filter(anomaly=anomaly_id, who=AUTOMATIC).order_by("-id")
    oldest = own.values_list("id", flat=True)[KEPT - 1 : KEPT].first()
    if oldest is not None:
        AnomalyEvent.objects.filter(anomaly=anomaly_id, who=AUTOMATIC, id__lt=oldest).delete()
