"""What an AI SDK `UIMessageChunk` is, and whether a stream carries them at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streams.facts import ChunkFact

PROBE = 20  # chunks that tell whether a stream carries this protocol
BOTH, ONLY_5, ONLY_7 = frozenset({5, 7}), frozenset({5}), frozenset({7})  # AI SDK majors whose reader throws
SILENT = frozenset[int]()

_PART: Mapping[str, Mapping[str, type]] = {
    "start": {"id": str},
    "delta": {"id": str, "delta": str},
    "end": {"id": str},
}
_DATA: Mapping[str, type] = {"data": object}
_REQUIRED: Mapping[str, Mapping[str, type]] = {
    **{f"{kind}-{op}": fields for kind in ("text", "reasoning") for op, fields in _PART.items()},
    "tool-input-start": {"toolCallId": str, "toolName": str},
    "tool-input-delta": {"toolCallId": str, "inputTextDelta": str},
    "tool-input-available": {"toolCallId": str, "toolName": str},
    "tool-input-error": {"toolCallId": str, "toolName": str, "errorText": str},
    "tool-output-available": {"toolCallId": str},
    "tool-output-error": {"toolCallId": str, "errorText": str},
    "tool-output-denied": {"toolCallId": str},
    "tool-approval-request": {"approvalId": str, "toolCallId": str},
    "tool-approval-response": {"approvalId": str, "approved": bool},
    "source-url": {"sourceId": str, "url": str},
    "source-document": {"sourceId": str, "mediaType": str, "title": str},
    "file": {"url": str, "mediaType": str},
    "reasoning-file": {"url": str, "mediaType": str},
    "custom": {"kind": str},
    "steering-message": {"id": str, "parts": list},
    "error": {"errorText": str},
    **{kind: {} for kind in ("start", "finish", "abort", "start-step", "finish-step", "reset-step")},
    "message-metadata": {},
}
_ANYWHERE = frozenset(
    {
        "message-metadata",
        "source-url",
        "source-document",
        "file",
        "reasoning-file",
        "custom",
        "steering-message",
        "error",
    }
)
_DELTAS = frozenset({"text-delta", "reasoning-delta", "tool-input-delta"})
_TURNS = frozenset({"start", "finish", "abort", "error"})  # a message begins or is over
# Any other JSON may use these words as well.
_COMMON_WORDS = frozenset({"start", "finish", "abort", "error", "file", "custom"})


def required_fields(kind: str) -> Mapping[str, type] | None:
    """The fields a chunk type must have; None for a type the protocol does not know."""
    return _DATA if kind.startswith("data-") else _REQUIRED.get(kind)


def wrong_fields(value: Mapping[str, Any], fields: Mapping[str, type]) -> list[str]:
    return [
        name for name, wanted in fields.items() if name not in value or not isinstance(value[name], wanted)
    ]


def is_anywhere(kind: str) -> bool:
    """Legal at any place, also before the start and after the finish of the message."""
    return kind in _ANYWHERE or kind.startswith("data-")


def chunk_type(value: object) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else None


def chunk_values(chunk: ChunkFact) -> list[Any] | None:
    """The values stored in a data chunk as plain Python; None if any of it cannot be read."""
    return chunk.values


class MessageShape:
    """Decides whether a stream carries UIMessageChunks, and whether its message came to an end.

    At least half of the first chunks must be of a known type with its required fields, one of them under a
    name that no other JSON would use by chance; and something must frame the message: deltas alone, without
    any start, end or step around them, are an app's own stream that only borrows the shape of a chunk.
    """

    def __init__(self) -> None:
        self._looked = self._fitting = 0
        self._framed = self._telling = self._ended = False
        self.ruled_out = False  # no later chunk can make this a message
        self.is_settled = False  # no later chunk makes a difference to whether it is one

    @property
    def is_message(self) -> bool:
        return self._framed and self._telling and 0 < self._looked <= 2 * self._fitting

    @property
    def unfinished(self) -> bool:
        """A message began, and it neither finished nor ended in an abort or an error."""
        return self.is_message and not self._ended

    def feed(self, value: object) -> None:
        """Take the next value; None for one that cannot be read."""
        kind = chunk_type(value)
        if not self.is_settled:
            self._look(kind, value)
        if kind in _TURNS:
            self._ended = kind != "start"

    def _look(self, kind: str | None, value: Any) -> None:
        fields = required_fields(kind) if kind is not None else None
        fits = kind is not None and fields is not None and not wrong_fields(value, fields)
        if self._looked < PROBE:
            self._looked += 1
            self._fitting += fits
        if fits and kind is not None:
            self._framed |= kind not in _DELTAS and not is_anywhere(kind)
            self._telling |= kind not in _COMMON_WORDS or "messageId" in value
        if self._looked == PROBE:
            self.ruled_out = self._looked > 2 * self._fitting
            self.is_settled = self._framed and self._telling
