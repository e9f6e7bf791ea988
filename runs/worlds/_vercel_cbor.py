"""What a server answers, in CBOR or JSON, as plain values: nothing in it is executed, shared or looked up."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import cbor2

DEPTH = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TAGGED = re.compile(rb"[a-z0-9]{4}")  # how the SDK's own bytes begin: devl, encr, zstd...
_LONGEST_INT = 64  # bits that every reader of JSON can take


class Garbled(Exception):
    """Bytes that are not what they are said to be."""


def decode(data: bytes, kind: str) -> Any:
    """The body of an answer by its Content-Type. Raises Garbled."""
    if "json" in kind:
        return _from_json(data)
    return from_cbor(data)


def from_cbor(data: bytes) -> Any:
    """Dates as ISO text, byte strings as bytes; tags that mean something else are dropped, their value is kept."""
    try:
        return cbor2.loads(
            data,
            semantic_decoders=_DECODERS,
            tag_hook=_untagged,
            str_errors="replace",
            max_depth=DEPTH,
        )
    except (cbor2.CBORError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise Garbled(f"no CBOR: {_reason(error)}") from None


def _from_json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"no JSON: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _moment(seconds: Any, _immutable: bool) -> str | None:
    """Tag 1: seconds since 1970. The SDK's dates are whole milliseconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return iso_of(round(seconds * 1000))


def iso_of(milliseconds: int) -> str | None:
    try:
        return f"{_EPOCH + timedelta(milliseconds=milliseconds):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    except (OverflowError, ValueError):
        return None


def _value(value: Any, _immutable: bool) -> Any:
    return value


def _nothing(_index: Any, _immutable: bool) -> None:
    """A reference to something shared: no client writes one, and following them can blow up without end."""


def _untagged(tag: cbor2.CBORTag, _immutable: bool) -> Any:
    return tag.value


# Every tag that the library would make an object of, but whole numbers beyond 64 bits (2 and 3).
_DECODERS = cast(
    "Mapping[int, Any]",
    dict.fromkeys((0, 4, 5, 25, 28, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799), _value)
    | {1: _moment, 29: _nothing},
)


def plain(value: Any, depth: int = 0) -> Any:
    """A value that JSON can carry, bytes in the wrapper that the SDK's own files use."""
    if depth > DEPTH:
        return None
    if isinstance(value, dict):
        return {_text(name): plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, depth + 1) for inner in value]
    if isinstance(value, bytes):
        return {"__type": "Uint8Array", "data": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and value.bit_length() > _LONGEST_INT:
        return hex(value)
    return value if isinstance(value, str | int | float | bool) else None


def _text(name: Any) -> str:
    return name if isinstance(name, str) else str(name)[:200] if isinstance(name, int | float) else "?"


def bytes_of(value: Any) -> bytes | None:
    """A byte string, whichever way it came: as itself, or as JSON has to carry it. None for any other value."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict) and value.get("__type") == "Uint8Array":
        return unbase64(value.get("data"))
    if isinstance(value, dict) and value.get("type") == "Buffer" and isinstance(value.get("data"), list):
        try:
            return bytes(value["data"])
        except (TypeError, ValueError):
            return None
    return None


def unbase64(text: Any) -> bytes | None:
    if not isinstance(text, str):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def payload_of(value: Any) -> Any:
    """A payload: bytes where it is or carries the SDK's bytes, else the plain value itself; None for none."""
    raw = bytes_of(value)
    if raw is not None:
        return raw
    inner = unbase64(value) if isinstance(value, str) and len(value) >= 8 else None
    return inner if inner is not None and _TAGGED.match(inner) else plain(value)


def body_of(raw: bytes) -> Any:
    """A payload that came apart from its frame: the SDK's own bytes, or a value that the server put into CBOR."""
    if not raw:
        return None
    if _TAGGED.match(raw):
        return raw
    try:
        value = from_cbor(raw)
    except Garbled:
        return raw
    return raw if isinstance(value, int | float) else value
