"""Reading what a look has found: files in, observations out, and a word about each file that will not do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from runs.observations import ChunkSeen, Observation, ReadableAgain, StreamListSeen, StreamSeen, Unreadable
from runs.worlds._local_chunks import ChunkPlace, read_chunk
from runs.worlds._local_files import Unfit, Unsettled, Version, read_version, reason_of, relative_to, where_in
from runs.worlds._local_look import Look, Place, usable_id
from runs.worlds._local_records import RECORD_MAX, Record, observe, parse_record
from runs.worlds._local_refs import Handle, handles_in, owner_of
from runs.worlds.base import Seen

Reader: TypeAlias = Callable[[Any], list[Observation]]

BATCH = 1_000  # observations
BATCH_BYTES = 16 * 2**20  # of payload: large chunks make small batches


def batches(found: Iterator[Observation]) -> Iterator[list[Observation]]:
    batch: list[Observation] = []
    size = 0
    for observation in found:
        batch.append(observation)
        size += len(observation.data) if type(observation) is ChunkSeen else _payload_size(observation)
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _payload_size(observation: Observation) -> int:
    fields = ("data", "input", "output", "error", "metadata", "head")
    return sum(len(getattr(observation, name, None) or b"") for name in fields)


@dataclass(slots=True)
class Reading:
    """One pass over a look. `unread` are the earlier `Unreadable` places about which nothing is known yet."""

    look: Look
    is_full: bool
    unread: set[str] = field(init=False)
    told: dict[str, StreamSeen] = field(default_factory=dict)
    known: set[str] = field(init=False)  # streams whose name has been followed to a run already

    def __post_init__(self) -> None:
        self.unread = set(self.seen.unreadable)
        self.known = set(self.seen.chunks)

    @property
    def seen(self) -> Seen:
        return self.look.seen

    @property
    def root(self) -> str:
        return self.look.root

    def observations(self) -> Iterator[Observation]:
        for path, reason in self.look.bad.items():
            yield from self._unreadable(path, reason)
        for place in self.look.records():
            yield from self._attempt(place.path, self._record, place)
        yield from self._chunks()
        yield from map(ReadableAgain, self._vanished())

    def _attempt(self, path: str, read: Reader, place: Place | ChunkPlace) -> list[Observation]:
        """What reading this file gives, or what is to be said of it instead."""
        try:
            found = read(place)
        except FileNotFoundError:
            return []
        except Unsettled:
            self.unread.discard(where_in(self.root, path))
            return []
        except Unfit as error:
            return self._unreadable(path, error.reason, error.head)
        except OSError as error:
            return self._unreadable(path, reason_of(error))
        return [*self._readable(path), *found] if self.unread else found

    def _unreadable(self, path: str, reason: str, head: bytes = b"") -> list[Observation]:
        where = where_in(self.root, path)
        self.unread.discard(where)
        return [] if where in self.seen.unreadable else [Unreadable(where, reason, head)]

    def _readable(self, path: str) -> list[Observation]:
        where = where_in(self.root, path)
        if where not in self.unread:
            return []
        self.unread.discard(where)
        return [ReadableAgain(where)]

    def _record(self, place: Place) -> list[Observation]:
        version = read_version(self.root, place.path, RECORD_MAX)
        try:
            record, found = self._observed(place, version)
        except Unfit as error:
            if version.is_young:  # 4.x creates some of its files in place: half of one is no record yet
                raise Unsettled from None
            raise Unfit(error.reason, version.data) from None
        if isinstance(found, StreamListSeen):
            return [found, *self._listed(found)]
        run_id = getattr(found, "run_id", "")
        if run_id in self.seen.pruned_runs:
            return []
        return [found, *self._links(handles_in(record.payloads(), version.data), run_id)]

    def _observed(self, place: Place, version: Version) -> tuple[Record, Observation]:
        try:
            fields = parse_record(version.data)
            source_ns = self._source_ns(place.key, version)
            record = Record(place.key, fields, source_ns, relative_to(self.root, place.path))
            return record, observe(record)
        except RecursionError:
            raise Unfit("JSON nested too deeply") from None

    def _source_ns(self, key: tuple[str, ...], version: Version) -> int:
        """The version's time, or the one recorded before where that is later.

        A directory holds one version of a record only: what lies there replaces what was recorded even if it
        looks older, because a clock was set right in between, or a backup was put back.
        """
        recorded = self.seen.rows.get(key)
        if recorded is None or version.source_ns >= recorded:
            return version.source_ns
        self.look.lifted[key] = (recorded, version.source_ns)
        return recorded

    def _chunks(self) -> Iterator[Observation]:
        """All new chunks by stored time. Of a chunk with two files (layouts, tags) the first is taken."""
        taken: set[tuple[str, str]] = set()
        for place in sorted(self.look.chunks):
            key = (place[2], place[1])
            if key in taken:
                continue
            if found := self._attempt(place[3], self._chunk, place):
                if type(found[-1]) is ChunkSeen:
                    taken.add(key)
                yield from found

    def _chunk(self, place: ChunkPlace) -> list[Observation]:
        chunk = read_chunk(self.root, place)
        stream = chunk.stream
        if stream in self.known:
            return [chunk]
        self.known.add(stream)
        return [*self._links(iter([Handle(stream)]), ""), chunk]

    def _listed(self, found: StreamListSeen) -> Iterator[Observation]:
        for name in found.names:
            yield from self._tell(StreamSeen(found.run_id, name, listed=True))

    def _links(self, handles: Iterator[Handle], run_id: str) -> Iterator[Observation]:
        """Streams that belong to a run by their name or by the payload of a run that speaks of them."""
        for handle in handles:
            if owner := self._owner(handle) or run_id:
                yield from self._tell(StreamSeen(owner, handle.name, listed=False, framing=handle.framing))

    def _tell(self, link: StreamSeen) -> list[StreamSeen]:
        """The link with all that this look knows of its stream; nothing if that has been said."""
        if link.run_id in self.seen.pruned_runs or link.name in self.seen.pruned_streams:
            return []
        if before := self.told.get(link.name):
            owner = link.run_id if link.listed else before.run_id
            framing = before.framing or link.framing
            link = StreamSeen(owner, link.name, listed=link.listed or before.listed, framing=framing)
        self.told[link.name] = link
        return [] if link == before else [link]

    def _owner(self, handle: Handle) -> str:
        owner, is_proved = owner_of(handle.name)
        if is_proved or (owner and self._is_run(owner)):
            return owner
        return handle.run_id if usable_id(handle.run_id) else ""

    def _is_run(self, run_id: str) -> bool:
        key = ("run", run_id)
        found = self.look.found.get("run", {})
        return key in self.seen.rows or key in found or os.path.exists(f"{self.root}/runs/{run_id}.json")

    def _vanished(self) -> list[str]:
        """Earlier unreadable places that were looked at, and nothing was there."""
        if not os.path.isdir(self.root):
            return []
        if not self.is_full:
            return sorted(self.unread & {where_in(self.root, path) for path in self.look.gone})
        unknown = tuple(where_in(self.root, folder) + "/" for folder in self.look.unlisted)
        return sorted(where for where in self.unread if not where.startswith(unknown))
