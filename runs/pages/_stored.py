"""The stored form of a payload (`runs.worlds.base.stored_bytes`), taken apart and decoded."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from runs.pages._tree import Payload, without_payloads
from runs.payloads import Decoded, Limits, TypedBytes, decode, decode_json, open_node

# One page of a value; what lies beyond is opened node by node.
# A list shows its first entries whole rather than all of them closed.
LIMITS = Limits(nodes=1000, depth=12, inflated=8 * 2**20, seconds=1.0, breadth=100)
NODE_LIMITS = replace(LIMITS, nodes=500, depth=4)
TEXT_LIMITS = replace(LIMITS, nodes=50_000, depth=200, inflated=32 * 2**20)  # for the JSON view

Column: TypeAlias = bytes | memoryview | None  # as databases give it
Form = Literal["sdk", "json", "bytes", "line"]


@dataclass(frozen=True, slots=True)
class Stored:
    body: bytes
    form: Form = "sdk"  # bytes of the SDK, JSON text, bytes of a byte stream, an old line of devalue text
    size: int = -1  # of the whole value; more than the body where only its head is kept
    pointer: str = ""  # where the world keeps the whole of it

    @property
    def is_head(self) -> bool:
        return self.size > len(self.body)


def take_apart(stored: bytes) -> Stored:
    whole, pointer = len(stored), ""
    if stored[:4] == b"HEAD":
        line, _, stored = stored[4:].partition(b"\n")
        said, pointer = _about(line)
        whole = max(said, len(stored))
    if stored[:4] == b"JSON":
        return Stored(stored[4:], "json", whole - 4, pointer)
    return Stored(stored, "sdk", whole, pointer)


def read(
    parts: Stored, key: bytes | None = None, limits: Limits = LIMITS, node: int = -1, start: int = 0
) -> Decoded | str:
    """The value, or the reason why there is none. `node` names a part of it, from its entry `start` on."""
    body = b"devl" + parts.body if parts.form == "line" else parts.body
    if parts.form == "bytes":
        return Decoded("ok", TypedBytes("Uint8Array", body), ("raw",), len(body), None)
    if parts.form != "json":
        return (
            decode(body, key=key, limits=limits)
            if node < 0
            else open_node(body, node, start=start, key=key, limits=limits)
        )
    try:
        value = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"[:200]
    return decode_json(value, key=key, limits=limits)


def part_of(parts: Stored, name: str) -> Stored | None:
    """What stands under one name of a JSON object, as a value of its own; SDK bytes in it unwrapped."""
    try:
        value = json.loads(parts.body.decode("utf-8", "replace")) if parts.form == "json" else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or name not in value:
        return None
    data = _bytes_in(value[name])
    if data is not None:
        return Stored(data, "sdk", len(data))
    text = json.dumps(value[name], ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Stored(text, "json", len(text))


def with_payloads(value: Any, key: bytes | None = None, limits: Limits = LIMITS) -> Any:
    """The same with the SDK's bytes inside a JSON object decoded (event data holds them one level down)."""
    if value.__class__ is not dict:
        return value
    return {name: _opened(name, item, key, limits) for name, item in value.items()}


def inner(value: Any, key: bytes | None = None) -> Any:
    return without_payloads(with_payloads(value, key))


def _opened(name: str, item: Any, key: bytes | None, limits: Limits) -> Any:
    if not _is_wrapped(item):
        return item
    decoded = decode_json(item, key=key, limits=limits)
    return item if decoded.value is None and decoded.status != "ok" else Payload(name, decoded.value)


def _is_wrapped(item: Any) -> bool:
    return item.__class__ is dict and item.keys() == {"__type", "data"}


def _bytes_in(item: Any) -> bytes | None:
    if not _is_wrapped(item) or item["__type"] != "Uint8Array":
        return None
    try:
        return base64.b64decode(item["data"], validate=True)
    except (binascii.Error, ValueError, TypeError):
        return None


def _about(line: bytes) -> tuple[int, str]:
    """Size and pointer in the first line of a value of which only the head is kept."""
    try:
        about = json.loads(line)
        size, pointer = about["size"], about.get("pointer", "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return 0, ""
    return (size if isinstance(size, int) else 0), (pointer if isinstance(pointer, str) else "")
