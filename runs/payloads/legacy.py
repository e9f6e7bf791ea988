"""Values that are not bytes: what the SDK's first versions stored, and errors as 4.x stores them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import date
from itertools import islice
from typing import Any

from runs.payloads.devalue import is_expired
from runs.payloads.document import Document
from runs.payloads.flat import clean, without_surrogates
from runs.payloads.model import DEFAULT_LIMITS, Decoded, Limits, Problem
from runs.payloads.payload import decode
from runs.payloads.plans import SPARSE
from runs.payloads.tree import REST, SPECIALS, Tree
from runs.payloads.values import HOLE, Invalid, JsDate, Truncated, TypedBytes, Unknown

LARGEST_BITS = 14_000


def decode_json(value: object, *, key: bytes | None = None, limits: Limits = DEFAULT_LIMITS) -> Decoded:
    """A value as it stands in a world's JSON or CBOR.

    Spec version 1 stores the devalue list itself, or a bare negative number; both are told from plain
    values by their shape. Plain values pass through as they are, cut to the limits. Bytes, also in the
    local world's `{"__type": "Uint8Array", "data": base64}`, go to `decode`.
    """
    data = _bytes_in(value)
    if data is not None:
        return decode(data, key=key, limits=limits)
    if value.__class__ is int and value in SPECIALS and SPECIALS[value] is not HOLE:
        return Decoded("ok", SPECIALS[value], ("json", "devl"), 0, None)
    if isinstance(value, list) and looks_flat(value):
        return _flat(value, limits)
    return _plain(value, limits)


def _plain(value: object, limits: Limits) -> Decoded:
    copy = _Copy(limits)
    try:
        plain = copy.take(value, 0)
    except RecursionError:
        # Only where the caller's own stack leaves less room than the depth limit needs.
        plain, copy.cut = Truncated(-1, type(value).__name__), "nested too deeply"
    if copy.cut:
        return Decoded("truncated", plain, ("json",), 0, Problem("json", 0, copy.cut, ""))
    return Decoded("expired" if is_expired(plain) else "ok", plain, ("json",), 0, None)


def looks_flat(flat: list[Any]) -> bool:
    """Whether a JSON list is devalue's: it refers to all of its values but the first, and to no others."""
    refs: set[int] = set()
    for raw in flat:
        found = list(raw.values()) if isinstance(raw, dict) else raw
        if not isinstance(found, list):
            continue
        numbers = {ref for ref in found if ref.__class__ is int}
        if not _is_special(raw) and not all(ref.__class__ is int and ref < len(flat) for ref in found):
            return False
        refs |= numbers
    return bool(flat) and refs.issuperset(range(1, len(flat)))


def _is_special(raw: Any) -> bool:
    """A typed node or a sparse array, whose parts are not all references."""
    return isinstance(raw, list) and bool(raw) and (isinstance(raw[0], str) or raw[0] == SPARSE)


def _flat(value: list[Any], limits: Limits) -> Decoded:
    doc = Document(without_surrogates(value))
    tree = Tree(doc, limits)
    root = tree.read(0)
    layers = ("json", "devl")
    if tree.cut:
        return Decoded("truncated", root, layers, 0, Problem("devl", 0, tree.cut, ""))
    problem = Problem("devl", 0, doc.fault[1], "") if doc.fault else None
    return Decoded("expired" if is_expired(root) else "ok", root, layers, 0, problem)


def _bytes_in(value: object) -> bytes | None:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if not isinstance(value, dict) or value.keys() != {"__type", "data"} or value["__type"] != "Uint8Array":
        return None
    try:
        return base64.b64decode(value["data"], validate=True)
    except (binascii.Error, ValueError, TypeError):
        return None


class _Copy:
    """A plain value without lone surrogates and within limits; `cut` says which limit was reached."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.left = limits.nodes
        self.cut = ""

    def take(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return clean(value)
        container = isinstance(value, (dict, list, tuple))
        if container and not self._fits(value, depth):
            return Truncated(-1, "object" if isinstance(value, dict) else "array", len(value))
        if isinstance(value, dict):
            return self._object(value, depth)
        return self._array(value, depth) if container else _atom(value)

    def _fits(self, value: Any, depth: int) -> bool:
        """Whether any of a container can be shown; takes its entries from what is left."""
        if depth >= self.limits.depth:
            self.cut = self.cut or f"nested more than {self.limits.depth} deep"
            return False
        if self.left < len(value):
            self.cut = self.cut or f"more than {self.limits.nodes:,} values"
        return self.left > 0 or not value

    def _room(self, value: Any) -> int:
        room = min(len(value), self.left)
        self.left -= room
        return room

    def _object(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        room = self._room(value)
        out: dict[str, Any] = {}
        for name, item in islice(value.items(), room):
            out[clean(str(name))] = self.take(item, depth + 1)
        if room < len(value):
            out[REST] = Truncated(-1, "object", len(value), room)
        return out

    def _array(self, value: Sequence[Any], depth: int) -> list[Any]:
        room = self._room(value)
        out: list[Any] = []
        for item in islice(value, room):
            out.append(self.take(item, depth + 1))
        if room < len(value):
            out.append(Truncated(-1, "array", len(value), room))
        return out


def _atom(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > LARGEST_BITS:
        return Invalid("an integer too large to show", f"{value.bit_length():,} bits")
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return TypedBytes("Uint8Array", bytes(value))
    return JsDate(value.isoformat()) if isinstance(value, date) else Unknown(type(value).__name__, ())
