"""Rows of a Vercel project as observations. A field of an odd type is empty; nothing else is lost by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from dashboard.lib.clock import NS_PER_MS, clamp_ns, parse_iso_ns
from runs.observations import EventSeen, HookSeen, RunSeen, StepSeen, WaitSeen
from runs.worlds._local_look import usable_id
from runs.worlds._local_records import clean, language_of
from runs.worlds._vercel_cbor import body_of, payload_of, plain, unbase64
from runs.worlds._vercel_client import Broken
from runs.worlds.base import stored_bytes

Row: TypeAlias = dict[str, Any]
Fetch: TypeAlias = Callable[[str, str], Any]  # a run's id and a reference to the value behind it
SYSTEM_HOOK = "abrt_"
_INT_MAX = 2**31 - 1


def rows_in(value: Any) -> list[Row]:
    """The rows of a page: of `{data: [...]}`, or of a bare list. Raises Broken where it is no page.

    What stands between us and the server may answer with something else: nothing must be taken for "no rows".
    """
    rows = value.get("data") if isinstance(value, dict) else value
    if not isinstance(rows, list):
        raise Broken("the answer is no list: is this the address of a workflow server?")
    return [row for row in rows if isinstance(row, dict)]


def names_in(listed: Any) -> Iterator[str]:
    """The list is an array of names; one day it may be a page of them. Raises Broken where it is neither."""
    rows = listed.get("data") if isinstance(listed, dict) else listed
    if not isinstance(rows, list):
        raise Broken("the answer is no list")
    for row in rows:
        name = row.get("name") if isinstance(row, dict) else row
        if isinstance(name, str):
            yield name


def cursor_in(value: Any) -> str:
    cursor = value.get("cursor") if isinstance(value, dict) else None
    return cursor if isinstance(cursor, str) else ""


def has_more(value: Any) -> bool:
    return isinstance(value, dict) and value.get("hasMore") is True and bool(cursor_in(value))


def id_in(row: Row, name: str) -> str:
    """Empty where it is none that the SDK could have made."""
    value = row.get(name)
    return value if isinstance(value, str) and usable_id(value) else ""


def time_in(row: Row, name: str) -> int | None:
    value = row.get(name)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float) and abs(value) < 2**53:
        return clamp_ns(int(value) * NS_PER_MS)
    return parse_iso_ns(value)


def number_in(row: Row, name: str) -> int | None:
    value = row.get(name)
    return value if type(value) is int and 0 <= value <= _INT_MAX else None


def version_ns(row: Row) -> int:
    """The world's time of this version of a row."""
    names = ("updatedAt", "completedAt", "startedAt", "createdAt")
    return max((time for name in names if (time := time_in(row, name)) is not None), default=0)


def is_open(version: int) -> bool:
    """Whether the version that was recorded of a run says that not all of it has been: a run is told with a
    version a nanosecond too old until all of it is.

    The server's times have milliseconds, or microseconds, from which a nanosecond less can be told.
    """
    return version % 1_000 == 999


def reference_in(value: Any) -> Row | None:
    """A value that is somewhere else, or comes along in base64."""
    is_one = isinstance(value, dict) and value.get("_type") == "RemoteRef"
    return value if is_one and isinstance(value.get("_ref"), str) else None


@dataclass(frozen=True, slots=True)
class Values:
    """Payloads of one run's rows, whichever way they came."""

    run_id: str
    fetch: Fetch

    def of(self, row: Row, name: str) -> Any:
        """Bytes, a plain value, or None."""
        value = row.get(name)
        return self.resolved(row.get(f"{name}Ref") if value is None else value)

    def resolved(self, value: Any) -> Any:
        reference = reference_in(value)
        if reference is None:
            return payload_of(value)
        inline = unbase64(reference.get("_data"))
        return body_of(inline) if inline is not None else self.fetch(self.run_id, reference["_ref"])

    def stored(self, row: Row, name: str, pointer: str) -> bytes | None:
        return stored_bytes(self.of(row, name), f"{pointer}#{name}")

    def data_of(self, row: Row) -> Row:
        """An event's data, with its references resolved."""
        data = row.get("eventData")
        data = data if isinstance(data, dict) else {}
        return {name: self.resolved(value) if reference_in(value) else value for name, value in data.items()}


def run_seen(row: Row, values: Values, source_ns: int) -> RunSeen:
    workflow, deployment = clean(row.get("workflowName")), clean(row.get("deploymentId"))
    context = row.get("executionContext")
    error, pointer = row.get("error"), f"runs/{values.run_id}"
    code = row.get("errorCode") or (error.get("code") if isinstance(error, dict) else "")
    attributes = row.get("attributes")
    return RunSeen(
        run_id=values.run_id,
        status=clean(row.get("status")),
        workflow=workflow,
        source_ns=source_ns,
        deployment=deployment,
        sdk_version=clean(context.get("workflowCoreVersion")) if isinstance(context, dict) else "",
        language=language_of(workflow, deployment),
        spec_version=number_in(row, "specVersion"),
        created_ns=time_in(row, "createdAt"),
        started_ns=time_in(row, "startedAt"),
        completed_ns=time_in(row, "completedAt"),
        expired_ns=time_in(row, "expiredAt"),
        input=values.stored(row, "input", pointer),
        output=values.stored(row, "output", pointer),
        error=values.stored(row, "error", pointer),
        error_code=clean(code),
        attributes=plain(attributes) if isinstance(attributes, dict) else {},
    )


def step_seen(row: Row, values: Values) -> StepSeen | None:
    step_id = id_in(row, "stepId")
    if not step_id:
        return None
    pointer = f"steps/{values.run_id}/{step_id}"
    return StepSeen(
        run_id=values.run_id,
        step_id=step_id,
        status=clean(row.get("status")),
        name=clean(row.get("stepName")),
        source_ns=version_ns(row),
        attempt=number_in(row, "attempt"),
        created_ns=time_in(row, "createdAt"),
        started_ns=time_in(row, "startedAt"),
        completed_ns=time_in(row, "completedAt"),
        retry_after_ns=time_in(row, "retryAfter"),
        input=values.stored(row, "input", pointer),
        output=values.stored(row, "output", pointer),
        error=values.stored(row, "error", pointer),
    )


def event_seen(row: Row, values: Values, data: Row) -> EventSeen | None:
    event_id = id_in(row, "eventId")
    if not event_id:
        return None
    created_ns = time_in(row, "createdAt")
    pointer = f"events/{values.run_id}/{event_id}#eventData"
    return EventSeen(
        run_id=values.run_id,
        event_id=event_id,
        type=clean(row.get("eventType")),
        source_ns=created_ns or 0,
        correlation_id=clean(row.get("correlationId")),
        created_ns=created_ns,
        data=stored_bytes(plain(data), pointer) if data else None,
    )


def hook_seen(event: EventSeen, data: Row, values: Values) -> HookSeen:
    """From the event that created it: rows of hooks are deleted when their run ends."""
    token = clean(data.get("token"))
    return HookSeen(
        run_id=event.run_id,
        hook_id=event.correlation_id,
        token=token,
        source_ns=event.source_ns,
        created_ns=event.created_ns,
        is_webhook=data.get("isWebhook") is True,
        is_system=token.startswith(SYSTEM_HOOK),
        metadata=stored_bytes(
            payload_of(data.get("metadata")), f"events/{event.run_id}/{event.event_id}#eventData.metadata"
        ),
    )


def wait_seen(event: EventSeen, data: Row, known: WaitSeen | None) -> WaitSeen:
    """From its events: no endpoint lists waits."""
    is_done = event.type == "wait_completed"
    return WaitSeen(
        run_id=event.run_id,
        wait_id=event.correlation_id,
        status="completed" if is_done else "waiting",
        source_ns=event.source_ns,
        created_ns=known.created_ns if known else None if is_done else event.created_ns,
        resume_ns=known.resume_ns if known else time_in(data, "resumeAt"),
        completed_ns=event.created_ns if is_done else None,
    )


def payloads_in(row: Row) -> Iterator[bytes]:
    """Every value in the SDK's byte form: they name streams."""
    data = row.get("eventData")
    for value in [*row.values(), *(data.values() if isinstance(data, dict) else ())]:
        if isinstance(raw := payload_of(value), bytes):
            yield raw
