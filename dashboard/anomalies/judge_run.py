"""All detectors of runs on one run. Pure: for `tailrace scan` and for the live detection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dashboard.anomalies.detectors.base import Found, NotChecked
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS, Answer, RunDetector
from dashboard.anomalies.run_facts import RunFacts
from dashboard.anomalies.thresholds import DEFAULTS, Thresholds


@dataclass(frozen=True, slots=True)
class RunVerdict:
    """What is known about a run. `due_ns`: ask again then, by our clock, even if nothing has changed."""

    found: list[Found] = field(default_factory=list)
    unchecked: list[NotChecked] = field(default_factory=list)
    due_ns: int | None = None


def judge_run(
    run: RunFacts,
    now_ns: int,
    supplies: frozenset[str],
    thresholds: Thresholds = DEFAULTS,
    detectors: Iterable[type[RunDetector]] | None = None,
) -> RunVerdict:
    """`supplies` names the evidence that the world has; of a run purged by retention nothing is said."""
    found: list[Found] = []
    unchecked: list[NotChecked] = []
    due: list[int] = []
    if run.is_expired:
        return RunVerdict()
    for kind in RUN_DETECTORS.found.values() if detectors is None else detectors:
        for answer in _ask(kind(thresholds), run, now_ns, supplies):
            if isinstance(answer, Found):
                found.append(answer)
            elif isinstance(answer, NotChecked):
                unchecked.append(answer)
            if not isinstance(answer, Found) and answer.due_ns is not None:
                due.append(answer.due_ns)
    return RunVerdict(found, unchecked, min(due, default=None))


def _ask(detector: RunDetector, run: RunFacts, now_ns: int, supplies: frozenset[str]) -> Iterator[Answer]:
    if detector.needs - supplies:
        reason = "not checked here: nobody reads the storage of this world"
        yield NotChecked(detector.kind, reason, run_id=run.run_id)
        return
    try:
        yield from list(detector.judge(run, now_ns))
    except Exception as error:  # at this edge: one detector's bug must not silence the others
        reason = f"{run.run_id}: {type(error).__name__}: {error}"[:300]
        yield NotChecked(detector.kind, reason, run_id=run.run_id)
