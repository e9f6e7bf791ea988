"""Lists of events as the server's newer API gives them: frames of CBOR metadata and a payload, closed by an end.

`u32be length, CBOR, u32be length, payload`, again and again; the last frame's metadata has `_end`, or `_error`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from runs.worlds._vercel_cbor import Garbled, body_of, from_cbor

FRAMES = "application/vnd.workflow.v4-frames"
# Where an event's payload belongs within its data.
PAYLOAD_FIELDS = {
    "run_created": "input",
    "run_started": "input",
    "run_completed": "output",
    "run_failed": "error",
    "step_created": "input",
    "step_started": "input",
    "step_completed": "result",
    "step_failed": "error",
    "step_retrying": "error",
    "hook_created": "metadata",
    "hook_received": "payload",
}
_OF_THE_EVENT = frozenset(
    {"eventId", "runId", "eventType", "correlationId", "specVersion", "createdAt", "eventData"}
)
_RENAMED = {"hookToken": "token", "hookIsWebhook": "isWebhook"}


@dataclass(slots=True)
class EventPage:
    """`cursor`: where to go on, if there is more or may be later; "" where the server did not say."""

    events: list[dict[str, Any]] = field(default_factory=list)
    cursor: str = ""
    has_more: bool = False


def page_of(data: bytes) -> EventPage:
    """Raises Garbled where it is cut off, says that it failed, or is no list of frames."""
    page, is_ended = EventPage(), False
    for meta, body in frames_in(data):
        if "_error" in meta:
            raise Garbled(f"the list of events ends with an error: {str(meta.get('message', ''))[:200]}")
        if "_end" in meta:
            following = meta.get("next")
            page.cursor = following if isinstance(following, str) else ""
            has_more = meta.get("hasMore")
            page.has_more = has_more if isinstance(has_more, bool) else bool(page.cursor)
            is_ended = True
            break
        page.events.append(event_of(meta, body))
    if not is_ended:
        raise Garbled("the list of events is cut off")
    return page


def frames_in(data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Raises Garbled."""
    at = 0
    while at < len(data):
        head, at = _piece(data, at)
        body, at = _piece(data, at)
        meta = from_cbor(head)
        if not isinstance(meta, dict):
            raise Garbled("a frame without metadata")
        yield meta, body


def _piece(data: bytes, at: int) -> tuple[bytes, int]:
    if at + 4 > len(data):
        raise Garbled("a frame is cut off")
    (size,) = struct.unpack_from(">I", data, at)
    end = at + 4 + size
    if end > len(data):
        raise Garbled("a frame is cut off")
    return data[at + 4 : end], end


def event_of(meta: dict[str, Any], body: bytes) -> dict[str, Any]:
    """An event as the older API tells it; what the frame says beside it is kept with its data."""
    given = meta.get("eventData")
    data: dict[str, Any] = dict(given) if isinstance(given, dict) else {}
    for name, value in meta.items():
        if name not in _OF_THE_EVENT and not name.startswith("_"):
            data.setdefault(_RENAMED.get(name, name), value)
    place = PAYLOAD_FIELDS.get(str(meta.get("eventType")), "payload")
    if body:
        data[place] = body_of(body)
    return {name: meta.get(name) for name in _OF_THE_EVENT} | {"eventData": data}
