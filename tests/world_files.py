"""A local world's directory, written as the SDK writes it: complete files that appear under their final name."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from tests.factories import frame

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class WorldFiles:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.written = 0
        for folder in ("runs", "steps", "events", "streams/chunks", "streams/runs"):
            (root / folder).mkdir(parents=True, exist_ok=True)

    def ulid(self) -> str:
        """Ascending within one of these, as in one process of the SDK."""
        self.written += 1
        value = (int(time.time() * 1000) << 80) | self.written
        return "".join(ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))

    def run(self, run_id: str, status: str = "running", **more: Any) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        row: dict[str, Any] = {
            "runId": run_id, "status": status, "workflowName": "workflow//./app//chat", "specVersion": 3,
            "createdAt": now, "updatedAt": now, "startedAt": now, "deploymentId": "dpl_local@4.4.1",
            "executionContext": {"workflowCoreVersion": "4.8.9"},
        }  # fmt: skip
        if status != "running":
            row["completedAt"] = now
        self._write(f"runs/{run_id}.json", json.dumps(row | more).encode())

    def chunk(self, stream: str, value: Any) -> None:
        self._write(f"streams/chunks/{stream}-chnk_{self.ulid()}.bin", b"\x00" + frame(value))

    def text(self, stream: str, *words: str) -> None:
        for word in words:
            self.chunk(stream, {"type": "text-delta", "id": "t1", "delta": word})

    def close(self, stream: str) -> None:
        self._write(f"streams/chunks/{stream}-chnk_{self.ulid()}.bin", b"\x01")

    def list_stream(self, stream: str) -> None:
        """In its run's list, before anything is written to it."""
        run_id = stream.replace("strm_", "wrun_").removesuffix("_user")
        self._write(f"streams/runs/{run_id}.json", json.dumps({"streams": [stream]}).encode())

    def _write(self, path: str, data: bytes) -> None:
        whole = self.root / f"{path}.tmp.{self.ulid()}"
        whole.write_bytes(data)
        os.rename(whole, self.root / path)
