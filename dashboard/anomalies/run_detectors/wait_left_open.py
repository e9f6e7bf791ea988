"""A run that is over, with a sleep that is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, Severity
from dashboard.anomalies.run_detectors.base import Answer, RunDetector, after, count_of
from dashboard.anomalies.run_facts import RunFacts


class WaitLeftOpen(RunDetector):
    """## What it does
    Finds runs that ended more than a minute ago while one of their sleeps was still going on.

    ## Why it matters
    The sleep's timer fires after the end: the run is woken up for nothing, and some versions then write events
    behind its end.

    ## Example
        run=completed at=0 created started wait(W,resume=600) @10 completed now=300 -> wait_left_open
        run=completed at=0 created started wait(W,resume=60) @61 woke(W) completed now=300 -> nothing
        run=completed at=0 created started wait(W,resume=600) @10 completed now=30 -> nothing

    ## Needs
    The event log or the rows of sleeps.

    ## False alarms
    A sleep that lost a race against a hook or a step (a time limit) is left open on purpose: therefore info.
    """

    kind: ClassVar[str] = "wait_left_open"
    severity: ClassVar[Severity] = "info"
    fix: ClassVar[str] = "Nothing to do where a sleep is a time limit in a race."
    upstream: ClassVar[tuple[int, ...]] = (3749,)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        ended_ns = run.ended_ns
        if not run.is_over or ended_ns is None or not run.open_waits or not run.is_whole:
            return
        target_ns = after(ended_ns, self.thresholds.end_s)
        if self.reached(run, target_ns, now_ns) == "not yet":
            yield self.due(run, target_ns, now_ns)
            return
        ids = {wait.wait_id for wait in run.open_waits}
        events = [e.event_id for e in run.events if e.type == "wait_created" and e.about in ids]
        verb = "was" if len(ids) == 1 else "were"
        yield Found(
            self.kind,
            self.severity,
            "proved",
            f"The run is {run.outcome}, and {count_of(len(ids), 'sleep', 'sleeps')} {verb} still going on.",
            run_id=run.run_id,
            events=tuple(events[:200]),
            evidence={
                "waits": len(ids),
                "run_status": run.outcome,
                "threshold": self.thresholds.told("end_s"),
            },
        )
