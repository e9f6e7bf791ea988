"""A stream's chunks, page by page. The server numbers them in reading order and says nothing about their times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dashboard.lib.clock import NS_PER_S, now_ns
from runs.observations import ChunkSeen
from runs.worlds._local_chunks import TOMBSTONE
from runs.worlds._vercel_cbor import bytes_of, unbase64
from runs.worlds._vercel_client import Broken, Client, Gone, TooLarge, path_of
from runs.worlds._vercel_records import cursor_in, has_more, rows_in
from runs.worlds._vercel_state import StreamNote
from runs.worlds.base import HEAD_KEPT, KEPT_WHOLE, Seen, WorldError, digest_of

LIMIT = 500  # chunks in a page
AHEAD_S = 1.0  # two clocks that differ by less are taken for one: the server's `Date` is cut to seconds


@dataclass(frozen=True, slots=True)
class ChunkPage:
    chunks: list[tuple[int, bytes]]  # index and payload
    cursor: str  # of the next page, if there is one
    has_more: bool
    is_done: bool


def chunk_id_of(index: int) -> str:
    """Sorts in reading order. From 1, so that a purged stream's tombstone stays in front of everything."""
    return f"chnk_{index + 1:012d}"


def close_id_of(count: int) -> str:
    """Of the end behind `count` chunks: after them, and before any later one."""
    return f"chnk_{count:012d}_close"


def index_of(chunk_id: str) -> int:
    """Raises WorldError."""
    digits = chunk_id.removeprefix("chnk_")
    if len(digits) != 12 or not digits.isdigit() or int(digits) < 1:
        raise WorldError("no chunk of a Vercel project has such a name", permanent=True)
    return int(digits) - 1


def pages_from(client: Client, run_id: str, name: str, note: StreamNote) -> Iterator[ChunkPage]:
    """From the place in `note` on, which moves to the last page: the one that may still grow.

    Raises as `Client.get`, and Broken where pages lead back to those that came before.
    """
    page = _first_page(client, run_id, name, note)
    asked = {note.cursor}
    while True:
        yield page
        if not page.has_more:
            note.is_done = page.is_done
            return
        if page.cursor in asked:
            raise Broken("its pages repeat")
        asked.add(page.cursor)
        note.start, note.cursor = page.chunks[-1][0] + 1, page.cursor
        page = _page(client, run_id, name, note)
        if page.chunks and page.chunks[0][0] < note.start:
            raise Broken("its pages repeat")


def _first_page(client: Client, run_id: str, name: str, note: StreamNote) -> ChunkPage:
    """A place that the server does not know any more costs a reading from the beginning."""
    try:
        return _page(client, run_id, name, note)
    except (Broken, Gone) as error:
        if not note.cursor or not 400 <= error.status < 500:
            raise
    note.cursor, note.start = "", 0
    return _page(client, run_id, name, note)


def _page(client: Client, run_id: str, name: str, note: StreamNote) -> ChunkPage:
    path = path_of("v2", "runs", run_id, "streams", name, "chunks")
    while True:
        params = {"limit": str(note.limit or LIMIT)} | ({"cursor": note.cursor} if note.cursor else {})
        try:
            value = client.get(path, params).value()
        except TooLarge:
            if note.limit == 1:
                raise Broken("one chunk is too large to be read") from None
            note.limit = max(1, (note.limit or LIMIT) // 8)
            continue
        if not isinstance(value, dict):
            raise Broken("the page of chunks is none")
        chunks = list(_chunks(value, note.start))
        more = has_more(value) and bool(chunks)
        return ChunkPage(chunks, cursor_in(value), more, not more and value.get("done") is True)


def _chunks(value: dict[str, Any], start: int) -> Iterator[tuple[int, bytes]]:
    for place, row in enumerate(rows_in(value), start):
        index, data = row.get("index"), row.get("data")
        raw = bytes_of(data) if not isinstance(data, str) else unbase64(data)
        if raw is None:
            raise Broken("a chunk without bytes")
        yield (index if type(index) is int and 0 <= index < 10**12 else place), raw


def chunk_seen(stream: str, index: int, data: bytes, stored_ns: int, observed_ns: int) -> ChunkSeen:
    """`stored_ns` is no time of the world's: see `stored_by`."""
    kept = data if len(data) <= KEPT_WHOLE else data[:HEAD_KEPT]
    return ChunkSeen(
        stream, chunk_id_of(index), False, kept, len(data), digest_of(data), None, stored_ns, observed_ns
    )


def end_seen(stream: str, chunk_id: str, stored_ns: int, observed_ns: int) -> ChunkSeen:
    return ChunkSeen(stream, chunk_id, True, b"", 0, digest_of(b""), None, stored_ns, observed_ns)


def tombstone(stream: str, stored_ns: int) -> ChunkSeen:
    """Stands for what a server has removed for its age."""
    return end_seen(stream, TOMBSTONE, stored_ns, now_ns())


def stored_by(observed_ns: int, clock_off_s: float | None, ended_ns: int | None) -> int:
    """The latest moment, by the server's clock, at which a chunk that we have just got can have been stored.

    The server gives no times of chunks. It refuses writes once a run has ended, so that moment bounds it too.
    """
    ahead = clock_off_s if clock_off_s is not None and clock_off_s > AHEAD_S else 0.0
    by_now_ns = observed_ns - int(ahead * NS_PER_S)
    return by_now_ns if ended_ns is None else min(by_now_ns, ended_ns)


def can_go_on(note: StreamNote, stream: str, seen: Seen) -> bool:
    """Whether all that lies before the page in `note` has been recorded."""
    return note.start == 0 or chunk_id_of(note.start - 1) in seen.chunks.get(stream, ())
