"""The values in one chunk, each with the bytes it was read from."""

from __future__ import annotations

from runs.pages._stored import Form, Stored
from runs.payloads import decode_chunk
from runs.payloads.chunks import MOST_FRAMES
from runs.payloads.frames import HEADER, LONGEST, split
from runs.payloads.model import Limits, Problem

# To tell what a chunk is made of it need not be read deeply: each value is, when it is shown.
_OUTER = Limits(nodes=8, depth=1, inflated=64 * 1024, seconds=0.5)


def values_in(
    data: bytes, framing: str | None, key: bytes | None = None
) -> tuple[list[Stored], Problem | None]:
    """At most 10,000 values, and what is wrong with the framing around them."""
    chunk = decode_chunk(data, key=key, framing=framing, limits=_OUTER)
    if chunk.kind == "unframed-value":
        return [Stored(data)], chunk.problem
    if chunk.kind == "legacy-json-lines":
        lines = [line for line in data.split(b"\n") if line.strip()]
        return [Stored(line, "line") for line in lines[:MOST_FRAMES]], chunk.problem
    if chunk.kind == "raw-bytes":
        return [Stored(data, "bytes")], chunk.problem
    frames, used = split(data, MOST_FRAMES)
    if chunk.kind == "framed-value" and int.from_bytes(data[used : used + HEADER], "big") > LONGEST:
        frames = [*frames, data[used + HEADER :]]
    form: Form = "bytes" if chunk.kind == "framed-bytes" else "sdk"
    return [Stored(frame, form) for frame in frames], chunk.problem
