"""Rows of an event table: the order of the log, milliseconds since the run began, and what the event is about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dashboard.lib.clock import NS_PER_MS
from runs.models import Hook, Run, Step, Wait
from runs.pages._format import short_id, short_name, visible
from runs.pages._links import Places
from runs.pages._values import one_line
from runs.queries import EventRow


@dataclass(frozen=True, slots=True)
class Entities:
    """Names of what events refer to, by correlation id."""

    names: dict[str, str]

    @staticmethod
    def of(steps: Iterable[Step], hooks: Iterable[Hook], waits: Iterable[Wait]) -> Entities:
        names = {step.step_id: short_name(step.name) for step in steps}
        names |= {hook.hook_id: f"hook {hook.token}" for hook in hooks}
        return Entities(names | {wait.wait_id: "sleep" for wait in waits})


@dataclass(frozen=True, slots=True)
class ShownEvent:
    number: int
    type: str
    event_id: str
    correlation_id: str
    of: str
    created_ns: int | None
    after: str  # `+25`, milliseconds since the run was created, both by the world's clock
    detail: str
    url: str = ""  # the page of its data


def shown_events(rows: Sequence[EventRow], run: Run, entities: Entities, places: Places) -> list[ShownEvent]:
    return [_shown(row, run, entities, places) for row in rows]


def _shown(row: EventRow, run: Run, entities: Entities, places: Places) -> ShownEvent:
    after = ""
    if row.created_ns is not None:
        after = f"{(row.created_ns - run.created_ns) / NS_PER_MS:+,.0f}".replace("-", "−")
    name = entities.names.get(row.correlation_id) or short_id(row.correlation_id)
    return ShownEvent(
        row.number,
        visible(row.type),
        row.event_id,
        row.correlation_id,
        visible(name),
        row.created_ns,
        after,
        _detail(row),
        places.of(f"event:{row.event_id}").url() if row.data is not None else "",
    )


def _detail(row: EventRow) -> str:
    """The event's data without what other columns say already."""
    data = bytes(row.data) if row.data is not None else None
    if data is not None and data[:4] == b"JSON" and row.size == len(data):
        data = _without_names(data)
    cut = row.size if row.data is not None and row.size > len(row.data) else None
    return one_line(data, whole=cut) if data else ""


def _without_names(data: bytes) -> bytes | None:
    try:
        value = json.loads(data[4:].decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return data
    if not isinstance(value, dict):
        return data
    rest = {
        key: item
        for key, item in value.items()
        if key not in ("stepName", "workflowName", "executionContext")
    }
    return b"JSON" + json.dumps(rest).encode() if rest else None
