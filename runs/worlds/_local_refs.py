"""Streams that payloads speak of: a run's stream list loses entries, the handles in its payloads do not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from runs.payloads.inflate import inflate
from runs.payloads.model import LayerError

INFLATED_MAX = 16 * 2**20  # bytes of one compressed payload that are searched
_ULID = "[0-9A-HJKMNP-TV-Z]{26}"
_IN_BYTES = re.compile(rb"strm_" + _ULID.encode() + rb"(?:_[A-Za-z0-9_-]{1,200})?")
_NAME = re.compile(rf"strm_({_ULID})(?:_([A-Za-z0-9_-]+))?")


@dataclass(frozen=True, slots=True)
class Handle:
    """A stream named in a payload; `framing` and `run_id` where its handle states them."""

    name: str
    framing: str = ""
    run_id: str = ""


def owner_of(name: str) -> tuple[str, bool]:
    """The run that a stream's name points to ("" for none), and whether the name alone proves it.

    `strm_X_user...` is made from the id of run `wrun_X`. The SDK's own streams (`strm_X_system_abort`) carry
    an id that is a run's in some versions only: the caller has to look whether there is such a run.
    """
    match = _NAME.fullmatch(name)
    kind = (match[2] or "") if match else ""
    if match is None or not kind.startswith(("user", "system")):
        return "", False
    return f"wrun_{match[1]}", kind == "user" or kind.startswith("user_")


def handles_in(payloads: Iterable[bytes], text: bytes) -> Iterator[Handle]:
    """Every stream named in these payloads (in the SDK's stored form) or in the plain `text` around them."""
    for payload in payloads:
        opened = _opened(payload)
        if b"strm_" in opened:
            yield from _stated(opened)
            yield from _mentioned(opened)
    if b"strm_" in text:
        yield from _mentioned(text)


def _opened(payload: bytes) -> bytes:
    """Without its compression; what is encrypted or broken stays as it is and names nothing."""
    if payload[:4] not in (b"gzip", b"zstd"):
        return payload
    try:
        return inflate(payload, INFLATED_MAX)
    except LayerError as error:
        return error.partial


def _mentioned(data: bytes) -> Iterator[Handle]:
    for name in set(_IN_BYTES.findall(data)):
        yield Handle(name.decode("ascii"))


def _stated(payload: bytes) -> Iterator[Handle]:
    """Handles with what they say of themselves. In devalue text an object's fields are indices of values."""
    try:
        nodes: Any = json.loads(payload[4:]) if payload[:4] == b"devl" else None
    except (ValueError, RecursionError):
        return
    if not isinstance(nodes, list):
        return
    for node in nodes:
        name = _field(nodes, node, "name")
        if _NAME.fullmatch(name):
            yield Handle(name, _field(nodes, node, "framing"), _field(nodes, node, "runId"))


def _field(nodes: list[Any], node: Any, field: str) -> str:
    index = node.get(field) if isinstance(node, dict) else None
    value = nodes[index] if type(index) is int and 0 <= index < len(nodes) else None
    return value if isinstance(value, str) and value.isprintable() and len(value) <= 255 else ""
