"""Records of a local world: one JSON file each, turned into what was observed.

A record is only refused where it is not clear whose it is. Any other field may be missing or of an odd type:
then it is empty in the observation, and nothing else is lost.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from dashboard.lib.clock import parse_iso_ns
from runs.observations import (
    EventSeen,
    HookSeen,
    Observation,
    RunSeen,
    StepSeen,
    StreamListSeen,
    WaitSeen,
)
from runs.worlds._local_files import Unfit
from runs.worlds._local_look import usable_id
from runs.worlds.base import stored_bytes

RECORD_MAX = 64 * 2**20  # bytes of a record's file
TEXT_MAX = 4_000  # characters kept of a text field (names, tokens, codes)
_INT_MAX = 2**31 - 1
_PYTHON_NAME = re.compile(r"workflow//([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)//")
_SCRIPTS = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # no database takes U+0000, no encoder a lone surrogate


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refused(digits[:40])


_JSON = json.JSONDecoder(parse_constant=_refused, parse_float=_finite)


def parse_record(data: bytes) -> dict[str, Any]:
    """The JSON object in a record's file. Raises Unfit."""
    try:
        fields = _JSON.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Unfit(f"not UTF-8 text at byte {error.start:,} of {len(data):,}", data) from None
    except json.JSONDecodeError as error:
        raise Unfit(f"not whole JSON: {error.msg} at character {error.pos:,}", data) from None
    except ValueError as error:
        raise Unfit(f"not valid JSON: {error}", data) from None
    if not isinstance(fields, dict):
        raise Unfit("JSON, but not an object", data)
    return fields


def unwrapped(value: Any) -> Any:
    """Bytes out of the SDK's wrapper for them in JSON; anything else as it is."""
    if isinstance(value, dict) and value.get("__type") == "Uint8Array" and isinstance(value.get("data"), str):
        try:
            return base64.b64decode(value["data"] + "=" * (-len(value["data"]) % 4))
        except ValueError:
            return value
    return value


def clean(value: object) -> str:
    """A text field: "" for anything that is no text, bounded, without what cannot be stored."""
    if not isinstance(value, str):
        return ""
    return _UNSTORABLE.sub("\ufffd", value[:TEXT_MAX])


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Record:
    """A parsed file: its key as in `Seen` (from its name), its version's time, its place in the world."""

    key: tuple[str, ...]
    fields: dict[str, Any]
    source_ns: int
    relative: str

    def text(self, name: str) -> str:
        return clean(self.fields.get(name))

    def time(self, name: str) -> int | None:
        return parse_iso_ns(self.fields.get(name))

    def number(self, name: str) -> int | None:
        value = self.fields.get(name)
        return value if type(value) is int and 0 <= value <= _INT_MAX else None

    def payload(self, name: str) -> bytes | None:
        return stored_bytes(unwrapped(self.fields.get(name)), f"{self.relative}#{name}")

    def payloads(self) -> Iterator[bytes]:
        """Every value in the SDK's byte form, in the record itself and in an event's data."""
        for value in [*self.fields.values(), *_object(self.fields.get("eventData")).values()]:
            if isinstance(value, dict) and isinstance(payload := unwrapped(value), bytes):
                yield payload

    def expect(self, name: str, *allowed: str) -> None:
        """Raises Unfit unless this field is an id from the file's name: a copy is not the record."""
        if self.fields.get(name) not in allowed:
            raise Unfit(f"its {name} is not the one in its name")


def observe(record: Record) -> Observation:
    """What the record says. Raises Unfit if it is not clear whose it is."""
    return _READERS[record.key[0]](record)


def _run(record: Record) -> Observation:
    record.expect("runId", record.key[1])
    workflow, deployment = record.text("workflowName"), record.text("deploymentId")
    context = _object(record.fields.get("executionContext"))
    return RunSeen(
        run_id=record.key[1],
        status=record.text("status"),
        workflow=workflow,
        source_ns=record.source_ns,
        deployment=deployment,
        sdk_version=clean(context.get("workflowCoreVersion")),
        language=language_of(workflow, deployment),
        spec_version=record.number("specVersion"),
        created_ns=record.time("createdAt"),
        started_ns=record.time("startedAt"),
        completed_ns=record.time("completedAt"),
        expired_ns=record.time("expiredAt"),
        input=record.payload("input"),
        output=record.payload("output"),
        error=record.payload("error"),
        error_code=record.text("errorCode") or clean(_object(record.fields.get("error")).get("code")),
        attributes=_attributes(record.fields.get("attributes")),
    )


def language_of(workflow: str, deployment: str) -> str:
    """Which SDK wrote the run. There is no marker (the Python SDK even states a JavaScript core version).

    The Python SDK names workflows by module, `workflow//app.flows//fn`; the JavaScript one by file or
    package, `workflow//./src/flows//fn` or `workflow//pkg@1.0.0//fn` (once: `workflow//flows.ts//fn`).
    A name of the first form is still JavaScript's where the deployment is one of its local world,
    `dpl_local@4.4.1`: the Python SDK leaves that empty.
    """
    match = _PYTHON_NAME.match(workflow)
    is_python = (
        match is not None and not match[1].endswith(_SCRIPTS) and not deployment.startswith("dpl_local@")
    )
    return "python" if is_python else "js" if workflow else ""


def _attributes(value: object) -> dict[str, object]:
    """Attributes are flat (text to text); what is not is kept as its JSON text."""
    return {clean(name): _plain(inner) for name, inner in _object(value).items()}


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _step(record: Record) -> Observation:
    _, run_id, step_id = record.key
    record.expect("runId", run_id)
    record.expect("stepId", step_id)
    return StepSeen(
        run_id=run_id,
        step_id=step_id,
        status=record.text("status"),
        name=record.text("stepName"),
        source_ns=record.source_ns,
        attempt=record.number("attempt"),
        created_ns=record.time("createdAt"),
        started_ns=record.time("startedAt"),
        completed_ns=record.time("completedAt"),
        retry_after_ns=record.time("retryAfter"),
        input=record.payload("input"),
        output=record.payload("output"),
        error=record.payload("error"),
    )


def _hook(record: Record) -> Observation:
    record.expect("hookId", record.key[1])
    run_id = record.fields.get("runId")
    if not isinstance(run_id, str) or not usable_id(run_id):
        raise Unfit("it names no run")
    return HookSeen(
        run_id=run_id,
        hook_id=record.key[1],
        token=record.text("token"),
        source_ns=record.source_ns,
        created_ns=record.time("createdAt"),
        is_webhook=record.fields.get("isWebhook") is True,
        is_system=record.fields.get("isSystem") is True,
        metadata=record.payload("metadata"),
    )


def _wait(record: Record) -> Observation:
    """A wait's `waitId` is the whole `<run>-<id>` of its file's name; events call it by the id alone."""
    _, run_id, wait_id = record.key
    record.expect("runId", run_id)
    record.expect("waitId", wait_id, f"{run_id}-{wait_id}")
    return WaitSeen(
        run_id=run_id,
        wait_id=wait_id,
        status=record.text("status"),
        source_ns=record.source_ns,
        created_ns=record.time("createdAt"),
        resume_ns=record.time("resumeAt"),
        completed_ns=record.time("completedAt"),
    )


def _list(record: Record) -> Observation:
    """The list is all there is in the file: without one it is no record."""
    listed = record.fields.get("streams")
    if not isinstance(listed, list):
        raise Unfit("it holds no list of streams")
    names = tuple(dict.fromkeys(name for name in listed if usable_id(name)))
    return StreamListSeen(record.key[1], names, record.source_ns)


def _event(record: Record) -> Observation:
    _, run_id, event_id = record.key
    record.expect("runId", run_id)
    record.expect("eventId", event_id)
    return EventSeen(
        run_id=run_id,
        event_id=event_id,
        type=record.text("eventType"),
        source_ns=record.source_ns,
        correlation_id=record.text("correlationId"),
        created_ns=record.time("createdAt"),
        data=stored_bytes(record.fields.get("eventData"), f"{record.relative}#eventData"),
    )


_READERS: dict[str, Callable[[Record], Observation]] = {
    "run": _run,
    "step": _step,
    "hook": _hook,
    "wait": _wait,
    "list": _list,
    "event": _event,
}
