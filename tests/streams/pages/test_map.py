"""Ways through a long stream: the minimap, and going to a position, an arrival or a time."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from streams.models import Chunk
from streams.order import BEHIND, MOVED
from streams.pages import _map_rows
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
    assert "2 never read" in next(one.title for one in found.bins if one.first == 301)


def test_problems_are_told_by_kind(client, long_stream):
    Chunk.objects.filter(stream=long_stream, arrival__in=[1, 2, 301]).update(marks=MOVED)
    Chunk.objects.filter(stream=long_stream, arrival__gte=590).update(marks=BEHIND)
    found = map_of(long_stream, 1, 120)
    assert found.words == [("moved", "3 moved"), ("behind", "11 never read")]
    assert [style for style, _ in found.paths] == [
        "rate", "part moved", "flag moved", "part behind", "flag behind"
    ]  # fmt: skip
    assert dict(found.paths)["flag moved"].count("M") == 2
    assert found.bins[0].share(MOVED) == 0.2
    html = page(client, long_stream)
    assert '<span class="behind">11 never read</span>' in html


def test_a_stream_without_problems_has_no_flags(long_stream):
    found = map_of(long_stream, 1, 120)
    assert [style for style, _ in found.paths] == ["rate"] and found.words == [] and found.gates == []


def test_end_markers_are_lines(client):
    stream = make([*[f"w{number}" for number in range(99)], CLOSE_MARKER, "late", CLOSE_MARKER])
    stream.first_close_id = Chunk.objects.get(stream=stream, arrival=100).chunk_id
    stream.close_count = 2
    stream.save()
    found = map_of(stream, 1, 50)
    assert found.gates == [("gate", 100 * 99.5 / 102), ("gate2", 100 * 101.5 / 102)]
    html = page(client, stream)
    assert '<line class="gate" ' in html and '<line class="gate2" ' in html


def test_so_many_problems_are_estimated_from_a_sample(client, long_stream, monkeypatch):
    Chunk.objects.filter(stream=long_stream, arrival__gt=300).update(marks=BEHIND)
    type(long_stream).objects.filter(pk=long_stream.pk).update(behind_count=300)
    long_stream.refresh_from_db()
    monkeypatch.setattr(_map_rows, "COUNTED", 299)
    monkeypatch.setattr(_map_rows, "SAMPLE", 5)
    found = map_of(long_stream, 1, 120)
    assert found.is_sampled and found.words == [("behind", "300 never read")]
    assert {one.first: one.problems for one in found.bins if one.problems} == dict.fromkeys(
        range(301, 600, 10), 10
    )
    assert "about 10 never read" in found.bins[-1].title
    assert "estimated from a sample" in page(client, long_stream)
    monkeypatch.setattr(_map_rows, "COUNTED", 300)
    assert not map_of(long_stream, 1, 120).is_sampled


def test_the_map_costs_a_few_questions(long_stream, django_assert_max_num_queries):
    Chunk.objects.filter(stream=long_stream, arrival__gt=300).update(marks=BEHIND)
    with django_assert_max_num_queries(4):
        map_of(long_stream, 1, 120)


def test_a_script_can_move_the_window(client, long_stream):
    html = page(client, long_stream)
    assert 'data-head="600"' in html and re.search(r'<rect class="window" id="map-window" x="[\d.]+%"', html)


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
