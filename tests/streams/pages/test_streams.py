"""The list of streams."""

from __future__ import annotations

import pytest
from django.urls import reverse

from dashboard.lib import panels
from dashboard.lib.panels import Piece
from streams import queries
from tests.factories import (
    CLOSE_MARKER,
    START_NS,
    make_chunks,
    make_run,
    make_stream,
    make_world,
    text_chunks,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(panels, "_providers", panels.defaultdict(list))
    return make_world()


def page(client, world, query=""):
    response = client.get(reverse("streams", args=[world.slug]) + query)
    assert response.status_code == 200
    return response.content.decode()


def test_it_lists_streams_also_without_a_run(client, world):
    run = make_run(world)
    make_chunks(make_stream(world, run=run), [*text_chunks(2), CLOSE_MARKER])
    make_chunks(make_stream(world, "orphan"), [*text_chunks(1), CLOSE_MARKER, *text_chunks(3)])
    html = page(client, world)
    assert "default" in html
    assert "chatTurn" in html
    assert "orphan" in html
    assert "not known" in html
    assert "3 chunks behind the end marker" in html


def test_it_tells_not_checked_from_none_found(client, world):
    first, second, _ = (make_stream(world, name) for name in "abc")
    found = Piece("write_after_close", "write_after_close", "error", "proved", "late")
    panels.provide("stream_badges", lambda ids: {first.pk: [found], second.pk: []})
    html = page(client, world)
    assert html.count(">not checked<") == 1
    assert html.count(">none found · order not checked<") == 1
    assert html.count("proved: late") == 1


def test_it_shows_only_problems_if_asked(client, world):
    make_stream(world, "fine", close_count=1)
    make_stream(world, "twice", close_count=2)
    html = page(client, world, "?only=problems")
    assert "twice" in html
    assert "fine" not in html


def test_it_says_what_an_empty_list_means(client, world):
    assert "No streams in this world yet." in page(client, world)
    assert "tailrace demo" in page(client, world)
    make_stream(world, "fine", close_count=1)
    assert "No stream here has a problem by its stored counts." in page(client, world, "?only=problems")


def test_it_goes_on_to_older_streams(client, world, monkeypatch):
    monkeypatch.setattr(queries, "PAGE", 2)
    for at in range(3):
        make_stream(world, f"s{at}", last_stored_ns=START_NS + at)
    html = page(client, world)
    key = html.split("older=")[1].split('"')[0]
    assert "s2" in html
    assert ">s0<" not in html
    assert ">s0<" in page(client, world, f"?older={key}")


def test_it_refreshes_without_the_frame_of_the_page(client, world):
    make_stream(world, "one")
    piece = page(client, world, "?part=rows")
    assert "one" in piece
    assert "<html" not in piece


def test_it_asks_the_same_number_of_questions_for_any_number_of_streams(
    client, world, django_assert_num_queries, django_assert_max_num_queries
):
    make_stream(world, "first", run=make_run(world), last_stored_ns=1)
    with django_assert_max_num_queries(6) as asked:
        page(client, world)
    for at in range(20):
        make_stream(world, f"s{at}", run=make_run(world), last_stored_ns=at)
    with django_assert_num_queries(len(asked)):
        page(client, world)
