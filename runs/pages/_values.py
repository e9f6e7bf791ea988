"""Stored payloads as something a template can show (`runs/_value.html`). Nothing here raises."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from runs.pages._dump import TextPage, hex_page, json_text, text_page
from runs.pages._format import hex_head, lines, size, visible
from runs.pages._place import AS_DECODED, MODES, Asked, Place
from runs.pages._report import Report, report_of
from runs.pages._stored import (
    LIMITS,
    NODE_LIMITS,
    TEXT_LIMITS,
    Column,
    Stored,
    inner,
    read,
    take_apart,
    with_payloads,
)
from runs.pages._tree import tree_html, without_payloads
from runs.payloads import Decoded, Sealed, preview

PREVIEW_CHARS = 160
TEXT_CHARS = 4000
HEX_BYTES = 512


@dataclass(frozen=True, slots=True)
class Shown:
    preview: str  # one line, plain text
    tree: SafeString = mark_safe("")  # noqa: RUF009 - a constant
    text: str = ""  # what is readable of bytes that are no value
    hex: str = ""
    problem: str = ""  # why it is raw, or what could not be read in it
    note: str = ""  # how much of it is shown
    page: TextPage | None = None  # of the JSON text or the hex dump
    report: Report | None = None
    size: int = 0  # bytes, of the whole value
    is_head: bool = False  # only its head is kept here
    place: Place | None = None
    mode: str = "decoded"
    key: str = ""  # changes with the stored bytes

    @property
    def modes(self) -> tuple[tuple[str, str], ...]:
        return MODES


def shown(
    stored: Column, place: Place | None = None, *, key: bytes | None = None, asked: Asked = AS_DECODED
) -> Shown | None:
    """None where nothing was stored. `key` is the run's key, where it is known."""
    return None if stored is None else view(take_apart(bytes(stored)), place, key=key, asked=asked)


def view(
    parts: Stored, place: Place | None = None, *, key: bytes | None = None, asked: Asked = AS_DECODED
) -> Shown:
    """A value in the form that is asked for."""
    digest = hashlib.sha256(parts.body).hexdigest()[:12]
    whole = max(parts.size, len(parts.body))
    common: dict[str, Any] = {
        "size": whole,
        "is_head": parts.is_head,
        "place": place,
        "mode": asked.mode,
        "key": digest,
    }
    if asked.mode == "hex":
        return Shown(_bytes_said(parts), page=hex_page(parts.body, asked.start), **common)
    if parts.is_head:
        return _head(parts, common)
    if asked.mode == "json":
        return _as_json(parts, key, asked, common)
    return _as_tree(parts, key, common)


def node_html(parts: Stored, place: Place, asked: Asked, key: bytes | None = None) -> SafeString:
    """A part of a value that was left out before, as a tree of its own."""
    decoded = read(parts, key, NODE_LIMITS, asked.node, asked.start)
    if isinstance(decoded, str):
        return tree_html(decoded, place)
    if decoded.value is None and decoded.status != "ok":
        return tree_html(decoded.problem.reason if decoded.problem else decoded.status, place)
    return tree_html(decoded.value, place, asked.start)


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


def error_line(stored: Column, limit: int = PREVIEW_CHARS) -> str:
    """`FatalError: upstream answered 500`, from either form in which the SDK keeps errors."""
    if stored is None:
        return ""
    parts = take_apart(bytes(stored))
    decoded = read(parts) if not parts.is_head else "large"
    if isinstance(decoded, Decoded) and decoded.value.__class__ is dict:
        return visible(_plain_error(decoded.value)[:limit]) or one_line(stored, limit)
    return one_line(stored, limit)


def _as_tree(parts: Stored, key: bytes | None, common: dict[str, Any]) -> Shown:
    decoded = read(parts, key, LIMITS)
    if isinstance(decoded, str):
        return _raw(parts, decoded, common)
    report = report_of(decoded)
    if decoded.value is None and decoded.status != "ok":
        reason = f"{decoded.status}: {report.reason}" if report.reason else decoded.status
        return _raw(parts, reason, common | {"report": report})
    value = with_payloads(decoded.value, key) if parts.form == "json" else decoded.value
    bytes_too = hex_head(parts.body, HEX_BYTES) if report.trouble or isinstance(value, Sealed) else ""
    line = preview(without_payloads(value), PREVIEW_CHARS)
    tree = tree_html(value, common["place"])
    note = _part_said(parts) if report.is_partial else ""
    return Shown(line, tree, hex=bytes_too, problem=report.trouble, note=note, report=report, **common)


def _as_json(parts: Stored, key: bytes | None, asked: Asked, common: dict[str, Any]) -> Shown:
    decoded = read(parts, key, TEXT_LIMITS)
    if isinstance(decoded, str) or (decoded.value is None and decoded.status != "ok"):
        reason = decoded if isinstance(decoded, str) else report_of(decoded).trouble or decoded.status
        return Shown(_bytes_said(parts), text=_text_in(parts.body), problem=reason, **common)
    value = inner(decoded.value, key) if parts.form == "json" else decoded.value
    report = report_of(decoded)
    note = f"not all of it: {report.reason}" if report.is_partial else ""
    page = text_page(json_text(value), asked.start)
    return Shown(preview(value, PREVIEW_CHARS), page=page, problem=report.trouble, note=note, **common)


def _head(parts: Stored, common: dict[str, Any]) -> Shown:
    note = f"kept as head: {len(parts.body):,} bytes of {parts.size:,}"
    return _raw(parts, "too large to be copied whole", common | {"note": note})


def _raw(parts: Stored, problem: str, common: dict[str, Any]) -> Shown:
    """Bytes as hex, and as text too where they are one."""
    body = parts.body
    text, bytes_too = _text_in(body), hex_head(body, HEX_BYTES)
    return Shown(_bytes_said(parts), text=text, hex=bytes_too, problem=problem, **common)


def _part_said(parts: Stored) -> str:
    if parts.form == "json":  # plain JSON has no numbered parts
        return "large: not all of it is in this tree, the JSON view has more"
    return "large: the rest opens part by part"


def _bytes_said(parts: Stored) -> str:
    return f"{len(parts.body):,} bytes"


def _text_in(body: bytes) -> str:
    head = body[:TEXT_CHARS]
    text = head.decode("utf-8", "ignore")
    odd = (
        sum(not char.isprintable() and char not in "\n\r\t" for char in text) + len(head) - len(text.encode())
    )
    return lines(text) if odd <= len(head) // 10 else ""


def _plain_error(value: dict[str, Any]) -> str:
    """4.x keeps errors as plain JSON, in which only the stack still names the class."""
    message, stack = value.get("message"), value.get("stack")
    if not isinstance(message, str):
        return ""
    named = stack.partition("\n")[0] if isinstance(stack, str) else ""
    return named if message and named.endswith(message) else message
