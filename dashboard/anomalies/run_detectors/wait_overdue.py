"""A sleep that should have ended long ago."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, Severity
from dashboard.anomalies.run_detectors.base import Answer, RunDetector, after, count_of, the_only
from dashboard.anomalies.run_facts import RunFacts
from dashboard.anomalies.thresholds import words_of
from dashboard.lib.clock import NS_PER_S


class WaitOverdue(RunDetector):
    """## What it does
    Finds sleeps of a run that goes on whose time came more than a minute ago and that have not ended.

    ## Why it matters
    The timer was lost, or waking up fails again and again: the run sleeps for ever.

    ## Example
        run=running at=0 created started wait(W,resume=60) now=3600 -> wait_overdue
        run=running at=0 created started wait(W,resume=60) @61 woke(W) now=100 -> nothing
        run=running at=0 created started wait(W,resume=60) now=90 -> nothing
        run=completed at=0 created started wait(W,resume=60) @10 completed now=15 -> nothing

    ## Needs
    The event log or the rows of sleeps, and how late it is in that world.

    ## False alarms
    Late by less than a minute is normal: queues deliver late. If only our own clock says that the time has
    come, because nothing has happened in the world since, its app may be switched off: then it is `at_risk`,
    and info.
    """

    kind: ClassVar[str] = "wait_overdue"
    severity: ClassVar[Severity] = "error"
    fix: ClassVar[str] = (
        "Wake the run up by sending its message again; check that the queue delivers delayed messages."
    )
    upstream: ClassVar[tuple[int, ...]] = (510, 511, 392, 679)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        if run.is_over:
            return
        waits = [(wait.resume_ns, wait) for wait in run.open_waits if wait.resume_ns is not None]
        targets = [after(resume_ns, self.thresholds.wait_s) for resume_ns, _ in waits]
        reached = [self.reached(run, target_ns, now_ns) for target_ns in targets]
        ahead = [t for t, how in zip(targets, reached, strict=True) if how != "by the world"]
        if ahead:
            yield self.due(run, min(ahead), now_ns)
        is_sure = "by the world" in reached
        late = [
            one
            for one, how in zip(waits, reached, strict=True)
            if how == "by the world" or (how == "by us" and not is_sure)
        ]
        if late:
            first_ns, ids = min(at for at, _ in late), [wait.wait_id for _, wait in late]
            yield self._found(run, first_ns, ids, now_ns, is_sure)

    def _found(self, run: RunFacts, first_ns: int, ids: list[str], now_ns: int, is_sure: bool) -> Found:
        late = words_of(((run.clock.now(now_ns) if is_sure else now_ns) - first_ns) / NS_PER_S)
        count, verb = count_of(len(ids), "sleep", "sleeps"), "is" if len(ids) == 1 else "are"
        why = "" if is_sure else "; nothing else happened in this world since: its app may be switched off"
        events = [e.event_id for e in run.events if e.type == "wait_created" and e.about in set(ids)]
        return Found(
            self.kind,
            self.severity if is_sure else "info",
            "proved" if is_sure else "at_risk",
            f"{count.capitalize()} of this run should have ended {late} ago and {verb} still waited for{why}.",
            run_id=run.run_id,
            events=tuple(events[:200]),
            evidence={
                "waits": len(ids),
                "wait": the_only(ids),
                "seconds_late": late,
                "threshold": self.thresholds.told("wait_s"),
            },
            missing=() if is_sure else ("a sign of life of this world",),
        )
