"""What a row says and what the log says are not the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from dashboard.anomalies.detectors.base import Found, Severity
from dashboard.anomalies.run_detectors.base import Answer, RunDetector, after, the_only
from dashboard.anomalies.run_facts import RUN_ENDS, STEP_ENDS, EventFact, RunFacts
from runs.worlds.base import TERMINAL

SHOWN = 3  # of many, named in the message


class _Mismatch(NamedTuple):
    what: str  # in words
    time_ns: int
    step_id: str
    event: EventFact | None


class EntityLogMismatch(RunDetector):
    """## What it does
    Compares the rows of a run, its steps and sleeps with the event log: a row that has ended without its event,
    an event of an end whose row has not ended, or two different ends.

    ## Why it matters
    The SDK writes both one after the other. If the process dies in between, the run can be wedged for ever:
    each replay asks for what the row says is done already, and wakes itself up about once a second.

    ## Example
        run=running at=0 created started step(A) start(A) row(A=completed) now=3600 -> entity_log_mismatch run_stuck
        run=running at=0 created started step(A) start(A) end(A) row(A=running) now=300 -> entity_log_mismatch
        run=running at=0 created started @50 completed now=300 -> entity_log_mismatch
        run=running at=0 created started step(A) start(A) end(A) row(A=completed) now=300 -> nothing
        run=running at=0 created started step(A) start(A) row(A=completed@290) now=300 -> nothing

    ## Needs
    The rows and the whole event log, both as the world stores them.

    ## False alarms
    The event may follow within 30 seconds. A cancelled step has no event of its own. What is left behind when
    a run ends wedges nothing: then it is a warning, and rows of sleeps are not looked at, since a world deletes
    them. If nothing has happened in the world since, its app may be gone in the middle of the two writes: then
    it is a suspected warning.
    """

    kind: ClassVar[str] = "entity_log_mismatch"
    severity: ClassVar[Severity] = "critical"
    fix: ClassVar[str] = "Cancel the run and start it again: it cannot get past this by itself."
    upstream: ClassVar[tuple[int, ...]] = (3081, 4210, 3541)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        if not run.is_whole or not run.events or (run.spec_version is not None and run.spec_version < 2):
            return  # the first version of the format kept no log of everything
        found: list[_Mismatch] = []
        is_sure = False
        for one in [*_of_run(run), *_of_steps(run), *_of_waits(run)]:
            target_ns = after(one.time_ns, self.thresholds.record_s)
            reached = self.reached(run, target_ns, now_ns)
            is_sure |= reached == "by the world"
            if reached != "not yet":
                found.append(one)
            if reached != "by the world":
                yield self.due(run, target_ns, now_ns)
        if found:
            yield self._found(run, found, is_sure)

    def _found(self, run: RunFacts, found: list[_Mismatch], is_sure: bool) -> Found:
        more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        is_wedged = is_sure and not (run.status in TERMINAL and run.end is not None)
        return Found(
            self.kind,
            self.severity if is_wedged else "warning",
            "proved" if is_sure else "suspected",
            f"{'; '.join(one.what for one in found[:SHOWN])}{more}.",
            run_id=run.run_id,
            step_id=the_only(one.step_id for one in found if one.step_id),
            events=tuple(one.event.event_id for one in found if one.event is not None)[:200],
            evidence={"mismatches": len(found), "threshold": self.thresholds.told("record_s")},
            missing=() if is_sure else ("a sign of life of this world",),
        )


def _of_run(run: RunFacts) -> Iterator[_Mismatch]:
    ended = {RUN_ENDS[event.type] for event in run.events if event.type in RUN_ENDS}
    if run.status in TERMINAL and run.status not in ended:
        said = f"the log says {', '.join(sorted(ended))}" if ended else "the log has no event of that"
        time_ns = run.completed_ns or run.source_ns or run.progress_ns or 0
        yield _Mismatch(f"The run is {run.status}, but {said}", time_ns, "", run.end)
    elif run.status and run.status not in TERMINAL and run.end is not None:
        what = f"The log says {run.end.type}, but the run is {run.status}"
        yield _Mismatch(what, run.end.time_ns, "", run.end)


def _of_steps(run: RunFacts) -> Iterator[_Mismatch]:
    for step in run.steps:
        log = run.step_log.get(step.step_id)
        ended = {STEP_ENDS[event.type] for event in log.ends} if log else set()
        name = step.name.rpartition("//")[2] or step.step_id
        if step.status in STEP_ENDS.values() and step.status not in ended:
            said = f"the log says {', '.join(sorted(ended))}" if ended else "the log has no event of that"
            time_ns = step.completed_ns or step.source_ns
            yield _Mismatch(f"Step {name} is {step.status}, but {said}", time_ns, step.step_id, None)
        elif log and log.ends and step.status and step.status not in TERMINAL:
            what = f"The log says {log.ends[0].type} of {name}, but the step is {step.status}"
            yield _Mismatch(what, log.ends[0].time_ns, step.step_id, log.ends[0])


def _of_waits(run: RunFacts) -> Iterator[_Mismatch]:
    """A world deletes the rows of sleeps when their run ends: what we have of them then is old."""
    if run.is_over:
        return
    done = {event.about: event for event in run.events if event.type == "wait_completed"}
    for wait in run.waits:
        event = done.get(wait.wait_id)
        if wait.status == "completed" and event is None:
            time_ns = wait.completed_ns or wait.source_ns
            yield _Mismatch(
                f"Sleep {wait.wait_id} is over, but the log has no event of that", time_ns, "", None
            )
        elif wait.status == "waiting" and event is not None:
            what = f"The log says that sleep {wait.wait_id} is over, but its row is still waiting"
            yield _Mismatch(what, event.time_ns, "", event)
