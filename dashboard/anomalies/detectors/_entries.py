"""What detectors keep of a chunk: made once for all of them, without its payload."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from dashboard.anomalies.detectors.base import ChunkRef
from dashboard.lib.clock import NS_PER_MS, clamp_ns
from streams.facts import ChunkFact

# Chunks of an AI SDK message that come once a message, or once for each id.
FRAMES = {
    "start": "",
    "finish": "",
    "text-start": "id",
    "reasoning-start": "id",
    "tool-input-start": "toolCallId",
    "tool-input-available": "toolCallId",
}


class Entry(NamedTuple):
    """Some 250 bytes. `key` is equal where two chunks say the same: frames of a message by their type and id,
    everything else by its whole value, a field `attempt` apart. `raw` is equal where the stored bytes are; both
    are 64-bit hashes that hold within one process. `time_ns` is the earlier of both clocks."""

    chunk_id: str
    arrival: int
    position: int | None
    is_close: bool
    is_frame: bool
    is_minted: bool
    size: int
    stored_ns: int
    time_ns: int
    raw: int
    key: int

    @property
    def ref(self) -> ChunkRef:
        return ChunkRef(self.chunk_id, self.position, self.arrival)


_CLOSE = hash(("close",))
_ATTEMPT = b'"attempt"'


def entry_of(chunk: ChunkFact) -> Entry:
    entry: Entry | None = chunk.memo
    if entry is None:
        entry = chunk.memo = _entry(chunk)
    return entry


def _entry(chunk: ChunkFact) -> Entry:
    """Made for every chunk: written for speed."""
    minted_ms, stored_ns, time_ns = chunk.minted_ms, chunk.stored_ns, chunk.stored_ns
    if minted_ms is not None:
        time_ns = clamp_ns(min(stored_ns, minted_ms * NS_PER_MS))
    raw = key = _CLOSE
    is_frame = True
    if not chunk.is_close:
        payload, value = chunk.payload, chunk.plain
        raw = hash(payload) if len(payload) >= chunk.size else hash(chunk.chunk_id)
        kind = value.get("type") if value.__class__ is dict else None
        is_frame = kind.__class__ is str and kind in FRAMES
        key = _frame_key(value) if is_frame else _content_key(chunk, raw) if _ATTEMPT in payload else raw
    return Entry(
        chunk.chunk_id, chunk.arrival, chunk.position, chunk.is_close, is_frame, minted_ms is not None,
        chunk.size, stored_ns, time_ns, raw, key,
    )  # fmt: skip


def _frame_key(value: dict[str, Any]) -> int:
    kind = value["type"]
    return hash((kind, str(value.get(FRAMES[kind]))))


def _content_key(chunk: ChunkFact, raw: int) -> int:
    """Apps that tell the attempt in each chunk write the same again all the same."""
    if not isinstance(chunk.plain, dict):
        return raw
    rest = {name: value for name, value in chunk.plain.items() if name != "attempt"}
    return hash(json.dumps(rest, sort_keys=True, default=repr))
