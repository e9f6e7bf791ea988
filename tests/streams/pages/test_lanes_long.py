"""The lanes of a stream that is too long to draw chunk by chunk."""

from __future__ import annotations

import pytest

from streams import _lanes_rows
from streams.models import Chunk, Stream
from tests.factories import CLOSE_MARKER, MS, START_NS, make_chunks, make_stream, make_world, text_chunks
from tests.streams.pages.test_lanes import data_of, get, make_write, make_writer

pytestmark = pytest.mark.django_db


@pytest.fixture
def long_stream(monkeypatch) -> Stream:
    """What is long is told by numbers, which are small here."""
    monkeypatch.setattr(_lanes_rows, "SINGLE", 100)
    monkeypatch.setattr(_lanes_rows, "SAMPLES", 40)
    monkeypatch.setattr(_lanes_rows, "PROBLEMS", 10)
    stream = make_stream(make_world())
    make_chunks(stream, [*text_chunks(1999), CLOSE_MARKER], moved=(500, 501), gap_ms=1)
    return stream


def test_a_long_stream_is_bars_that_stand_for_all_its_chunks(client, long_stream):
    html = get(client, long_stream, "?part=lanes")
    data = data_of(html)

    assert sum(last - first + 1 for *_, first, last in data["blocks"]) == 2000 and len(data["blocks"]) <= 42
    assert [mark[4] for mark in data["marks"]] == [500, 501, 2000], "problems and the end marker are single"
    assert "bars are estimated from one chunk in 50" in html.lower()


def test_many_problems_of_a_long_stream_are_counted_on_their_bars(client, monkeypatch, long_stream):
    Chunk.objects.filter(stream=long_stream, arrival__gt=600, arrival__lte=700).update(marks=16)

    data = data_of(get(client, long_stream, "?part=lanes"))

    assert sum(block[2] for block in data["blocks"]) == 102
    assert {block[3] > 450 and block[4] <= 701 for block in data["blocks"] if block[2]} == {True}


def test_a_part_of_a_long_stream_is_its_chunks_again(client, long_stream):
    begin, end = START_NS + 700 * MS, START_NS + 720 * MS

    data = data_of(get(client, long_stream, f"?part=lanes&from={begin}&to={end}"))

    assert [mark[4] for mark in data["marks"]] == list(range(700, 721)) and data["blocks"] == []


def test_a_writer_of_few_chunks_in_a_long_stream_has_its_lane(client, long_stream):
    many, few = make_writer(long_stream, step_id="a"), make_writer(long_stream, step_id="b")
    Chunk.objects.filter(stream=long_stream).update(writer=many)
    make_write(long_stream, few, 777)
    make_write(long_stream, few, None)

    data = data_of(get(client, long_stream, "?part=lanes"))

    assert len(data["lanes"]) == 2
    assert [(mark[4], data["looks"][mark[6]]) for mark in data["marks"] if mark[0] == 1] == [
        (777, "stored"),
        (None, "lost"),
    ]


def test_a_long_stream_costs_as_many_questions_as_a_longer_one(
    client, long_stream, django_assert_max_num_queries
):
    with django_assert_max_num_queries(40):
        get(client, long_stream, "?part=lanes")
    assert get(client, long_stream, "?part=lanes").count("<") < 200
