"""JavaScript values that plain Python data cannot hold.

Objects, arrays, strings, numbers, booleans and null are dict, list, str, int or float, bool and None;
NaN, the infinities and -0 are floats. Types that JavaScript builds from a record of fields keep that
record as `fields`, in the order and with exactly the fields that were stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Pairs = tuple[tuple[Any, Any], ...]


def text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Undefined:
    pass


@dataclass(frozen=True, slots=True)
class Hole:
    """A missing element of an array."""


UNDEFINED = Undefined()
HOLE = Hole()


@dataclass(frozen=True, slots=True)
class BigInt:
    """Digits as text: converting a million digits would take seconds."""

    digits: str


@dataclass(frozen=True, slots=True)
class JsDate:
    """`iso` as stored, which may lie outside Python's years; None for an invalid date."""

    iso: str | None


@dataclass(frozen=True, slots=True)
class Temporal:
    type: str
    text: str


@dataclass(frozen=True, slots=True)
class JsUrl:
    href: str


@dataclass(frozen=True, slots=True)
class UrlSearchParams:
    query: str


@dataclass(frozen=True, slots=True)
class JsRegExp:
    source: str
    flags: str


@dataclass(frozen=True, slots=True)
class JsMap:
    items: Pairs


@dataclass(frozen=True, slots=True)
class JsSet:
    items: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Headers:
    """Pairs of name and value; a name may repeat (set-cookie)."""

    items: Pairs


@dataclass(frozen=True, slots=True)
class TypedBytes:
    """Binary data. `type` is the JavaScript class: Uint8Array, Float64Array, ArrayBuffer, ..."""

    type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Boxed:
    """A wrapper object such as `new Number(3)`."""

    value: Any


@dataclass(frozen=True, slots=True)
class NullObject:
    """An object without prototype."""

    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SparseArray:
    length: Any
    items: Pairs


@dataclass(frozen=True, slots=True)
class JsError:
    """A thrown error. `type` is the class on the wire, `name` what the error calls itself."""

    type: str
    name: str
    fields: dict[str, Any]

    @property
    def message(self) -> str:
        return text_or_none(self.fields.get("message")) or ""

    @property
    def stack(self) -> str | None:
        return text_or_none(self.fields.get("stack"))

    @property
    def cause(self) -> Any:
        return self.fields.get("cause")

    @property
    def errors(self) -> list[Any]:
        """The errors inside an AggregateError."""
        found = self.fields.get("errors")
        return found if isinstance(found, list) else []


@dataclass(frozen=True, slots=True)
class Cycle:
    """A reference back to an object that contains it: `to` is that object's path, such as `$.a[0]`."""

    to: str
    node: int


@dataclass(frozen=True, slots=True)
class Truncated:
    """What a limit left out. `open_node(data, node, start=start)` shows it.

    `kind` is object, array or a type tag; `total` counts its entries (0 when unknown). `start` is above
    0 when the entries before it are already shown. `node` is -1 where nothing can be opened.
    """

    node: int
    kind: str
    total: int = 0
    start: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """A type this decoder does not know, with what it contains."""

    tag: str
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Invalid:
    """A node that breaks the format: why, and a short text of what is stored there."""

    reason: str
    text: str
