"""Something goes on after the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from dashboard.anomalies.detectors.base import Found, Severity
from dashboard.anomalies.run_detectors.base import Answer, RunDetector, count_of, ids_of, the_only
from dashboard.anomalies.run_facts import FILLER, RUN_ENDS, EventFact, RunFacts

TIDYING = ("hook_disposed", "attr_set", FILLER)  # legal after the end of a run


class EventAfterEnd(RunDetector):
    """## What it does
    Finds events in the log behind the event that ended their run, a second end of another kind, and what a hook
    received after it was disposed of.

    ## Why it matters
    Work goes on after a run was cancelled or is over: its results are thrown away, its effects are not. What a
    hook receives after its end breaks the next replay.

    ## Example
        run=cancelled created started step(A) start(A) cancelled end(A) -> event_after_end
        run=completed created started completed failed -> event_after_end
        run=running at=0 created started hook(H) gone(H) got(H) now=60 -> event_after_end
        run=completed created started hook(H) completed gone(H) -> nothing
        run=completed created started completed completed -> duplicate_event

    ## Needs
    The event log.

    ## False alarms
    A step that is at work when its run is cancelled is allowed to end: it is told, because nothing stops it, as a
    warning. Events count as later only if both their id and the time they were stored say so. Hooks that are
    tidied up, attributes and fillers do not count.
    """

    kind: ClassVar[str] = "event_after_end"
    severity: ClassVar[Severity] = "warning"
    fix: ClassVar[str] = (
        "Let long steps look whether their run was cancelled, and await everything before the workflow returns."
    )
    upstream: ClassVar[tuple[int, ...]] = (2781, 3749, 1016)
    sdk_affected: ClassVar[str] = (
        "all recorded ones, 4.2.4 to 5.0.0-beta.55: nothing stops a step of a cancelled run"
    )
    sdk_fixed: ClassVar[str] = "none"

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        late = [*_after_run(run), *_after_hook(run)]
        if not late:
            return
        types = dict.fromkeys(event.type for event in late)
        steps = [event.about for event in late if event.type.startswith("step_")]
        what = f"after {run.end.type}" if run.end is not None else "after its hook was disposed of"
        yield Found(
            self.kind,
            self.severity,
            "proved",
            f"The log goes on {what}: {count_of(len(late), 'event', 'events')} ({', '.join(list(types)[:5])}).",
            run_id=run.run_id,
            step_id=the_only(steps),
            events=ids_of(late),
            evidence={"events": len(late), "types": sorted(types), "run_status": run.outcome},
        )


def _after_run(run: RunFacts) -> Iterator[EventFact]:
    end = run.end
    for event in run.events if end is not None else ():
        if end is None or event.event_id <= end.event_id or event.time_ns < end.time_ns:
            continue
        if event.type not in TIDYING and not (event.type in RUN_ENDS and event.type == end.type):
            yield event


def _after_hook(run: RunFacts) -> Iterator[EventFact]:
    gone: dict[str, EventFact] = {}
    for event in run.events:
        if event.type == "hook_disposed":
            gone.setdefault(event.about, event)
        elif event.type == "hook_received" and event.about in gone:
            before_end = run.end is None or event.event_id < run.end.event_id
            if before_end and event.time_ns >= gone[event.about].time_ns:
                yield event
