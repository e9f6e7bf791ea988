"""What the stand-in for Vercel's workflow server remembers, and by which rules it takes events and chunks.

In memory. It commits a stream's write when the injected latency is over, and refuses one whose run has ended
by then, with the body that upstream issue 1949 quotes.
"""

from __future__ import annotations

import base64
import random
import threading
import time
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]
TERMINAL = ("completed", "failed", "cancelled")
NEEDS_LIVE_RUN = ("run_", "step_created", "hook_created", "wait_created")
BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# From here on the SDK names an event by its place in the run's log.
SLOTS_FROM = 6


class ApiError(Exception):
    def __init__(self, status: int, message: str, error: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body = {"success": False, "error": error, "message": message}


def now() -> datetime:
    return datetime.now(UTC)


def new_ulid() -> str:
    number = int(time.time() * 1000) << 80 | random.getrandbits(80)
    return "".join(BASE32[number >> shift & 31] for shift in range(125, -1, -5))


class Stream:
    """Chunks in the order in which they were committed."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.end: int | None = None  # how many there were when it was first closed: readers stop there
        self.changed = threading.Condition()

    def visible(self) -> list[bytes]:
        return self.chunks[: self.end]


class Store:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.runs: dict[str, Row] = {}
        self.steps: dict[tuple[str, str], Row] = {}
        self.hooks: dict[str, Row] = {}
        self.waits: dict[tuple[str, str], Row] = {}
        self.events: dict[str, list[Row]] = {}
        self.streams: dict[tuple[str, str], Stream] = {}
        # What became of each write and close, as latency-world.cjs tells it.
        self.arrivals: list[Row] = []

    # --- runs and their events ------------------------------------------------------------------
    def run(self, run_id: str) -> Row:
        if run_id not in self.runs:
            raise ApiError(404, f'Run "{run_id}" not found', "not_found")
        return self.runs[run_id]

    def take(self, run_id: str, event: Row) -> Row:
        """Applies an event; {event, and the run, step, hook or wait that it changed}."""
        with self.lock:
            kind = event["eventType"]
            data = dict(event.get("eventData") or {})
            if kind == "run_created" and run_id in ("", "null"):
                run_id = "wrun_" + new_ulid()
            changed = self._changed(run_id, kind, event, data)
            kind = changed.pop("kind", kind)
            kept = {name: event[name] for name in ("correlationId", "specVersion") if name in event}
            return {"event": self._log(run_id, {**kept, "eventType": kind, "eventData": data}), **changed}

    def _changed(self, run_id: str, kind: str, event: Row, data: Row) -> Row:
        spec = event.get("specVersion", 2)
        if kind == "run_created":
            return {"run": self._new_run(run_id, data, spec)}
        if kind == "run_started" and run_id not in self.runs and "input" in data:
            self._new_run(run_id, data, spec)
            self._log(run_id, {"eventType": "run_created", "specVersion": spec, "eventData": dict(data)})
        run = self.run(run_id)
        if run["status"] in TERMINAL and kind.startswith(NEEDS_LIVE_RUN):
            raise ApiError(409, f'Run "{run_id}" is already {run["status"]}', "conflict")
        entity = kind.partition("_")[0]
        if entity in ("run", "attr"):
            return self._run_event(run, kind, data)
        change = {"step": self._step_event, "hook": self._hook_event, "wait": self._wait_event}[entity]
        return change(run_id, kind, event["correlationId"], data, spec)

    def _new_run(self, run_id: str, data: Row, spec: int) -> Row:
        if run_id in self.runs:
            raise ApiError(409, f'Run "{run_id}" already exists', "conflict")
        names = ("workflowName", "input", "executionContext", "encryptionPublicKey")
        given = {name: data[name] for name in names if data.get(name) is not None}
        row = {"runId": run_id, "status": "pending", "deploymentId": data.get("deploymentId", "dpl_lab")}
        row |= {"specVersion": spec, "attributes": data.get("attributes") or {}, **given}
        self.runs[run_id] = {**row, "createdAt": now(), "updatedAt": now()}
        return self.runs[run_id]

    def _run_event(self, run: Row, kind: str, data: Row) -> Row:
        run["updatedAt"] = now()
        if kind == "attr_set":
            for change in data.get("changes", []):
                run["attributes"][change["key"]] = change.get("value")
        elif kind == "run_started":
            run["status"] = "running"
            run.setdefault("startedAt", now())
        else:
            run |= {"status": kind.removeprefix("run_"), "completedAt": now()}
            for name in {"output", "error", "errorCode"} & data.keys():
                run[name] = data[name]
            self.hooks = {name: hook for name, hook in self.hooks.items() if hook["runId"] != run["runId"]}
        return {"run": run}

    def _step_event(self, run_id: str, kind: str, step_id: str, data: Row, spec: int) -> Row:
        step = self.steps.get((run_id, step_id))
        is_lazy = kind == "step_started" and step is None and "stepName" in data
        if kind == "step_created" or is_lazy:
            if step:
                raise ApiError(409, f'Step "{step_id}" already exists', "conflict")
            step = {"runId": run_id, "stepId": step_id, "stepName": data.get("stepName", ""), "attempt": 0}
            step |= {"status": "pending", "input": data.get("input"), "specVersion": spec, "createdAt": now()}
            self.steps[run_id, step_id] = step
        if step is None:
            raise ApiError(404, f'Step "{step_id}" not found', "not_found")
        if kind != "step_created":
            self._move_step(step, kind, data)
        step["updatedAt"] = now()
        return {"step": step, **({"stepCreated": True} if is_lazy else {})}

    def _move_step(self, step: Row, kind: str, data: Row) -> None:
        if step["status"] in TERMINAL:
            raise ApiError(409, f'Cannot modify step in terminal state "{step["status"]}"', "conflict")
        if kind == "step_started":
            self._start_step(step)
        elif kind == "step_retrying":
            step |= {"status": "pending", "error": data.get("error"), "retryAfter": data.get("retryAfter")}
        else:
            step |= {"status": kind.removeprefix("step_"), "completedAt": now()}
            name, sent = ("output", "result") if kind == "step_completed" else ("error", "error")
            step[name] = data.get(sent)

    def _start_step(self, step: Row) -> None:
        again = step.get("retryAfter")
        if isinstance(again, datetime) and again > now():
            wait = {"Retry-After": str(max(1, int((again - now()).total_seconds())))}
            raise ApiError(425, f'Step "{step["stepId"]}" is not ready for a retry', "too_early", wait)
        status = self.run(step["runId"])["status"]
        if status in TERMINAL:
            raise ApiError(410, f'Run "{step["runId"]}" is already {status}', "gone")
        step |= {"status": "running", "attempt": step["attempt"] + 1, "retryAfter": None}
        step.setdefault("startedAt", now())

    def _hook_event(self, run_id: str, kind: str, hook_id: str, data: Row, spec: int) -> Row:
        if kind != "hook_created":
            if hook_id not in self.hooks:
                raise ApiError(404, "Hook not found", "not_found")
            return {"hook": self.hooks.pop(hook_id) if kind == "hook_disposed" else self.hooks[hook_id]}
        taken = [hook for hook in self.hooks.values() if hook["token"] == data.get("token")]
        if taken:
            data["conflictingRunId"] = taken[0]["runId"]
            return {"kind": "hook_conflict"}
        hook = {"runId": run_id, "hookId": hook_id, "token": data.get("token"), "ownerId": "lab"}
        hook |= {"projectId": "prj_lab", "environment": "production", "createdAt": now(), "specVersion": spec}
        hook |= {"isWebhook": data.get("isWebhook", True), "metadata": data.get("metadata")}
        self.hooks[hook_id] = {name: value for name, value in hook.items() if value is not None}
        return {"hook": self.hooks[hook_id]}

    def _wait_event(self, run_id: str, kind: str, wait_id: str, data: Row, spec: int) -> Row:
        wait = self.waits.get((run_id, wait_id))
        if kind == "wait_created" and wait is None:
            wait = {"waitId": f"{run_id}-{wait_id}", "runId": run_id, "status": "waiting", "createdAt": now()}
            wait |= {"resumeAt": data.get("resumeAt"), "specVersion": spec}
            self.waits[run_id, wait_id] = wait
        elif kind == "wait_completed" and wait and wait["status"] == "waiting":
            wait |= {"status": "completed", "completedAt": now()}
        else:
            raise ApiError(409 if wait else 404, f'Wait "{wait_id}": cannot be {kind}', "conflict")
        wait["updatedAt"] = now()
        return {"wait": wait}

    def _log(self, run_id: str, event: Row) -> Row:
        log = self.events.setdefault(run_id, [])
        has_slots = (self.run(run_id).get("specVersion") or 0) >= SLOTS_FROM
        name = f"{len(log) + 1:026d}" if has_slots else new_ulid()
        log.append({"eventId": f"evnt_{name}", "runId": run_id, "createdAt": now(), **event})
        return log[-1]

    # --- streams --------------------------------------------------------------------------------
    def stream(self, run_id: str, name: str) -> Stream:
        with self.lock:
            return self.streams.setdefault((run_id, name), Stream())

    def find_stream(self, run_id: str | None, name: str) -> Stream | None:
        """`run_id` is None where an older client asks by the stream's name alone."""
        with self.lock:
            for (run, known), stream in self.streams.items():
                if known == name and run_id in (None, run):
                    return stream
            return None

    def commit(self, run_id: str, name: str, chunks: list[bytes] | None) -> None:
        """Stores the chunks, or closes the stream where they are None; refused when the run has ended."""
        stream = self.stream(run_id, name)
        with stream.changed:
            status = self.runs.get(run_id, {}).get("status")
            self._tell(run_id, name, chunks, "rejected" if status in TERMINAL else "stored")
            if status in TERMINAL:
                raise ApiError(409, f'Run "{run_id}" is already {status}', "conflict")
            stream.chunks.extend(chunks or [])
            if chunks is None and stream.end is None:
                stream.end = len(stream.chunks)
            stream.changed.notify_all()

    def dump(self) -> dict[str, list[str | None]]:
        """By stream: its chunks in base64, and None where it was closed."""
        told: dict[str, list[str | None]] = {}
        for (_, name), stream in self.streams.items():
            told[name] = [base64.b64encode(chunk).decode() for chunk in stream.chunks]
            if stream.end is not None:
                told[name].insert(stream.end, None)
        return told

    def _tell(self, run_id: str, name: str, chunks: list[bytes] | None, outcome: str) -> None:
        line = {"t": time.time() * 1000, "runId": run_id, "stream": name, "step": None, "outcome": outcome}
        pieces = [base64.b64encode(chunk).decode() for chunk in chunks or []]
        self.arrivals.append({**line, "op": "close" if chunks is None else "write", "chunks": pieces})
