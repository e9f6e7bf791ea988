"""When the steps of a stream's run were executing, attempt by attempt, by the world's clock."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import Count, Max, Q

from runs.models import Step
from runs.queries import attempts_of
from runs.timeline import attempts_by_step
from streams.lanes import StepWindow
from streams.models import Stream

STEPS = 400


class Steps(NamedTuple):
    windows: list[StepWindow]
    end_ns: int | None  # when the last one ended; None while one is executing, or there is none


def steps_of(stream: Stream, wanted: set[str]) -> Steps:
    """Of the steps that wrote; of all steps (the first `STEPS`) where no report names one."""
    wanted = wanted - {""}
    if stream.run is None:
        return Steps([], None)
    rows = Step.objects.filter(run=stream.run).order_by("started_ns")
    shown: list[_Row] = list((rows.filter(step_id__in=wanted) if wanted else rows).values_list(*_ROW)[:STEPS])
    attempts = attempts_by_step(attempts_of(stream.run.pk)) if shown else {}
    windows: list[StepWindow] = []
    for step_id, name, started, ended in shown:
        bars = attempts.get(step_id, ())
        windows += [StepWindow(step_id, name, at, bar.start_ns, bar.end_ns) for at, bar in enumerate(bars, 1)]
        if not bars and started is not None:
            windows.append(StepWindow(step_id, name, None, started, ended))
    is_all = not wanted and len(shown) < STEPS
    return Steps(windows, _last(shown) if is_all else _last_of(stream.run.pk))


_Row = tuple[str, str, int | None, int | None]
_ROW = ("step_id", "name", "started_ns", "completed_ns")


def _last(rows: list[_Row]) -> int | None:
    running = any(started is not None and ended is None for *_, started, ended in rows)
    return None if running else max((ended for *_, ended in rows if ended is not None), default=None)


def _last_of(run: int) -> int | None:
    running = Count("pk", filter=Q(started_ns__isnull=False, completed_ns=None))
    found: dict[str, Any] = Step.objects.filter(run=run).aggregate(last=Max("completed_ns"), running=running)
    return None if found["running"] else found["last"]
