"""Judging anew what is stored already, because detectors have changed: on demand, and by itself after an upgrade.

Nothing is judged here: checkpoints are set back, in batches, and the ordinary judging does the work. A batch is set
back in one transaction, so whoever is killed leaves at most one batch that the next sweep judges. The pass after an
upgrade goes batch by batch with the sweep, each when the one before has been judged: what is live never waits for
more than one batch. Streams whose chunks were pruned cannot be judged again and keep what was found.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import F, Q, QuerySet

from dashboard.anomalies import reevaluate
from dashboard.anomalies.audit import Subject
from dashboard.anomalies.detect import judge_world
from dashboard.anomalies.detect_runs import judge_again, judge_runs
from dashboard.anomalies.detectors.base import DETECTORS, SEVERITIES
from dashboard.anomalies.models import Checkpoint, Finding, Redetection
from dashboard.anomalies.reevaluate import NEVER
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS
from dashboard.lib.database import write_transaction
from runs.models import Run
from streams.models import Stream

BATCH = 200  # by hand
PASS_BATCH = 100  # by the sweep: a second of judging or so, which what is live may have to wait
SUBJECTS: tuple[Subject, ...] = ("stream", "run")
CHANGES = ("found", "withdrawn", "upgraded", "downgraded", "reworded")
_CERTAINTIES = ("at_risk", "suspected", "proved")
_Stored = dict[tuple[int, str], tuple[int, int, str]]  # stream or run, kind: how sure, how bad, message


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be judged anew. A kind stands for all streams (or runs): a new version may find it anywhere."""

    world: int | None = None
    kind: str = ""
    outdated: bool = False  # only where a finding is stored of a version that is older than its detector's

    @property
    def is_everything(self) -> bool:
        return self == Wanted()


@dataclass(slots=True)
class Summary:
    total: int = 0
    judged: int = 0
    left: int = 0  # set back, to be judged by the dashboard
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)  # what happened, kind

    def lines(self) -> Iterator[str]:
        yield f"{self.judged:,} of {self.total:,} judged anew" + (
            f", {self.left:,} left to be" if self.left else ""
        )
        for what in CHANGES:
            kinds = {kind: number for (how, kind), number in sorted(self.changes.items()) if how == what}
            if kinds:
                words = ", ".join(f"{kind} {number:,}" for kind, number in kinds.items())
                yield f"{what}: {sum(kinds.values()):,} ({words})"
        if not self.changes:
            yield "nothing else was found than before"


def versions_of(subject: Subject) -> dict[str, int]:
    known: Any = DETECTORS.found if subject == "stream" else RUN_DETECTORS.found
    return {kind: detector.version for kind, detector in sorted(known.items())}


def kinds() -> list[str]:
    return sorted({kind for subject in SUBJECTS for kind in versions_of(subject)})


def redetect(wanted: Wanted, say: Callable[[str], None], stop: threading.Event) -> Summary:
    """Set back and judge, batch by batch; may be stopped or killed at any time, and asked again."""
    summary = Summary()
    subjects = [one for one in SUBJECTS if not wanted.kind or wanted.kind in versions_of(one)]
    rows = {subject: _rows(subject, wanted) for subject in subjects}
    summary.total = sum(one.count() for one in rows.values())
    for subject, of_subject in rows.items():
        for ids in _batches(of_subject):
            if stop.is_set():
                return summary
            _judge_batch(subject, ids, stop, summary)
            say(f"{summary.judged:,} of {summary.total:,}")
    if wanted.is_everything:
        _remember_all()
    return summary


def _rows(subject: Subject, wanted: Wanted) -> QuerySet[Any]:
    model: Any = Stream if subject == "stream" else Run
    rows: QuerySet[Any] = model.objects.filter(pruned_ns=None)
    if wanted.world is not None:
        rows = rows.filter(world=wanted.world)
    return rows.filter(pk__in=_outdated(subject, wanted.kind)) if wanted.outdated else rows


def _outdated(subject: Subject, kind: str = "") -> QuerySet[Any]:
    """Streams (or runs) with a finding of an older version, or of a kind that nothing detects any more."""
    versions = versions_of(subject)
    asked = {kind: versions[kind]} if kind else versions
    older = reduce(or_, (Q(kind=one, detector_version__lt=version) for one, version in asked.items()))
    gone = Q() if kind else ~Q(kind__in=list(versions))
    findings = Finding.objects.filter(stream__isnull=subject == "run").filter(older | gone if gone else older)
    ids: QuerySet[Any] = findings.values(subject)
    return ids


def _batches(rows: QuerySet[Any]) -> Iterator[list[int]]:
    after = 0
    while ids := list(rows.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        after = ids[-1]
        yield ids


def _judge_batch(subject: Subject, ids: list[int], stop: threading.Event, summary: Summary) -> None:
    before = _stored(subject, ids)
    set_back(subject, ids)
    model: Any = Stream if subject == "stream" else Run
    for world in model.objects.filter(pk__in=ids).values_list("world", flat=True).distinct().order_by():
        (judge_world if subject == "stream" else judge_runs)(world, stop)
    left = _waiting(subject, ids)
    summary.judged += len(ids) - left
    summary.left += left
    _compare(before, _stored(subject, ids), summary.changes)


def set_back(subject: Subject, ids: Sequence[int]) -> None:
    """Let the ordinary judging look at them again. What was found stays until then."""
    with write_transaction():
        if subject == "stream":
            Checkpoint.objects.filter(stream__in=ids).update(changes=NEVER)
        else:
            judge_again(ids)


def _waiting(subject: Subject, ids: Sequence[int]) -> int:
    if subject == "stream":
        return Checkpoint.objects.filter(stream__in=ids, changes=NEVER).count()
    return Run.objects.filter(pk__in=ids).exclude(judged=F("changes")).count()


def _stored(subject: Subject, ids: list[int]) -> _Stored:
    of = {"stream__in": ids} if subject == "stream" else {"run__in": ids, "stream": None}
    rows = Finding.objects.filter(**of).values_list(subject, "kind", "certainty", "severity", "message")
    return {
        (pk, kind): (_CERTAINTIES.index(certainty), SEVERITIES.index(severity), message)
        for pk, kind, certainty, severity, message in rows
    }


def _compare(before: _Stored, after: _Stored, changes: Counter[tuple[str, str]]) -> None:
    changes.update(("found", kind) for _, kind in after.keys() - before.keys())
    changes.update(("withdrawn", kind) for _, kind in before.keys() - after.keys())
    for key in before.keys() & after.keys():
        old, new = before[key], after[key]
        if old[:2] != new[:2]:
            changes["upgraded" if new[:2] > old[:2] else "downgraded", key[1]] += 1
        elif old != new:
            changes["reworded", key[1]] += 1


# After an upgrade


_has_begun = threading.Event()


def look() -> None:
    """For each sweep: compare versions once in a process, then go on with what is under way, also after a change
    of thresholds."""
    if not _has_begun.is_set():
        begin_if_changed()
        _has_begun.set()
    continue_pass()
    reevaluate.continue_all()


def begin_if_changed() -> None:
    """Begin a pass where detectors are others than those that everything stored was judged with."""
    for subject in SUBJECTS:
        versions = versions_of(subject)
        row = Redetection.objects.filter(pk=subject).first()
        if row is None or row.versions != versions:
            values = {"versions": versions, "next_id": 0}
            Redetection.objects.update_or_create(pk=subject, defaults=values)


def continue_pass() -> None:
    """Set back the next batch of a pass under way, once the one before it has been judged."""
    for row in Redetection.objects.exclude(next_id=None):
        subject: Subject = "run" if row.pk == "run" else "stream"
        rows = _rows(subject, Wanted())
        if row.next_id and _is_behind(subject, rows, row.next_id):
            continue
        ids = list(
            rows.filter(pk__gt=row.next_id or 0).order_by("pk").values_list("pk", flat=True)[:PASS_BATCH]
        )
        with write_transaction():
            set_back(subject, ids)
            Redetection.objects.filter(pk=row.pk, next_id=row.next_id).update(
                next_id=ids[-1] if ids else None
            )


def _is_behind(subject: Subject, rows: QuerySet[Any], up_to: int) -> bool:
    last = rows.filter(pk__lte=up_to).order_by("-pk").values_list("pk", flat=True)[:PASS_BATCH]
    return _waiting(subject, list(last)) > 0


def _remember_all() -> None:
    for subject in SUBJECTS:
        values = {"versions": versions_of(subject), "next_id": None}
        Redetection.objects.update_or_create(pk=subject, defaults=values)
