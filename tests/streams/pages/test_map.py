"""Ways through a long stream: the minimap, and going to a position, an arrival or a time."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from streams.models import Chunk
from streams.order import BEHIND
from streams.pages._map import BINS, map_of
from streams.pages._window import goal_of
from tests.factories import CLOSE_MARKER, MS, START_NS, make_chunks, make_stream, make_world

pytestmark = pytest.mark.django_db


def make(values):
    stream = make_stream(make_world())
    make_chunks(stream, values)
    stream.refresh_from_db()
    return stream


@pytest.fixture
def long_stream():
    return make([f"w{number}" for number in range(600)])


def page(client, stream, **query):
    url = reverse("stream", args=[stream.world.slug, stream.name])
    return client.get(url, query).content.decode()


def test_the_map_shows_the_whole_stream_with_its_problems(long_stream):
    Chunk.objects.filter(stream=long_stream, arrival__in=[301, 305, 600]).update(marks=BEHIND)
    found = map_of(long_stream, 1, 120)
    assert len(found.bins) == BINS
    assert (found.bins[0].first, found.bins[-1].last) == (1, 600)
    assert {one.first: one.problems for one in found.bins if one.problems} == {301: 2, 591: 1}
    assert found.problems == 3
    assert (found.window_x, found.window_width) == (0, 20)
    assert "2 problems" in next(one.title for one in found.bins if one.first == 301)


def test_a_short_stream_needs_no_map(client):
    stream = make(["a", "b", CLOSE_MARKER])
    assert map_of(stream, 1, 3) is None
    assert "minimap" not in page(client, stream)


def test_each_part_of_the_map_leads_to_its_rows(client, long_stream):
    html = page(client, long_stream)
    assert html.count('<rect class="room"') == BINS
    assert f'href="?at={1 + 10 * 30}#chunk-301"' in html


@pytest.mark.parametrize(
    ("text", "arrival"),
    [
        ("0", 1),
        ("299", 300),
        ("#17", 17),
        (" 5 ", 6),
        ("600", None),
        ("x", None),
        ("25:99:00", None),
        ("#", None),
    ],
)
def test_a_goal_is_a_position_or_an_arrival(long_stream, text, arrival):
    assert goal_of(long_stream, text) == arrival


def test_a_goal_is_the_first_chunk_of_a_time(long_stream):
    third = Chunk.objects.get(stream=long_stream, arrival=300)
    assert third.stored_ns > START_NS
    seconds, rest = divmod((third.stored_ns - START_NS) // MS + 0, 1000)
    clock = f"22:26:{40 + seconds:02}.{rest:03}"
    assert goal_of(long_stream, clock) == 300
    assert goal_of(long_stream, f"2026-11-21 {clock}") == 300
    assert goal_of(long_stream, "00:00") == 1
    assert goal_of(long_stream, "2030-01-01 00:00") == 600


def test_a_position_is_found_where_chunks_came_out_of_order(long_stream):
    Chunk.objects.filter(stream=long_stream, arrival=10).update(position=None)
    Chunk.objects.filter(stream=long_stream, arrival=400).update(position=9)
    assert goal_of(long_stream, "9") == 400


def test_the_page_opens_where_it_was_asked_to(client, long_stream):
    html = page(client, long_stream, go="#450")
    assert 'id="chunk-450"' in html and 'id="chunk-1"' not in html
    assert re.search(r"#450 is the chunk with\s+arrival 450", html)


def test_what_means_no_chunk_is_said(client, long_stream):
    html = page(client, long_stream, go="<b>nowhere</b>")
    assert "No chunk is meant by &lt;b&gt;nowhere" in html
    assert 'id="chunk-600"' in html
