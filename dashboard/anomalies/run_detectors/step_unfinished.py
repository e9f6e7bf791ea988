"""An attempt of a step that began, and of which nothing more is heard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, Severity, labels_of, step_label
from dashboard.anomalies.run_detectors.base import Answer, Reached, RunDetector, after, the_only
from dashboard.anomalies.run_facts import EventFact, RunFacts


class StepUnfinished(RunDetector):
    """## What it does
    Finds steps that started more than 15 minutes ago and neither completed, failed nor were retried, and whose
    run has written nothing to a stream since.

    ## Why it matters
    The process was ended in the middle of it: a time limit, too little memory, a crash, a deployment. No error
    is shown anywhere, and what the step did may be done once more.

    ## Example
        run=running at=0 created started step(A) start(A) now=1200 -> step_unfinished
        run=running at=0 created started step(A) start(A) silent=yes now=3600 -> run_stuck step_unfinished
        run=completed at=0 created started step(A) start(A) @60 completed now=3600 -> step_unfinished
        run=running at=0 created started step(A) start(A) now=300 -> nothing
        run=running at=0 created started step(A) start(A) chunk=1100 now=1200 -> nothing
        run=running at=0 created started step(A) start(A) retry(A) retryafter(A=9000) now=1200 -> nothing
        run=cancelled at=0 created started step(A) start(A) @60 cancelled now=3600 -> nothing

    ## Needs
    The event log; without one, the rows of the steps.

    ## False alarms
    A step may take longer where nothing limits it, so a chunk that it writes counts as a sign of life, and it
    is a warning. Steps that a run leaves behind when it ends (the slower one of a race) are info; those of a
    cancelled run are not told. It is suspected if only our own clock says that the time has come.
    """

    kind: ClassVar[str] = "step_unfinished"
    severity: ClassVar[Severity] = "warning"
    fix: ClassVar[str] = (
        "Look for the end of the process in its log; keep steps well below the platform's time limit."
    )
    upstream: ClassVar[tuple[int, ...]] = (316, 322, 2310, 600)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        if run.outcome == "cancelled":
            return
        found: dict[str, EventFact | None] = {}
        reached_by: set[Reached] = set()
        for step_id, (started_ns, event) in run.open_steps.items():
            target_ns = after(max(started_ns, run.last_chunk_ns or 0), self.thresholds.step_s)
            reached = self.reached(run, target_ns, now_ns)
            if reached != "by the world":
                yield self.due(run, target_ns, now_ns)
            if reached != "not yet":
                found[step_id] = event
                reached_by.add(reached)
        if found:
            yield self._found(run, found, "by the world" in reached_by)

    def _found(self, run: RunFacts, found: dict[str, EventFact | None], is_sure: bool) -> Found:
        rows = run.step_rows
        names = labels_of(step_label(rows[one].name if one in rows else "", one) for one in found)
        what, verb = ("Step", "has") if len(found) == 1 else ("Steps", "have")
        left = f", and the run is {run.outcome}" if run.is_over else ""
        return Found(
            self.kind,
            "info" if run.is_over else self.severity,
            "proved" if is_sure else "suspected",
            f"{what} {names} began and {verb} not ended: no result, no error, no retry{left}.",
            run_id=run.run_id,
            step_id=the_only(found),
            events=tuple(event.event_id for event in found.values() if event is not None)[:200],
            evidence={
                "steps": len(found),
                "run_status": run.status,
                "threshold": self.thresholds.told("step_s"),
            },
            missing=() if is_sure else ("a sign of life of this world",),
        )
