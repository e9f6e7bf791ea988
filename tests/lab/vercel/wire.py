"""The forms in which the API carries events: frames of CBOR with a payload (v4), and plain CBOR (v3)."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator
from typing import Any

from tests.lab.vercel import cbor
from tests.lab.vercel.store import ApiError, Row

FRAMES = "application/vnd.workflow.v4-frames"
PAYLOADS = {
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
IN_META = (
    "deploymentId", "workflowName", "stepName", "attempt", "resumeAt", "retryAfter", "errorCode", "cancelReason",
    "executionContext", "attributes", "changes", "writer", "ownerMessageId", "encryptionPublicKey",
)  # fmt: skip
RENAMED = {"hookToken": "token", "hookIsWebhook": "isWebhook"}


def frame(meta: Row, body: bytes = b"") -> bytes:
    head = cbor.dumps(meta)
    return struct.pack(">I", len(head)) + head + struct.pack(">I", len(body)) + body


def frames(data: bytes) -> Iterator[tuple[Row, bytes]]:
    pieces = lengths_and_pieces(data)
    for head in pieces:
        yield cbor.loads(head), next(pieces)


def lengths_and_pieces(data: bytes) -> Iterator[bytes]:
    """Pieces that each have their length before them: a frame's two halves, or the chunks of one request."""
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        piece = data[at + 4 : at + 4 + size]
        if len(piece) != size:
            raise ApiError(400, "truncated", "bad_request")
        yield piece
        at += 4 + size


def event_of(meta: Row, body: bytes) -> Row:
    """An event as the store takes it, from what a v4 client sends."""
    kind = meta["eventType"]
    data: Row = {name: meta[name] for name in IN_META if name in meta}
    data |= {name: meta[sent] for sent, name in RENAMED.items() if sent in meta}
    payload = PAYLOADS.get(kind)
    if payload == "error" and "error" in meta:
        # 4.7 sends what went wrong as a structured value, not as a payload.
        error = meta["error"]
        stack = {"stack": meta["stack"]} if "stack" in meta else {}
        data["error"] = error if isinstance(error, dict) else {"message": str(error), **stack}
    elif payload and body:
        data[payload] = body
    event = {
        "eventType": kind,
        "specVersion": meta.get("specVersion"),
        "correlationId": meta.get("correlationId"),
    }
    return {name: value for name, value in {**event, "eventData": data}.items() if value is not None}


def event_frame(event: Row, is_lazy: bool) -> bytes:
    data = dict(event.get("eventData") or {})
    value = data.pop(PAYLOADS.get(event["eventType"], ""), None)
    raw = value if isinstance(value, bytes) or value is None else cbor.dumps(value)
    return frame({**event, "eventData": data}, b"" if is_lazy or raw is None else raw)


def lazy_event(event: Row) -> Row:
    """The payload as a reference that carries it along."""
    payload = PAYLOADS.get(event["eventType"], "")
    value = (event.get("eventData") or {}).get(payload)
    if not isinstance(value, bytes):
        return event
    return {**event, "eventData": {**event["eventData"], payload: reference(value)}}


def reference(data: bytes) -> Row:
    name = f"dbrf:{hashlib.sha256(data).hexdigest()[:16]}"
    inline = base64.b64encode(data).decode()
    return {"_type": "RemoteRef", "_ref": name, "_data": inline, "_ct": "application/octet-stream"}


def without_payloads(entity: Any) -> Any:
    """What answers a client that asked for no payload back."""
    if not isinstance(entity, dict):
        return entity
    kept = {name: value for name, value in entity.items() if not isinstance(value, bytes)}
    data = kept.get("eventData")
    if isinstance(data, dict):
        kept["eventData"] = {name: value for name, value in data.items() if not isinstance(value, bytes)}
    return kept
