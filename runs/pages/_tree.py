"""A value as a tree of `<details>`: typed, escaped, and bounded whatever is in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from itertools import islice
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from runs.pages._format import counted, lines, visible
from runs.payloads import (
    Boxed,
    Headers,
    Invalid,
    JsMap,
    JsSet,
    SparseArray,
    Truncated,
    TypedBytes,
    Unknown,
    preview,
)

NODES = 500
DEEPEST = 12
OPEN_LEVELS = 2
TEXT_CHARS = 4000
LINE_CHARS = 120
BYTES_SHOWN = 64

Child = tuple[str, Any]


def tree_html(value: Any) -> SafeString:
    """A list of one value and what it contains; what is beyond the limits is counted, not shown."""
    return mark_safe(f'<ul class="tree">{"".join(_Tree().item("", value, 0))}</ul>')


class _Tree:
    def __init__(self) -> None:
        self.left = NODES

    def item(self, key: str, value: Any, depth: int) -> Iterator[str]:
        self.left -= 1
        label = f'<span class="k">{escape(visible(key[:LINE_CHARS]))}</span> ' if key else ""
        children = children_of(value)
        if children is None:
            yield f"<li>{label}{_atom(value)}</li>"
            return
        line = escape(preview(value, LINE_CHARS))
        if depth >= DEEPEST or not children:
            yield f'<li>{label}<span class="v">{line}</span></li>'
            return
        opened = " open" if depth < OPEN_LEVELS else ""
        yield f'<li><details{opened}><summary>{label}<span class="v">{line}</span></summary><ul>'
        yield from self.items(children, depth + 1)
        yield "</ul></details></li>"

    def items(self, children: list[Child], depth: int) -> Iterator[str]:
        for at, (key, child) in enumerate(children):
            if self.left <= 0:
                rest = counted(len(children) - at, "more entry", "more entries")
                yield f'<li class="faint">{rest}, not shown</li>'
                return
            yield from self.item(key, child, depth)


def children_of(value: Any) -> list[Child] | None:
    """Named parts of a composite, as many as could ever be shown; None for a value without parts."""
    kind = value.__class__
    if kind is dict:
        return _named(value.items())
    if kind is list:
        return _numbered(value)
    if kind in (JsMap, Headers, SparseArray):
        return _named((preview(key, LINE_CHARS), child) for key, child in value.items)
    if kind is JsSet:
        return _numbered(value.items)
    if kind is Unknown:
        return _numbered(value.args)
    if kind is Boxed:
        return [("value", value.value)]
    fields = getattr(value, "fields", None)
    return _named(fields.items()) if isinstance(fields, dict) else None


def _named(pairs: Iterable[tuple[Any, Any]]) -> list[Child]:
    return [(str(key), child) for key, child in islice(pairs, 10 * NODES)]


def _numbered(items: Iterable[Any]) -> list[Child]:
    return [(str(at), child) for at, child in enumerate(islice(items, 10 * NODES))]


def _atom(value: Any) -> str:
    if value.__class__ is str:
        return _text(value)
    if isinstance(value, TypedBytes):
        head = value.data[:BYTES_SHOWN].hex(" ") + (" …" if len(value.data) > BYTES_SHOWN else "")
        return f'<span class="y">{escape(preview(value, LINE_CHARS))}</span><code class="hex">{head}</code>'
    if isinstance(value, Truncated):
        rest = f"{value.total - value.start:,} more" if value.total else "more"
        return f'<span class="faint">{rest} not shown</span>'
    if isinstance(value, Invalid):
        return f'<span class="st err">{escape(preview(value, LINE_CHARS))}</span>'
    return f'<span class="y">{escape(preview(value, LINE_CHARS))}</span>'


def _text(value: str) -> str:
    shown = value[:TEXT_CHARS]
    rest = (
        f'<span class="faint"> … {len(value) - TEXT_CHARS:,} more characters</span>'
        if len(value) > TEXT_CHARS
        else ""
    )
    if "\n" in shown:
        return f'<span class="s block">{escape(lines(shown))}</span>{rest}'
    return f'<span class="s">“{escape(visible(shown))}”</span>{rest}'
