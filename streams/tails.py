"""What the watchers of one stream share within a process: each head and each frame is read once for all of them.

A frame starts where the one before it ended, so that watchers who have caught up once ask for the same frames
from then on. Rows read before a change of marks are never given to a watcher who was already told of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from channels.db import database_sync_to_async

from streams import queries
from streams.pages._rows import rows_html
from streams.queries import StreamHead

FRAME_ROWS = 500
KEPT = 8  # frames: as many as a slow watcher may lag behind a quick one and still share

T = TypeVar("T")


class Frame(NamedTuple):
    after: int  # arrival
    to: int
    html: str
    head: StreamHead  # as it was once the rows had been read
    revision: int  # the rows are at least as new as it


class Fresh(Generic[T]):
    """A read that many wait for. Whoever asks gets one that began after the question, never an older answer."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        if self._next is None:
            self._next = asyncio.create_task(self._go(self._running))
        return await asyncio.shield(self._next)  # one watcher who leaves takes nothing from the others

    async def _go(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await self._read()


class Tail:
    """The end of one stream, as its watchers in this process and event loop see it."""

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        self._head = Fresh(
            partial(_read_head, stream_id)
        )  # not a method: a tail that nobody holds goes at once
        self._frames: deque[Frame] = deque(maxlen=KEPT)
        self._reading = asyncio.Lock()

    async def head(self) -> StreamHead:
        """Raises Stream.DoesNotExist if the stream is gone."""
        return await self._head.get()

    async def frame(self, after: int, revision: int) -> Frame:
        """The rows that follow an arrival, at most FRAME_ROWS, none older than a revision.

        Raises Stream.DoesNotExist if the stream is gone."""
        async with self._reading:
            held = next((one for one in self._frames if one.after <= after < one.to), None)
            if held is not None and held.revision >= revision:
                if held.after == after:
                    return held
                return await self._read(after, held.to)  # from the next one on it is shared
            frame = await self._read(after, None)
            if not self._frames or after >= self._frames[-1].to or held is not None:
                self._frames.append(frame)
            return frame

    async def _read(self, after: int, upto: int | None) -> Frame:
        frame: Frame = await database_sync_to_async(read_frame)(self.stream_id, after, upto)
        return frame


async def _read_head(stream_id: int) -> StreamHead:
    head: StreamHead = await database_sync_to_async(queries.stream_head)(stream_id)
    return head


def read_frame(stream_id: int, after: int, upto: int | None) -> Frame:
    revision = queries.stream_head(stream_id).revision
    limit = FRAME_ROWS if upto is None else min(FRAME_ROWS, upto - after)
    rows = queries.chunk_rows(stream_id, after, limit)
    head = queries.stream_head(stream_id)
    # No rows where the head says there are more: they were forgotten (--keep) meanwhile.
    return Frame(after, rows[-1].arrival if rows else head.head, rows_html(rows), head, revision)


_tails: WeakValueDictionary[tuple[int, int], Tail] = WeakValueDictionary()


def tail_of(stream_id: int) -> Tail:
    """Kept for as long as somebody holds it."""
    key = (stream_id, id(asyncio.get_running_loop()))
    tail = _tails.get(key)
    if tail is None:
        tail = _tails[key] = Tail(stream_id)
    return tail
