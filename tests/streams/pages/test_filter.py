"""Only the chunks that one asks for."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from streams import search
from streams.models import Chunk, Write, Writer
from streams.search import Filter, filter_in, find
from tests.factories import CLOSE_MARKER, make_chunks, make_stream, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def stream():
    stream = make_stream(make_world())
    values = [
        {"type": "text-delta", "id": "t1", "delta": "Hello"},
        {"type": "data-status", "data": {"word": "hello <b>"}},
        b"\xff\xfe\x00",
        CLOSE_MARKER,
        {"type": "text-delta", "id": "t1", "delta": "late"},
    ]
    make_chunks(stream, values)
    stream.refresh_from_db()
    return stream


def shown(client, stream, **query):
    html = client.get(reverse("stream", args=[stream.world.slug, stream.name]), query).content.decode()
    return [int(arrival) for arrival in re.findall(r'id="chunk-(\d+)"', html)], html


@pytest.mark.parametrize(
    ("query", "arrivals"),
    [
        ({"only": "problems"}, [5]),
        ({"type": "text-delta"}, [1, 5]),
        ({"type": "close"}, [4]),
        ({"text": "HELLO"}, [1, 2]),
        ({"text": "hello", "type": "data-status"}, [2]),
        ({"text": "nowhere"}, []),
        ({"only": "nothing"}, [1, 2, 3, 4, 5]),
    ],
)
def test_it_shows_only_what_fits(client, stream, query, arrivals):
    assert shown(client, stream, **query)[0] == arrivals


def test_it_shows_what_one_step_wrote(client, stream):
    writer = Writer.objects.create(
        stream=stream, key="k", known="exact", step_id="step_1", step_name="step//x//write"
    )
    Write.objects.create(
        stream=stream,
        writer=writer,
        process="p",
        number=1,
        place=0,
        outcome="stored",
        called_ns=1,
        revision=1,
    )
    Chunk.objects.filter(stream=stream, arrival=2).update(writer=writer)
    type(stream).objects.filter(pk=stream.pk).update(write_revision=1)
    arrivals, html = shown(client, stream, step="step_1")
    assert arrivals == [2]
    assert '<option value="step_1" selected>write</option>' in html


def test_a_filtered_page_gets_no_new_rows_and_says_how_far_it_looked(client, stream):
    _, html = shown(client, stream, text="hello")
    assert 'data-tail=""' in html
    assert "2 chunks of the first 5, all looked at" in html
    assert 'data-tail="1"' in shown(client, stream)[1]


def test_a_long_search_goes_on_where_it_stopped(stream, monkeypatch):
    monkeypatch.setattr(search, "PAGE", 2)
    monkeypatch.setattr(search, "BUDGET_S", -1)
    found = find(stream, Filter(text="late"), 0, 10)
    assert (found.rows, found.looked_to, found.is_end) == ([], 2, False)
    found = find(stream, Filter(text="late"), 4, 10)
    assert [row.arrival for row in found.rows] == [5] and found.is_end


def test_no_more_than_asked_for_is_found(stream):
    found = find(stream, Filter(type="text-delta"), 0, 1)
    assert [row.arrival for row in found.rows] == [1] and not found.is_end
    rest = find(stream, Filter(type="text-delta"), found.looked_to, 1)
    assert [row.arrival for row in rest.rows] == [5]


def test_what_is_asked_for_stands_in_the_address_and_is_escaped(client, stream):
    wanted = filter_in({"only": "problems", "text": "a&b"})
    assert wanted.query == "only=problems&text=a%26b"
    assert 'value="&lt;script&gt;"' in shown(client, stream, text="<script>")[1]
