"""One stored stream chunk to values.

A stream of values stores one frame per chunk, though a transport may merge or split them. Byte streams
store raw bytes, or frames of bytes when their handle says `framing: "framed-v1"`. Streams that abort a
step hold payloads without frames, and the oldest streams of values are lines of devalue text.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from runs.payloads.envelope import TAGS
from runs.payloads.flat import strict
from runs.payloads.frames import HEADER, LONGEST, rest_problem, split
from runs.payloads.legacy import looks_flat
from runs.payloads.model import DEFAULT_LIMITS, ChunkValue, Decoded, Limits, Problem, problem_at
from runs.payloads.payload import decode
from runs.payloads.tree import SPECIALS
from runs.payloads.values import TypedBytes

MOST_FRAMES = 10_000
RAW = ("raw",)


def decode_chunk(
    payload: bytes, *, key: bytes | None = None, framing: str | None = None, limits: Limits = DEFAULT_LIMITS
) -> ChunkValue:
    """One chunk, without the byte that says whether it is an end marker.

    `framing` is what the stream's handle says of a byte stream: "framed-v1", or "raw" for bytes without
    frames. None means unknown, and the chunk is judged by its bytes. At most 10,000 frames are decoded.
    """
    size = len(payload)
    tagged = framing is None and payload[HEADER : 2 * HEADER] in TAGS
    if tagged and int.from_bytes(payload[:HEADER], "big") == size - HEADER:
        return ChunkValue("framed-value", (decode(payload[HEADER:], key=key, limits=limits),), None)
    if not size:
        return ChunkValue("empty", (), None)
    payload = bytes(payload)
    if framing == "framed-v1":
        return _framed_bytes(payload)
    if framing is not None:
        return _raw(payload)
    return _guess(payload, key, limits)


def _guess(payload: bytes, key: bytes | None, limits: Limits) -> ChunkValue:
    if payload[:HEADER] in TAGS:
        return ChunkValue("unframed-value", (decode(payload, key=key, limits=limits),), None)
    frames, used = split(payload, MOST_FRAMES)
    cut = payload[used + HEADER : used + 2 * HEADER] in TAGS
    if cut or any(frame[:HEADER] in TAGS for frame in frames):
        return _framed_values(payload, frames, used, key, limits)
    if _is_lines(payload):
        return _lines(payload, limits)
    if frames and used == len(payload) and all(frames):
        return _framed_bytes(payload)
    return _raw(payload)


def _framed_values(
    payload: bytes, frames: list[bytes], used: int, key: bytes | None, limits: Limits
) -> ChunkValue:
    problem = _left_over(payload, used, len(frames))
    if int.from_bytes(payload[used : used + HEADER], "big") > LONGEST:
        frames = [*frames, payload[used + HEADER :]]
    values, late = _decode_all(frames, key, limits)
    return ChunkValue("framed-value", values, problem or late)


def _left_over(payload: bytes, used: int, count: int) -> Problem | None:
    if count >= MOST_FRAMES and used < len(payload):
        return problem_at("frame", payload, used, f"only the first {count:,} frames are shown")
    return rest_problem(payload, used)


def _decode_all(
    frames: Iterable[bytes], key: bytes | None, limits: Limits
) -> tuple[tuple[Decoded, ...], Problem | None]:
    deadline = time.monotonic() + limits.seconds
    values: list[Decoded] = []
    for frame in frames:
        if time.monotonic() > deadline:
            reason = f"only the first {len(values):,} values are shown: more than {limits.seconds} seconds"
            return tuple(values), problem_at("frame", frame, 0, reason)
        values.append(decode(frame, key=key, limits=limits))
    return tuple(values), None


def _framed_bytes(payload: bytes) -> ChunkValue:
    frames, used = split(payload, MOST_FRAMES)
    problem = _left_over(payload, used, len(frames))
    if not frames:
        return ChunkValue("raw-bytes", (_bytes(payload),), problem)
    return ChunkValue("framed-bytes", tuple(_bytes(frame) for frame in frames), problem)


def _raw(payload: bytes) -> ChunkValue:
    return ChunkValue("raw-bytes", (_bytes(payload),), None)


def _bytes(data: bytes) -> Decoded:
    return Decoded("ok", TypedBytes("Uint8Array", data), RAW, len(data), None)


def _is_lines(payload: bytes) -> bool:
    """Whether the first line is devalue text, and not just some JSON in a stream of bytes."""
    line = payload.split(b"\n", 1)[0].strip()
    if line[:1] not in (b"[", b"-"):
        return False
    try:
        parsed = strict.decode(line.decode())
    except (ValueError, RecursionError):
        return False
    if isinstance(parsed, list):
        return looks_flat(parsed)
    return parsed.__class__ is int and parsed in SPECIALS


def _lines(payload: bytes, limits: Limits) -> ChunkValue:
    lines = [line for line in payload.split(b"\n") if line.strip()]
    values, late = _decode_all((b"devl" + line for line in lines[:MOST_FRAMES]), None, limits)
    if len(lines) > MOST_FRAMES:
        late = problem_at("lines", payload, 0, f"only the first {MOST_FRAMES:,} lines are shown")
    values = tuple(replace(value, size=value.size - HEADER) for value in values)
    return ChunkValue("legacy-json-lines", values, late)
