"""The JSON form of values: plain data stays as it is, everything else is `{"$": tag, ...}`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from runs.payloads import handles as sdk
from runs.payloads import values as js

LARGEST_SAFE = 2**53 - 1
OBJECT_FORM = ("$", "__proto__")


def as_tagged(value: Any) -> Any:
    """Data that `json.dumps(..., allow_nan=False)` accepts and that no JavaScript type is lost in."""
    try:
        return _tagged(value)
    except RecursionError:
        return {"$": "truncated", "reason": "nested too deeply"}


def _tagged(value: Any) -> Any:
    kind = value.__class__
    if kind is dict:
        out = {}
        for key, item in value.items():
            out[key] = _tagged(item)
        if "$" in out or "__proto__" in out:
            return {"$": "object", "v": [list(pair) for pair in out.items()]}
        return out
    if kind is list:
        items = []
        for item in value:
            items.append(_tagged(item))
        return items
    if kind is int or kind is float:
        return _number(value)
    form = FORMS.get(kind)
    return form(value) if form else value


def _number(value: float) -> Any:
    if isinstance(value, int):
        return value if -LARGEST_SAFE <= value <= LARGEST_SAFE else {"$": "number", "v": str(value)}
    if value != value:
        return {"$": "number", "v": "NaN"}
    if value in (float("inf"), float("-inf")):
        return {"$": "number", "v": "Infinity" if value > 0 else "-Infinity"}
    if value == 0 and str(value) == "-0.0":
        return {"$": "number", "v": "-0"}
    return value


def _pairs(pairs: js.Pairs) -> list[Any]:
    return [[_tagged(key), _tagged(item)] for key, item in pairs]


def _fields(tag: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"$": tag, **more}
    for key, item in fields.items():
        out["_$" if key == "$" else key] = _tagged(item)
    return out


def _error(value: js.JsError) -> dict[str, Any]:
    fields = {key: item for key, item in value.fields.items() if key != "name"}
    return _fields("error", fields, type=value.type, name=value.name)


def _bytes(value: js.TypedBytes) -> dict[str, Any]:
    return {"$": "bytes", "type": value.type, "b64": base64.b64encode(value.data).decode()}


def _sparse(value: js.SparseArray) -> dict[str, Any]:
    return {"$": "sparse", "length": _tagged(value.length), "items": _pairs(value.items)}


def _plain(tag: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {"$": tag, **asdict(value)}


FORMS: dict[type, Callable[[Any], Any]] = {
    js.Undefined: lambda value: {"$": "undefined"},
    js.Hole: lambda value: {"$": "hole"},
    js.BigInt: lambda value: {"$": "bigint", "v": value.digits},
    js.JsDate: lambda value: {"$": "date", "v": value.iso},
    js.Temporal: lambda value: {"$": "temporal", "type": value.type, "v": value.text},
    js.JsUrl: lambda value: {"$": "url", "v": value.href},
    js.UrlSearchParams: lambda value: {"$": "urlsearchparams", "v": value.query},
    js.JsRegExp: lambda value: {"$": "regexp", "source": value.source, "flags": value.flags},
    js.JsMap: lambda value: {"$": "map", "v": _pairs(value.items)},
    js.JsSet: lambda value: {"$": "set", "v": [_tagged(item) for item in value.items]},
    js.Headers: lambda value: {"$": "headers", "v": _pairs(value.items)},
    js.TypedBytes: _bytes,
    js.Boxed: lambda value: {"$": "boxed", "v": _tagged(value.value)},
    js.NullObject: lambda value: {"$": "nullproto", "v": _pairs(tuple(value.fields.items()))},
    js.SparseArray: _sparse,
    js.JsError: _error,
    sdk.Instance: lambda value: _fields("instance", value.fields),
    sdk.ClassRef: lambda value: _fields("class", value.fields),
    sdk.StepRef: lambda value: _fields("stepfn", value.fields),
    sdk.WorkflowRef: lambda value: _fields("workflowfn", value.fields),
    sdk.StreamRef: lambda value: _fields("stream", value.fields, kind=value.kind),
    sdk.Abort: lambda value: _fields("abort", value.fields, kind=value.kind),
    sdk.Request: lambda value: _fields("request", value.fields),
    sdk.Response: lambda value: _fields("response", value.fields),
    js.Cycle: lambda value: {"$": "cycle", "to": value.to},
    js.Truncated: _plain("truncated"),
    js.Unknown: lambda value: {"$": "unknown", "tag": value.tag, "v": [_tagged(arg) for arg in value.args]},
    js.Invalid: _plain("invalid"),
    sdk.Sealed: _plain("encrypted"),
}
