"""The facts that the reader simulator gets of a stored stream."""

from __future__ import annotations

from typing import Any

import pytest

from runs.models import World
from streams import reader_queries
from streams.models import Stream, Write, Writer
from streams.reader_queries import reader_choice, reader_facts, readings_of
from streams.readers import CLOSED, PROVED, UNCHECKED
from tests.factories import CLOSE_MARKER, MS, START_NS, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def stream(world: World) -> Stream:
    stream = make_stream(world, run=make_run(world))
    make_chunks(stream, ["a", "b", "c", CLOSE_MARKER])
    stream.save()
    return stream


def make_writes(stream: Stream, *ends_ms: float, **fields: Any) -> None:
    """One call a chunk, all begun within a millisecond; when each came back."""
    writer = Writer.objects.create(stream=stream, key="p", known="exact", process="p")
    for at, end in enumerate(ends_ms):
        called_ns = START_NS + at * 1000 + 123_456
        defaults = {
            "took_ns": int(end * MS),
            "arrival": at + 1,
            "outcome": "stored",
            "revision": 1,
            "process": "p",
        }
        Write.objects.create(
            stream=stream, writer=writer, number=at, place=0, called_ns=called_ns, **(defaults | fields)
        )


def test_it_reads_the_stream_as_a_live_and_a_later_reader_would(stream: Stream):
    make_writes(stream, 30, 10, 20, 40)
    readings = readings_of(stream)
    assert (readings.live.arrivals, readings.live.ended, readings.live.sure) == ((2, 3, 1), CLOSED, PROVED)
    assert readings.later.arrivals == (1, 2, 3)
    assert readings.sentence == "a live reader got 1 2 0; a later reader gets 0..2"
    assert readings_of(stream, -1).later.arrivals == (3,)


def test_it_does_not_check_the_live_reader_without_reports_of_a_probe(stream: Stream):
    readings = readings_of(stream)
    assert (readings.live.sure, readings.live.arrivals) == (UNCHECKED, ())
    assert readings.later.sure == PROVED


def test_it_does_not_check_the_live_reader_where_a_write_never_came_back(stream: Stream):
    make_writes(stream, 10, 20, 30)
    Write.objects.filter(stream=stream, number=1).update(took_ns=None)
    assert readings_of(stream).live.why == ("of 2 chunks it is not known when their write came back",)


def test_it_leaves_out_writes_that_became_no_chunk(stream: Stream):
    make_writes(stream, 10, 20, 30, 40, arrival=None)
    assert {chunk.done_ns for chunk in reader_facts(stream).chunks} == {None}


def test_it_asks_the_database_three_times(stream: Stream, django_assert_num_queries: Any):
    make_writes(stream, 10, 20, 30, 40)
    with django_assert_num_queries(3):
        facts = reader_facts(stream)
    assert [chunk.call for chunk in facts.chunks] == [0, 1, 2, 3]


def test_it_does_not_read_a_stream_that_is_too_long(
    stream: Stream, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
):
    monkeypatch.setattr(reader_queries, "CAP", 3)
    with django_assert_num_queries(0):
        readings = readings_of(stream)
    assert (readings.later.sure, readings.later.why) == (UNCHECKED, ("the stream has more than 3 chunks",))


def test_it_does_not_check_a_stream_that_was_pruned(stream: Stream):
    stream.pruned_ns = START_NS
    assert readings_of(stream).later.why == ("chunks of the stream were pruned",)


def test_it_takes_the_rules_of_the_run_s_sdk(world: World):
    old = make_stream(world, "strm_old", make_run(world, sdk_version="4.2.4"))
    python = make_stream(world, "strm_python", make_run(world, language="python", sdk_version=""))
    alone = make_stream(world, "strm_alone")
    rules = reader_choice(old).rules
    assert rules is not None
    assert rules.sdk == "4.2.4"
    assert reader_choice(python).rules is None
    assert "not known" in reader_choice(alone).note
