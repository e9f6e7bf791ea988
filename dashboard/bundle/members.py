"""The records of a run, its steps and events, and the processes that reported, as a bundle holds them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dashboard.bundle.redact import Redactor, safe_text
from runs.models import AppProcess, Event, Run, Step
from streams.models import Stream, Write

AT_ONCE = 1000
PROCESSES = 10_000
_RUN = (
    "run_id", "status", "workflow", "deployment", "sdk_version", "language", "spec_version", "created_ns",
    "started_ns", "completed_ns", "expired_ns", "source_ns",
)  # fmt: skip
_STEP = (
    "step_id", "name", "status", "attempt", "created_ns", "started_ns", "completed_ns", "retry_after_ns", "source_ns",
)  # fmt: skip
_EVENT = ("event_id", "type", "correlation_id", "created_ns", "source_ns")
_ABOUT = ("probe", "language", "runtime", "sdk", "world", "env")  # not where it runs, nor on which machine
_SAID = ("stepName", "step_name", "workflowName", "workflow", "attempt", "deploymentId")
_PROCESS = (
    "process", "is_exact", "first_seen_ns", "last_seen_ns", "has_ended", "last_number", "batches", "records",
    "dropped_batches", "dropped_records", "gaps", "clock_offset_ns", "clock_error_ns",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """The stream as it is bundled: up to the arrival that was the last when it began."""

    stream: Stream
    head: int
    redactor: Redactor
    has_payloads: bool

    @property
    def run(self) -> Run | None:
        return self.stream.run


def run_record(source: Source) -> dict[str, Any] | None:
    """Without its input, output and error, which are user data, and without the names of its other streams."""
    run, stream = source.run, source.stream
    if run is None:
        return None
    listed = stream.listed if run.listed_streams is not None else None
    about = {"name": stream.name, "listed": listed, "framing": stream.framing}
    fields = {name: getattr(run, name) for name in _RUN}
    return fields | {"error_code": safe_text(run.error_code), "stream": about}


def steps(source: Source) -> Iterator[dict[str, Any]]:
    if source.run is not None:
        yield from Step.objects.filter(run=source.run).order_by("step_id").values(*_STEP).iterator(AT_ONCE)


def events(source: Source) -> Iterator[dict[str, Any]]:
    """In their order. Of their data only the SDK's own names and numbers."""
    if source.run is None:
        return
    rows = Event.objects.filter(run=source.run).order_by("event_id")
    for *fields, data in rows.values_list(*_EVENT, "data").iterator(AT_ONCE):
        raw = b"" if data is None else bytes(data)
        yield dict(zip(_EVENT, fields, strict=True)) | {"data": _said(raw), "data_bytes": len(raw)}


def _said(raw: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(raw[4:]) if raw.startswith(b"JSON") else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    return {key: fields[key] for key in _SAID if isinstance(fields.get(key), str | int)}


def processes(stream: Stream) -> list[dict[str, Any]]:
    """Who reported writes of a stream, how far their clocks are off, and what of them is missing."""
    names = (
        Write.objects.filter(stream=stream).order_by("process").values_list("process", flat=True).distinct()
    )
    rows = AppProcess.objects.filter(world=stream.world_id, process__in=list(names[:PROCESSES]))
    return [_process(row) for row in rows.order_by("process")]


def _process(row: AppProcess) -> dict[str, Any]:
    fields = {name: getattr(row, name) for name in _PROCESS}
    return fields | {"about": {key: row.about[key] for key in _ABOUT if key in row.about}}
