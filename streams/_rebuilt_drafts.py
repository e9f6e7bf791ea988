"""Parts of a message while they grow, and text as JavaScript appends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from streams._rebuilt_parts import Fragment, Part, Tool

Value = Mapping[str, Any]


@dataclass(slots=True)
class Draft:
    """A `Part` to be; its fields mean the same."""

    kind: str
    id: str
    arrival: int
    position: int | None
    state: str = ""
    fragments: list[Fragment] = field(default_factory=list)
    is_stray: bool = False
    is_dropped: bool = False
    is_transient: bool = False
    value: Any = None
    value_at: int = 0
    updates: int = 0
    tool: Tool | None = None

    def part(self) -> Part:
        same = {name: getattr(self, name) for name in _NAMES}
        return Part(**same, fragments=tuple(self.fragments))

    def set_tool(self, state: str, **changes: Any) -> None:
        self.state = state
        if self.tool is not None and changes:
            self.tool = replace(self.tool, **changes)


_NAMES = [one.name for one in fields(Draft) if one.name != "fragments"]


def as_text(value: Value, name: str) -> str:
    """A field as JavaScript appends it to a string."""
    found = value.get(name)
    if isinstance(found, str):
        return found
    if found is None:
        return "null" if name in value else "undefined"
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found) if isinstance(found, (int, float)) else "[object Object]"
