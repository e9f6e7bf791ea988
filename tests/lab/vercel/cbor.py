"""CBOR, as far as the Workflow SDK's HTTP API uses it.

Writes None, bool, int, float, bytes, str, list, tuple, dict and datetime (tag 1). Reads those, typed arrays
of bytes (tag 64), `undefined` (as None) and items of indefinite length; other tags are dropped.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

NEST_LIMIT = 200
HEADS = {24: ("B", 1), 25: (">H", 2), 26: (">I", 4), 27: (">Q", 8)}
SIMPLE = {None: b"\xf6", True: b"\xf5", False: b"\xf4"}


def dumps(value: Any) -> bytes:
    if value is None or value is True or value is False:
        return SIMPLE[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, datetime):
        return b"\xc1" + dumps(float(value.timestamp()))
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _head(2, len(value)) + bytes(value)
    return _composite(value)


def _composite(value: Any) -> bytes:
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(dumps(item) for item in value)
    if isinstance(value, dict):
        pairs = (dumps(str(key)) + dumps(item) for key, item in value.items())
        return _head(5, len(value)) + b"".join(pairs)
    raise TypeError(f"no CBOR for {type(value).__name__}")


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for info, (form, size) in HEADS.items():
        if number < 1 << 8 * size:
            return bytes([major << 5 | info]) + struct.pack(form, number)
    raise ValueError(f"no CBOR for so large a number: {number}")


def loads(data: bytes) -> Any:
    reader = _Reader(bytes(data))
    value = reader.item()
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes too many")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise ValueError("truncated CBOR")
        self.at += size
        return self.data[self.at - size : self.at]

    def item(self, depth: int = 0) -> Any:
        if depth > NEST_LIMIT:
            raise ValueError("CBOR nested too deep")
        major, info = divmod(self.take(1)[0], 32)
        if major == 7:
            return self.simple(info)
        if info == 31:
            return self.endless(major, depth)
        number = info if info < 24 else int.from_bytes(self.take(HEADS[info][1]), "big")
        if major < 2:
            return -1 - number if major else number
        if major < 4:
            raw = self.take(number)
            return raw if major == 2 else raw.decode()
        if major == 6:
            return _tagged(number, self.item(depth + 1))
        return self.built(major, [self.item(depth + 1) for _ in range(number * (major - 3))])

    def simple(self, info: int) -> Any:
        if info in (20, 21):
            return info == 21
        if info in (22, 23):
            return None
        form, size = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}[info]
        return struct.unpack(form, self.take(size))[0]

    def endless(self, major: int, depth: int) -> Any:
        items = []
        while self.data[self.at : self.at + 1] != b"\xff":
            items.append(self.item(depth + 1))
        self.at += 1
        if major in (2, 3):
            return (b"" if major == 2 else "").join(items)
        return self.built(major, items)

    def built(self, major: int, items: list[Any]) -> Any:
        return items if major == 4 else dict(zip(items[::2], items[1::2], strict=True))


def _tagged(tag: int, value: Any) -> Any:
    if tag == 1 and isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    if tag == 0 and isinstance(value, str):
        return datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value
