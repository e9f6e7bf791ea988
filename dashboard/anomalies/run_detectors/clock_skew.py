"""Two clocks of one world that do not agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from dashboard.anomalies.detectors.base import Found, Severity
from dashboard.anomalies.run_detectors.base import Answer, RunDetector, after, count_of, ids_of
from dashboard.anomalies.run_facts import EventFact, RunFacts
from dashboard.anomalies.thresholds import words_of
from dashboard.lib.clock import NS_PER_MS, NS_PER_S
from dashboard.lib.ulid import ulid_ms

SLOTS = 6  # from this format on, ids of events are numbers without a time
EARLIEST_MS = 1_262_304_000_000  # 2010: a number read as a time
ZONE_NS = 900 * NS_PER_S  # all time zones are multiples of a quarter of an hour


class _Off(NamedTuple):
    event: EventFact
    by_ns: int  # how far the writer is behind the world


class ClockSkew(RunDetector):
    """## What it does
    Compares the time in an event's id, which the writing process gave it, with the time at which the world says
    it was created; and, where ids are only numbers, looks for events that seem older than the one before them.
    Tells of more than 2 seconds.

    ## Why it matters
    Ids order everything. If two processes do not agree on the time, what one of them writes is sorted before what
    was there already: readers pass over it, and a log is replayed in the wrong order.

    ## Example
        run=completed spec=3 created started @60 minted=-10 step(A) start(A) end(A) completed -> clock_skew
        run=completed spec=7 created started @60 step(A) start(A) @20 end(A) @61 completed -> clock_skew
        run=completed spec=3 created started @60 minted=-1 step(A) start(A) end(A) completed -> nothing
        run=completed spec=7 created started @60 minted=-10 step(A) start(A) end(A) completed -> nothing

    ## Needs
    Events with the world's own time of creation.

    ## False alarms
    Within 2 seconds a slow write looks the same. A difference of whole quarters of an hour is a time zone set on
    the database's session, and is said to be one. It is info, and suspected: a write that hangs for seconds
    before the database gives it its time looks the same as a clock that is behind.
    """

    kind: ClassVar[str] = "clock_skew"
    severity: ClassVar[Severity] = "info"
    fix: ClassVar[str] = "Let all hosts set their clocks by NTP, and the database's sessions use UTC."
    upstream: ClassVar[tuple[int, ...]] = (2613,)

    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        has_slots = _has_slots(run)
        found = _stepped_back(run) if has_slots else _minted_elsewhen(run)
        least_ns = after(0, self.thresholds.skew_s)
        off = [one for one in found if abs(one.by_ns) > least_ns]
        if not off:
            return
        worst = max(off, key=lambda one: abs(one.by_ns))
        by = words_of(abs(worst.by_ns) / NS_PER_S)
        zone = _zone_of(worst.by_ns)
        what = (
            f"seem up to {by} older than the event before them"
            if has_slots
            else f"were created up to {by} {'after' if worst.by_ns > 0 else 'before'} the time in their id"
        )
        more = ": a time zone set on the database's session" if zone else ""
        yield Found(
            self.kind,
            self.severity,
            "suspected" if not has_slots and worst.by_ns > 0 and not zone else "proved",
            f"{count_of(len(off), 'event', 'events').capitalize()} {what}{more}.",
            run_id=run.run_id,
            events=ids_of(one.event for one in off),
            evidence={
                "events": len(off),
                "seconds": round(worst.by_ns / NS_PER_S, 3),
                "time_zone": bool(zone),
                "threshold": self.thresholds.told("skew_s"),
            },
        )


def _has_slots(run: RunFacts) -> bool:
    """By the format, and by the ids themselves where a run's row was not seen."""
    minted_ms = ulid_ms(run.events[0].event_id) if run.events else None
    return (run.spec_version or 0) >= SLOTS or (minted_ms is not None and minted_ms < EARLIEST_MS)


def _minted_elsewhen(run: RunFacts) -> Iterator[_Off]:
    for event in run.events:
        minted_ms = ulid_ms(event.event_id)
        if minted_ms is not None and event.created_ns is not None:
            yield _Off(event, event.created_ns - minted_ms * NS_PER_MS)


def _stepped_back(run: RunFacts) -> Iterator[_Off]:
    latest: int | None = None
    for event in run.events:
        if event.created_ns is None:
            continue
        if latest is not None and event.created_ns < latest:
            yield _Off(event, latest - event.created_ns)
        latest = max(event.created_ns, latest or event.created_ns)


def _zone_of(by_ns: int) -> bool:
    quarters = round(by_ns / ZONE_NS)
    return quarters != 0 and abs(by_ns - quarters * ZONE_NS) < 5 * NS_PER_S and abs(quarters) <= 56
