"""Hooks and waits that a PostgreSQL world has deleted, as the events of their run tell them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from dashboard.lib.clock import parse_iso_ns
from runs.observations import EventSeen, HookSeen, WaitSeen
from runs.worlds._local_records import clean, unwrapped
from runs.worlds._postgres_clock import version_ns
from runs.worlds.base import stored_bytes


def hooks_from(events: Iterable[EventSeen]) -> Iterator[HookSeen]:
    for event in events:
        if event.type != "hook_created" or not event.correlation_id:
            continue
        said = said_by(event)
        yield HookSeen(
            run_id=event.run_id,
            hook_id=event.correlation_id,
            token=clean(said.get("token")),
            source_ns=event.source_ns,
            created_ns=event.created_ns,
            is_webhook=said.get("isWebhook") is True,
            is_system=said.get("isSystem") is True,
            metadata=stored_bytes(unwrapped(said.get("metadata")), f"event/{event.event_id}#metadata"),
        )


def waits_from(events: Iterable[EventSeen], wanted: set[tuple[str, str]]) -> Iterator[WaitSeen]:
    """Of each wait its beginning, and its end if the log has one: without it, it was still waiting when its run
    ended."""
    began: dict[tuple[str, str], EventSeen] = {}
    ended: dict[tuple[str, str], EventSeen] = {}
    for event in events:
        into = {"wait_created": began, "wait_completed": ended}.get(event.type)
        if into is not None:
            into.setdefault((event.run_id, event.correlation_id), event)
    for run_id, wait_id in sorted(wanted & (began.keys() | ended.keys())):
        first, last = began.get((run_id, wait_id)), ended.get((run_id, wait_id))
        status = "completed" if last is not None else "waiting"
        completed = last.created_ns if last is not None else None
        created = first.created_ns if first is not None else None
        yield WaitSeen(
            run_id=run_id,
            wait_id=wait_id,
            status=status,
            source_ns=version_ns((created, completed), status),
            created_ns=created,
            resume_ns=parse_iso_ns(said_by(first).get("resumeAt")) if first is not None else None,
            completed_ns=completed,
        )


def said_by(event: EventSeen) -> dict[str, Any]:
    """The event's data, where it is an object that was not too large to be kept whole."""
    if event.data is None or event.data[:4] != b"JSON":
        return {}
    said = json.loads(event.data[4:])
    return said if isinstance(said, dict) else {}
