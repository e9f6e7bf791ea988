"""A value as a tree of `<details>`: typed, escaped, and bounded whatever is in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from itertools import islice
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from runs.pages._atoms import Atoms, badge, kind_of, line_of
from runs.pages._format import counted, visible
from runs.pages._media import file_part
from runs.pages._place import Place
from runs.payloads import Boxed, Headers, JsMap, JsSet, SparseArray, Truncated, Unknown, preview

NODES = 2000
DEEPEST = 40
OPEN_LEVELS = 2
OPEN_CHILDREN = 100  # what has more is opened by its reader
LINE_CHARS = 120

Child = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Payload:
    """SDK bytes that stand in a JSON object under `name`, decoded."""

    name: str
    value: Any


def tree_html(value: Any, place: Place | None = None, start: int = 0, key: str = "") -> SafeString:
    """A list of one value and what it contains; what is beyond the limits is counted, not shown.

    With its `place`, what the decoder left out can be opened. `start` is the number of the first entry of
    a list whose beginning is shown elsewhere.
    """
    return mark_safe(f'<ul class="tree">{"".join(_Tree(place).root(key, value, start))}</ul>')


class _Tree:
    def __init__(self, place: Place | None) -> None:
        self.left = NODES
        self.atoms = Atoms(place)

    def root(self, key: str, value: Any, start: int) -> Iterator[str]:
        if not start:
            yield from self.item(key, value, 0)
            return
        children, total = children_of(value, start)
        yield from self.items(children or [], (total or 0) + start, 1, start)

    def item(self, key: str, value: Any, depth: int, aside: str = "") -> Iterator[str]:
        if value.__class__ is Payload:
            yield from self.payload(key, value, depth)
            return
        self.left -= 1
        label = f'<span class="k">{escape(visible(key[:LINE_CHARS]))}</span> ' if key else ""
        children, total = children_of(value)
        if children is None:
            yield f"<li>{label}{aside}{self.atoms.html(value)}</li>"
            return
        line = line_of(without_payloads(value) if not depth else value)
        links = aside + self.atoms.link(value)
        summary = f'{label}{badge(kind_of(value))}<span class="v">{line}</span>'
        if depth >= DEEPEST or not children:
            yield f"<li>{links}{summary}</li>"
            return
        # Beside what opens, not in it: a link within a button is out of reach for a screen reader.
        aside = f'<span class="aside">{links}</span>' if links else ""
        opened = " open" if depth < OPEN_LEVELS and (len(children) <= OPEN_CHILDREN or not depth) else ""
        yield f"<li>{aside}<details{opened}><summary>{summary}</summary><ul>"
        yield from self.picture(value)
        yield from self.items(children, total, depth + 1)
        yield "</ul></details></li>"

    def payload(self, key: str, payload: Payload, depth: int) -> Iterator[str]:
        """A value with bytes of its own: what was left out of it is opened there."""
        outside = self.atoms.place
        place = self.atoms.place = outside.part(payload.name) if outside else None
        aside = f'<a class="alone" href="{escape(place.url())}">payload</a> ' if place else ""
        yield from self.item(key, payload.value, depth, aside)
        self.atoms.place = outside

    def picture(self, value: Any) -> Iterator[str]:
        found = self.atoms.picture(file_part(value)) if value.__class__ is dict else ""
        if found:
            yield f"<li>{found}</li>"

    def items(self, children: list[Child], total: int, depth: int, start: int = 0) -> Iterator[str]:
        for at, (key, child) in enumerate(children):
            if self.left <= 0:
                yield _not_shown(total - start - at)
                return
            yield from self.item(key, child, depth)
        if total - start > len(children):
            yield _not_shown(total - start - len(children))


def without_payloads(value: Any) -> Any:
    """The same with the values of its payloads in their places, for a preview."""
    if value.__class__ is not dict:
        return value
    return {key: item.value if item.__class__ is Payload else item for key, item in value.items()}


def _not_shown(count: int) -> str:
    rest = counted(count, "more entry", "more entries")
    return f'<li class="faint">{rest}, not shown in this view</li>'


def children_of(value: Any, start: int = 0) -> tuple[list[Child] | None, int]:
    """Named parts of a composite, as many as could ever be shown, and how many there are; or None."""
    kind = value.__class__
    if kind is dict:
        return _named(value.items()), len(value)
    if kind is list:
        return _numbered(value, start), len(value)
    if kind in (JsMap, Headers, SparseArray):
        pairs = ((preview(key, LINE_CHARS), child) for key, child in value.items)
        return _named(pairs), len(value.items)
    if kind is JsSet:
        return _numbered(value.items, start), len(value.items)
    if kind is Unknown:
        return _numbered(value.args, start), len(value.args)
    if kind is Boxed:
        return [("value", value.value)], 1
    fields = getattr(value, "fields", None)
    return (_named(fields.items()), len(fields)) if isinstance(fields, dict) else (None, 0)


def _named(pairs: Iterable[tuple[Any, Any]]) -> list[Child]:
    return [(_name(key, child), child) for key, child in islice(pairs, NODES)]


def _name(key: Any, child: Any) -> str:
    return "" if child.__class__ is Truncated and child.start else str(key)


def _numbered(items: Iterable[Any], start: int) -> list[Child]:
    numbered = enumerate(islice(items, NODES), start)
    return [(_name(at, child), child) for at, child in numbered]
