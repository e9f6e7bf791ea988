"""The stream page: header, verdict, the window of rows, and everything that may go wrong with it."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from django.urls import reverse

from dashboard.lib import panels
from dashboard.lib.panels import Piece
from streams.models import Chunk
from streams.pages import _window
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
def world():
    return make_world()


@pytest.fixture
def short_windows(monkeypatch):
    monkeypatch.setattr(_window, "ALL_ROWS", 20)
    monkeypatch.setattr(_window, "ROWS", 10)
    monkeypatch.setattr(_window, "ABOVE", 3)


@pytest.fixture
def no_providers(monkeypatch):
    monkeypatch.setattr(panels, "_providers", panels.defaultdict(list))


def get(client, stream, query=""):
    return client.get(reverse("stream", args=[stream.world.slug, stream.name]) + query)


def text_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


def arrivals(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'<tr [^>]*id="chunk-(\d+)"', html)]


def test_it_shows_every_chunk_in_arrival_order_with_its_counts(client, world):
    run = make_run(world)
    stream = make_stream(world, run=run)
    make_chunks(stream, [*text_chunks(3), CLOSE_MARKER])
    html = text_of(get(client, stream))
    assert arrivals(html) == [1, 2, 3, 4]
    assert 'id="stream-header" data-chunk-count="3"' in html
    assert 'data-arrival="4" data-position="" data-marks="close"' in html
    assert f'href="{reverse("run", args=[world.slug, run.run_id])}"' in html
    assert "22:26:40.010" in html
    assert "&quot;word0 &quot;" in html


def test_it_says_what_no_reader_gets(client, world):
    stream = make_stream(world)
    make_chunks(stream, [*text_chunks(2), CLOSE_MARKER, *text_chunks(5), CLOSE_MARKER])
    html = text_of(get(client, stream))
    assert "5 chunks and a second end marker</span>. <b>Readers never see this.</b>" in html
    assert len(re.findall(r'<tr [^>]*class="behind"', html)) == 5
    assert len(re.findall(r'<tr [^>]*class="close2"', html)) == 1
    assert "5 chunks behind the end marker, never read" in html
    assert 'href="?at=4#chunk-4"' in html


def test_it_claims_nothing_about_order_without_proof(client, world, no_providers):
    stream = make_stream(world, run=make_run(world))
    make_chunks(stream, [*text_chunks(2), CLOSE_MARKER])
    html = text_of(get(client, stream))
    verdict = html[html.index('id="verdict"') : html.index('id="chunks"')]
    assert "order: what the writer meant is known only through a probe" in verdict
    assert '<div class="good">' in verdict
    assert "in order" not in verdict
    assert "Readers never see this" not in html[: html.index("<template")]


def test_it_shows_moved_chunks(client, world):
    stream = make_stream(world)
    make_chunks(stream, text_chunks(4), moved=[2, 3])
    html = text_of(get(client, stream))
    assert 'data-arrival="2" data-position="1" data-marks="moved"' in html
    assert "2 of 4 chunks moved" in html
    assert "</svg>suspected</span>" in html
    make_chunks(stream, text_chunks(1), moved=[5], proved=True)
    assert "</svg>proved</span>" in text_of(get(client, stream))


def test_it_tells_an_open_stream_of_an_ended_run_from_one_being_written(client, world):
    ended = make_stream(world, "ended", run=make_run(world, status="failed"))
    running = make_stream(world, "running", run=make_run(world, status="running", completed_ns=None))
    system = make_stream(world, "strm_01M803XX9EKPGB0DR66MWJRZ8Z_system_abort", run=ended.run, is_system=True)
    for stream in (ended, running, system):
        make_chunks(stream, text_chunks(1))
    assert "never closed" in text_of(get(client, ended))
    assert "never closed" not in text_of(get(client, running))
    assert "never closed" not in text_of(get(client, system))


def test_it_adds_findings_to_the_verdict_and_notes_to_their_rows(client, world, no_providers):
    stream = make_stream(world)
    make_chunks(stream, text_chunks(3))
    finding = Piece("grammar", "protocol_violation", "error", "proved", "delta before its start", "#chunk-2")
    unchecked = Piece("not checked", "out_of_order", title="no <probe>")
    panels.provide("stream_verdict", lambda ids: {stream.pk: [finding, unchecked]})
    panels.provide("chunk_notes", lambda ids: {stream.pk: [Piece("no start yet", severity="error", at=2)]})
    html = text_of(get(client, stream))
    assert "delta before its start" in html
    assert "out_of_order: no &lt;probe&gt;" in html
    assert html.index('id="chunk-2"') < html.index("no start yet") < html.index('id="chunk-3"')
    assert "delta before its start" in text_of(get(client, stream, "?part=verdict"))
    assert "<html" not in text_of(get(client, stream, "?part=verdict"))


def test_it_stands_when_a_provider_fails(client, world, no_providers, caplog):
    stream = make_stream(world)
    make_chunks(stream, text_chunks(1))
    panels.provide("stream_verdict", lambda ids: 1 / 0)
    assert arrivals(text_of(get(client, stream))) == [1]
    assert "ZeroDivisionError" in caplog.text


def test_it_shows_the_end_of_a_long_stream_first(client, world, short_windows):
    stream = make_stream(world)
    make_chunks(stream, text_chunks(50))
    html = text_of(get(client, stream))
    assert arrivals(html) == list(range(41, 51))
    assert 'data-first="41" data-last="50" data-earlier="1" data-later=""' in html
    assert 'href="?before=41"' in html


WINDOWS = pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("after=0", 1, 10), ("after=10", 11, 20), ("after=45", 41, 50), ("after=99", 41, 50),
        ("before=41", 31, 40), ("before=5", 1, 10), ("before=0", 1, 10),
        ("at=30", 28, 37), ("at=1", 1, 10), ("at=50", 41, 50), ("at=999", 41, 50),
        ("at=x&after=-1&before=1e3", 41, 50), (f"after={'9' * 30}", 41, 50), ("go=29", 28, 37), ("go=%2330", 28, 37),
        ("next=5", 28, 37), ("prev=30", 3, 12),
    ],
)  # fmt: skip


@WINDOWS
def test_it_finds_every_window_by_arrival(client, world, short_windows, query, first, last):
    stream = make_stream(world)
    make_chunks(stream, text_chunks(50), moved=[5, 30])
    earlier, later = "1" if first > 1 else "", "1" if last < 50 else ""
    edges = f'data-first="{first}" data-last="{last}" data-earlier="{earlier}" data-later="{later}"'
    for part in ("", "part=rows&"):
        html = text_of(get(client, stream, f"?{part}{query}"))
        assert arrivals(html) == list(range(first, last + 1))
        assert edges in html


def test_it_answers_with_rows_alone_and_the_chunk_that_was_meant(client, world, short_windows):
    stream = make_stream(world)
    make_chunks(stream, text_chunks(50), moved=[5, 30])
    html = text_of(get(client, stream, "?part=rows&next=5"))
    assert html.startswith("<tbody data-first")
    assert 'data-goal="30" data-head="50"' in html
    assert 'data-goal=""' in text_of(get(client, stream, "?part=rows&next=30"))
    assert 'data-goal=""' in text_of(get(client, stream, "?part=rows&go=never"))
    assert 'data-goal="50"' in text_of(get(client, stream, "?part=rows&at=99"))


def test_it_answers_with_the_rows_of_a_filter_from_an_arrival_on(client, world, short_windows):
    stream = make_stream(world)
    make_chunks(stream, text_chunks(50), moved=range(1, 51, 2))
    html = text_of(get(client, stream, "?part=rows&only=problems&after=5"))
    assert arrivals(html) == list(range(7, 26, 2))
    assert 'data-later="1" data-looked="25"' in html
    html = text_of(get(client, stream, "?part=rows&only=problems&after=45"))
    assert arrivals(html) == [47, 49]
    assert 'data-later="" data-looked="50"' in html


def test_it_leads_to_problems_outside_the_window(client, world, short_windows):
    stream = make_stream(world)
    make_chunks(stream, text_chunks(50), moved=[5, 30, 45])
    assert 'href="?at=5#chunk-5"' in text_of(get(client, stream, "?after=9"))


def test_it_shows_a_stream_without_a_chunk(client, world):
    html = text_of(get(client, make_stream(world)))
    assert "No chunk is stored in this stream yet." in html
    assert 'data-chunk-count="0"' in html


def test_it_says_when_its_chunks_are_no_longer_kept(client, world):
    stream = make_stream(world, pruned_ns=START_NS)
    make_chunks(stream, text_chunks(3))
    Chunk.objects.filter(stream=stream).delete()
    html = text_of(get(client, stream))
    assert "no longer kept here" in html
    assert arrivals(html) == []


def test_it_reads_the_namespace_out_of_the_name(client, world):
    stream = make_stream(world, "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user_bWV0cmljcy_DqTox")
    html = text_of(get(client, stream))
    assert "<h1>metrics/é:1</h1>" in html


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>".replace("/", "|"), "a b?c#d%25&e", "é\u202e\n'\"", "%2e%2e"]
)
def test_it_opens_by_any_name_and_shows_it_as_text(client, world, name):
    stream = make_stream(world, name)
    make_chunks(stream, text_chunks(1))
    response = get(client, stream)
    html = text_of(response)
    assert arrivals(html) == [1]
    assert "<script>alert" not in html
    assert "\u202e" not in re.sub(r'(data-copy|href)="[^"]*"', "", html)
    listed = text_of(client.get(reverse("streams", args=[world.slug])))
    assert quote(name, safe="/~:@&=+$,!'()*;").replace("&", "&amp;").replace("'", "&#x27;") in listed


def test_it_says_since_when_a_world_cannot_be_read(client):
    world = make_world(trouble="No such <directory>: /srv/app", trouble_since_ns=START_NS)
    stream = make_stream(world)
    make_chunks(stream, text_chunks(1))
    html = text_of(get(client, stream))
    assert "World unreachable" in html
    assert "since 22:26:40 UTC" in html
    assert "No such &lt;directory&gt;" in html
    assert arrivals(html) == [1]


def test_it_has_a_page_for_a_stream_that_is_not_there(client, world):
    response = client.get(reverse("stream", args=[world.slug, "nope"]))
    assert response.status_code == 404
    assert "This world has no stream with that name." in response.content.decode()
    other = make_stream(make_world("other"), "theirs")
    assert client.get(reverse("stream", args=[world.slug, other.name])).status_code == 404


def test_it_asks_the_database_the_same_number_of_questions_for_any_length(
    client, world, django_assert_num_queries, django_assert_max_num_queries
):
    few, many = (
        make_stream(world, "few", run=make_run(world)),
        make_stream(world, "many", run=make_run(world)),
    )
    make_chunks(few, [*text_chunks(250), CLOSE_MARKER])
    make_chunks(many, [*text_chunks(390), CLOSE_MARKER])
    with django_assert_max_num_queries(18) as asked:
        get(client, few)
    with django_assert_num_queries(len(asked)):
        get(client, many)


def test_it_shows_a_page_of_ten_megabyte_chunks(client, world):
    stream = make_stream(world)
    make_chunks(stream, [b"x" * 65_536] * 3, size=10_000_000)
    html = text_of(get(client, stream))
    assert html.count('class="num s">10.0 MB</td>') == 3
    assert len(html) < 60_000
