"""A world in memory, for tests of what reads worlds."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import ClassVar

from runs.observations import ChunkSeen, EventSeen, Observation, RunSeen, StreamListSeen
from runs.worlds.base import Seen, World, WorldError, digest_of
from tests.examples import CLOSE, NOW_NS, RUN_ID, STREAM, devalue, values_of


class FakeWorld(World):
    kind: ClassVar = "fake"
    label: ClassVar = "fake world"
    supplies: ClassVar = frozenset({"chunks", "stream_list"})

    def __init__(self, *observations: Observation, location: str = "fake") -> None:
        super().__init__(location)
        self.observations = list(observations)
        self.payloads: dict[tuple[str, str], bytes] = {}
        self.fetched: list[str] = []

    def read(self, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        yield self.observations[:1]
        yield self.observations[1:]

    def watch(self, stop: Event) -> Iterator[frozenset[str] | None]:
        yield from ()

    def fetch_chunk(self, stream: str, chunk_id: str) -> bytes:
        self.fetched.append(chunk_id)
        if (stream, chunk_id) not in self.payloads:
            raise WorldError(f"chunk {chunk_id} is gone")
        return self.payloads[stream, chunk_id]


def run_seen(
    status: str = "completed", *, run_id: str = RUN_ID, completed_ns: int | None = NOW_NS
) -> RunSeen:
    return RunSeen(run_id, status, "flow", NOW_NS, sdk_version="4.8.9", completed_ns=completed_ns)


def end_seen(event_type: str = "run_completed", *, run_id: str = RUN_ID) -> EventSeen:
    return EventSeen(run_id, "evnt_9", event_type, NOW_NS, created_ns=NOW_NS)


def list_seen(*names: str, run_id: str = RUN_ID) -> StreamListSeen:
    return StreamListSeen(run_id, names or (STREAM,), NOW_NS)


def chunk_seen(
    number: int,
    data: bytes = b"",
    *,
    close: bool = False,
    stored: int = 0,
    stream: str = STREAM,
    size: int | None = None,
) -> ChunkSeen:
    whole = len(data) if size is None else size
    chunk_id = f"chnk_{number:026}"
    return ChunkSeen(stream, chunk_id, close, data, whole, digest_of(data), None, NOW_NS + stored, NOW_NS)


def chunks_seen(line: str, *, stream: str = STREAM) -> list[ChunkSeen]:
    """Chunks as words (see tests.examples), stored in reading order."""
    return [
        chunk_seen(
            number,
            b"" if value is CLOSE else devalue(value),
            close=value is CLOSE,
            stored=number,
            stream=stream,
        )
        for number, value in enumerate(values_of(line), 1)
    ]
