"""Small local worlds, made file by file, and what a caller of an adapter does with what it yields."""

from __future__ import annotations

import base64
import itertools
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from runs.observations import (
    ChunkSeen,
    EventSeen,
    HookSeen,
    Observation,
    ReadableAgain,
    RunSeen,
    StepSeen,
    StreamListSeen,
    Unreadable,
    WaitSeen,
)
from runs.worlds.base import Seen
from runs.worlds.local import LocalWorld

RUN = "wrun_01M803WSDCT2X0WFSWZSBS26VK"
OTHER_RUN = "wrun_01M803X0000000000000000000"
STREAM = "strm_01M803WSDCT2X0WFSWZSBS26VK_user"
STEP = "step_01M803WSDCT2X0WFSWZSBS26VM"
CREATED = "2026-11-21T22:32:03.337Z"
OLD_NS = 1_790_000_000_123_456_789  # long before any test runs, so nothing counts as being written
T = TypeVar("T")


def wrapped(data: bytes) -> dict[str, str]:
    return {"__type": "Uint8Array", "data": base64.b64encode(data).decode()}


def chunk_name(number: int) -> str:
    return f"chnk_01M803WSDC{number:016d}"


class MadeWorld:
    """Every file gets a time of its own, one millisecond after the one before."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._times = itertools.count(OLD_NS, 1_000_000)

    def put(self, relative: str, content: bytes | dict[str, Any], mtime_ns: int | None = None) -> Path:
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        self.age(path, next(self._times) if mtime_ns is None else mtime_ns)
        return path

    def age(self, path: Path, mtime_ns: int = OLD_NS) -> None:
        os.utime(path, ns=(mtime_ns, mtime_ns))

    def run(self, run_id: str = RUN, *, file: str = "", **fields: Any) -> Path:
        record = {
            "runId": run_id,
            "status": "running",
            "workflowName": "workflow//./a//b",
            "createdAt": CREATED,
        }
        return self.put(file or f"runs/{run_id}.json", record | fields)

    def step(self, run_id: str = RUN, step_id: str = STEP, *, file: str = "", **fields: Any) -> Path:
        record = {"runId": run_id, "stepId": step_id, "stepName": "step//./a//c", "status": "pending"}
        return self.put(file or f"steps/{run_id}-{step_id}.json", record | fields)

    def event(self, number: int = 1, run_id: str = RUN, *, file: str = "", **fields: Any) -> Path:
        event_id = f"evnt_{number:026d}"
        record = {"runId": run_id, "eventId": event_id, "eventType": "run_created", "createdAt": CREATED}
        return self.put(file or f"events/{run_id}-{event_id}.json", record | fields)

    def wait(self, run_id: str = RUN, wait_id: str = "wait_1", *, file: str = "", **fields: Any) -> Path:
        record = {"runId": run_id, "waitId": f"{run_id}-{wait_id}", "status": "waiting"}
        return self.put(file or f"waits/{run_id}-{wait_id}.json", record | fields)

    def hook(self, hook_id: str = "hook_1", **fields: Any) -> Path:
        record = {"runId": RUN, "hookId": hook_id, "token": "tok"}
        return self.put(f"hooks/{hook_id}.json", record | fields)

    def listed(self, *names: Any, run_id: str = RUN) -> Path:
        return self.put(f"streams/runs/{run_id}.json", {"streams": list(names)})

    def chunk(
        self, number: int, data: bytes = b"x", stream: str = STREAM, mtime_ns: int | None = None
    ) -> Path:
        return self.put(f"streams/chunks/{stream}/{chunk_name(number)}.bin", b"\0" + data, mtime_ns)

    def close(self, number: int, stream: str = STREAM) -> Path:
        return self.put(f"streams/chunks/{stream}/{chunk_name(number)}.bin", b"\1")

    def adapter(self) -> LocalWorld:
        return LocalWorld(str(self.root))

    def look(self, seen: Seen | None = None, *hints: Path) -> list[Observation]:
        """Everything that a read yields; it is added to `seen` if one is given, as it is when stored."""
        return look(self.adapter(), seen, *hints)


def look(adapter: LocalWorld, seen: Seen | None = None, *hints: Path) -> list[Observation]:
    seen = Seen() if seen is None else seen
    found: list[Observation] = []
    for batch in adapter.read(seen, frozenset(map(str, hints)) if hints else None):
        assert 0 < len(batch) <= 1_000
        found += batch
        remember(seen, batch)
    return found


def remember(seen: Seen, batch: Iterable[Observation]) -> None:
    for one in batch:
        if isinstance(one, ChunkSeen):
            seen.chunks.setdefault(one.stream, set()).add(one.chunk_id)
        elif isinstance(one, EventSeen):
            seen.events.add((one.run_id, one.event_id))
        elif isinstance(one, Unreadable):
            seen.unreadable.add(one.where)
        elif isinstance(one, ReadableAgain):
            seen.unreadable.discard(one.where)
        elif (key := row_key(one)) is not None:
            seen.rows[key] = one.source_ns  # type: ignore[union-attr]


def row_key(one: Observation) -> tuple[str, ...] | None:
    names = {
        RunSeen: ("run", "run_id"),
        StepSeen: ("step", "run_id", "step_id"),
        HookSeen: ("hook", "hook_id"),
        WaitSeen: ("wait", "run_id", "wait_id"),
        StreamListSeen: ("list", "run_id"),
    }.get(type(one))
    return names and (names[0], *(getattr(one, name) for name in names[1:]))


def of(kind: type[T], found: Iterable[Observation]) -> list[T]:
    return [one for one in found if isinstance(one, kind)]
