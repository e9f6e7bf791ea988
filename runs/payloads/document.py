"""The flat list that a devalue text is: every value once, composites referring to others by index."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from runs.payloads.values import Invalid

Names = Sequence[Any] | Callable[[int], str]


class Plan(NamedTuple):
    """How to build one composite: references to its children, then `build(names, children)`.

    `names` label the children in paths, as a list or made from the position. Children are cut only
    in multiples of `step`.
    """

    names: Names
    refs: Sequence[Any]
    build: Callable[[Any, list[Any]], Any]
    step: int = 1


class Document:
    """The flat list, and the first node in it that breaks the format (`fault`: index and reason)."""

    __slots__ = ("at", "fault", "flat")

    def __init__(self, flat: list[Any]) -> None:
        self.flat = flat
        self.at = 0
        self.fault: tuple[int, str] | None = None

    def raw(self, ref: Any) -> Any:
        """What is stored at an index; None when `ref` is no index."""
        if ref.__class__ is int and 0 <= ref < len(self.flat):
            return self.flat[ref]
        return None

    def text(self, arg: Any) -> str | None:
        """A string written in place (builtin form) or referred to (the JavaScript SDK's form)."""
        found = arg if isinstance(arg, str) else self.raw(arg)
        return found if isinstance(found, str) else None

    def record(self, arg: Any) -> dict[str, Any] | None:
        found = self.raw(arg)
        return found if isinstance(found, dict) else None

    def note(self, reason: str) -> None:
        if self.fault is None:
            self.fault = (self.at, reason)

    def invalid(self, reason: str, shown: Any) -> Invalid:
        self.note(reason)
        return Invalid(reason, reprlib.repr(shown))


def kind_of(raw: Any) -> str:
    if isinstance(raw, str):
        return "string"
    if isinstance(raw, dict):
        return "object"
    if isinstance(raw, list) and raw and isinstance(raw[0], str):
        return raw[0][:80]
    return "array"
