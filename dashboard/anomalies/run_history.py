"""Facts about runs from observations in memory: what `tailrace scan` judges. No database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dashboard.anomalies.run_facts import EventFact, HookRow, RunFacts, StepRow, WaitRow, WorldClock
from dashboard.anomalies.run_said import error_of, said_by
from runs.observations import EventSeen, HookSeen, Observation, RunSeen, StepSeen, WaitSeen


def step_row(seen: StepSeen) -> StepRow:
    error = error_of(seen.error if seen.status == "failed" else None)  # one of an earlier attempt stays
    return StepRow(
        seen.step_id, seen.name, seen.status, seen.attempt, seen.started_ns, seen.completed_ns,
        seen.retry_after_ns, seen.source_ns, error,
    )  # fmt: skip


def event_fact(seen: EventSeen) -> EventFact:
    said, error = said_by(seen.type, seen.data)
    return EventFact(
        seen.event_id, seen.type, seen.correlation_id, seen.created_ns, seen.source_ns, said, error
    )


def wait_row(seen: WaitSeen) -> WaitRow:
    """Some worlds call a sleep `<run>-<id>` in its row, and by the id alone in events."""
    return WaitRow(
        seen.wait_id.removeprefix(f"{seen.run_id}-"), seen.status, seen.created_ns, seen.resume_ns,
        seen.completed_ns, seen.source_ns,
    )  # fmt: skip


@dataclass(slots=True)
class _OfRun:
    seen: RunSeen | None = None
    steps: dict[str, StepRow] = field(default_factory=dict)
    events: dict[str, EventFact] = field(default_factory=dict)
    waits: dict[str, WaitRow] = field(default_factory=dict)
    hooks: dict[str, HookRow] = field(default_factory=dict)


@dataclass(slots=True)
class RunHistory:
    """What one read of a world says about its runs. Payloads are looked at once and not kept."""

    _runs: dict[str, _OfRun] = field(default_factory=dict)

    def take(self, seen: Observation) -> None:
        taker = _TAKERS.get(type(seen))
        if taker is not None:
            taker(self._of(seen), seen)

    def _of(self, seen: Any) -> _OfRun:
        known = self._runs.get(seen.run_id)
        return known if known is not None else self._runs.setdefault(seen.run_id, _OfRun())

    def facts(self, last_chunks: Mapping[str, int], newest_chunk_ns: int, now_ns: int) -> list[RunFacts]:
        """Of all runs, by their ids. `last_chunks`: when a run last wrote to a stream."""
        found = [
            _facts(run_id, one, last_chunks.get(run_id), now_ns) for run_id, one in sorted(self._runs.items())
        ]
        newest_ns = max([newest_chunk_ns, *(one.progress_ns or 0 for one in found)])
        clock = WorldClock(newest_ns, now_ns)
        return [one.at(clock) for one in found]


def _facts(run_id: str, one: _OfRun, last_chunk_ns: int | None, now_ns: int) -> RunFacts:
    events = tuple(sorted(one.events.values(), key=lambda event: event.event_id))
    rows: dict[str, Any] = {
        "steps": tuple(one.steps.values()),
        "events": events,
        "waits": tuple(one.waits.values()),
        "hooks": tuple(one.hooks.values()),
        "event_total": len(events),
        "last_chunk_ns": last_chunk_ns,
    }
    run = one.seen
    if run is None:
        return RunFacts(run_id, **rows)
    return RunFacts(
        run_id,
        run.workflow,
        run.status,
        run.sdk_version,
        run.spec_version,
        run.created_ns,
        run.completed_ns,
        run.source_ns,
        run.error_code,
        error_of(run.error if run.status == "failed" else None),
        is_expired=run.expired_ns is not None and run.expired_ns <= now_ns,
        **rows,
    )


def _take_run(into: _OfRun, seen: RunSeen) -> None:
    if into.seen is None or into.seen.source_ns <= seen.source_ns:
        into.seen = replace(seen, input=None, output=None)


def _take_step(into: _OfRun, seen: StepSeen) -> None:
    known = into.steps.get(seen.step_id)
    if known is None or known.source_ns <= seen.source_ns:
        into.steps[seen.step_id] = step_row(seen)


def _take_event(into: _OfRun, seen: EventSeen) -> None:
    into.events[seen.event_id] = event_fact(seen)


def _take_wait(into: _OfRun, seen: WaitSeen) -> None:
    row = wait_row(seen)
    into.waits[row.wait_id] = row


def _take_hook(into: _OfRun, seen: HookSeen) -> None:
    into.hooks[seen.hook_id] = HookRow(seen.hook_id, seen.token, seen.created_ns)


_TAKERS: Mapping[type, Callable[[_OfRun, Any], None]] = {
    RunSeen: _take_run,
    StepSeen: _take_step,
    EventSeen: _take_event,
    WaitSeen: _take_wait,
    HookSeen: _take_hook,
}
