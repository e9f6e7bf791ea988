"""What the type and value cells of a chunk row say. Bounded whatever a chunk holds."""

from __future__ import annotations

from html import escape
from types import NoneType
from typing import Any, NamedTuple

from runs.pages._format import hex_head, size, visible
from runs.payloads import (
    BigInt,
    Decoded,
    Invalid,
    JsError,
    Problem,
    TypedBytes,
    Undefined,
    decode_chunk,
    preview,
)
from streams.queries import ChunkRow

VALUE_CHARS = 110
FIELD_CHARS = 48
FIELDS = 4
HEX_BYTES = 24
_SEALED = (
    "Opened when a page is loaded, if the world's settings hold the key; live rows stay encrypted until then."
)
_DELTAS = ("delta", "inputTextDelta")
_KEYLESS = ("id", "toolCallId")  # which part a chunk belongs to: its key says nothing more


class Cell(NamedTuple):
    type: str  # plain text
    value: str  # HTML, escaped
    problem: str = ""  # plain text: why the value is raw, or what is odd about it


def cell_of(row: ChunkRow, key: bytes | None = None) -> Cell:
    if row.is_close:
        return Cell("close", "")
    if row.size > len(row.data):
        return _large(row)
    chunk = decode_chunk(bytes(row.data), key=key, framing=row.framing or None)
    if not chunk.values:
        return _raw(row, "empty" if chunk.kind == "empty" else "unread", _reason(chunk.problem))
    first = chunk.values[0]
    if first.status == "encrypted":
        return Cell(
            "encrypted", f'<span title="{_SEALED}">{escape(preview(first.value, VALUE_CHARS))}</span>'
        )
    if first.status != "ok" and isinstance(first.value, (NoneType, Invalid, TypedBytes)):
        return _raw(row, first.status, _reason(first.problem))
    problem = _reason(chunk.problem) or _reason(first.problem)
    if len(chunk.values) > 1:
        return Cell(f"{len(chunk.values)} values", _several(chunk.values), problem)
    return _one(first.value, problem)


def _one(value: Any, problem: str) -> Cell:
    if value.__class__ is dict and isinstance(value.get("type"), str):
        return Cell(visible(value["type"][:40]), _fields(value), problem)
    return Cell(type_name(value), escape(preview(value, VALUE_CHARS)), problem)


def _fields(value: dict[str, Any]) -> str:
    """The rest of a typed chunk: `t1 "e"`, `finishReason "stop"`."""
    parts: list[str] = []
    for key, item in value.items():
        if key == "type":
            continue
        if len(parts) == FIELDS:
            parts.append("…")
            break
        parts.append(_field(key, item))
    return " ".join(parts)


def _field(key: str, item: Any) -> str:
    if key in _KEYLESS and item.__class__ is str:
        return f'<span class="k">{escape(visible(item[:FIELD_CHARS]))}</span>'
    limit = VALUE_CHARS if key in _DELTAS else FIELD_CHARS
    text = escape(preview(item, limit))
    return text if key in _DELTAS else f'<span class="k">{escape(visible(key[:FIELD_CHARS]))}</span> {text}'


def _several(values: tuple[Decoded, ...]) -> str:
    shown = " · ".join(preview(one.value, FIELD_CHARS) for one in values[:FIELDS])
    return escape(shown + (" · …" if len(values) > FIELDS else ""))


def _large(row: ChunkRow) -> Cell:
    """Lists read only the head of a large payload, which is no whole value: show it as text if it is one."""
    head = bytes(row.data[:200])
    text = head.decode("utf-8", "ignore")
    readable = text[8:].isprintable() and len(text) > len(head) - 4
    shown = visible(text[:VALUE_CHARS]) if readable else hex_head(head, HEX_BYTES)
    return Cell("large", f"{escape(shown)}…", f"{size(row.size)}: open the row for the value")


def _raw(row: ChunkRow, word: str, reason: str) -> Cell:
    return Cell(word, f"{hex_head(bytes(row.data), HEX_BYTES)}", reason or "not readable")


def _reason(problem: Problem | None) -> str:
    return problem.reason if problem is not None else ""


def type_name(value: Any) -> str:
    """The name JavaScript has for it."""
    name = _NAMES.get(value.__class__)
    if name:
        return name
    if isinstance(value, JsError):
        return visible(value.name[:40])
    if isinstance(value, TypedBytes):
        return visible(value.type[:40])
    return str(value.__class__.__name__).removeprefix("Js")


_NAMES = {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "boolean"}
_NAMES |= {type(None): "null", Undefined: "undefined", BigInt: "bigint"}
