"""One line that tells what a value is, in bounded time whatever its size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from runs.payloads import handles as sdk
from runs.payloads import values as js

DEEPEST = 12
LARGEST_BITS = 14_000
MORE = "…"

_name = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_unprintable = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
)
_escapes = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\x00": "\\0"}


class _Full(Exception):
    """The line has reached its limit."""


class _Line:
    def __init__(self, limit: int) -> None:
        self.room = limit
        self.parts: list[str] = []

    def put(self, text: str) -> None:
        self.parts.append(text)
        self.room -= len(text)
        if self.room < 0:
            raise _Full


def preview(value: Any, limit: int = 160) -> str:
    """Such as `{type: "text-delta", id: "t1", delta: "e"}`, cut with `…`, never above `limit` characters.

    Control characters, line ends, and marks that turn the direction of text are shown as escapes.
    """
    line = _Line(limit)
    try:
        _write(line, value, 0)
    except _Full:
        return "".join(line.parts)[: max(0, limit - 1)] + MORE[:limit]
    return "".join(line.parts)


def escape(text: str) -> str:
    """Text without characters that would break or reorder the line it stands in."""
    return _unprintable.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    char = found[0]
    return _escapes.get(char) or f"\\u{ord(char):04x}"


def quoted(text: str) -> str:
    return '"' + escape(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _write(line: _Line, value: Any, depth: int) -> None:
    kind = value.__class__
    if kind is str:
        line.put(quoted(value[: line.room + 1]))
    elif kind is dict or kind is list or kind in WRITERS:
        _composite(line, value, kind, depth)
    else:
        line.put(atom(value, line.room + 1))


def _composite(line: _Line, value: Any, kind: type, depth: int) -> None:
    if depth >= DEEPEST:
        line.put(MORE)
    elif kind is dict:
        _object(line, value, depth)
    elif kind is list:
        _sequence(line, "[", value, "]", depth)
    else:
        WRITERS[kind](line, value, depth)


def atom(value: Any, room: int) -> str:
    """The text of a value without parts; at least its first `room` characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value) if value.bit_length() < LARGEST_BITS else f"({value.bit_length():,} bits)"
    if isinstance(value, float):
        return _float(value)
    text = ATOMS.get(value.__class__)
    return escape(text(value, room) if text else value.__class__.__name__)


def _float(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    return text.removesuffix(".0")


def key_text(key: str) -> str:
    return key if _name.fullmatch(key) else quoted(key)


def _object(line: _Line, value: dict[str, Any], depth: int) -> None:
    line.put("{")
    for at, (key, item) in enumerate(value.items()):
        line.put(", " if at else "")
        line.put(key_text(key[: line.room + 1]) + ": ")
        _write(line, item, depth + 1)
    line.put("}")


def _sequence(line: _Line, start: str, items: Iterable[Any], end: str, depth: int) -> None:
    line.put(start)
    for at, item in enumerate(items):
        line.put(", " if at else "")
        _write(line, item, depth + 1)
    line.put(end)


def _pairs(line: _Line, start: str, pairs: js.Pairs, depth: int) -> None:
    line.put(start)
    for at, (key, item) in enumerate(pairs):
        line.put(", " if at else "")
        _write(line, key, depth + 1)
        line.put(" → ")
        _write(line, item, depth + 1)
    line.put("}")


def _error(line: _Line, value: js.JsError, depth: int) -> None:
    line.put(escape(value.name[: line.room + 1]))
    if value.message:
        line.put(": " + escape(value.message[: line.room + 1]))


def _instance(line: _Line, value: sdk.Instance, depth: int) -> None:
    line.put(escape(value.class_name[: line.room + 1]) + "(")
    _write(line, value.data, depth + 1)
    line.put(")")


def _boxed(line: _Line, value: js.Boxed, depth: int) -> None:
    line.put("Object(")
    _write(line, value.value, depth + 1)
    line.put(")")


def _bytes(line: _Line, value: js.TypedBytes, depth: int) -> None:
    line.put(f"{value.type}({len(value.data)}) ")
    head = value.data[: line.room + 1]
    try:
        text = head[: line.room].decode()
    except UnicodeDecodeError:
        text = ""
    line.put(quoted(text) if text.isprintable() and text else head.hex(" "))


def _unknown(line: _Line, value: js.Unknown, depth: int) -> None:
    _sequence(line, escape(value.tag[: line.room + 1]) + "(", value.args, ")", depth)


def _request(line: _Line, value: sdk.Request, depth: int) -> None:
    _called(line, "Request", value.fields, ("method", "url"))


def _response(line: _Line, value: sdk.Response, depth: int) -> None:
    _called(line, "Response", value.fields, ("status", "statusText"))


def _called(line: _Line, name: str, fields: dict[str, Any], shown: tuple[str, ...]) -> None:
    line.put(name)
    for key in shown:
        item = fields.get(key)
        if isinstance(item, (str, int)):
            line.put(" " + (escape(item[: line.room + 1]) if isinstance(item, str) else atom(item, 20)))


WRITERS: dict[type, Callable[[_Line, Any, int], None]] = {
    js.JsMap: lambda line, value, depth: _pairs(line, f"Map({len(value.items)}) {{", value.items, depth),
    js.JsSet: lambda line, value, depth: _sequence(
        line, f"Set({len(value.items)}) {{", value.items, "}", depth
    ),
    js.Headers: lambda line, value, depth: _pairs(line, "Headers {", value.items, depth),
    js.SparseArray: lambda line, value, depth: _pairs(
        line, f"Array({atom(value.length, 20)}) {{", value.items, depth
    ),
    js.NullObject: lambda line, value, depth: _object(line, value.fields, depth),
    js.JsError: _error,
    sdk.Instance: _instance,
    js.Boxed: _boxed,
    js.TypedBytes: _bytes,
    js.Unknown: _unknown,
    sdk.Request: _request,
    sdk.Response: _response,
}

ATOMS: dict[type, Callable[[Any, int], str]] = {
    js.Undefined: lambda value, room: "undefined",
    js.Hole: lambda value, room: "<hole>",
    js.BigInt: lambda value, room: value.digits[:room] + "n",
    js.JsDate: lambda value, room: value.iso[:room] if value.iso else "Invalid Date",
    js.Temporal: lambda value, room: f"{value.type} {value.text[:room]}",
    js.JsUrl: lambda value, room: f"URL {value.href[:room]}",
    js.UrlSearchParams: lambda value, room: f"URLSearchParams {value.query[:room]}",
    js.JsRegExp: lambda value, room: f"/{value.source[:room]}/{value.flags[:room]}",
    sdk.ClassRef: lambda value, room: f"class {value.class_id or ''}"[:room],
    sdk.StepRef: lambda value, room: f"step {value.step_id or ''}"[:room],
    sdk.WorkflowRef: lambda value, room: f"workflow {value.workflow_id or ''}"[:room],
    sdk.StreamRef: lambda value, room: f"{value.kind} {value.name or ''}"[:room],
    sdk.Abort: lambda value, room: f"{value.kind} {'aborted' if value.aborted else 'not aborted'}",
    js.Cycle: lambda value, room: f"<cycle to {value.to[:room]}>",
    js.Truncated: lambda value, room: MORE,
    js.Invalid: lambda value, room: f"<{value.reason}: {value.text}>"[:room],
    sdk.Sealed: lambda value, room: f"encrypted, {value.size:,} bytes inside",
}
