"""One chunk with its value, bytes and clocks, and its payload as a file."""

from __future__ import annotations

import pytest
from django.urls import reverse

from runs.worlds.base import WORLDS, WorldError
from tests.factories import CLOSE_MARKER, frame, make_chunks, make_stream, make_world

pytestmark = pytest.mark.django_db
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def stream():
    stream = make_stream(make_world())
    make_chunks(stream, [{"type": "data", "deep": {"list": [1, EVIL]}}, b"\xff\xfe\x00\x01", CLOSE_MARKER])
    return stream


def get(client, stream, arrival, name="chunk", **headers):
    return client.get(reverse(name, args=[stream.world.slug, stream.name, arrival]), headers=headers)


def test_it_shows_the_value_as_a_tree_and_all_three_clocks(client, stream):
    html = get(client, stream, 1).content.decode()
    assert '<span class="k">list</span>' in html
    assert f"“{EVIL.replace('<', '&lt;').replace('>', '&gt;')}”" in html
    assert "<script>alert" not in html
    for clock in ("22:26:40.001000000", "22:26:40.010000000", "22:26:40.015000000"):
        assert f"2026-11-21 {clock} UTC" in html
    assert "chnk_00000000000000000000000001" in html


def test_it_is_a_piece_for_htmx_and_a_page_for_others(client, stream):
    assert "<html" in get(client, stream, 1).content.decode()
    piece = get(client, stream, 1, **{"HX-Request": "true"}).content.decode()
    assert "<html" not in piece
    assert '<span class="k">list</span>' in piece


def test_it_shows_bytes_that_are_no_value_as_bytes(client, stream):
    assert "ff fe 00 01" in get(client, stream, 2).content.decode()


def test_it_says_that_an_end_marker_holds_no_value(client, stream):
    html = get(client, stream, 3).content.decode()
    assert "An end marker holds no value" in html
    assert "chunk-raw" not in html


def test_it_gives_the_payload_as_a_file_that_no_browser_runs(client, stream):
    response = get(client, stream, 1, "chunk-raw")
    assert response.content == frame({"type": "data", "deep": {"list": [1, EVIL]}})
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment;")
    assert response["X-Content-Type-Options"] == "nosniff"


def test_it_reads_a_large_payload_from_the_world_again(client, stream, monkeypatch):
    make_chunks(stream, [b"head"], size=8)
    monkeypatch.setattr(WORLDS.found["local"], "fetch_chunk", lambda self, name, chunk_id: b"headtail")
    assert get(client, stream, 4, "chunk-raw").content == b"headtail"
    assert "kept as head: 4 bytes of 8" in get(client, stream, 4).content.decode()


def test_it_says_why_the_world_cannot_give_the_rest(client, stream, monkeypatch):
    def gone(self, name, chunk_id):
        raise WorldError("the file is gone")

    make_chunks(stream, [b"head"], size=8)
    monkeypatch.setattr(WORLDS.found["local"], "fetch_chunk", gone)
    response = get(client, stream, 4, "chunk-raw")
    assert response.status_code == 404
    assert "Only the first 4 of 8 bytes are kept here" in response.content.decode()
    assert "the file is gone" in response.content.decode()


@pytest.mark.parametrize("name", ["chunk", "chunk-raw"])
def test_it_has_a_page_for_an_arrival_that_is_not_there(client, stream, name):
    response = get(client, stream, 99, name)
    assert response.status_code == 404
    assert "its last one is 3" in response.content.decode()
    assert get(client, stream, 10**25, name).status_code == 404


def value_of(client, stream, arrival, htmx=False, **query):
    url = reverse("chunk", args=[stream.world.slug, stream.name, arrival])
    return client.get(url, query, headers={"HX-Request": "true"} if htmx else {})


@pytest.mark.parametrize(("mode", "shown"), [("json", "&quot;delta&quot;: 2"), ("hex", "64 65 76 6c")])
def test_it_shows_each_of_several_values_in_every_form(client, stream, mode, shown):
    make_chunks(stream, [frame({"delta": 1}) + frame({"delta": 2})])
    assert get(client, stream, 4).content.decode().count("data-value") == 2
    answer = value_of(client, stream, 4, htmx=True, value=1, **{"as": mode})
    assert shown in answer.content.decode()
    assert answer.content.decode().count("data-value") == 1
    assert answer["HX-Push-Url"] == "false"
    page = value_of(client, stream, 4, value=1, **{"as": mode}).content.decode()
    assert "<html" in page and shown in page and "All of them" in page


def test_it_opens_a_part_of_a_value(client, stream):
    make_chunks(stream, [frame({"rows": [{"n": at} for at in range(2000)]})])
    assert "the rest opens part by part" in get(client, stream, 4).content.decode()
    part = value_of(client, stream, 4, htmx=True, value=0, node=1, start=1500).content.decode()
    assert '<span class="k">1500</span>' in part and '<span class="k">1499</span>' not in part


def test_it_shows_twenty_values_at_a_time(client, stream):
    make_chunks(stream, [b"".join(frame(f"value {at}") for at in range(30))])
    page = get(client, stream, 4).content.decode()
    assert page.count("data-value") == 20 and "?first=20" in page
    assert "“value 29”" in value_of(client, stream, 4, first=20).content.decode()


def test_it_has_a_page_for_a_value_that_is_not_there(client, stream):
    assert value_of(client, stream, 1, htmx=True, value=9).status_code == 404
    assert value_of(client, stream, 1, value=9).status_code == 404


def test_it_reads_old_lines_bytes_and_broken_frames(client, stream):
    broken = frame({"a": 1})[:-3]
    make_chunks(stream, [b'[{"a":1},5]\n["x"]\n', b"\x00\x00\x00\x02ab", b"devl[5]", broken])
    assert "“x”" in value_of(client, stream, 4, htmx=True, value=1).content.decode()
    for arrival in (5, 6):
        assert get(client, stream, arrival).status_code == 200
    assert "the rest may be in the next chunk" in get(client, stream, 7).content.decode()


def test_it_decodes_a_large_chunk_that_is_read_from_the_world(client, stream, monkeypatch):
    whole = frame({"word": "x" * 2_000_000, "last": 7})
    make_chunks(stream, [whole[:100]], size=len(whole))
    monkeypatch.setattr(WORLDS.found["local"], "fetch_chunk", lambda self, name, chunk_id: whole)
    assert 'name="whole"' in get(client, stream, 4).content.decode()
    page = value_of(client, stream, 4, htmx=True, value=0, whole=1).content.decode()
    assert '<span class="k">last</span> <span class="y">7</span>' in page
    assert len(page) < 400_000
