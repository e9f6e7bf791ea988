"""What a rebuilt message is made of. Everything names the chunk it came from by arrival and position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from runs.payloads import UNDEFINED

# Shapes of a stream: UIMessageChunks, strings, other values, bytes that are text, other bytes, nothing readable.
MESSAGE, TEXT, VALUES, UTF8, BYTES, UNREAD = "message", "text", "values", "utf-8", "bytes", "unread"
REASONING, INPUT = "reasoning", "input"  # further flows of a message, beside its text


class Fragment(NamedTuple):
    """One piece of text out of one value of one chunk."""

    text: str
    arrival: int
    position: int | None  # None: behind the first end marker
    nth: int = 0  # of the values within its chunk

    @property
    def key(self) -> tuple[int, int]:
        return self.arrival, self.nth


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool call. What was not said is UNDEFINED; arrivals are those of the latest chunk that said it."""

    name: str
    is_dynamic: bool = False
    input: Any = UNDEFINED
    output: Any = UNDEFINED
    error: str = ""
    approval_id: str = ""
    approved: bool | None = None
    reason: str = ""
    is_preliminary: bool = False
    input_at: int | None = None
    output_at: int | None = None
    approval_at: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the message, in the order in which the reader adds them."""

    kind: str  # text, reasoning, tool, step, message (a further one begins), or the type of its chunk
    id: str
    arrival: int  # of the chunk that began it
    position: int | None
    state: str = ""  # as the AI SDK calls it: streaming, done, input-streaming, output-available, ...
    fragments: tuple[Fragment, ...] = ()  # its text, or a tool's input as it streamed
    is_stray: bool = False  # nothing began it: where the SDK's reader stops, this is what would follow
    is_dropped: bool = False  # taken away again by a reset-step, which AI SDK 5 does not know
    is_transient: bool = False  # handed to the app, never part of the message
    value: Any = None  # the latest chunk of it, whole
    value_at: int = 0
    updates: int = 0  # how often a later chunk replaced it
    tool: Tool | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the AI SDK's reader throws. `majors`: versions that stop here."""

    arrival: int
    position: int | None
    majors: frozenset[int]
    error: str


@dataclass(frozen=True, slots=True)
class Unread:
    """Chunks whose value cannot be read here: what they hold is missing from the text."""

    count: int = 0
    arrival: int | None = None  # of the first of them
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A stream put together in one order of its chunks."""

    shape: str
    order: tuple[int, ...]  # arrivals, as they were taken
    flows: Mapping[str, tuple[Fragment, ...]]
    parts: tuple[Part, ...] = ()
    stops: tuple[Stop, ...] = ()  # at most one for each major
    message_id: str = ""
    metadata: Any = None
    ending: str = ""  # finish, abort or error; empty while nothing ended the message
    ending_reason: str = ""
    unread: Unread = Unread()

    def text(self, flow: str = TEXT) -> str:
        return "".join(fragment.text for fragment in self.flows.get(flow, ()))
