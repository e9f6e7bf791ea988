"""Frames of a stream: `[4 bytes big-endian length][that many bytes]`, as many as there are."""

from __future__ import annotations

import sys

from runs.payloads.model import Problem, problem_at

HEADER = 4
LONGEST = 100_000_000


def split(data: bytes, most: int = sys.maxsize) -> tuple[list[bytes], int]:
    """The complete frames at the start of `data`, up to `most`, and how many bytes they take."""
    frames: list[bytes] = []
    at, size = 0, len(data)
    while size - at >= HEADER and len(frames) < most:
        length = int.from_bytes(data[at : at + HEADER], "big")
        end = at + HEADER + length
        if end > size or length > LONGEST:
            break
        frames.append(data[at + HEADER : end])
        at = end
    return frames, at


def rest_problem(data: bytes, at: int) -> Problem | None:
    """What is wrong with the bytes from `at` on, which `split` left; None when there are none."""
    have = len(data) - at - HEADER
    if have == -HEADER:
        return None
    if have < 0:
        reason = f"{have + HEADER} bytes after the last frame are no complete length"
        return problem_at("frame", data, at, reason)
    length = int.from_bytes(data[at : at + HEADER], "big")
    if length > LONGEST:
        reason = f"a length of {length:,} bytes: no frame starts here"
    else:
        reason = f"the frame has {have:,} of its {length:,} bytes, the rest may be in the next chunk"
    return problem_at("frame", data, at, reason)


class FrameReader:
    """Puts frames together that are split over several chunks."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._need = HEADER

    def feed(self, payload: bytes) -> list[bytes]:
        """The frames completed by this chunk."""
        if self._pending:
            self._pending += payload
            if len(self._pending) < self._need:
                return []
            payload = bytes(self._pending)
        frames, used = split(payload)
        if used < len(payload) or self._pending:
            self._keep(payload[used:])
        return frames

    def rest(self) -> bytes:
        """What is left of a frame that has not ended, or of bytes that are no frames."""
        return bytes(self._pending)

    @property
    def problem(self) -> Problem | None:
        """Why `rest` is no frame; None when nothing is left."""
        return rest_problem(self.rest(), 0)

    def _keep(self, rest: bytes) -> None:
        self._pending = bytearray(rest)
        self._need = HEADER
        if len(rest) >= HEADER:
            length = int.from_bytes(rest[:HEADER], "big")
            self._need = length + HEADER if length <= LONGEST else sys.maxsize
