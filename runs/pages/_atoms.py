"""Single values in a tree: text, bytes, pictures, references, and what was left out."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from html import escape
from typing import Any

from runs.pages import _media
from runs.pages._dump import hex_dump
from runs.pages._format import counted, lines, size, visible
from runs.pages._place import Links, Place
from runs.payloads import (
    Abort,
    BigInt,
    Boxed,
    ClassRef,
    Cycle,
    Headers,
    Instance,
    Invalid,
    JsDate,
    JsError,
    JsMap,
    JsRegExp,
    JsSet,
    JsUrl,
    NullObject,
    Request,
    Response,
    Sealed,
    SparseArray,
    StepRef,
    StreamRef,
    Temporal,
    Truncated,
    TypedBytes,
    Unknown,
    UrlSearchParams,
    WorkflowRef,
    preview,
)

LINE_CHARS = 120
TEXT_CHARS = 10_000  # of one text
ALL_CHARS = 150_000  # of all long texts of a tree
FOLDED_FROM = 300  # characters in one line
LINES_OPEN = 3
BYTES_INLINE = 16
BYTES_SHOWN = 1024
DUMPS = 32
NUMBERS_SHOWN = 16

_KINDS: dict[type, str] = {
    Abort: "abort", BigInt: "BigInt", Boxed: "boxed", ClassRef: "class", Cycle: "cycle", Headers: "Headers",
    Instance: "instance", JsDate: "Date", JsError: "Error", JsMap: "Map", JsRegExp: "RegExp", JsSet: "Set",
    JsUrl: "URL", NullObject: "no prototype", Request: "Request", Response: "Response", Sealed: "encrypted",
    SparseArray: "sparse", StepRef: "step function", Temporal: "Temporal", WorkflowRef: "workflow",
    UrlSearchParams: "URLSearchParams",
}  # fmt: skip
# What previews begin with and the badge says already.
_SAID = ("URLSearchParams ", "URL ", "class ", "step ", "workflow ", "Request ", "Response ")


# Typed arrays of numbers, which every host in use stores with the low byte first.
_NUMBERS = {
    "Int8Array": "b", "Int16Array": "h", "Int32Array": "i", "BigInt64Array": "q", "Uint16Array": "H",
    "Uint32Array": "I", "BigUint64Array": "Q", "Float32Array": "f", "Float64Array": "d",
}  # fmt: skip


def kind_of(value: Any) -> str:
    """What the badge says: empty for what JSON has too, which shows by itself."""
    kind = value.__class__
    if kind is list:
        return f"[{_total(value)}]"
    if kind is dict:
        return f"{{{_total(list(value.values()))}}}"
    if kind in (JsMap, JsSet):
        return f"{_KINDS[kind]} {_total(value.items)}"
    if kind is StreamRef:
        return visible(value.kind[:40])
    if kind is TypedBytes:
        return visible(value.type[:40])
    if kind is Unknown:
        return f"unknown type {visible(value.tag[:40])}"
    return _KINDS.get(kind, "")


def _total(entries: Sequence[Any]) -> int:
    """How many entries there are, with those that the last one says were left out."""
    last = entries[-1] if entries else None
    rest = last[-1] if isinstance(last, tuple) and last else last
    return rest.total if isinstance(rest, Truncated) and rest.start else len(entries)


def badge(kind: str) -> str:
    return f'<span class="tb">{escape(kind)}</span> ' if kind else ""


def line_of(value: Any) -> str:
    """The value on one line, without what its badge says."""
    text = preview(value, LINE_CHARS)
    if value.__class__ in (JsMap, JsSet, Headers, SparseArray):
        text = "{" + text.partition("{")[2]
    elif value.__class__ is StreamRef:
        text = text.removeprefix(f"{value.kind} ")
    elif value.__class__ in _KINDS:
        text = next((text.removeprefix(said) for said in _SAID if text.startswith(said)), text)
    return escape(text)


class Atoms:
    """Writes values without parts. What all of them may take of a page together is bounded here."""

    def __init__(self, place: Place | None) -> None:
        self.place = place
        self.links = (place.links if place else None) or Links("")
        self.room = ALL_CHARS
        self.pictures = _media.IMAGE_MAX * 4 // 3 + 64
        self.dumps = DUMPS

    def html(self, value: Any) -> str:
        if value.__class__ is str:
            return self._text(value)
        if isinstance(value, TypedBytes):
            return self._bytes(value)
        if isinstance(value, Truncated):
            return self._left_out(value)
        if isinstance(value, Invalid):
            return f'<span class="st err">{escape(preview(value, LINE_CHARS))}</span>'
        if isinstance(value, Cycle):
            return f'{badge("cycle")}<span class="y">{escape(visible(value.to))}</span>'
        return f'{badge(kind_of(value))}<span class="y">{line_of(value)}</span>'

    def link(self, value: Any) -> str:
        """To the page of what a reference refers to; empty where there is none."""
        url = ""
        if isinstance(value, StreamRef):
            url, word = self.links.stream(value.name), "stream"
        elif isinstance(value, StepRef):
            url, word = self.links.step(value.step_id), "step"
        elif isinstance(value, WorkflowRef):
            url, word = self.links.workflow(value.workflow_id), "its runs"
        elif isinstance(value, Abort):
            url, word = self.links.stream(value.stream_name), "stream"
        return f'<a href="{escape(url)}">{word}</a> ' if url else ""

    def picture(self, data: bytes) -> str:
        """An image element for bytes that are a picture; the source is written anew from them."""
        source = _media.image_in(data)
        if not source or len(source) > self.pictures:
            return ""
        self.pictures -= len(source)
        title = f"{_media.image_type(data)}, {size(len(data))}"
        return f'<img class="pic" alt="{title}" title="{title}" src="{source}">'

    def _text(self, value: str) -> str:
        drawn = self.picture(_media.bytes_of(value))
        if drawn:
            return f'<span class="s">“{escape(visible(value[:LINE_CHARS]))}…”</span>{drawn}'
        inner = _media.text_in(value)
        if inner is not None:
            head = f'{badge("data: text")}<span class="s">“{escape(visible(value[:60]))}…”</span>'
            return self._folded(head, inner)
        if "\n" in value:
            return self._lines(value)
        if len(value) <= FOLDED_FROM:
            return f'<span class="s">“{escape(visible(value))}”</span>'
        head = f'<span class="s">“{escape(visible(value[:LINE_CHARS]))}…”</span> {_length(value)}'
        return self._folded(head, value)

    def _lines(self, value: str) -> str:
        if len(value) <= ALL_CHARS // 40 and value.count("\n") <= LINES_OPEN:
            self.room -= len(value)
            if self.room >= 0:
                return f'<span class="s block">{escape(lines(value))}</span>'
        first = value.partition("\n")[0][:LINE_CHARS]
        count = counted(value.count("\n") + 1, "line")
        head = f'<span class="s">“{escape(visible(first))}…”</span> <span class="faint">{count}</span>'
        return self._folded(head, value)

    def _folded(self, head: str, value: str) -> str:
        taken = value[: max(0, min(TEXT_CHARS, self.room))]
        self.room -= len(taken)
        if not taken:
            return head
        rest = len(value) - len(taken)
        more = f'<span class="faint">{rest:,} more characters: see JSON</span>' if rest else ""
        body = f'<span class="s block">{escape(lines(taken))}</span>{more}'
        return f'<details class="long"><summary>{head}</summary>{body}</details>'

    def _bytes(self, value: TypedBytes) -> str:
        head = f'{badge(kind_of(value))}<span class="y">{_contents(value)}</span> '
        if len(value.data) <= BYTES_INLINE:
            return f'{head}<code class="hex">{value.data.hex(" ")}</code>'
        if value.type not in _NUMBERS:
            head += f'<code class="hex">{value.data[:8].hex(" ")} …</code>'
        drawn = self.picture(value.data)
        self.dumps -= 1
        if self.dumps < 0:
            return head + drawn
        rest = len(value.data) - BYTES_SHOWN
        more = f'<span class="faint">{rest:,} more bytes</span>' if rest > 0 else ""
        dump = f'<pre class="dump">{escape(hex_dump(value.data[:BYTES_SHOWN]))}</pre>{more}'
        return f'<details class="long"><summary>{head}</summary>{dump}</details>{drawn}'

    def _left_out(self, value: Truncated) -> str:
        kind = escape(visible(value.kind[:40]))
        count = max(0, value.total - value.start)
        what = f"{count:,} more" if value.start else f"{kind}, {count:,} entries" if value.total else kind
        if value.kind == "string":
            what = f"text, {value.total:,} characters"
        if self.place is None or value.node < 0:
            return f'<span class="faint">{what} not shown in this view</span>'
        url = escape(self.place.url(node=value.node, start=value.start))
        return f'<a class="more" href="{url}" hx-get="{url}" hx-target="closest li" hx-swap="outerHTML">open {what}</a>'


def _contents(value: TypedBytes) -> str:
    """`24 B: 1.5, 2, -0` of an array of numbers; the size alone of bytes, which are shown as such."""
    code = _NUMBERS.get(value.type)
    count = len(value.data) // struct.calcsize(f"<{code}") if code else 0
    if not count:
        return size(len(value.data))
    shown = min(count, NUMBERS_SHOWN)
    numbers = struct.unpack_from(f"<{shown}{code}", value.data)
    more = f", … {count - shown:,} more" if count > shown else ""
    return f"{size(len(value.data))}: {', '.join(preview(one) for one in numbers)}{more}"


def _length(value: str) -> str:
    return f'<span class="faint">{len(value):,} characters</span>'
