"""A failure that does not say why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, Severity, labels_of, step_label
from dashboard.anomalies.run_detectors.base import Answer, RunDetector, the_only
from dashboard.anomalies.run_facts import ErrorFact, RunFacts

LOST = ("absent", "empty")


class ErrorLost(RunDetector):
    """## What it does
    Finds failed runs and failed steps without an error, or with an empty one, in their row and in the log.

    ## Why it matters
    Nobody can tell why it failed: the error was too large to be stored, or was lost on its way.

    ## Example
        run=failed created started failed -> error_lost
        run=failed error="boom" created started failed -> nothing
        run=completed created started step(A) start(A) fail(A) row(A=failed) completed -> error_lost
        run=completed created started step(A) start(A) fail(A,boom) row(A=failed) completed -> nothing

    ## Needs
    The rows of the run and of its steps, and the event log.

    ## False alarms
    An error that is encrypted, or too large to be copied here, is there. A code alone counts as an answer. While a
    row says more than the log, or the other way round, nothing is lost.
    """

    kind: ClassVar[str] = "error_lost"
    severity: ClassVar[Severity] = "warning"
    fix: ClassVar[str] = "Throw errors with a short message: very large ones cannot be stored."
    upstream: ClassVar[tuple[int, ...]] = (3418, 3412)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        of_run, steps = _lost_of_run(run), list(_lost_steps(run))
        if not of_run and not steps:
            return
        rows = run.step_rows
        names = labels_of(step_label(rows[one].name if one in rows else "", one) for one in steps)
        parts = ["The run failed"] if of_run else []
        parts += [f"{'s' if of_run else 'S'}tep {names} failed"] if steps else []
        yield Found(
            self.kind,
            self.severity,
            "proved",
            f"{' and '.join(parts)}, and no error is stored that says why.",
            run_id=run.run_id,
            step_id="" if of_run else the_only(steps),
            events=(run.end.event_id,) if of_run and run.end is not None else (),
            evidence={"run": of_run, "steps": len(steps)},
        )


def _lost_of_run(run: RunFacts) -> bool:
    if run.outcome != "failed" or run.error_code:
        return False
    end = run.end
    said = end.error if end is not None else ErrorFact()
    has_code = end is not None and bool(end.said.get("errorCode"))
    return run.error.state in LOST and said.state in LOST and not has_code


def _lost_steps(run: RunFacts) -> Iterator[str]:
    for step in run.steps:
        log = run.step_log.get(step.step_id)
        told = [event for event in log.ends if event.error.state not in LOST] if log else []
        if step.status == "failed" and step.error.state in LOST and not told:
            yield step.step_id
