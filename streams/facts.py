"""What detectors and marks are computed from: facts about one stream, without a database.

The same facts come from observations in memory (`tailrace scan`) and from stored rows (the live product).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from runs.payloads import ChunkValue, as_plain, decode_chunk
from streams.ledger import WriteLedger

_SYSTEM = re.compile(r"strm_[0-9A-Za-z]{26}_system_")


def is_system(name: str) -> bool:
    """The SDK's own stream. A user's namespace is base64 and may contain any word, so the whole name counts."""
    return _SYSTEM.match(name) is not None


@dataclass(frozen=True, slots=True)
class StepFacts:
    step_id: str
    name: str
    started_ns: int | None
    completed_ns: int | None


@dataclass(frozen=True, slots=True)
class RunFacts:
    run_id: str
    workflow: str = ""
    status: str = ""  # "" while the run itself has not been seen
    sdk_version: str = ""
    ended_ns: int | None = None  # the world's time of the terminal event or row; None while it runs
    steps: tuple[StepFacts, ...] = ()  # only where something is asked of them


@dataclass(frozen=True, slots=True)
class StreamFacts:
    name: str
    run: RunFacts | None = None
    listed: bool | None = None  # in its run's stream list; None where the world has no such list
    is_system: bool = False  # the SDK's own stream (abort signals): unclosed is normal
    expired: bool = False  # purged by retention: what is missing is missing on purpose
    framing: str = ""
    writes: WriteLedger | None = None  # None where no probe reported a write of it
    misplaced: Mapping[int, bool] = field(
        default_factory=dict
    )  # moved by the message grammar: arrival, certain


@dataclass(eq=False)
class ChunkFact:
    """One chunk in reading order. `position` is None for end markers and behind the first one."""

    chunk_id: str
    arrival: int
    position: int | None
    is_close: bool
    is_behind: bool  # a data chunk after the first end marker, where no reader gets it
    size: int
    stored_ns: int
    minted_ms: int | None
    load: Callable[[], bytes] = field(repr=False)  # the payload, read only if someone needs it
    framing: str = ""

    @cached_property
    def value(self) -> ChunkValue:
        return decode_chunk(self.load(), framing=self.framing or None)

    @cached_property
    def plain(self) -> Any:
        """The chunk's only value as plain JSON-like Python, or None: what the message grammar reads."""
        values = self.value.values
        return as_plain(values[0].value) if len(values) == 1 and values[0].status == "ok" else None
