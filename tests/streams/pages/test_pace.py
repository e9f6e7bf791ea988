"""The gap and rate chart of the stream page."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from runs.models import World
from streams import _pace_rows
from streams.models import Chunk, Stream
from streams.pages._pace import pace_part
from tests.factories import MS, START_NS, make_chunks, make_stream, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream():
    stream = make_stream(make_world())
    make_chunks(stream, [f"w{number}" for number in range(30)])
    late = Chunk.objects.filter(stream=stream, arrival__gt=20)
    for row in late:
        Chunk.objects.filter(stream=stream, arrival=row.arrival).update(stored_ns=row.stored_ns + 2_500 * MS)
    stream.refresh_from_db()
    return stream


def part(rf, stream, **query) -> str:
    request = rf.get(reverse("stream", args=[stream.world.slug, stream.name]), {"part": "pace"} | query)
    return pace_part(
        request, Stream.objects.select_related("world", "run").get(pk=stream.pk)
    ).content.decode()


def test_it_shows_stalls_and_the_longest_gaps_with_their_chunks(rf, stream):
    html = part(rf, stream)
    assert "1 stall of more than 1 s, 2.51 s together" in html
    assert re.search(r'<a href="\?at=21#chunk-21"><b class="mono">2.51 s</b> before chunk 21</a>', html)
    assert 'class="stall" d="M' in html
    assert "As of chunk 30" in html and "Made from" not in html


def test_a_stream_without_a_stall_says_so(rf):
    stream = make_stream(make_world())
    make_chunks(stream, ["a", "b", "c"])
    html = part(rf, stream)
    assert "no gap above 1 s" in html and 'class="stall" d=""' in html


def test_each_clock_is_named_and_can_be_chosen(rf, stream):
    assert "Stored: the time of the chunk&#x27;s file, which many systems keep in steps of 4 ms." in part(
        rf, stream
    )
    minted = part(rf, stream, clock="minted")
    assert "Minted: the time in the chunk&#x27;s id" in minted
    assert 'id="pace-minted" hx-get="?part=pace&amp;clock=minted"' in minted
    assert re.search(r'id="pace-minted"[^>]* aria-pressed="true"', minted)
    assert "Observed: when Tailrace read it" in part(rf, stream, clock="observed")
    assert part(rf, stream, clock="sundial") == part(rf, stream)


def test_ids_without_a_time_are_counted(rf, stream):
    Chunk.objects.filter(stream=stream, arrival__lte=4).update(minted_ms=None)
    assert "4 chunks without a time by this clock" in part(rf, stream, clock="minted")


def test_delivery_lag_is_of_chunks_stored_while_it_looked(rf, stream):
    Stream.objects.filter(pk=stream.pk).update(seen_ns=START_NS + 10**12)
    assert "No delivery lag" in part(rf, stream)
    edge = Chunk.objects.get(stream=stream, arrival=25).stored_ns
    Stream.objects.filter(pk=stream.pk).update(seen_ns=edge)
    for row in Chunk.objects.filter(stream=stream):
        Chunk.objects.filter(stream=stream, arrival=row.arrival).update(observed_ns=row.stored_ns + 7 * MS)
    html = part(rf, stream)
    assert re.search(r"delivery lag: observed minus stored</th><td class=\"num\">7.0</td>", html)
    assert "Lag without 24 chunks stored before" in html


def test_a_world_that_keeps_no_times_of_chunks_says_so_and_has_no_lag(rf, stream):
    World.objects.filter(pk=stream.world_id).update(kind="vercel")
    html = part(rf, stream)
    assert "Vercel keeps no times of chunks" in html and "Stored: the time" not in html
    assert "delivery lag: observed minus stored" not in html
    assert "nobody knows when the chunks were stored" in html


def test_a_long_stream_is_read_in_runs_and_says_so(rf, stream, monkeypatch):
    monkeypatch.setattr(_pace_rows, "EXACT", 10)
    monkeypatch.setattr(_pace_rows, "RUNS", 3)
    monkeypatch.setattr(_pace_rows, "RUN", 3)
    html = part(rf, stream)
    assert "Made from 9 of 30 chunks in runs along the stream" in html
    assert "2.51 s</b> before chunk 21</a>" in html


def test_a_million_chunks_cost_a_bounded_number_of_questions(stream, django_assert_max_num_queries):
    with django_assert_max_num_queries(15):
        Stream.objects.filter(pk=stream.pk).update(head=1_000_000)
        _pace_rows.read(Stream.objects.get(pk=stream.pk))


def test_the_same_is_a_table(rf, stream):
    html = part(rf, stream, **{"as": "table"})
    rows = re.findall(r"<tr><th scope=\"row\" class=\"mono\">(.*?)</th><td class=\"num\">(\d+)</td>", html)
    assert sum(int(count) for _, count in rows) == 30
    assert rows[0][0] == "+0 ms" and len(rows) <= 16
    assert "<svg" not in html


def test_chunks_of_one_moment_have_no_axis(rf, stream):
    Chunk.objects.filter(stream=stream).update(stored_ns=START_NS)
    html = part(rf, stream)
    assert "All chunks have one and the same stored time" in html and "<svg" not in html
    assert "no span of time" in part(rf, stream, **{"as": "table"})


def test_one_chunk_has_no_pace(rf):
    stream = make_stream(make_world())
    make_chunks(stream, ["a"])
    assert "no two chunks with a stored time" in part(rf, stream)


def test_the_panel_stays_small(rf, stream):
    html = part(rf, stream)
    assert len(re.findall(r"<[a-z]", html)) < 330
