"""Chunk files: one end-marker byte (0 data, 1 end), then the payload."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TypeAlias

from dashboard.lib.clock import now_ns
from dashboard.lib.ulid import ulid_ms
from runs.observations import ChunkSeen
from runs.worlds._local_files import BLOCK, Unsettled, is_young, mtime_of, open_inside, read_version
from runs.worlds.base import HEAD_KEPT, KEPT_WHOLE, digest_of

TOMBSTONE = "chnk_" + "0" * 26  # left by a purge in place of a stream's chunks; its id holds no time
# `chnk_X.bin`; tagged `chnk_X.vitest-0.bin`; in old versions `chnk_X.json`
CHUNK_NAME = re.compile(r"(chnk_[0-9A-Za-z]{1,64})(?:\.[a-zA-Z][a-zA-Z0-9-]*)?\.(?:bin|json)")
MARKERS = (b"\0", b"\1")  # first byte of a data chunk, of an end marker


# A chunk file as it was listed: mtime in ns, chunk id, stream, path, size. Sorts by stored time, then chunk id.
# (A plain tuple: there may be a hundred thousand in one look.)
ChunkPlace: TypeAlias = tuple[int, str, str, str, int]


def split_flat(name: str) -> tuple[str, str] | None:
    """Stream and chunk id in a file name of the flat layout, `<stream>-chnk_X.bin`."""
    stream, _, rest = name.rpartition("-chnk_")
    match = CHUNK_NAME.fullmatch("chnk_" + rest) if stream else None
    return (stream, match[1]) if match else None


def jumped_over(first: list[ChunkPlace], further: list[ChunkPlace]) -> list[ChunkPlace]:
    """Of what only a second listing has, the chunks that the first has jumped over.

    A listing may hold a chunk that was written while it was made, and miss one that was written earlier. But
    whatever was written before a chunk of the first listing is in the second. What is newer than those stays
    for the next look, which its notification asks for.
    """
    highest: dict[str, str] = {}
    for _, chunk_id, stream, _, _ in first:
        highest[stream] = max(chunk_id, highest.get(stream, ""))
    return [place for place in further if place[1] <= highest.get(place[2], "")]


def read_chunk(root: str, place: ChunkPlace) -> ChunkSeen:
    """The chunk that was listed there. Raises Unfit, Unsettled (it has changed since), OSError."""
    mtime_ns, chunk_id, stream, path, size = place
    if size > KEPT_WHOLE + 1:
        return _read_large(root, place)
    descriptor = open_inside(root, path)
    try:
        whole = os.read(descriptor, size + 1)
    finally:
        os.close(descriptor)
    # Written once: what is not complete still grows. (Its status again would cost a tenth of the reading.)
    if len(whole) != size or (not whole and is_young(mtime_ns)):
        raise Unsettled
    flag = whole[:1]
    data = whole[1:] if flag in MARKERS else whole
    size, digest = len(data), digest_of(data)
    problem = "" if flag == b"\0" else problem_of(flag, size)
    if size > KEPT_WHOLE:
        data = data[:HEAD_KEPT]
    minted, is_close = minted_ms_of(chunk_id), flag == b"\1"
    return ChunkSeen(stream, chunk_id, is_close, data, size, digest, minted, mtime_ns, now_ns(), problem)


def _read_large(root: str, place: ChunkPlace) -> ChunkSeen:
    """Piece by piece, never whole in memory."""
    mtime_ns, chunk_id, stream, path, listed_size = place
    descriptor = open_inside(root, path)
    try:
        flag = os.read(descriptor, 1)
        head = b"" if flag in MARKERS else flag
        hashed, size = hashlib.sha256(head), len(head)
        while block := os.read(descriptor, BLOCK):
            hashed.update(block)
            size += len(block)
            head = head if len(head) >= HEAD_KEPT else (head + block)[:HEAD_KEPT]
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if mtime_of(status) != mtime_ns or size + (flag in MARKERS) != listed_size:
        raise Unsettled
    minted, digest, problem = minted_ms_of(chunk_id), hashed.digest()[:16], problem_of(flag, size)
    return ChunkSeen(stream, chunk_id, flag == b"\1", head, size, digest, minted, mtime_ns, now_ns(), problem)


def minted_ms_of(chunk_id: str) -> int | None:
    return None if chunk_id == TOMBSTONE else ulid_ms(chunk_id)


def problem_of(flag: bytes, size: int) -> str:
    """What is wrong with a chunk of `size` bytes whose file begins with `flag`; "" if nothing is."""
    if flag == b"\0" or (flag == b"\1" and size == 0):
        return ""
    if not flag:
        return "an empty file: even the end-marker byte is missing"
    if flag == b"\1":
        return f"an end marker with {size:,} bytes behind it"
    return f"begins with the byte 0x{flag.hex()}, which is neither data (00) nor an end marker (01)"


def fetch_whole(root: str, path: str) -> bytes:
    """The payload of a chunk file, the same bytes that `read_chunk` took the digest of."""
    whole = read_version(root, path).data
    return whole[1:] if whole[:1] in MARKERS else whole
