"""Binary nodes: ArrayBuffer and the views on one."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from runs.payloads.document import Document
from runs.payloads.values import TypedBytes

ITEM_SIZE = {
    "Int16Array": 2,
    "Uint16Array": 2,
    "Float16Array": 2,
    "Int32Array": 4,
    "Uint32Array": 4,
    "Float32Array": 4,
    "Float64Array": 8,
    "BigInt64Array": 8,
    "BigUint64Array": 8,
}
VIEWS = frozenset(ITEM_SIZE) | {"Int8Array", "Uint8Array", "Uint8ClampedArray", "DataView"}


def buffer(doc: Document, raw: list[Any]) -> Any:
    return _bytes(doc, raw[0], raw[1] if len(raw) > 1 else None)


def view(doc: Document, raw: list[Any]) -> Any:
    """The JavaScript SDK stores only the viewed bytes, devalue a reference to the whole ArrayBuffer."""
    arg = raw[1] if len(raw) > 1 else None
    target = doc.raw(arg)
    if not (isinstance(target, list) and target[:1] == ["ArrayBuffer"]):
        return _bytes(doc, raw[0], arg)
    whole = _bytes(doc, raw[0], target[1] if len(target) > 1 else None)
    if len(raw) < 4 or not isinstance(whole, TypedBytes):
        return whole
    return _window(doc, whole, raw[2], raw[3])


def _bytes(doc: Document, kind: str, arg: Any) -> Any:
    text = doc.text(arg)
    if text is None:
        return doc.invalid(f"{kind} without data", arg)
    try:
        return TypedBytes(kind, base64.b64decode("" if text == "." else text, validate=True))
    except (binascii.Error, ValueError):
        return doc.invalid(f"{kind} is not base64", text)


def _window(doc: Document, whole: TypedBytes, start: Any, length: Any) -> TypedBytes:
    if start.__class__ is int and length.__class__ is int and start >= 0 and length >= 0:
        end = start + length * ITEM_SIZE.get(whole.type, 1)
        if end <= len(whole.data):
            return TypedBytes(whole.type, whole.data[start:end])
    doc.note(f"{whole.type} reaches outside its buffer, which is shown whole")
    return whole
