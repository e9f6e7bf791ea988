"""Stored payloads as something a template can show (`runs/_value.html`). Nothing here raises."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.utils.safestring import SafeString, mark_safe

from runs.pages._format import hex_head, lines, size, visible
from runs.pages._tree import tree_html
from runs.payloads import Decoded, Limits, Sealed, decode, decode_json, preview

LIMITS = Limits(nodes=2000, depth=40, inflated=8 * 2**20, seconds=1.0)
PREVIEW_CHARS = 160
TEXT_CHARS = 4000
HEX_BYTES = 512
Column: TypeAlias = bytes | memoryview | None  # as databases give it


@dataclass(frozen=True, slots=True)
class Shown:
    preview: str  # one line, plain text
    tree: SafeString = mark_safe("")  # noqa: RUF009 - a constant
    text: str = ""  # what is readable of bytes that are no value
    hex: str = ""
    problem: str = ""  # why it is raw, or what could not be read in it
    note: str = ""  # what was done to read it: its layers, how much of it is kept


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored form of `runs.worlds.base.stored_bytes`, taken apart."""

    body: bytes
    is_json: bool
    size: int  # of the whole value; more than the body where only its head is kept

    @property
    def is_head(self) -> bool:
        return self.size > len(self.body)


def take_apart(stored: bytes) -> Stored:
    whole = len(stored)
    if stored[:4] == b"HEAD":
        line, _, stored = stored[4:].partition(b"\n")
        whole = max(_size_in(line), len(stored))
    if stored[:4] == b"JSON":
        return Stored(stored[4:], True, whole - 4)
    return Stored(stored, False, whole)


def shown(stored: Column) -> Shown | None:
    """None where nothing was stored."""
    if stored is None:
        return None
    parts = take_apart(bytes(stored))
    if parts.is_head:
        kept = f"kept as head: {len(parts.body):,} bytes of {parts.size:,}"
        return raw(parts.body, "too large to be copied whole", kept)
    decoded = read(parts)
    return raw(parts.body, decoded) if isinstance(decoded, str) else of_decoded(decoded, parts.body)


def one_line(stored: Column, limit: int = PREVIEW_CHARS, whole: int | None = None) -> str:
    """A preview for lists, where `stored` may be cut: `whole` is its full size."""
    if stored is None:
        return ""
    stored = bytes(stored)
    parts = take_apart(stored)
    if parts.is_head or (whole is not None and whole > len(stored)):
        return f"{size(max(parts.size, whole or 0))}, too large for a list"
    decoded = read(parts)
    if isinstance(decoded, str):
        return f"{hex_head(parts.body, 16)} ({decoded})"
    if decoded.value is None and decoded.status != "ok":
        return f"{decoded.status}: {hex_head(parts.body, 16)}"
    return preview(inner(decoded.value), limit)


def read(parts: Stored) -> Decoded | str:
    """The value, or the reason why there is none."""
    if not parts.is_json:
        return decode(parts.body, limits=LIMITS)
    try:
        value = json.loads(parts.body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"[:200]
    return decode_json(value, limits=LIMITS)


def inner(value: Any) -> Any:
    """The same with the SDK's bytes inside a JSON object decoded (event data holds them one level down)."""
    if value.__class__ is not dict:
        return value
    return {key: _opened(item) for key, item in value.items()}


def of_decoded(decoded: Decoded, body: bytes) -> Shown:
    """One decoded payload; raw bytes where there is no value in it."""
    reason = decoded.problem.reason if decoded.problem else ""
    note = " › ".join(decoded.layers) if len(decoded.layers) > 1 else ""
    if decoded.value is None and decoded.status != "ok":
        return raw(body, f"{decoded.status}: {reason}" if reason else decoded.status, note)
    value = inner(decoded.value)
    if decoded.status not in ("ok", "encrypted") and not reason:
        reason = decoded.status
    bytes_too = hex_head(body, HEX_BYTES) if reason or isinstance(value, Sealed) else ""
    return Shown(preview(value, PREVIEW_CHARS), tree_html(value), hex=bytes_too, problem=reason, note=note)


def raw(body: bytes, problem: str, note: str = "") -> Shown:
    """Bytes as hex, and as text too where they are one."""
    return Shown(
        f"{len(body):,} bytes", text=_text_in(body), hex=hex_head(body, HEX_BYTES), problem=problem, note=note
    )


def _text_in(body: bytes) -> str:
    head = body[:TEXT_CHARS]
    text = head.decode("utf-8", "ignore")
    odd = (
        sum(not char.isprintable() and char not in "\n\r\t" for char in text) + len(head) - len(text.encode())
    )
    return lines(text) if odd <= len(head) // 10 else ""


def error_line(stored: Column, limit: int = PREVIEW_CHARS) -> str:
    """`FatalError: upstream answered 500`, from either form in which the SDK keeps errors."""
    if stored is None:
        return ""
    parts = take_apart(bytes(stored))
    decoded = read(parts) if not parts.is_head else "large"
    if isinstance(decoded, Decoded) and decoded.value.__class__ is dict:
        return visible(_plain_error(decoded.value)[:limit]) or one_line(stored, limit)
    return one_line(stored, limit)


def _plain_error(value: dict[str, Any]) -> str:
    """4.x keeps errors as plain JSON, in which only the stack still names the class."""
    message, stack = value.get("message"), value.get("stack")
    if not isinstance(message, str):
        return ""
    named = stack.partition("\n")[0] if isinstance(stack, str) else ""
    return named if message and named.endswith(message) else message


def _opened(item: Any) -> Any:
    if item.__class__ is dict and item.keys() == {"__type", "data"}:
        decoded = decode_json(item, limits=LIMITS)
        return item if decoded.value is None and decoded.status != "ok" else decoded.value
    return item


def _size_in(line: bytes) -> int:
    try:
        found = json.loads(line)["size"]
    except (ValueError, TypeError, KeyError):
        return 0
    return found if isinstance(found, int) else 0
