"""What the decoder takes and gives: limits, results, and the report of what could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ok", "corrupt", "unsupported", "truncated", "encrypted", "expired"]
ChunkKind = Literal[
    "framed-value", "framed-bytes", "unframed-value", "legacy-json-lines", "raw-bytes", "empty"
]

AROUND = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one payload is shown: values in the tree, nesting, inflated bytes, seconds, entries of a list.

    Whatever lies beyond becomes `Truncated` nodes, which `open_node` opens one at a time.
    """

    nodes: int = 200_000
    depth: int = 200
    inflated: int = 64 * 2**20
    seconds: float = 2.0
    breadth: int = 200_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that could not be read.

    `offset` counts bytes of that layer's own bytes, its 4-byte tag included; for the outermost
    layer these are the stored bytes. `hex` shows up to 16 bytes on both sides of it.
    """

    layer: str
    offset: int
    reason: str
    hex: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """One payload. `size` is its stored size in bytes (0 for values that arrive as JSON).

    `layers` names the envelopes from the outside in, such as `("encr", "zstd", "devl")`. `value` holds
    whatever could be read, also when `status` is not "ok"; a `problem` with status "ok" means that
    single nodes (`Invalid`) could not be read. An object that the payload refers to twice is the same
    Python object in both places, so values must not be changed.
    """

    status: Status
    value: Any
    layers: tuple[str, ...]
    size: int
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class ChunkValue:
    """One stored stream chunk: one `Decoded` per frame or line, and what is wrong with the framing."""

    kind: ChunkKind
    values: tuple[Decoded, ...]
    problem: Problem | None


class LayerError(Exception):
    """A layer that does not open: the decision (`status`) and what is still known (`value`)."""

    def __init__(self, status: Status, problem: Problem, value: Any = None, partial: bytes = b"") -> None:
        super().__init__(problem.reason)
        self.status = status
        self.problem = problem
        self.value = value
        self.partial = partial


def problem_at(layer: str, data: bytes, offset: int, reason: str) -> Problem:
    offset = max(0, min(offset, len(data)))
    window = data[max(0, offset - AROUND) : offset + AROUND]
    return Problem(layer, offset, reason, window.hex(" "))
