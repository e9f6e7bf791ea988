"""A run that could go on, and does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, NotChecked, Severity
from dashboard.anomalies.run_detectors.base import Answer, RunDetector, after
from dashboard.anomalies.run_facts import RunFacts
from dashboard.anomalies.thresholds import words_of
from dashboard.lib.clock import NS_PER_S


class RunStuck(RunDetector):
    """## What it does
    Finds runs that wait for nothing (no open hook, no sleep, no attempt of a step that may still be at work)
    and in which nothing has happened for 10 minutes, or that were created 5 minutes ago and never began.

    ## Why it matters
    Its message in the queue is lost, or the handler dies before it can write anything: nobody gets an error,
    and the run stays like this until someone wakes it up.

    ## Example
        run=running at=0 created started @20 step(A) start(A) end(A) now=3600 -> run_stuck
        run=pending at=0 created now=3600 -> run_stuck
        run=running at=0 created started hook(H) now=3600 -> nothing
        run=running at=0 created started wait(W,resume=7200) now=3600 -> nothing
        run=running at=0 created started @20 step(A) start(A) end(A) now=100 -> nothing
        run=running at=0 created started @20 step(A) start(A) chunk=3500 now=3600 -> nothing

    ## Needs
    The run, its event log, its hooks and sleeps, and how late it is in that world.

    ## False alarms
    What counts is the newest time that the world itself has given, and how long we have watched it since. If
    nothing at all has happened in the world since then, its app may be switched off, or it is a copy: then it
    is only `at_risk`, and info. A run that waits for a hook is not stuck, however long; a step with a time
    for its next retry is given until then; an attempt may take 15 minutes after its last chunk.
    """

    kind: ClassVar[str] = "run_stuck"
    severity: ClassVar[Severity] = "error"
    fix: ClassVar[str] = (
        "Look into the queue and the handler's log; sending the run's message again wakes it up."
    )
    upstream: ClassVar[tuple[int, ...]] = (3993, 3373, 1531, 1012, 588, 451, 186)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        if run.is_over or run.status not in ("pending", "running") or run.progress_ns is None:
            return
        if run.open_hooks or run.open_waits:  # a sleep that is over and goes on is `wait_overdue`
            return
        until_ns = self._until(run, run.progress_ns)
        reached = self.reached(run, until_ns, now_ns)
        if reached != "by the world":
            yield self.due(run, until_ns, now_ns)
        if reached != "not yet" and not run.is_whole:
            yield NotChecked(self.kind, f"{run.run_id}: its event log is too long", run_id=run.run_id)
        elif reached != "not yet":
            yield self._found(run, run.progress_ns, now_ns, reached == "by the world")

    def _until(self, run: RunFacts, progress_ns: int) -> int:
        limits = self.thresholds
        times = [after(progress_ns, limits.idle_s if _has_begun(run) else limits.pending_s)]
        for started_ns, _ in run.open_steps.values():
            times.append(after(max(started_ns, run.last_chunk_ns or 0), limits.step_s + limits.idle_s))
        for step in run.steps:
            if step.retry_after_ns is not None and step.status == "pending":
                times.append(after(step.retry_after_ns, limits.idle_s))
        return max(times)

    def _found(self, run: RunFacts, progress_ns: int, now_ns: int, is_sure: bool) -> Found:
        idle = words_of((run.clock.now(now_ns) if is_sure else now_ns) / NS_PER_S - progress_ns / NS_PER_S)
        since = f"nothing has happened in it for {idle}"
        why = "" if is_sure else ", nor anywhere else in this world: its app may be switched off"
        last = run.events[-1] if run.events else None
        return Found(
            self.kind,
            self.severity if is_sure else "info",
            "suspected" if is_sure else "at_risk",
            f"The run is {run.status} and {_doing(run)}, but {since}{why}.",
            run_id=run.run_id,
            events=(last.event_id,) if last else (),
            evidence={
                "status": run.status,
                "last_event": last.type if last else None,
                "threshold": self.thresholds.told(*_limits(run)),
            },
            missing=("the state of the queue",) if is_sure else ("a sign of life of this world",),
        )


def _has_begun(run: RunFacts) -> bool:
    return run.status == "running" or any(event.type == "run_started" for event in run.events)


def _limits(run: RunFacts) -> tuple[str, ...]:
    if run.open_steps:
        return ("step_s", "idle_s")
    return ("idle_s",) if _has_begun(run) else ("pending_s",)


def _doing(run: RunFacts) -> str:
    if run.open_steps:
        return "waits for a step that has not ended"
    return "never began" if run.status == "pending" else "waits for nothing"
