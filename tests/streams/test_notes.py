"""What listeners heard: stored once, kept until its chunk comes, and evidence of one session only."""

from __future__ import annotations

from typing import Any

import pytest

from runs.models import World
from runs.observations import ChunkTold
from streams.models import Note, Stream
from streams.notes import record_notes, told_of
from streams.reader_queries import readings_of
from streams.readers import PROVED, SUSPECTED, UNCHECKED
from streams.verdicts import Level
from tests.factories import CLOSE_MARKER, START_NS, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
NAME = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"


@pytest.fixture
def world() -> World:
    return make_world(kind="postgres")


@pytest.fixture
def stream(world: World) -> Stream:
    stream = make_stream(world, NAME, make_run(world, sdk_version="4.8.9"))
    make_chunks(stream, ["a", "b", "c", CLOSE_MARKER])
    stream.save()
    return stream


def ids(stream: Stream) -> list[str]:
    return list(stream.chunks.order_by("arrival").values_list("chunk_id", flat=True))


def told(*chunk_ids: str, first: int = 1, listener: str = "one", name: str = NAME) -> list[ChunkTold]:
    return [
        ChunkTold(name, chunk_id, place, START_NS + place, listener)
        for place, chunk_id in enumerate(chunk_ids, first)
    ]


def test_it_proves_what_a_live_reader_got(world: World, stream: Stream):
    a, b, c, close = ids(stream)
    assert record_notes(world, told(a, c, b, close))
    readings = readings_of(stream)
    assert (readings.live.arrivals, readings.live.sure) == ((1, 3, 3), PROVED)
    assert readings.sentence == "a live reader got 0 2 2; a later reader gets 0..2"


def test_it_stores_a_note_once_and_the_first_of_two(world: World, stream: Stream):
    a, b, *_ = ids(stream)
    record_notes(world, told(a, b, a))
    record_notes(world, told(a, b, a))
    assert list(Note.objects.order_by("place").values_list("chunk_id", "place")) == [(a, 1), (b, 2)]
    assert told_of(stream, 100) == {1: 1, 2: 2}
    assert not record_notes(world, [])


def test_it_has_the_stream_judged_again(world: World, stream: Stream):
    Stream.objects.update(verdict=Level.CLEAN, judged=stream.changes)
    record_notes(world, told(*ids(stream)))
    after = Stream.objects.get()
    assert (after.changes, Level(after.verdict)) == (stream.changes + 1, Level.UNJUDGED)


def test_it_keeps_a_note_until_its_stream_and_its_chunk_are_there(world: World):
    record_notes(world, told("chnk_1", "chnk_2"))
    stream = Stream.objects.get(world=world, name=NAME)
    assert (stream.head, told_of(stream, 100)) == (0, {})
    make_chunks(stream, ["a"])
    Note.objects.filter(chunk_id="chnk_2").update(chunk_id=ids(stream)[0])
    assert told_of(stream, 100) == {1: 2}


def test_it_does_not_put_two_sessions_together(world: World, stream: Stream):
    a, b, c, close = ids(stream)
    record_notes(world, [*told(a), *told(b, c, close, listener="two")])
    assert told_of(stream, 100) == {2: 1, 3: 2, 4: 3}
    live = readings_of(stream).live
    assert live.sure in (SUSPECTED, UNCHECKED)
    assert "of 1 of 4 chunks no notification was heard" in live.why[0]


def test_it_takes_the_session_that_heard_all_of_it(world: World, stream: Stream):
    a, b, c, close = ids(stream)
    record_notes(world, [*told(c, close), *told(b, a, c, close, first=7, listener="two")])
    assert told_of(stream, 100) == {2: 7, 1: 8, 3: 9, 4: 10}
    assert readings_of(stream).live.sure == PROVED


def test_it_stores_nothing_of_a_stream_that_was_pruned(world: World, stream: Stream):
    Stream.objects.update(pruned_ns=START_NS)
    assert not record_notes(world, told(*ids(stream)))
    assert not Note.objects.exists()


def test_it_cleans_what_whoever_notifies_may_send(world: World):
    record_notes(world, told("chnk_\x00" + "x" * 500, name="strm_\ud800"))
    (note,) = Note.objects.all()
    assert "\x00" not in note.chunk_id and len(note.chunk_id) <= 255


def test_it_reads_nothing_of_a_stream_that_is_too_long(
    world: World, stream: Stream, django_assert_num_queries: Any
):
    record_notes(world, told(*ids(stream)))
    with django_assert_num_queries(0):
        assert told_of(stream, 3) == {}
