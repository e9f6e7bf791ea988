"""Values as indented text, one entry a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from runs.payloads.handles import (
    Abort,
    ClassRef,
    Instance,
    Request,
    Response,
    StepRef,
    StreamRef,
    WorkflowRef,
)
from runs.payloads.previews import key_text, preview, quoted
from runs.payloads.values import (
    Headers,
    JsError,
    JsMap,
    JsSet,
    NullObject,
    SparseArray,
    Truncated,
    TypedBytes,
    Unknown,
)

DEEPEST = 40
BYTES_SHOWN = 1024
LINE = 200

_WITH_FIELDS = (JsError, Instance, ClassRef, StepRef, WorkflowRef, StreamRef, Abort, Request, Response)
_WITH_PAIRS = (JsMap, Headers, SparseArray)

Entries = Iterable[tuple[str, Any]]


def outline(value: Any) -> list[str]:
    """The lines of a value. What is nested more than 40 deep stands on one line, cut to fit.

    An object that appears a second time is not written out again.
    """
    lines: list[str] = []
    _Writer(lines).write("", value, 0)
    return lines


class _Writer:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.seen: dict[int, int] = {}

    def write(self, label: str, value: Any, depth: int) -> None:
        opening, entries = _parts(value)
        if depth >= DEEPEST or not opening:
            self._put(depth, label + _atom(value))
            return
        first = self.seen.setdefault(id(value), len(self.lines) + 1)
        if first <= len(self.lines):
            self._put(depth, f"{label}(the same as in line {first})")
            return
        self._put(depth, label + opening)
        for name, item in entries:
            self.write(name, item, depth + 1)
        self._put(depth, "]" if opening.endswith("[") else "}")

    def _put(self, depth: int, text: str) -> None:
        self.lines.append("  " * depth + text)


def _atom(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, TypedBytes):
        return preview(value, BYTES_SHOWN * 3)
    if isinstance(value, Truncated):
        return f"… not shown: {preview(value.kind, LINE)}, entries: {value.total:,}, node {value.node}"
    return preview(value, LINE)


def _parts(value: Any) -> tuple[str, Entries]:
    """How a composite opens, and its labelled entries; no opening for a value that fits on one line."""
    if isinstance(value, dict):
        return ("{", _named(value)) if value else ("", ())
    if isinstance(value, list):
        return ("[", (("", item) for item in value)) if value else ("", ())
    if isinstance(value, NullObject):
        return "Object without prototype {", _named(value.fields)
    if isinstance(value, _WITH_FIELDS):
        return f"{preview(value, LINE)} {{", _named(value.fields)
    if isinstance(value, _WITH_PAIRS):
        return f"{type(value).__name__.removeprefix('Js')} {{", _paired(value.items)
    if isinstance(value, JsSet):
        return "Set {", (("", item) for item in value.items)
    if isinstance(value, Unknown):
        return f"{preview(value.tag, LINE)} (a type that is not known) [", (("", item) for item in value.args)
    return "", ()


def _named(fields: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((f"{key_text(name)}: ", item) for name, item in fields.items())


def _paired(pairs: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
    return ((f"{preview(key, LINE)} → ", item) for key, item in pairs)
