"""Values as plain JSON data for code that only reads ordinary fields."""

from __future__ import annotations

import math
from typing import Any

from runs.payloads.previews import preview
from runs.payloads.values import UNDEFINED, Boxed, Hole, JsDate, JsUrl, NullObject, Undefined

ATOMS = frozenset((str, int, bool, type(None)))
SHORT = 80


def as_plain(value: Any) -> Any:
    """The value as dict, list, str, int, float, bool and None; the same object where it already is that.

    As in JSON, undefined fields are left out, and undefined and holes are None elsewhere. All other
    JavaScript types become a short text: dates and URLs their text, big integers `10n`, NaN "NaN".
    """
    try:
        return _plain(value)
    except RecursionError:
        return preview(value, SHORT)


def _plain(value: Any) -> Any:
    kind = value.__class__
    if kind in ATOMS:
        return value
    if kind is dict:
        return _dict(value)
    if kind is list:
        return _list(value)
    if kind is float:
        return value if math.isfinite(value) else preview(value)
    return _javascript(value)


def _dict(value: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    same = True
    for key, item in value.items():
        if item is UNDEFINED:
            same = False
            continue
        out[key] = plain = item if item.__class__ in ATOMS else _plain(item)
        same = same and plain is item
    return value if same else out


def _list(value: list[Any]) -> list[Any]:
    out: list[Any] = []
    same = True
    for item in value:
        plain = item if item.__class__ in ATOMS else _plain(item)
        same = same and plain is item
        out.append(plain)
    return value if same else out


def _javascript(value: Any) -> Any:
    if isinstance(value, (Undefined, Hole)):
        return None
    if isinstance(value, NullObject):
        return _dict(value.fields)
    if isinstance(value, Boxed):
        return _plain(value.value)
    if isinstance(value, JsDate):
        return value.iso
    if isinstance(value, JsUrl):
        return value.href
    return preview(value, SHORT)
