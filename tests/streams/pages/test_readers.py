"""The reader simulator on the stream page."""

from __future__ import annotations

import pytest
from django.urls import reverse

from runs.models import World
from runs.observations import ChunkTold
from streams.notes import record_notes
from streams.pages._readers import start_in
from tests.factories import CLOSE_MARKER, START_NS, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream():
    world = make_world()
    stream = make_stream(world, run=make_run(world, sdk_version="4.8.9"))
    make_chunks(stream, ["a", "b", "c", CLOSE_MARKER, "late"])
    return stream


def part(client, stream, start=""):
    url = reverse("stream", args=[stream.world.slug, stream.name])
    return client.get(url, {"part": "readers", "start": start}).content.decode()


def test_it_tells_what_a_later_reader_gets_and_what_it_never_gets(client, stream):
    html = part(client, stream)
    later = html.partition("A later reader gets")[2]
    assert [f'href="?at={arrival}#chunk-{arrival}">{arrival - 1}<' in later for arrival in (1, 2, 3)] == [
        True
    ] * 3
    assert "×1 never" in later and "chunk-5" not in later
    assert "rules of local world, workflow 4.8.9" in html


def test_it_reads_from_any_index(client, stream):
    html = part(client, stream, "2").partition("From 2")[2]
    assert "chunk-3" in html and "chunk-2" not in html
    # The local world counts end markers and what is behind them too.
    html = part(client, stream, "-3").partition("From -3")[2]
    assert "chunk-3" in html and "chunk-2" not in html


def test_what_a_live_reader_got_is_not_guessed(client, stream):
    live = part(client, stream).partition("A live reader got")[2].partition("A later reader")[0]
    assert "not checked here" in live


def test_it_says_what_it_heard_the_world_tell_its_readers(client, stream):
    World.objects.update(kind="postgres")
    ids = list(stream.chunks.order_by("arrival").values_list("chunk_id", flat=True))
    order = [ids[at] for at in (0, 2, 1, 3, 4)]
    told = [ChunkTold(stream.name, one, place, START_NS, "one") for place, one in enumerate(order)]
    record_notes(stream.world, told[:3])
    assert "Heard here: 3 of 5 notifications" in part(client, stream)
    record_notes(stream.world, told)
    live = part(client, stream).partition("A live reader got")[2].partition("A later reader")[0]
    assert "proved" in live and 'title="delivered once more">2<' in live
    assert "Heard here: 5 of 5 notifications" in part(client, stream)


def test_an_unknown_sdk_gets_no_rules_of_its_own(client):
    world = make_world()
    stream = make_stream(world, run=make_run(world, language="python"))
    make_chunks(stream, ["a", CLOSE_MARKER])
    html = part(client, stream)
    assert "no reader rules are known for the Python SDK" in html
    assert html.count('<span class="muted">not checked here</span>') == 2


@pytest.mark.parametrize(
    ("text", "start"), [("", 0), ("7", 7), ("-3", -3), ("x", 0), ("--1", 0), ("9" * 30, 0)]
)
def test_a_start_index_is_a_whole_number(text, start):
    assert start_in(text) == start


def test_of_a_long_reading_the_first_and_the_last_are_shown(client):
    world = make_world()
    stream = make_stream(world, run=make_run(world, sdk_version="4.8.9"))
    make_chunks(stream, [*(f"w{number}" for number in range(100)), CLOSE_MARKER])
    later = part(client, stream).partition("A later reader gets")[2]
    assert later.count('<a class="cell') == 24 and "… 76 more …" in later
    assert "chunk-1" in later and "chunk-100" in later
