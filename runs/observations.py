"""What a world adapter yields: frozen facts, without a database.

Times are nanoseconds since 1970 UTC (see `dashboard.lib.clock`). Payloads are bytes in the stored form of
`runs.worlds.base.stored_bytes`: the SDK's own bytes, or `JSON` + text where a world keeps plain JSON, or
`HEAD` + a line of JSON + the first bytes where the value was too large to copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias


@dataclass(frozen=True, slots=True)
class RunSeen:
    run_id: str
    status: str
    workflow: str
    source_ns: int  # the world's time of this version of the row; an older one never overwrites a newer
    deployment: str = ""
    sdk_version: str = ""
    language: str = ""  # "js", "python" or "" (not known)
    spec_version: int | None = None
    created_ns: int | None = None
    started_ns: int | None = None
    completed_ns: int | None = None
    expired_ns: int | None = None
    input: bytes | None = None
    output: bytes | None = None
    error: bytes | None = None
    error_code: str = ""
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepSeen:
    run_id: str
    step_id: str
    status: str
    name: str
    source_ns: int
    attempt: int | None = None
    created_ns: int | None = None
    started_ns: int | None = None
    completed_ns: int | None = None
    retry_after_ns: int | None = None
    input: bytes | None = None
    output: bytes | None = None
    error: bytes | None = None


@dataclass(frozen=True, slots=True)
class EventSeen:
    run_id: str
    event_id: str
    type: str
    source_ns: int
    correlation_id: str = ""  # step, hook or wait id; empty on run events
    created_ns: int | None = None
    data: bytes | None = None  # eventData as `JSON` + text, bytes inside it in the SDK's base64 wrapper


@dataclass(frozen=True, slots=True)
class HookSeen:
    run_id: str
    hook_id: str
    token: str
    source_ns: int
    created_ns: int | None = None
    is_webhook: bool = False
    is_system: bool = False
    metadata: bytes | None = None


@dataclass(frozen=True, slots=True)
class WaitSeen:
    run_id: str
    wait_id: str
    status: str
    source_ns: int
    created_ns: int | None = None
    resume_ns: int | None = None
    completed_ns: int | None = None


@dataclass(frozen=True, slots=True)
class StreamSeen:
    """A stream belongs to a run: `listed` in the run's stream list, or only named in a payload or by its name."""

    run_id: str
    name: str
    listed: bool
    framing: str = ""  # "framed-v1" where a stream handle says so


@dataclass(frozen=True, slots=True)
class StreamListSeen:
    """The whole stream list of a run as the world keeps it (it loses entries when streams start together)."""

    run_id: str
    names: tuple[str, ...]
    source_ns: int


class ChunkSeen(NamedTuple):
    """One stored chunk. A tuple, since it is made once per chunk: a frozen dataclass takes five times as long."""

    stream: str
    chunk_id: str  # the world's own key; reading order is the order of these within a stream
    is_close: bool
    data: bytes  # payload without the end-marker byte; only the first bytes if `size` is larger
    size: int  # bytes of the whole payload
    digest: bytes  # first 16 bytes of SHA-256 of the whole payload
    minted_ms: int | None  # the ULID's time: the writer's clock, milliseconds
    stored_ns: int  # the world's own time
    observed_ns: int  # ours
    problem: str = ""  # what is wrong with the stored bytes themselves, e.g. an empty file


class ChunkTold(NamedTuple):
    """Our own listener heard the world tell its readers of a chunk. The chunk may not be known yet, nor its stream.

    `place` is its place among all that the listening session heard; what was told before the session began, or
    after it was cut, has none. A world that tells of a chunk twice is two of these: readers heed the first.
    """

    stream: str
    chunk_id: str
    place: int
    told_ns: int  # our clock
    listener: str  # the session: one connection from its beginning to its end


class WriteTried(NamedTuple):
    """One chunk of one call that writes to a stream (or a close), as the app's probe told it.

    Times are the process's own clock. A call that hands over several chunks is several of these.
    """

    process: str
    number: int  # of the call within its process
    place: int  # of the chunk within the call, from 0
    run_id: str
    stream: str
    is_close: bool
    is_sent: bool  # False: written to the writable, never reached the world
    ok: bool | None  # acknowledged; None where the call never came back
    called_ns: int
    took_ns: int | None
    size: int | None
    digest: bytes | None  # the first 8 bytes of SHA-256
    data: bytes | None
    error: str
    status: int | None  # HTTP status of a rejection
    step: StepKnown
    writable: str  # which writable of the step attempt, where that is known
    is_sdk_writer: bool  # `writable` is the SDK's own writer id, and `order` counts within it
    order: int | None  # the writer's order, growing within the process (or within the SDK's writer)
    is_overlapping: bool
    acquired: int | None


class StepKnown(NamedTuple):
    """The step attempt behind a write. `known` is exact, step only, inferred or unknown."""

    step_id: str = ""
    name: str = ""
    attempt: int | None = None
    known: str = "unknown"


@dataclass(frozen=True, slots=True)
class AppFailed:
    """A failure of a stream that surfaced in the app, beside the call that failed."""

    run_id: str
    kind: str  # unhandled_rejection, warning or log
    at_ns: int  # the process's clock
    name: str
    message: str
    step_id: str
    write_number: int | None
    place: int  # among the records of its batch


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something in the world that could not be read; `where` is relative to the world."""

    where: str
    reason: str
    head: bytes = b""  # the first bytes, to show raw


@dataclass(frozen=True, slots=True)
class ReadableAgain:
    """An earlier `Unreadable` was read, or is gone."""

    where: str


Observation: TypeAlias = (
    RunSeen
    | StepSeen
    | EventSeen
    | HookSeen
    | WaitSeen
    | StreamSeen
    | StreamListSeen
    | ChunkSeen
    | ChunkTold
    | Unreadable
    | ReadableAgain
)
