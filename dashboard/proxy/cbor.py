"""Reads as much of a CBOR value (RFC 8949) as is there: bodies of events are cut off where their payloads begin.

cbor2 reads whole values only, so the maps and lists around them are walked here, entry by entry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, cast

import cbor2

DEPTH = 16
PEEKED = 256 * 1024  # bytes: nothing that is looked for stands behind them
_ENDLESS = 31
_LIST, _MAP = 4, 5


class _Cut(Exception):
    """The data ends, or goes on in a way that is not read here."""


def peek(data: bytes) -> Any:
    """The value, without what follows the place where the data ends; None if not even its beginning can be read."""
    reader = _Reader(data[:PEEKED])
    try:
        return reader.value(0)
    except _Cut:
        return reader.root


def _as_it_is(value: Any, _immutable: bool) -> Any:
    return value


def _untagged(tag: cbor2.CBORTag, _immutable: bool) -> Any:
    return tag.value


# What the library would make objects of, follow or parse: dates, numbers, patterns, mail, references.
_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 100, 256, 258, 260, 261, 1004, 43000, 55799)
_PLAIN = cast("Mapping[int, Callable[[Any, bool], Any]]", dict.fromkeys(_TAGS, _as_it_is))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._file = data, BytesIO(data)
        # One byte at a time: it must stand exactly behind what it has read.
        self._decoder = cbor2.CBORDecoder(
            self._file,
            semantic_decoders=cast("Any", _PLAIN),
            tag_hook=_untagged,
            str_errors="replace",
            max_depth=DEPTH,
            read_size=1,
        )
        self.root: Any = None

    def value(self, depth: int) -> Any:
        """The next value. A container is `root`, or in its parent, before it is filled: a cut leaves what was read."""
        found = self._container()
        if found is None:
            return self._whole()
        self.root = found if depth == 0 else self.root
        self._fill(found, depth)
        return found

    def _whole(self) -> Any:
        """Anything but a list or a map, undefined as None."""
        try:
            value = self._decoder.decode()
        except (cbor2.CBORError, ValueError, OverflowError, RecursionError, MemoryError):
            raise _Cut from None
        return None if value is cbor2.undefined or isinstance(value, cbor2.CBORSimpleValue) else value

    def _fill(self, found: Any, depth: int) -> None:
        if depth >= DEPTH:
            raise _Cut
        left = self._length()
        while left and not (left < 0 and self._is_at_break()):
            key = self._whole() if isinstance(found, dict) else None
            self._put(found, key, depth + 1)
            left -= 1

    def _put(self, found: Any, key: Any, depth: int) -> None:
        """Reads a value into its container; one that is a container itself is put there first and filled then."""
        inner = self._container()
        value = self._whole() if inner is None else inner
        try:
            found.append(value) if isinstance(found, list) else found.update({key: value})
        except TypeError:  # a list or a map as a key
            raise _Cut from None
        if inner is not None:
            self._fill(inner, depth)

    def _container(self) -> Any:
        """An empty one of the kind that comes next; None if something else does."""
        major = self._peeked() >> 5
        return [] if major == _LIST else {} if major == _MAP else None

    def _length(self) -> int:
        """Of the container whose head comes next; -1 where it goes on to a break."""
        extra = self._peeked() & 31
        self._file.seek(1, 1)
        if extra < 24 or extra == _ENDLESS:
            return extra if extra < 24 else -1
        size = 1 << (extra - 24)
        raw = self._file.read(size)
        if extra > 27 or len(raw) < size:
            raise _Cut
        return int.from_bytes(raw, "big")

    def _is_at_break(self) -> bool:
        if self._peeked() != 0xFF:
            return False
        self._file.seek(1, 1)
        return True

    def _peeked(self) -> int:
        at = self._file.tell()
        if at >= len(self._data):
            raise _Cut
        return self._data[at]
