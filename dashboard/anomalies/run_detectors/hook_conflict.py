"""Two hooks want the same token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, Severity
from dashboard.anomalies.run_detectors.base import Answer, RunDetector, count_of, ids_of
from dashboard.anomalies.run_facts import EventFact, RunFacts


class HookConflict(RunDetector):
    """## What it does
    Finds hooks that could not be made because their token is taken: by another run (a warning), or by a hook of
    the same run that is still open (an error).

    ## Why it matters
    Whoever resumes that token wakes up the other run. A run that conflicts with itself has been replayed twice at
    the same time, or makes one token in a loop: it cannot go on.

    ## Example
        run=running at=0 created started hook(H) conflict(I) now=60 -> hook_conflict
        run=running at=0 created started hook(H,t) conflict(I,t) now=60 -> hook_conflict
        run=running at=0 created started conflict(I,t,self) now=60 -> hook_conflict
        run=running at=0 created started hook(H,t) now=60 -> nothing

    ## Needs
    The event log.

    ## False alarms
    An app that takes "this token is taken" for an answer means it: that is contention, and a warning. If the event
    does not say which run has the token, and no hook of this run has it, it is taken for contention.
    """

    kind: ClassVar[str] = "hook_conflict"
    severity: ClassVar[Severity] = "warning"
    fix: ClassVar[str] = (
        "Make tokens unique for each run, or dispose of a hook before its token is used again."
    )
    upstream: ClassVar[tuple[int, ...]] = (2283, 2777, 2778, 2779, 2012)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        conflicts = [event for event in run.events if event.type == "hook_conflict"]
        if not conflicts:
            return
        own = [event for event in conflicts if _is_own(run, event)]
        others = {event.said.get("conflictingRunId", "") for event in conflicts} - {"", run.run_id}
        count = count_of(len(own or conflicts), "hook", "hooks")
        by = "a hook of this same run" if own else f"run {min(others)}" if others else "another hook"
        yield Found(
            self.kind,
            "error" if own else self.severity,
            "proved",
            f"{count.capitalize()} of this run could not be made: the token is taken by {by}.",
            run_id=run.run_id,
            events=ids_of(own or conflicts),
            evidence={"conflicts": len(conflicts), "with_itself": len(own), "runs": sorted(others)[:20]},
            missing=() if own or others else ("which run has the token",),
        )


def _is_own(run: RunFacts, conflict: EventFact) -> bool:
    other, token = conflict.said.get("conflictingRunId", ""), conflict.said.get("token", "")
    if other:
        return other == run.run_id
    held = False
    for event in run.events:
        if event is conflict:
            break
        if event.type == "hook_created" and token and event.said.get("token") == token:
            held, holder = True, event.about
        elif held and event.type == "hook_disposed" and event.about == holder:
            held = False
    return held
