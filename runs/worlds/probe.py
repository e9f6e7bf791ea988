"""A world that is known only from what a probe inside the app pushes: nothing of it can be read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from threading import Event as StopEvent
from typing import Any

from runs.observations import EventSeen, Observation, RunSeen, StepSeen
from runs.worlds.base import TERMINAL, Seen, World, WorldError

_RUN_STATES = {
    "run_created": "pending",
    "run_started": "running",
    "run_completed": "completed",
    "run_failed": "failed",
    "run_cancelled": "cancelled",
}
_STEP_STATES = {
    "step_created": "pending",
    "step_started": "running",
    "step_retrying": "pending",
    "step_completed": "completed",
    "step_failed": "failed",
}


class ProbeWorld(World):
    """Reports come in by `streams.inbox`; its runs and steps are folded from the events in them."""

    kind = "probe"
    label = "app with a probe"

    def read(self, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        return iter(())

    def watch(self, stop: StopEvent) -> Iterator[frozenset[str] | None]:
        stop.wait()
        return iter(())

    def fetch_chunk(self, stream: str, chunk_id: str) -> bytes:
        raise WorldError("nobody reads the storage of this world", permanent=True)


def run_of(run_id: str, events: Iterable[EventSeen], sdk_version: str = "") -> tuple[RunSeen, list[StepSeen]]:
    """A run and its steps from all events known of it, in any order.

    Their times are of the clocks of the processes that made them, so that a run may seem to end before it begins.
    """
    run = RunSeen(run_id, "", "", 0, sdk_version=sdk_version)
    steps: dict[str, StepSeen] = {}
    for event in sorted(events, key=lambda one: (one.source_ns, one.event_id)):
        run = _with_run_event(run, event)
        if event.type in _STEP_STATES and event.correlation_id:
            step = steps.get(event.correlation_id) or StepSeen(run_id, event.correlation_id, "", "", 0)
            steps[event.correlation_id] = _with_step_event(step, event)
    return run, list(steps.values())


def _with_run_event(run: RunSeen, event: EventSeen) -> RunSeen:
    at_ns, kind = event.source_ns, event.type
    run = replace(run, source_ns=max(run.source_ns, at_ns), workflow=run.workflow or _said(event, "workflow"))
    if kind == "run_created" and run.created_ns is None:
        run = replace(run, created_ns=at_ns)
    if kind == "run_started" and run.started_ns is None:
        run = replace(run, started_ns=at_ns)
    if kind not in _RUN_STATES or run.completed_ns is not None:
        return run
    status = _RUN_STATES[kind]
    if status in TERMINAL:
        return replace(run, status=status, completed_ns=at_ns)
    return run if run.status == "running" else replace(run, status=status)


def _with_step_event(step: StepSeen, event: EventSeen) -> StepSeen:
    at_ns, kind = event.source_ns, event.type
    step = replace(step, source_ns=max(step.source_ns, at_ns), name=step.name or _said(event, "step_name"))
    if kind == "step_created" and step.created_ns is None:
        step = replace(step, created_ns=at_ns)
    if kind == "step_started":
        started_ns = at_ns if step.started_ns is None else step.started_ns
        step = replace(step, started_ns=started_ns, attempt=(step.attempt or 0) + 1)
    if step.completed_ns is not None:
        return step
    status = _STEP_STATES[kind]
    if status in TERMINAL:
        return replace(step, status=status, completed_ns=at_ns)
    return step if kind == "step_created" and step.status else replace(step, status=status)


def _said(event: EventSeen, key: str) -> str:
    """A field of the event's data, which is `JSON` and text."""
    data: Any = json.loads(event.data[4:]) if event.data else {}
    return str(data.get(key, ""))
