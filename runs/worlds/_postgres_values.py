"""Values of a PostgreSQL world (CBOR, or jsonb in older rows) in the form in which this product stores them."""

from __future__ import annotations

import base64
import json
import math
from datetime import datetime
from typing import Any

import cbor2

from runs.worlds.base import stored_bytes

VALUE_MAX = 64 * 2**20  # bytes of one value
HEAD_SHOWN = 4096  # bytes of a value that cannot be read
_BYTES_TAG = 64  # the SDK's Uint8Array
_DEEPEST = 200


class BadValue(Exception):
    """Bytes that are no value of the SDK's; `head` is what they begin with."""

    def __init__(self, reason: str, head: bytes = b"") -> None:
        super().__init__(reason)
        self.reason, self.head = reason, head[:HEAD_SHOWN]


def decode_cbor(data: bytes) -> Any:
    """The value in a `_cbor` column: bytes for the SDK's byte arrays. Raises BadValue."""
    try:
        return cbor2.loads(data, tag_hook=_untagged)
    except RecursionError:
        raise BadValue("CBOR nested too deeply", data) from None
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, MemoryError, LookupError) as error:
        raise BadValue(f"not whole CBOR: {str(error)[:200]}", data) from None


def _untagged(*given: Any) -> Any:
    """Of the tags that cbor2 does not know only the byte array says something. 5.x hands over its decoder as well."""
    tag = next(one for one in given if isinstance(one, cbor2.CBORTag))
    if tag.tag == _BYTES_TAG and isinstance(tag.value, bytes):
        return tag.value
    return {"tag": tag.tag, "value": tag.value}


def decode_json(text: str) -> Any:
    """The value in a jsonb column, given as its text. Raises BadValue."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadValue(
            f"not valid JSON: {str(error)[:200]}", text[:HEAD_SHOWN].encode("utf-8", "replace")
        ) from None


def stored(value: Any, pointer: str) -> bytes | None:
    """As in `runs.worlds.base.stored_bytes`. Raises BadValue where it cannot be written as JSON."""
    if isinstance(value, bytes):
        return stored_bytes(value, pointer)
    try:
        return stored_bytes(plain(value), pointer)
    except (ValueError, TypeError, RecursionError) as error:
        raise BadValue(f"a value that JSON cannot hold: {str(error)[:200]}") from None


def whole(value: Any) -> bytes:
    """As in `stored_bytes`, whose hash this must have."""
    if isinstance(value, bytes):
        return value
    return b"JSON" + json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def plain(value: Any, depth: int = 0) -> Any:
    """As JSON can hold it: bytes in the SDK's own wrapper for them, times as text, nothing that is no number."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, bytes):
        return {"__type": "Uint8Array", "data": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {
            str(name): plain(inner, depth + 1)
            for name, inner in value.items()
            if inner is not cbor2.undefined
        }
    if isinstance(value, list | tuple):
        return [plain(inner, depth + 1) for inner in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if value is cbor2.undefined:
        return None
    if isinstance(value, int):
        return value if abs(value) < 2**1024 else "a number of more than 1,024 bits"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)[:4000]
