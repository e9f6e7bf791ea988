"""Reads as much of a CBOR value (RFC 8949) as is there: bodies of events are cut off where their payloads begin."""

from __future__ import annotations

import struct
from typing import Any

DEPTH = 16


class _Cut(Exception):
    """The data ends, or goes on in a way that is not read here."""


def peek(data: bytes) -> Any:
    """The value, without what follows the place where the data ends; None if not even its beginning can be read."""
    reader = _Reader(data)
    try:
        return reader.value(0)
    except _Cut:
        return reader.root


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self.root: Any = None

    def value(self, depth: int) -> Any:
        """The next value. A container is `root`, or in its parent, before it is filled: a cut leaves what was read."""
        major, count, extra = self._head()
        if major in (4, 5):
            found: Any = [] if major == 4 else {}
            self.root = found if depth == 0 else self.root
            self._fill(found, count, extra, depth)
            return found
        return self._plain(major, count, extra, depth)

    def _plain(self, major: int, count: int, extra: int, depth: int) -> Any:
        if major == 0:
            return count
        if major == 1:
            return -1 - count
        if major in (2, 3):
            return self._string(major, count, extra)
        if major == 6:
            return self._tagged(depth)
        return self._simple(extra, count)

    def _head(self) -> tuple[int, int, int]:
        """Major type, its argument, and the five bits it came from (31: without end)."""
        first = self._take(1)[0]
        major, extra = first >> 5, first & 31
        if extra < 24 or extra == 31:
            return major, extra, extra
        if extra > 27:
            raise _Cut
        return major, int.from_bytes(self._take(1 << (extra - 24)), "big"), extra

    def _take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise _Cut
        self._at += size
        return self._data[self._at - size : self._at]

    def _string(self, major: int, count: int, extra: int) -> str | bytes:
        if extra == 31:
            raise _Cut
        raw = self._take(count)
        return raw.decode("utf-8", "replace") if major == 3 else raw

    def _tagged(self, depth: int) -> Any:
        if depth >= DEPTH:
            raise _Cut
        return self.value(depth + 1)

    def _fill(self, found: Any, count: int, extra: int, depth: int) -> None:
        if depth >= DEPTH:
            raise _Cut
        left = -1 if extra == 31 else count
        while left and not (left < 0 and self._at_break()):
            key = self.value(depth + 1) if isinstance(found, dict) else None
            self._put(found, key, depth + 1)
            left -= 1

    def _at_break(self) -> bool:
        if self._data[self._at : self._at + 1] != b"\xff":
            return False
        self._at += 1
        return True

    def _put(self, found: Any, key: Any, depth: int) -> None:
        """Reads a value into its container; one that is a container itself is put there first and filled then."""
        if isinstance(key, list | dict):
            raise _Cut
        inner = self._container()
        value = inner if inner is not None else self.value(depth)
        if isinstance(found, list):
            found.append(value)
        else:
            found[key] = value
        if inner is not None:
            _, count, extra = self._head()
            self._fill(inner, count, extra, depth)

    def _container(self) -> Any:
        """An empty one of the kind that comes next; None if something else does."""
        first = self._data[self._at] >> 5 if self._at < len(self._data) else 7
        return {4: list, 5: dict}[first]() if first in (4, 5) else None

    def _simple(self, extra: int, count: int) -> Any:
        if extra in (25, 26, 27):
            form = {25: ">e", 26: ">f", 27: ">d"}[extra]
            return struct.unpack(form, self._data[self._at - (1 << (extra - 24)) : self._at])[0]
        return {20: False, 21: True}.get(count)
