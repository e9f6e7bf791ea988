"""Typed nodes `["Tag", ...]` of a devalue text.

Every builtin has two wire forms: the JavaScript SDK's reducers write `["Tag", index]`, plain devalue
and the Python SDK write their arguments in place. Both are read here.
"""

from __future__ import annotations

from collections.abc import Callable
from reprlib import repr as repr_short
from typing import Any

from runs.payloads import handles as sdk
from runs.payloads import values as js
from runs.payloads.binary import VIEWS, buffer, view
from runs.payloads.document import Document, Plan

Made = Any
Maker = Callable[[Document, list[Any]], Made]
Build = Callable[[Any, list[Any]], Any]

UNDEFINED_REF = -1


def typed(doc: Document, raw: list[Any]) -> Made:
    """A finished value, or the Plan of a node with children."""
    tag = raw[0]
    maker = MAKERS.get(tag)
    if maker is not None:
        return maker(doc, raw)
    if tag.endswith("Error") or tag == "DOMException":
        return _error(doc, raw)
    if tag.startswith("Temporal."):
        return _temporal(doc, raw)
    return _unknown(doc, raw)


def _first(raw: list[Any]) -> Any:
    return raw[1] if len(raw) > 1 else None


def _date(doc: Document, raw: list[Any]) -> Made:
    text = doc.text(_first(raw))
    if text is None:
        return doc.invalid("Date without text", raw)
    return js.JsDate(None if text in (".", "") else text)


def _bigint(doc: Document, raw: list[Any]) -> Made:
    text = doc.text(_first(raw))
    if text is None or not (text.isascii() and text.removeprefix("-").isdecimal()):
        return doc.invalid("BigInt without digits", raw if text is None else text)
    return js.BigInt(text)


def _url(doc: Document, raw: list[Any]) -> Made:
    text = doc.text(_first(raw))
    return doc.invalid("URL without text", raw) if text is None else js.JsUrl(text)


def _search_params(doc: Document, raw: list[Any]) -> Made:
    text = doc.text(_first(raw))
    if text is None:
        return doc.invalid("URLSearchParams without text", raw)
    return js.UrlSearchParams("" if text == "." else text)


def _temporal(doc: Document, raw: list[Any]) -> Made:
    text = doc.text(_first(raw))
    if text is None:
        return doc.invalid(f"{raw[0][:80]} without text", raw)
    return js.Temporal(raw[0].removeprefix("Temporal.")[:80], text)


def _regexp(doc: Document, raw: list[Any]) -> Made:
    arg = _first(raw)
    if isinstance(arg, str):
        flags = raw[2] if len(raw) > 2 and isinstance(raw[2], str) else ""
        return js.JsRegExp(arg, flags)
    record = doc.record(arg) or {}
    source = doc.text(record.get("source"))
    if source is None:
        return doc.invalid("RegExp without source", raw)
    return js.JsRegExp(source, doc.text(record.get("flags")) or "")


def _boxed(doc: Document, raw: list[Any]) -> Made:
    """`["Object", index]`, or in older versions the primitive itself; a number may mean either."""
    arg = _first(raw)
    target = doc.raw(arg)
    if isinstance(arg, (dict, list)):
        return doc.invalid("not a primitive", arg)
    composite = isinstance(target, dict) or (isinstance(target, list) and target[:1] != ["BigInt"])
    if arg.__class__ is not int or composite or arg >= len(doc.flat):
        return js.Boxed(arg)
    return Plan(_item, [arg], lambda names, children: js.Boxed(children[0]))


def _place(at: int) -> str:
    return f"<{'value' if at % 2 else 'key'} {at // 2}>"


def _item(at: int) -> str:
    return f"<item {at}>"


def _pairs(children: list[Any]) -> js.Pairs:
    return tuple(zip(children[::2], children[1::2], strict=False))


def _pair_refs(doc: Document, nodes: list[Any]) -> list[Any]:
    """References of `[[key, value], ...]`; what is no pair stands as a key without value."""
    refs: list[Any] = []
    for node in nodes:
        pair = doc.raw(node)
        if isinstance(pair, list) and len(pair) == 2:
            refs += pair
        else:
            doc.note("an entry is not a pair")
            refs += (node, UNDEFINED_REF)
    return refs


def _map(doc: Document, raw: list[Any]) -> Made:
    nodes = doc.raw(raw[1]) if len(raw) == 2 else None
    if isinstance(nodes, list):
        refs = _pair_refs(doc, nodes)
    else:
        refs = raw[1:]
    if len(refs) % 2:
        doc.note("Map with a key without value")
        refs = [*refs, UNDEFINED_REF]
    return Plan(_place, refs, lambda names, children: js.JsMap(_pairs(children)), 2)


def _headers(doc: Document, raw: list[Any]) -> Made:
    nodes = doc.raw(_first(raw))
    if not isinstance(nodes, list):
        return doc.invalid("Headers without entries", raw)
    build: Build = lambda names, children: js.Headers(_pairs(children))  # noqa: E731
    return Plan(_place, _pair_refs(doc, nodes), build, 2)


def _set(doc: Document, raw: list[Any]) -> Made:
    """A Python set of exactly one tuple looks the same as the JavaScript form, which is assumed."""
    nodes = doc.raw(raw[1]) if len(raw) == 2 else None
    plain = isinstance(nodes, list) and not (nodes and isinstance(nodes[0], str))
    refs = nodes if isinstance(nodes, list) and plain else raw[1:]
    return Plan(_item, refs, lambda names, children: js.JsSet(tuple(children)))


def _null_object(doc: Document, raw: list[Any]) -> Made:
    keys = [key if isinstance(key, str) else repr_short(key) for key in raw[1::2]]
    refs = raw[2::2]
    if len(keys) != len(refs):
        doc.note("an object with a key without value")
        refs = [*refs, UNDEFINED_REF]
    return Plan(keys, refs, lambda names, children: js.NullObject(dict(zip(names, children, strict=False))))


def _error(doc: Document, raw: list[Any]) -> Made:
    tag = raw[0][:80]
    record = doc.record(_first(raw))
    if record is None:
        return doc.invalid(f"{tag} without fields", raw)

    def build(names: Any, children: list[Any]) -> Any:
        fields = dict(zip(names, children, strict=False))
        name = fields.get("name")
        return js.JsError(tag, name if isinstance(name, str) else tag, fields)

    return Plan(list(record), list(record.values()), build)


def _fields(make: Callable[[dict[str, Any]], Any]) -> Maker:
    def maker(doc: Document, raw: list[Any]) -> Made:
        record = doc.record(_first(raw))
        if record is None:
            return doc.invalid(f"{raw[0]} without fields", raw)
        build: Build = lambda names, children: make(dict(zip(names, children, strict=False)))  # noqa: E731
        return Plan(list(record), list(record.values()), build)

    return maker


def _handle(make: Callable[[str, dict[str, Any]], Any], kind: str) -> Maker:
    return _fields(lambda fields: make(kind, fields))


def _unknown(doc: Document, raw: list[Any]) -> Made:
    tag = raw[0][:200]
    doc.note(f"unknown type {tag[:80]!r}")
    return Plan(_item, raw[1:], lambda names, children: js.Unknown(tag, tuple(children)))


MAKERS: dict[str, Maker] = {
    "Date": _date,
    "BigInt": _bigint,
    "URL": _url,
    "URLSearchParams": _search_params,
    "RegExp": _regexp,
    "Object": _boxed,
    "Map": _map,
    "Set": _set,
    "Headers": _headers,
    "null": _null_object,
    "ArrayBuffer": buffer,
    "Instance": _fields(sdk.Instance),
    "Class": _fields(sdk.ClassRef),
    "StepFunction": _fields(sdk.StepRef),
    "WorkflowFunction": _fields(sdk.WorkflowRef),
    "Request": _fields(sdk.Request),
    "Response": _fields(sdk.Response),
    **dict.fromkeys(VIEWS, view),
    **{
        name: _handle(sdk.StreamRef, name) for name in ("ReadableStream", "WritableStream", "TransformStream")
    },
    **{name: _handle(sdk.Abort, name) for name in ("AbortController", "AbortSignal")},
}
