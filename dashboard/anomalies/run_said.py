"""What is asked of stored errors and of the data of events. Nothing here raises: what cannot be read is unknown."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from dashboard.anomalies.run_facts import ErrorFact
from dashboard.lib.clock import parse_iso_ns
from runs.payloads import UNDEFINED, JsError, Limits, decode, preview

ASKED = ("hook_created", "hook_conflict", "wait_created", "run_failed", "step_failed")
TEXT_CHARS = 500
_LIMITS = Limits(nodes=2_000, depth=20, inflated=2**20, seconds=0.5)
_FIELDS = ("token", "conflictingRunId", "errorCode")
_UNREADABLE = object()
_NOTHING: tuple[object, ...] = (None, UNDEFINED, "", {}, [])


def error_of(stored: bytes | memoryview | None) -> ErrorFact:
    """A stored error, in any form in which `runs.worlds.base.stored_bytes` leaves it."""
    if stored is None:
        return ErrorFact()
    data = bytes(stored)
    if data[:4] == b"HEAD":
        return ErrorFact("unknown")
    if data[:4] == b"JSON":
        return _error_in(_json(data))
    return _error_in_bytes(data)


def said_by(kind: str, data: bytes | memoryview | None) -> tuple[Mapping[str, str], ErrorFact]:
    """The few fields of an event's data that detectors ask for, as text, and its error."""
    if data is None or kind not in ASKED:
        return {}, ErrorFact()
    stored = bytes(data)
    if stored[:4] != b"JSON":  # too large, or of a form that is not known
        return {}, ErrorFact("unknown")
    whole = _json(stored)
    if whole is _UNREADABLE:
        return {}, ErrorFact("unknown")
    fields: dict[str, Any] = whole if isinstance(whole, dict) else {}
    said = {name: str(fields[name]) for name in _FIELDS if isinstance(fields.get(name), str)}
    resume_ns = parse_iso_ns(fields.get("resumeAt"))
    if resume_ns is not None:
        said["resume_ns"] = str(resume_ns)
    error = fields.get("error")
    if isinstance(error, dict) and isinstance(error.get("code"), str):
        said.setdefault("errorCode", error["code"])
    return said, _error_in(error)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data[4:])
    except (ValueError, RecursionError):  # cut short, or none
        return _UNREADABLE


def _error_in(value: Any) -> ErrorFact:
    """4.x keeps errors as a text, or as an object of message and stack; later versions in the SDK's own bytes."""
    if value is None:
        return ErrorFact()
    if value is _UNREADABLE:
        return ErrorFact("unknown")
    if isinstance(value, dict) and isinstance(value.get("data"), str) and "__type" in value:
        try:
            return _error_in_bytes(base64.b64decode(value["data"]))
        except (binascii.Error, ValueError):
            return ErrorFact("unknown")
    if isinstance(value, dict):
        words = [str(value[name]) for name in ("message", "stack", "name") if value.get(name)]
        return ErrorFact("told", words[0][:TEXT_CHARS]) if words else ErrorFact("empty")
    return ErrorFact("told", str(value)[:TEXT_CHARS]) if value not in _NOTHING else ErrorFact("empty")


def _error_in_bytes(data: bytes) -> ErrorFact:
    if not data:
        return ErrorFact("empty")
    decoded = decode(data, limits=_LIMITS)
    if decoded.status != "ok":
        return ErrorFact("unknown")
    value = decoded.value
    if any(value is one for one in (None, UNDEFINED)) or value in ("", {}, []):
        return ErrorFact("empty")
    if isinstance(value, JsError):
        return ErrorFact("told", f"{value.name}: {value.message}"[:TEXT_CHARS])
    return ErrorFact("told", preview(value, TEXT_CHARS))
