"""What watchers of a stream share: a head read after they asked, and frames that meet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from streams import tails
from streams.queries import StreamHead
from streams.tails import Frame, Fresh, Tail, tail_of


def head_at(head: int, revision: int = 0) -> StreamHead:
    return StreamHead(head, revision, head, 0, 0, 0, 0, False, "")


@dataclass
class Store:
    """Stands for the database: how far the stream goes, and what was read of it."""

    head: int = 0
    revision: int = 0
    reads: list[tuple[int, int | None]] = field(default_factory=list)

    def read(self, _stream_id: int, after: int, upto: int | None) -> Frame:
        self.reads.append((after, upto))
        end = min(self.head if upto is None else upto, after + tails.FRAME_ROWS)
        return Frame(after, end, f"{after}-{end}", head_at(self.head, self.revision), self.revision)


@pytest.fixture
def store(monkeypatch) -> Store:
    store = Store()

    def inline(function: Callable[..., object]) -> Callable[..., object]:
        async def call(*args: object) -> object:
            await asyncio.sleep(0)
            return function(*args)

        return call

    monkeypatch.setattr(tails, "database_sync_to_async", inline)
    monkeypatch.setattr(tails, "read_frame", store.read)
    return store


async def test_it_reads_a_frame_once_for_twenty_watchers(store):
    store.head = 40
    tail = Tail(1)
    frames = await asyncio.gather(*(tail.frame(0, 0) for _ in range(20)))
    assert store.reads == [(0, None)]
    assert {frame.to for frame in frames} == {40}


async def test_a_watcher_who_comes_later_meets_the_others_at_the_end_of_their_frame(store):
    store.head = 40
    tail = Tail(1)
    await tail.frame(10, 0)
    store.head = 90
    assert (await tail.frame(25, 0)).to == 40
    await tail.frame(40, 0)
    await tail.frame(40, 0)
    assert store.reads == [(10, None), (25, 40), (40, None)]


async def test_it_gives_no_row_from_before_a_change_that_the_watcher_was_told_of(store):
    store.head = 40
    tail = Tail(1)
    await tail.frame(0, 0)
    store.revision = 3
    assert (await tail.frame(0, 3)).revision == 3
    assert (await tail.frame(0, 0)).revision == 0, "the older rows still do for who has not heard of it"
    assert store.reads == [(0, None), (0, None)]


async def test_it_keeps_only_so_many_frames_and_reads_again_for_who_lags_further_behind(store):
    tail = Tail(1)
    for number in range(tails.KEPT + 1):
        store.head = (number + 1) * 10
        await tail.frame(number * 10, 0)
    store.reads.clear()
    assert (await tail.frame(0, 0)).to == store.head
    assert (await tail.frame(10, 0)).to == 20
    assert store.reads == [(0, None)]


async def test_an_answer_is_never_older_than_its_question():
    value, gates = 0, [asyncio.Event(), asyncio.Event()]
    asked = 0

    async def read() -> int:
        nonlocal asked
        seen, gate = value, gates[min(asked, 1)]
        asked += 1
        await gate.wait()
        return seen

    fresh = Fresh(read)
    first = asyncio.create_task(fresh.get())
    await asyncio.sleep(0.01)
    value = 1
    others = [asyncio.create_task(fresh.get()) for _ in range(5)]
    await asyncio.sleep(0.01)
    others[0].cancel()
    for gate in gates:
        gate.set()
    assert await first == 0
    assert await asyncio.gather(*others[1:]) == [1, 1, 1, 1]
    assert asked == 2


async def test_a_read_that_fails_is_not_the_answer_to_the_next_question():
    answers = iter([ValueError("gone"), 7])

    async def read() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    fresh = Fresh(read)
    with pytest.raises(ValueError, match="gone"):
        await fresh.get()
    assert await fresh.get() == 7


async def test_a_stream_has_one_tail_for_as_long_as_somebody_watches():
    tail = tail_of(5)
    assert tail_of(5) is tail
    assert tail_of(6) is not tail
    del tail
    assert not [stream for stream, _ in list(tails._tails) if stream == 5]
