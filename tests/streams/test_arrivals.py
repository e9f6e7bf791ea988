"""Numbering: arrivals in the order of coming, positions in the order of reading, whatever order chunks come in."""

from __future__ import annotations

import random

import pytest

from runs.models import World
from runs.observations import ChunkSeen, StreamListSeen, StreamSeen
from runs.record import Batch, record
from runs.worlds.base import digest_of
from streams.arrivals import mark_moved, record_chunks, record_streams
from streams.models import Chunk, Stream
from streams.order import BEHIND, CLOSE, CLOSE2, MOVED, MOVED_PROVED, OVERTAKEN

pytestmark = pytest.mark.django_db
NAME = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"


@pytest.fixture
def world() -> World:
    return World.objects.create(slug="w", kind="local", location="/w", name="w", created_ns=1)


def seen(
    number: int, *, close: bool = False, data: bytes = b"x", stream: str = NAME, stored: int | None = None
):
    return ChunkSeen(
        stream, f"chnk_{number:026d}", close, b"" if close else data, 0 if close else len(data), digest_of(data),
        number, stored if stored is not None else number * 10, 99,
    )  # fmt: skip


def rows(name: str = NAME) -> list[tuple[int, str, int | None, int]]:
    found = Chunk.objects.filter(stream__name=name).order_by("arrival")
    return [(c.arrival, c.chunk_id[-2:], c.position, c.marks) for c in found]


def test_it_numbers_chunks_in_the_order_they_come(world):
    record_chunks(world, [seen(1), seen(2), seen(3, close=True)])
    assert rows() == [(1, "01", 0, 0), (2, "02", 1, 0), (3, "03", None, CLOSE)]
    stream = Stream.objects.get()
    assert (stream.head, stream.chunk_count, stream.close_count, stream.bytes) == (3, 2, 1, 2)


def test_it_stores_a_chunk_once_however_often_it_comes(world):
    record_chunks(world, [seen(1), seen(2)])
    assert record_chunks(world, [seen(1), seen(2)]) == []
    record_chunks(world, [seen(2), seen(3), seen(3)])
    assert [row[:2] for row in rows()] == [(1, "01"), (2, "02"), (3, "03")]


def test_it_gives_no_position_behind_the_end_marker(world):
    record_chunks(world, [seen(1), seen(2, close=True)])
    record_chunks(world, [seen(3), seen(4, close=True), seen(5)])
    assert rows()[2:] == [(3, "03", None, BEHIND), (4, "04", None, CLOSE2), (5, "05", None, BEHIND)]
    assert Stream.objects.get().behind_count == 2


def test_it_renumbers_from_a_chunk_that_became_durable_late(world):
    record_chunks(world, [seen(1), seen(3), seen(4)])
    record_chunks(world, [seen(2)])
    assert rows() == [(1, "01", 0, 0), (2, "03", 2, 0), (3, "04", 3, 0), (4, "02", 1, OVERTAKEN)]
    stream = Stream.objects.get()
    assert stream.revision == 1
    changed = Chunk.objects.filter(revision=1).values_list("arrival", flat=True)
    assert sorted(changed) == [2, 3], "only rows that were shown before have to be shown again"


def test_it_puts_chunks_behind_an_end_marker_that_came_late(world):
    record_chunks(world, [seen(1), seen(3), seen(5, close=True)])
    record_chunks(world, [seen(2, close=True)])
    assert rows() == [
        (1, "01", 0, 0),
        (2, "03", None, BEHIND),
        (3, "05", None, CLOSE2),
        (4, "02", None, CLOSE | OVERTAKEN),
    ]
    assert Stream.objects.get().behind_count == 1


@pytest.mark.parametrize("seed", range(25))
def test_it_ends_in_the_same_order_whatever_order_chunks_come_in(world, seed):
    chance = random.Random(seed)
    closes = set(chance.sample(range(1, 41), chance.choice([0, 1, 2])))
    coming = [seen(number, close=number in closes) for number in range(1, 41)]
    chance.shuffle(coming)
    while coming:
        size = chance.randint(1, 12)
        batch, coming = coming[:size], coming[size:]
        record_chunks(world, batch)
    stored = {chunk.chunk_id: chunk for chunk in Chunk.objects.all()}
    _assert_like_read_anew(stored, closes)


def _assert_like_read_anew(stored: dict[str, Chunk], closes: set[int]) -> None:
    position, closed, behind = 0, False, 0
    for chunk_id in sorted(stored):
        chunk, number = stored[chunk_id], int(chunk_id[-26:])
        structural = chunk.marks & (CLOSE | CLOSE2 | BEHIND)
        if number in closes:
            assert (chunk.position, structural) == (None, CLOSE2 if closed else CLOSE)
            closed = True
        elif closed:
            assert (chunk.position, structural) == (None, BEHIND)
            behind += 1
        else:
            assert (chunk.position, structural) == (position, 0)
            position += 1
    stream = Stream.objects.get()
    assert stream.behind_count == behind
    assert sorted(chunk.arrival for chunk in stored.values()) == list(range(1, stream.head + 1))


def test_it_marks_moved_chunks_and_clears_the_mark_again(world):
    record_chunks(world, [seen(1), seen(2), seen(3, close=True), seen(4)])
    stream = Stream.objects.get()
    advance = mark_moved(stream.pk, {1: True, 2: False})
    assert advance is not None and advance.revision == 1
    assert [row[3] for row in rows()] == [MOVED_PROVED, MOVED, CLOSE, BEHIND]
    assert mark_moved(stream.pk, {1: True, 2: False}) is None
    mark_moved(stream.pk, {2: False})
    assert [row[3] for row in rows()] == [0, MOVED, CLOSE, BEHIND]
    assert Stream.objects.get().moved_count == 1


def test_it_links_streams_by_the_runs_list_and_by_payloads(world):
    batch = [
        StreamListSeen("wrun_A", ("strm_listed", "strm_empty"), 5),
        StreamSeen("wrun_A", "strm_listed", listed=True),
        StreamSeen("wrun_A", "strm_named", listed=False, framing="framed-v1"),
    ]
    recorded = record(world, Batch(batch))
    record_streams(world, [one for one in batch if isinstance(one, StreamSeen)], recorded)
    found = {s.name: (s.run.run_id, s.listed, s.framing) for s in Stream.objects.select_related("run")}
    assert found == {
        "strm_listed": ("wrun_A", True, ""),
        "strm_empty": ("wrun_A", True, ""),
        "strm_named": ("wrun_A", False, "framed-v1"),
    }


def test_it_keeps_hostile_names_apart_and_storable(world):
    record_chunks(world, [seen(1, stream="a\x00b"), seen(1, stream="x" * 400), seen(1, stream="\ud800")])
    names = set(Stream.objects.values_list("name", flat=True))
    assert names == {"a␀b", "x" * 254 + "…", "?"}
