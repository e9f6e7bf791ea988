"""One devalue text to its value: the fast way for small ones, the full reader for the rest."""

from __future__ import annotations

from typing import Any

from runs.payloads.document import Document
from runs.payloads.flat import parse, start_of, strict
from runs.payloads.model import Limits, Problem, Status
from runs.payloads.text import TAG, Text
from runs.payloads.tree import SPECIALS, Tree
from runs.payloads.values import HOLE, Invalid

SMALL = 4096
SCALARS = frozenset((str, int, float, bool, type(None)))
SLOW = object()

Outcome = tuple[Status, Any, Problem | None]


def quick(body: bytes) -> Any:
    """The value of a small text (tag included) whose root is an object of scalars, otherwise SLOW.

    Most stream chunks are such texts. Escapes may hide lone surrogates: the full reader's work.
    """
    if len(body) > SMALL or b"\\u" in body:
        return SLOW
    try:
        text = body[len(TAG) :].decode()
        flat, end = strict.raw_decode(text)
    except (ValueError, RecursionError):
        return SLOW
    if end != len(text) or flat.__class__ is not list or not flat:
        return SLOW
    return _flat_object(flat)


def _flat_object(flat: list[Any]) -> Any:
    root, count = flat[0], len(flat)
    if root.__class__ is not dict or "expiredAt" in root:
        return SLOW
    out = {}
    for key, ref in root.items():
        if ref.__class__ is not int or not 0 <= ref < count:
            return SLOW
        raw = flat[ref]
        if raw.__class__ not in SCALARS:
            return SLOW
        out[key] = raw
    return out


def read(text: Text, limits: Limits, node: int = 0, start: int = 0) -> Outcome:
    """The value of a text, or the one at index `node` from its entry `start` on."""
    parsed, problem = parse(text)
    if parsed.__class__ is int and parsed in SPECIALS and SPECIALS[parsed] is not HOLE and node == 0:
        return "ok", SPECIALS[parsed], None
    if not isinstance(parsed, list) or not parsed:
        return "corrupt", None, problem or text.problem(0, "not a devalue text")
    if not 0 <= node < len(parsed):
        reason = f"no value has the number {node}: there are {len(parsed)}"
        return "corrupt", Invalid(reason, str(node)), text.problem(0, reason)
    doc = Document(parsed)
    tree = Tree(doc, limits)
    value = tree.read(node, start)
    if problem is not None:
        return "corrupt", value, problem
    return _judge(text, doc, tree, value)


def _judge(text: Text, doc: Document, tree: Tree, value: Any) -> Outcome:
    if tree.cut:
        return "truncated", value, text.problem(0, tree.cut)
    if is_expired(value):
        return "expired", value, None
    if doc.fault is None:
        return "ok", value, text.note
    index, reason = doc.fault
    return "ok", value, text.problem(start_of(text, index), reason)


def is_expired(value: Any) -> bool:
    """What a server leaves of deleted data: `{expiredAt}` or `[{expiredAt}]`."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("expiredAt"), str)
