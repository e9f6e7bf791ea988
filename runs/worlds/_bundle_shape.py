"""What a redacted bundle holds in the place of a chunk's bytes, and bytes to show for it.

An outline is plain JSON. Text is `{"characters": n}`, anything else that was left out `{"omitted": "object"}`; what
remains are the words of the AI SDK's protocol, hashed ids, true, false and null. Expanded, text becomes n blocks, so
that a page shows at a glance what it is, and the message grammar reads the same structure as before.
"""

from __future__ import annotations

import json
from typing import Any

BLOCK = "█"
CHARACTERS_MAX = 4_000  # blocks shown for one text
PADDED_MAX = 64 * 1024  # bytes
DEPTH_MAX = 20
_EMPTY: dict[str, Any] = {"object": {}, "list": [], "number": 0, "text": ""}


def placeholder(outline: Any, size: int) -> bytes:
    """A frame for each value of an outline; nothing for a chunk that could not be read either.

    As long as the chunk was, up to a bound: pages take fewer bytes than the size for a chunk whose end is missing.
    """
    values = outline.get("values") if isinstance(outline, dict) else None
    if not isinstance(values, list) or not values:
        return b""
    frames = [_devalue(_marked(_expanded(value, 0))) for value in values]
    missing = min(size, PADDED_MAX) - sum(len(frame) + 4 for frame in frames)
    frames[-1] += b" " * max(0, missing)
    return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)


def _marked(value: Any) -> Any:
    """Says of itself what it is; no reader of the protocol looks at that field."""
    return value | {"redacted": True} if isinstance(value, dict) else value


def _expanded(value: Any, depth: int) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"characters"}:
            count = value["characters"]
            return BLOCK * min(count, CHARACTERS_MAX) if isinstance(count, int) and count > 0 else ""
        if value.keys() == {"omitted"}:
            return _EMPTY.get(str(value["omitted"]))
        return {key: _expanded(one, depth + 1) for key, one in value.items()} if depth < DEPTH_MAX else {}
    if isinstance(value, list):
        return [_expanded(one, depth + 1) for one in value] if depth < DEPTH_MAX else []
    return value


def _devalue(value: Any) -> bytes:
    """In the SDK's own format: every value once, objects and lists by the places of what is in them."""
    flat: list[Any] = []

    def add(item: Any) -> int:
        at = len(flat)
        flat.append(None)
        if isinstance(item, dict):
            flat[at] = {key: add(child) for key, child in item.items()}
        elif isinstance(item, list):
            flat[at] = [add(child) for child in item]
        else:
            flat[at] = item
        return at

    add(value)
    return b"devl" + json.dumps(flat, ensure_ascii=False).encode("utf-8", "surrogatepass")
