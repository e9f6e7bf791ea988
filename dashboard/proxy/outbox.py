"""Records that wait to be reported: bounded, the oldest go first, and what went is counted with its time."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]

BATCH_RECORDS, BATCH_BYTES = 500, 1_000_000
WAITING_RECORDS, WAITING_BYTES = 20_000, 32_000_000
SPANS = 20


@dataclass(frozen=True)
class Waiting:
    at: float
    text: str


class Outbox:
    """Belongs to one event loop."""

    def __init__(self, most: int = WAITING_RECORDS, most_bytes: int = WAITING_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._waiting: deque[Waiting] = deque()
        self._bytes = 0
        self._batches = self._records = 0
        self._spans: deque[dict[str, float]] = deque(maxlen=SPANS)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, record: Record) -> None:
        one = Waiting(record["called"], json.dumps(record, separators=(",", ":")))
        self._waiting.append(one)
        self._bytes += len(one.text)
        if len(self._waiting) > self._most or self._bytes > self._most_bytes:
            self.drop(self.take())

    def take(self) -> list[Waiting]:
        """The oldest records, as many as one batch holds."""
        taken: list[Waiting] = []
        size = 0
        while self._waiting and len(taken) < BATCH_RECORDS:
            size += len(self._waiting[0].text)
            if taken and size > BATCH_BYTES:
                break
            taken.append(self._waiting.popleft())
            self._bytes -= len(taken[-1].text)
        return taken

    def drop(self, records: Iterable[Waiting]) -> None:
        """Counts what Tailrace will never get."""
        times = [one.at for one in records]
        if times:
            self._batches += 1
            self._records += len(times)
            self._spans.append({"from": min(times), "to": max(times), "records": len(times)})

    def dropped(self) -> dict[str, Any]:
        return {"batches": self._batches, "records": self._records, "spans": list(self._spans)}
