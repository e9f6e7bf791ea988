"""What detectors and marks are computed from: facts about one stream, without a database.

The same facts come from observations in memory (`tailrace scan`) and from stored rows (the live product).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from dashboard.lib.clock import NS_PER_MS
from runs.payloads import ChunkValue, as_plain, decode_chunk
from streams.ledger import WriteLedger

SEALED = frozenset({b"encr", b"encp"})  # envelopes that are encrypted
_VALUES = frozenset(
    {"framed-value", "unframed-value", "legacy-json-lines"}
)  # kinds of chunks that hold values

_SYSTEM = re.compile(r"strm_[0-9A-Za-z]{26}_system_")


def is_system(name: str) -> bool:
    """The SDK's own stream. A user's namespace is base64 and may contain any word, so the whole name counts."""
    return _SYSTEM.match(name) is not None


class Attempt(NamedTuple):
    """One start of a step's body, by the world's clock. `is_retry`: the log has a `step_retrying` before it."""

    started_ns: int
    is_retry: bool


@dataclass(frozen=True, slots=True)
class StepFacts:
    step_id: str
    name: str
    started_ns: int | None
    completed_ns: int | None
    attempts: tuple[Attempt, ...] = ()  # in the order of the log; empty where the events are not known


def attempts_of(events: Iterable[tuple[str, int]]) -> tuple[Attempt, ...]:
    """The starts of one step, from its events (type, time) in the order of the log."""
    attempts: list[Attempt] = []
    is_retry = False
    for kind, time_ns in events:
        if kind == "step_started":
            attempts.append(Attempt(time_ns, is_retry))
        if kind in ("step_started", "step_retrying"):
            is_retry = kind == "step_retrying"
    return tuple(attempts)


@dataclass(frozen=True, slots=True)
class RunFacts:
    run_id: str
    workflow: str = ""
    status: str = ""  # "" while the run itself has not been seen
    sdk_version: str = ""
    ended_ns: int | None = None  # the world's time of the terminal event or row; None while it runs
    steps: tuple[StepFacts, ...] = ()  # only where something is asked of them
    language: str = ""  # "python" has readers of its own


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
    world: str = ""  # kind of the world; "" where it is not known
    told: Mapping[int, int] = field(
        default_factory=dict
    )  # arrival to its place among the notifications heard


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
    memo: Any = field(default=None, init=False, repr=False)  # what one detector made of it, for the others

    @cached_property
    def payload(self) -> bytes:
        return self.load()

    @property
    def is_whole(self) -> bool:
        """Of a very large payload only the head is kept."""
        return len(self.payload) >= self.size

    @property
    def is_sealed(self) -> bool:
        """Encrypted with a nonce: equal values are stored as different bytes."""
        return self.payload[4:8] in SEALED or self.payload[:4] in SEALED

    @property
    def time_ns(self) -> int:
        """The earlier of both clocks, the world's and the writer's: a file may have been copied or touched later."""
        return self.stored_ns if self.minted_ms is None else min(self.stored_ns, self.minted_ms * NS_PER_MS)

    @cached_property
    def value(self) -> ChunkValue:
        return decode_chunk(self.payload, framing=self.framing or None)

    @cached_property
    def values(self) -> list[Any] | None:
        """The values stored in a data chunk as plain Python; None if any of it cannot be read."""
        whole = self.value
        values = whole.values
        if whole.kind not in _VALUES or whole.problem is not None or not values:
            return None
        if len(values) == 1:
            return [self.plain] if values[0].status == "ok" else None
        return (
            [as_plain(value.value) for value in values]
            if all(value.status == "ok" for value in values)
            else None
        )

    @cached_property
    def plain(self) -> Any:
        """The chunk's only value as plain JSON-like Python, or None: what the message grammar reads."""
        values = self.value.values
        return as_plain(values[0].value) if len(values) == 1 and values[0].status == "ok" else None
