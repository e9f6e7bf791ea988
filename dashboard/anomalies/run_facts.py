"""What detectors of runs are computed from: facts about one run, without a database.

The same facts come from observations in memory (`tailrace scan`) and from stored rows (the live product).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from dashboard.lib.clock import NS_PER_S
from runs.worlds.base import TERMINAL

RUN_ENDS: Mapping[str, str] = {
    "run_completed": "completed",
    "run_failed": "failed",
    "run_cancelled": "cancelled",
}
STEP_ENDS: Mapping[str, str] = {"step_completed": "completed", "step_failed": "failed"}
FILLER = "noop"  # a backend seals its log with these: they stand for nothing
AHEAD_NS = 60 * NS_PER_S  # further ahead of ours than that a clock is not believed: late is better than false

COLD_NS = 300 * NS_PER_S


@dataclass(frozen=True, slots=True)
class WorldClock:
    """The newest time that the world itself has given, and when we saw it. Both clocks go equally fast."""

    newest_ns: int
    observed_ns: int

    @property
    def is_cold(self) -> bool:
        """Its newest time was old when we saw it: a copy, or an app that is switched off."""
        return self.observed_ns - self.newest_ns > COLD_NS

    def now(self, now_ns: int) -> int:
        """The time in the world, at the earliest. In a cold one time goes on only where something happens."""
        if self.is_cold:
            return self.newest_ns
        return min(self.newest_ns, self.observed_ns + AHEAD_NS) + max(0, now_ns - self.observed_ns)


@dataclass(frozen=True, slots=True)
class ErrorFact:
    """`unknown`: there is one that cannot be read here (encrypted, too large, of an unknown form)."""

    state: Literal["absent", "empty", "told", "unknown"] = "absent"
    text: str = ""


@dataclass(frozen=True, slots=True)
class EventFact:
    """`said` has what is asked of an event's data: see `run_said.said_by`."""

    event_id: str
    type: str
    about: str = ""  # the id of its step, hook or wait
    created_ns: int | None = None
    source_ns: int = 0
    said: Mapping[str, str] = field(default_factory=dict)
    error: ErrorFact = ErrorFact()

    @property
    def time_ns(self) -> int:
        return self.source_ns if self.created_ns is None else self.created_ns


@dataclass(frozen=True, slots=True)
class StepRow:
    step_id: str
    name: str = ""
    status: str = ""
    attempt: int | None = None
    started_ns: int | None = None
    completed_ns: int | None = None
    retry_after_ns: int | None = None
    source_ns: int = 0
    error: ErrorFact = ErrorFact()


@dataclass(frozen=True, slots=True)
class WaitRow:
    wait_id: str
    status: str = ""
    created_ns: int | None = None
    resume_ns: int | None = None
    completed_ns: int | None = None
    source_ns: int = 0


@dataclass(frozen=True, slots=True)
class HookRow:
    hook_id: str
    token: str = ""
    created_ns: int | None = None


@dataclass(slots=True)
class StepLog:
    """What the log says of one step, each in the order of the log."""

    created: list[EventFact] = field(default_factory=list)
    starts: list[EventFact] = field(default_factory=list)
    retries: list[EventFact] = field(default_factory=list)
    ends: list[EventFact] = field(default_factory=list)
    last: EventFact | None = None

    @property
    def open_start(self) -> EventFact | None:
        """The attempt that began and has not ended, by the last word of the log on this step."""
        if self.ends or self.last is None or self.last.type != "step_started":
            return None
        return self.last


@dataclass(frozen=True)
class RunFacts:
    """One run. `events` are in the order of the log, which is the order of their ids in every version."""

    run_id: str
    workflow: str = ""
    status: str = ""  # "" while the run itself was not seen
    sdk_version: str = ""
    spec_version: int | None = None
    created_ns: int | None = None
    completed_ns: int | None = None
    source_ns: int | None = None
    error_code: str = ""
    error: ErrorFact = ErrorFact()
    is_expired: bool = False  # purged by retention: what is missing is missing on purpose
    steps: tuple[StepRow, ...] = ()
    events: tuple[EventFact, ...] = ()
    waits: tuple[WaitRow, ...] = ()
    hooks: tuple[HookRow, ...] = ()
    event_total: int = 0  # more than `events` where the log is too long to be read whole
    last_chunk_ns: int | None = None  # when something was last written to one of its streams
    clock: WorldClock = WorldClock(0, 0)

    def at(self, clock: WorldClock) -> RunFacts:
        """The same facts at another time of the world."""
        return replace(self, clock=clock)

    @property
    def is_whole(self) -> bool:
        return len(self.events) >= self.event_total

    @cached_property
    def end(self) -> EventFact | None:
        """The event that ended the run, the first one."""
        return next((event for event in self.events if event.type in RUN_ENDS), None)

    @property
    def is_over(self) -> bool:
        return self.status in TERMINAL or self.end is not None

    @property
    def ended_ns(self) -> int | None:
        if self.end is not None:
            return self.end.time_ns
        return (self.completed_ns or self.source_ns) if self.status in TERMINAL else None

    @property
    def outcome(self) -> str:
        """How it ended; "" while it has not."""
        if self.status in TERMINAL:
            return self.status
        return RUN_ENDS[self.end.type] if self.end is not None else ""

    @cached_property
    def progress_ns(self) -> int | None:
        """When something last happened in it, by the clock of the world."""
        times = [event.time_ns for event in self.events if event.type != FILLER]
        times += [time for time in (self.created_ns, self.last_chunk_ns) if time is not None]
        return max(times, default=None)

    @cached_property
    def step_log(self) -> Mapping[str, StepLog]:
        logs: dict[str, StepLog] = {}
        for event in self.events:
            if event.about and event.type.startswith("step_"):
                _note(logs.setdefault(event.about, StepLog()), event)
        return logs

    @cached_property
    def step_rows(self) -> Mapping[str, StepRow]:
        return {step.step_id: step for step in self.steps}

    @cached_property
    def open_steps(self) -> Mapping[str, tuple[int, EventFact | None]]:
        """Attempts that began and have not ended, neither by the log nor by the row: since when, and the event."""
        found: dict[str, tuple[int, EventFact | None]] = {}
        for step_id, log in self.step_log.items():
            row = self.step_rows.get(step_id)
            if log.open_start is not None and (row is None or row.status not in TERMINAL):
                found[step_id] = (log.open_start.time_ns, log.open_start)
        for row in self.steps:  # of a world that keeps no log
            if row.step_id not in self.step_log and row.status == "running" and row.started_ns is not None:
                found[row.step_id] = (row.started_ns, None)
        return found

    @cached_property
    def open_waits(self) -> tuple[WaitRow, ...]:
        """Sleeps that began and have not ended, by the log; by their rows where the log does not know them."""
        done = {event.about for event in self.events if event.type == "wait_completed"}
        rows = {wait.wait_id: wait for wait in self.waits}
        known = {event.about: event for event in self.events if event.type == "wait_created" and event.about}
        found = [_wait(event, rows.get(about)) for about, event in known.items() if about not in done]
        found += [row for row in self.waits if row.wait_id not in known and row.wait_id not in done]
        return tuple(wait for wait in found if wait.status != "completed")

    @cached_property
    def open_hooks(self) -> tuple[HookRow, ...]:
        """Hooks that may still be resumed. A world deletes the rows: the log knows them all."""
        gone = {event.about for event in self.events if event.type in ("hook_disposed", "hook_conflict")}
        known = {event.about: event for event in self.events if event.type == "hook_created" and event.about}
        found = [
            HookRow(about, event.said.get("token", ""), event.time_ns)
            for about, event in known.items()
            if about not in gone
        ]
        found += [row for row in self.hooks if row.hook_id not in known and row.hook_id not in gone]
        return tuple(found)


def _note(log: StepLog, event: EventFact) -> None:
    into = {"step_created": log.created, "step_started": log.starts, "step_retrying": log.retries}
    (log.ends if event.type in STEP_ENDS else into.get(event.type, [])).append(event)
    if event.type != "step_created":  # written again by a second replay, which says nothing about the attempt
        log.last = event


def _wait(event: EventFact, row: WaitRow | None) -> WaitRow:
    if row is not None:
        return row
    resume = event.said.get("resume_ns", "")
    return WaitRow(event.about, "waiting", event.time_ns, int(resume) if resume else None)
