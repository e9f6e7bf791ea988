"""How each composite of the flat list is built from its children."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runs.payloads.document import Document, Plan
from runs.payloads.tags import typed
from runs.payloads.values import SparseArray

SPARSE = -7


def plan_of(doc: Document, raw: Any) -> Any:
    """The Plan of a composite, or its finished value when it has no children."""
    if raw.__class__ is dict:
        return Plan(list(raw), list(raw.values()), make_object)
    if raw and raw[0].__class__ is str:
        return typed(doc, raw)
    if raw and raw[0].__class__ is int and raw[0] == SPARSE:
        return _sparse(raw)
    return Plan(_index, raw, _array)


def make_object(names: Sequence[str], children: list[Any]) -> dict[str, Any]:
    return dict(zip(names, children, strict=False))


def _array(names: object, children: list[Any]) -> list[Any]:
    return children


def _sparse(raw: list[Any]) -> Plan:
    """`[-7, length, index, value, index, value, ...]`"""
    length = raw[1] if len(raw) > 1 else None
    refs = raw[3::2]

    def build(names: Sequence[Any], children: list[Any]) -> SparseArray:
        return SparseArray(length, tuple(zip(names, children, strict=False)))

    return Plan(raw[2::2][: len(refs)], refs, build)


def _index(at: int) -> str:
    return f"[{at}]"
