"""Reading chunks of a PostgreSQL world: which there are by their keys, then exactly those that are new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from dashboard.lib.clock import now_ns
from dashboard.lib.ulid import ulid_ms
from runs.observations import ChunkSeen, Observation, Unreadable
from runs.worlds._local_look import usable_id
from runs.worlds._postgres_clock import Clock
from runs.worlds._postgres_link import Link
from runs.worlds._postgres_sql import INLINE, Statements
from runs.worlds.base import HEAD_KEPT, KEPT_WHOLE, Seen, WorldError, digest_of

AT_ONCE = 200  # chunks in one statement: at the most 13 MB
STREAMS_AT_ONCE = 50
KEYS_AT_ONCE = 5_000  # of each stream

MOST, MOST_BYTES = 1_000, 8 * 2**20  # observations in a group, bytes of their payloads

LinkOf: TypeAlias = Callable[[str, "str | None"], list[Observation]]


class Key(NamedTuple):
    stored_ns: int
    chunk_id: str
    stream: str


@dataclass(slots=True)
class Chunks:
    """The chunks of one world."""

    link: Link
    sql: Statements
    clock: Clock
    bad: set[str] = field(default_factory=set)  # places that were told as unreadable

    def new_of(self, wanted: Mapping[str, str], seen: Seen, link: LinkOf) -> Iterator[list[Observation]]:
        """What is new in these streams, in each behind the id given with it, by the database's time within
        every few thousand."""
        names = [name for name in wanted if name not in seen.pruned_streams]
        for at in range(0, len(names), STREAMS_AT_ONCE):
            left = {name: wanted[name] for name in names[at : at + STREAMS_AT_ONCE]}
            while left:
                keys, left = self._keys(left, seen)
                yield from self._in_parts(sorted(keys), seen, link)

    def _keys(self, lows: Mapping[str, str], seen: Seen) -> tuple[list[Key], dict[str, str]]:
        """The next keys of each stream that are not known, and where to go on in those that have more."""
        rows = self.link.rows(self.sql.chunk_keys.text, list(lows), list(lows.values()), KEYS_AT_ONCE)
        count: dict[str, int] = {}
        last: dict[str, str] = {}
        keys = []
        for stream, chunk_id, created_at in rows:
            count[stream] = count.get(stream, 0) + 1
            last[stream] = chunk_id
            if not seen.has_chunk(stream, chunk_id):
                keys.append(Key(self.clock.created(chunk_id, created_at) or 0, chunk_id, stream))
        return keys, {stream: last[stream] for stream, many in count.items() if many >= KEYS_AT_ONCE}

    def _in_parts(self, keys: Sequence[Key], seen: Seen, link: LinkOf) -> Iterator[list[Observation]]:
        group: list[Observation] = []
        for at in range(0, len(keys), AT_ONCE):
            part = keys[at : at + AT_ONCE]
            group += self.exactly([(key.stream, key.chunk_id) for key in part], seen, link)
            if len(group) > MOST - 2 * AT_ONCE or _bytes(group) > MOST_BYTES:
                yield group
                group = []
        if group:
            yield group

    def exactly(self, pairs: Iterable[tuple[str, str]], seen: Seen, link: LinkOf) -> list[Observation]:
        """These chunks, where they are there and not known, by the database's time. At the most AT_ONCE."""
        wanted = [pair for pair in dict.fromkeys(pairs) if not seen.has_chunk(*pair)]
        if not wanted:
            return []
        streams, ids = [stream for stream, _ in wanted], [chunk_id for _, chunk_id in wanted]
        rows = self.link.rows(self.sql.chunks.text, streams, ids)
        found: list[Observation] = []
        chunks = []
        for row in rows:
            if not usable_id(row[0]) or not usable_id(row[1]):
                found += self._unusable(row, seen)
                continue
            found += link(row[0], row[4])
            chunks.append(self._chunk(row))
        chunks.sort(key=lambda chunk: (chunk.stored_ns, chunk.chunk_id))
        return [*found, *chunks]

    def _chunk(self, row: tuple[Any, ...]) -> ChunkSeen:
        stream, chunk_id, created_at, eof, _run, size, data = row
        is_close = eof is True
        head, digest = (data, digest_of(data)) if data is not None else self._large(stream, chunk_id, size)
        problem = f"an end marker with {size:,} bytes behind it" if is_close and size else ""
        observed = now_ns()
        stored_ns = self.clock.created(chunk_id, created_at)
        return ChunkSeen(
            stream, chunk_id, is_close, head, size, digest, ulid_ms(chunk_id),
            observed if stored_ns is None else stored_ns, observed, problem,
        )  # fmt: skip

    def _large(self, stream: str, chunk_id: str, size: int) -> tuple[bytes, bytes]:
        """What is kept of it, and the digest of the whole; of a very large one only its head comes over."""
        if size <= KEPT_WHOLE:
            data = self.fetch(stream, chunk_id)
            return data, digest_of(data)
        rows = self.link.rows(self.sql.chunk_head.text, stream, chunk_id)
        if not rows:
            raise WorldError(f"chunk {chunk_id} is no longer in the world")
        return rows[0][0][: min(HEAD_KEPT, INLINE)], rows[0][1][:16]

    def fetch(self, stream: str, chunk_id: str) -> bytes:
        rows = self.link.rows(self.sql.whole_chunk.text, stream, chunk_id)
        if not rows:
            raise WorldError(f"chunk {chunk_id} is no longer in the world")
        return bytes(rows[0][0])

    def _unusable(self, row: tuple[Any, ...], seen: Seen) -> list[Observation]:
        shown = "".join(c if c.isprintable() else "\ufffd" for c in f"{row[0][:100]}/{row[1][:100]}")
        where = f"workflow_stream_chunks/{shown}"
        if where in seen.unreadable or where in self.bad:
            return []
        self.bad.add(where)
        return [
            Unreadable(where, "its id, or that of its stream, cannot be used", bytes(row[6] or b"")[:4096])
        ]


def _bytes(group: Iterable[Observation]) -> int:
    return sum(len(one.data) for one in group if isinstance(one, ChunkSeen))
