"""The outline of a chunk: all that the message grammar reads of it, and no user text (`runs.worlds._bundle_shape`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.bundle.redact import Redactor
from streams.chunk_types import chunk_type, chunk_values, required_fields
from streams.facts import ChunkFact

# Which fields name something, and what the hash is called. Everything else of the protocol says how it is, not what.
_NAMES: Mapping[str, str] = {
    "id": "part",
    "messageId": "message",
    "toolCallId": "call",
    "approvalId": "approval",
    "sourceId": "source",
    "toolName": "tool",
}
_FLAGS = frozenset({"transient", "providerExecuted", "dynamic", "preliminary", "approved"})
_KEPT = frozenset({"input", "output", "data", "messageMetadata", "finishReason", "reason", "title"})
_REASONS = frozenset({"stop", "length", "content-filter", "tool-calls", "error", "other", "unknown"})


def outline_of(chunk: ChunkFact, redactor: Redactor) -> dict[str, Any]:
    """`form` is how the bytes are packed; `values` what is in them, empty where they cannot be read here."""
    values = chunk_values(chunk)
    outline: dict[str, Any] = {"form": chunk.value.kind}
    if values is None:
        statuses = {one.status for one in chunk.value.values} - {"ok"}
        return outline | ({"unread": sorted(statuses)} if statuses else {})
    return outline | {"values": [_outlined(value, redactor) for value in values]}


def type_of(outline: Mapping[str, Any]) -> str:
    """What kind of chunk it is, in a word."""
    values = outline.get("values") or []
    if len(values) != 1:
        return (
            f"{len(values)} values"
            if values
            else ", ".join(outline.get("unread", ())) or str(outline["form"])
        )
    return chunk_type(values[0]) or "value"


def _outlined(value: Any, redactor: Redactor) -> Any:
    kind = chunk_type(value)
    if kind is None:
        return _left_out(value)
    fields = required_fields(kind)
    wanted = {*(fields or ()), *_NAMES, *_FLAGS, *_KEPT} if fields is not None else set()
    return {"type": _type(kind, fields is not None, redactor)} | {
        name: _field(name, item, redactor) for name, item in value.items() if name in wanted
    }


def _type(kind: str, is_known: bool, redactor: Redactor) -> str:
    """A word of the protocol as it is. The names of an app's own types are its own."""
    if kind.startswith("data-"):
        return redactor.name("data", kind)
    return kind if is_known else redactor.name("unknown", kind)


def _field(name: str, item: Any, redactor: Redactor) -> Any:
    if name in _NAMES:
        return (
            redactor.name(_NAMES[name], item) if isinstance(item, str) else [redactor.name("odd", repr(item))]
        )
    if name == "finishReason" and item in _REASONS:
        return item
    return _left_out(item)


def _left_out(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"characters": len(value)}
    kinds = ((dict, "object"), (list, "list"))
    return {"omitted": next((word for kind, word in kinds if isinstance(value, kind)), "number")}
