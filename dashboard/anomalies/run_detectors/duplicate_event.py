"""The same thing written into the log twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, Severity
from dashboard.anomalies.run_detectors.base import Answer, RunDetector, count_of, ids_of, the_only
from dashboard.anomalies.run_facts import STEP_ENDS, EventFact, RunFacts

OF_RUN = ("run_created", "run_started", "run_completed", "run_failed", "run_cancelled")
OF_ENTITY = ("step_created", "hook_created", "hook_disposed", "wait_created", "wait_completed")
SHOWN = 5  # classes named in the message


class DuplicateEvent(RunDetector):
    """## What it does
    Finds events that can be in the log of a run only once (its beginning and end; the creation and the end of a
    step, hook or sleep) and are there more often: info, since a replay takes the first one. An error if one
    step has both completed and failed.

    ## Why it matters
    Two replays of the run worked at the same time, and each wrote down what comes next. It is the first sign of
    a step that is done twice, and of replays that come to different ends.

    ## Example
        run=completed created started step(A) step(A) start(A) end(A) completed -> duplicate_event
        run=running at=0 created started step(A) start(A) end(A) fail(A) now=60 -> duplicate_event
        run=running at=0 created started started step(A) start(A) end(A) now=60 -> duplicate_event
        run=completed created started step(A) start(A) retry(A) start(A) end(A) completed -> nothing
        run=completed created started hook(H) got(H) got(H) completed -> nothing
        run=completed created started step(A) start(A) end(A) started step(B) end(B) completed -> nothing

    ## Needs
    The event log.

    ## False alarms
    Attempts, retries and what a hook receives repeat by nature. Versions 4.x write `run_started` again with each
    replay, and not every world drops that: it counts only before anything else has happened in the run. Step
    ids of the newest versions are numbers that count from 1 in each run: only events of one run are compared.
    """

    kind: ClassVar[str] = "duplicate_event"
    severity: ClassVar[Severity] = "info"
    fix: ClassVar[str] = "Nothing to do for one alone; if steps are done twice as well, update the SDK."
    upstream: ClassVar[tuple[int, ...]] = (3381, 3467, 3497)
    sdk_affected: ClassVar[str] = "4.2.4 to 4.8.9, where two replays of a run meet"
    sdk_fixed: ClassVar[str] = "not seen in 5.0.0-beta.5 and later; PostgreSQL refuses it from 4.3.7 on"

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        groups: dict[tuple[str, str], list[EventFact]] = {}
        has_begun = False
        for event in run.events:
            name = _class_of(event)
            has_begun |= bool(event.about)
            if name and not (name == "run_started" and has_begun):
                groups.setdefault((name, event.about), []).append(event)
        again = {key: events for key, events in groups.items() if len(events) > 1}
        if again:
            yield self._found(run, again)

    def _found(self, run: RunFacts, again: dict[tuple[str, str], list[EventFact]]) -> Found:
        both = [about for (_, about), events in again.items() if {e.type for e in events} == set(STEP_ENDS)]
        names = list(dict.fromkeys(_said(events) for events in again.values()))
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        steps = both or [about for (name, about) in again if name.startswith("step")]
        extra = sum(len(events) - 1 for events in again.values())
        return Found(
            self.kind,
            "error" if both else self.severity,
            "proved",
            f"The log has {count_of(extra, 'event', 'events')} too many: {', '.join(names[:SHOWN])}{more}.",
            run_id=run.run_id,
            step_id=the_only(steps),
            events=ids_of(event for events in again.values() for event in events),
            evidence={
                "classes": sorted({name for name, _ in again}),
                "extra": extra,
                "ended_twice": both[:20],
            },
        )


def _class_of(event: EventFact) -> str:
    if event.type in OF_RUN:
        return event.type
    if not event.about:
        return ""
    if event.type in STEP_ENDS:
        return "step_ended"
    return event.type if event.type in OF_ENTITY else ""


def _said(events: list[EventFact]) -> str:
    types = list(dict.fromkeys(event.type for event in events))
    return f"{' with '.join(types)} of one step" if len(types) > 1 else f"{types[0]} {len(events)} times"
