"""What two chunks are compared by: their values, once as they are and once without what differs between two runs.

Ids of the AI SDK's chunks and random ones stand for one another by when they come: the n-th id of one stream for
the n-th of the other. Where both streams use the same ids, each stands for itself. A time is any time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runs.payloads import TypedBytes, as_tagged
from streams.chunk_types import chunk_type, chunk_values, required_fields
from streams.compare import ENCRYPTED, Entry
from streams.facts import ChunkFact

LEAST_NODES = 64  # of a value that is compared; one that grows beyond its own bytes is compared by those
FIELDS_NAMED = 4
UNREAD, CLOSE, SEVERAL, BYTES, LARGE = "unread", "close", "values", "bytes", "large"
_IDS = frozenset({"id", "messageId", "toolCallId", "approvalId", "sourceId"})
_RANDOM = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # UUID
    r"|[0-7][0-9A-HJKMNP-TV-Z]{25}"  # ULID
    r"|[A-Za-z]{2,12}[-_](?=\w*\d)[A-Za-z0-9_]{14,64}",  # prefix and random: msg_68a1…, call_9tP2…
    re.IGNORECASE | re.ASCII,
)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_TIME_FIELD = re.compile(r"(timestamp|time|date|ts|At|_at|Time|Date|Timestamp)$")
_EPOCH = range(10**9, 10**19)  # seconds to nanoseconds, since 2001
_DELTAS: Mapping[str, str] = {
    "text-delta": "delta", "reasoning-delta": "delta", "tool-input-delta": "inputTextDelta",
}  # fmt: skip
BYTE_KINDS = frozenset({"raw-bytes", "framed-bytes"})
_NAMES = {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "boolean"}


@dataclass(frozen=True, slots=True)
class _Varying:
    """A text that differs between two runs of the same workflow. `family` is empty for a time."""

    family: str
    text: str


@dataclass(frozen=True, slots=True)
class _Read:
    """A chunk with its values ready to be written out; `tree` is None where its bytes are compared."""

    arrival: int
    type: str
    digest: bytes
    tree: Any
    part: str = ""
    text: str | None = None


class _TooLarge(Exception):
    pass


def entries_of(
    left: Sequence[tuple[ChunkFact, bytes]], right: Sequence[tuple[ChunkFact, bytes]]
) -> tuple[list[Entry], list[Entry]]:
    """Both sides, each chunk given with its digest; together, since ids are matched with one another."""
    sides = [[_read(chunk, digest) for chunk, digest in side] for side in (left, right)]
    numbers = _numbered([_ids_in(side) for side in sides])
    one, other = ([_entry(read, mine) for read in side] for side, mine in zip(sides, numbers, strict=True))
    return one, other


def differing_fields(one: ChunkFact, other: ChunkFact) -> list[str]:
    """The fields in which two objects differ, a few of them; none for anything else."""
    values = [chunk_values(chunk) if not chunk.is_close else None for chunk in (one, other)]
    left, right = (found[0] if found and len(found) == 1 else None for found in values)
    if not isinstance(left, dict) or not isinstance(right, dict):
        return []
    names = [name for name in {**left, **right} if left.get(name) != right.get(name) or name not in left]
    return [*names[:FIELDS_NAMED], *(["…"] if len(names) > FIELDS_NAMED else [])]


def _read(chunk: ChunkFact, digest: bytes) -> _Read:
    if chunk.is_close:
        return _Read(chunk.arrival, CLOSE, b"", ())
    if chunk.size > len(chunk.load()):  # only its head is here
        return _Read(chunk.arrival, LARGE, digest, None)
    values = chunk_values(chunk)
    if values is None:
        if chunk.value.kind in BYTE_KINDS and chunk.value.problem is None:
            return _Read(chunk.arrival, BYTES, digest, None, BYTES, _latin(chunk))
        is_shut = any(one.status == "encrypted" for one in chunk.value.values)
        return _Read(chunk.arrival, ENCRYPTED if is_shut else UNREAD, digest, None)
    kind = _type_of(values)
    # With all of JavaScript's types, so that no two values look the same that are not.
    stored = [as_tagged(one.value) for one in chunk.value.values]
    try:
        tree = _Tree(kind, max(LEAST_NODES, chunk.size)).of(stored)
    except (_TooLarge, RecursionError):
        return _Read(chunk.arrival, kind, digest, None)
    part, text = _piece_of(kind, values[0])
    return _Read(chunk.arrival, kind, digest, tree, part, text)


def _latin(chunk: ChunkFact) -> str:
    """Bytes as text of as many characters: pieces join as the bytes do."""
    values = (one.value for one in chunk.value.values)
    return b"".join(one.data for one in values if isinstance(one, TypedBytes)).decode("latin-1")


def _type_of(values: Sequence[Any]) -> str:
    if len(values) != 1:
        return SEVERAL
    return chunk_type(values[0]) or _NAMES.get(values[0].__class__, "value")


def _piece_of(kind: str, value: Any) -> tuple[str, str | None]:
    """What a delta is a piece of, and its text; plain strings are pieces of one text."""
    if isinstance(value, str):
        return "string", value
    text = value.get(_DELTAS[kind]) if kind in _DELTAS else None
    return (kind, text) if isinstance(text, str) else ("", None)


class _Tree:
    """A value with `_Varying` in the places that two runs do not share."""

    def __init__(self, kind: str, room: int) -> None:
        self._room = room
        self._word = kind.partition("-")[0] if required_fields(kind) is not None else ""

    def of(self, values: Sequence[Any]) -> list[Any]:
        return [self._top(one) for one in values]

    def _top(self, value: Any) -> Any:
        if not isinstance(value, dict) or not self._word:
            return self._any("", value)
        return {name: self._id(name, item) or self._any(name, item) for name, item in value.items()}

    def _id(self, name: str, item: Any) -> _Varying | None:
        if name not in _IDS or not isinstance(item, str):
            return None
        return _Varying(f"id of {self._word}" if name == "id" else name, item)

    def _any(self, name: str, value: Any) -> Any:
        self._room -= 1
        if self._room < 0:
            raise _TooLarge
        if isinstance(value, dict):
            if value.get("$") == "truncated":
                raise _TooLarge
            return {key: self._any(key, item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._any(name, item) for item in value]
        return _varying(name, value)


def _varying(name: str, value: Any) -> Any:
    if isinstance(value, str) and len(value) <= 80:
        if _TIME.fullmatch(value):
            return _Varying("", value)
        if _RANDOM.fullmatch(value):
            return _Varying("random", value)
    elif value.__class__ in (int, float) and _TIME_FIELD.search(name) and int(value) in _EPOCH:
        return _Varying("", str(value))
    return value


def _ids_in(side: Sequence[_Read]) -> dict[str, dict[str, int]]:
    """Of each family its ids with their numbers, in the order in which they come."""
    found: dict[str, dict[str, int]] = {}
    for read in side:
        for one in _leaves(read.tree):
            ids = found.setdefault(one.family, {})
            ids.setdefault(one.text, len(ids))
    return found


def _leaves(tree: Any) -> Iterator[_Varying]:
    if isinstance(tree, _Varying):
        if tree.family:
            yield tree
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from _leaves(item)
    elif isinstance(tree, list):
        for item in tree:
            yield from _leaves(item)


def _numbered(sides: Sequence[dict[str, dict[str, int]]]) -> list[dict[str, dict[str, int]]]:
    """Without the families in which one side's ids are all known to the other: they stand for themselves."""
    one, other = sides
    shared = {name for name in one if name in other and _is_within(one[name].keys(), other[name].keys())}
    return [{name: ids for name, ids in side.items() if name not in shared} for side in sides]


def _is_within(one: Any, other: Any) -> bool:
    return bool(one <= other or other <= one)


def _entry(read: _Read, numbers: Mapping[str, Mapping[str, int]]) -> Entry:
    if read.tree is None:
        content = (read.type, read.digest)
        return Entry(read.arrival, read.type, read.digest, content, read.part or None, read.text)
    exact = _digest(read.tree, lambda one: one.text)
    alike = _digest(read.tree, lambda one: _stands_for(one, numbers))
    part = (read.part, _part_id(read.tree[0], numbers)) if read.part else None
    return Entry(read.arrival, read.type, exact, (read.type, alike), part, read.text)


def _part_id(tree: Any, numbers: Mapping[str, Mapping[str, int]]) -> str:
    named = [one for one in tree.values() if isinstance(one, _Varying)] if isinstance(tree, dict) else []
    return str([_stands_for(one, numbers) for one in named])


def _stands_for(one: _Varying, numbers: Mapping[str, Mapping[str, int]]) -> list[Any]:
    if not one.family:
        return ["time"]
    number = numbers.get(one.family, {}).get(one.text)
    return [one.family, one.text if number is None else number]


def _digest(tree: Any, default: Any) -> bytes:
    """Of the value with its keys in order: how they were stored makes no difference."""
    text = json.dumps(tree, sort_keys=True, default=default)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
