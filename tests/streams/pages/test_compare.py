"""The comparison page: recorded good and bad runs, what cannot be compared, long streams, and addresses."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import pytest

from runs import keys
from runs.models import Decryption, World
from tests.factories import CLOSE_MARKER, make_chunks, make_run, make_stream, make_world, text_chunks
from tests.streams.pages.test_encrypted import DEPLOYMENT_KEY, encrypted_frame
from tests.streams.pages.test_rebuilt import recorded, streams_of
from tests.streams.test_compare import longest

pytestmark = pytest.mark.django_db
ULIDS = [f"01M803XX9EKPGB0DR66MWJRZ{at}" for at in ("8Z", "8Y", "8X", "8W", "8V", "8T")]


def url(stream, other=None, **query):
    query |= {} if other is None else {"with": f"{other.world.slug}/{other.name}"}
    return f"/w/{stream.world.slug}/streams/{stream.name}/compare/?{urlencode(query)}"


def rows(html):
    """(relation, arrival in A, arrival in B, where the chunk is elsewhere) of each row."""
    found = []
    for relation, body in re.findall(
        r'<tr role="row" id="row-\d+" class="(\w+)"[^>]*>(.*?)</tr>', html, re.DOTALL
    ):
        cells = body.split("<td ")[1:]
        arrivals = [re.search(r'class="num"[^>]*>(\d+)<', cell) for cell in (cells[0], cells[2])]
        elsewhere = re.search(r"in [AB] #(\d+)", cells[1])
        found.append((relation, *(int(one[1]) if one else None for one in [*arrivals, elsewhere])))
    return found


def fact(html, name):
    found = re.search(
        rf"<tr([^>]*)><th[^>]*>(?:<span.*?</span> )?{name}</th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td>", html
    )
    assert found is not None, f"no fact {name}"
    return unescape(found[2]), unescape(found[3]), "diff" in found[1]


def made(values, *, world=None, at=0, **fields):
    world = world or World.objects.filter(slug="app").first() or make_world("app")
    run = make_run(world, f"wrun_{ULIDS[at]}", **fields)
    stream = make_stream(world, f"strm_{ULIDS[at]}_user", run)
    make_chunks(stream, values)
    return stream


def spoken(*words, id="t1"):
    deltas = [{"type": "text-delta", "id": id, "delta": word} for word in words]
    return [
        {"type": "start"}, {"type": "text-start", "id": id}, *deltas, {"type": "text-end", "id": id},
        {"type": "finish"}, CLOSE_MARKER,
    ]  # fmt: skip


@pytest.fixture
def raced(tmp_path):
    """A good and a bad run of the workflow of upstream issue 2058, in two worlds."""
    bad = recorded(tmp_path / "bad", "4.2.4", "probe-lat")
    World.objects.filter(pk=bad.pk).update(slug="bad")
    bad.refresh_from_db()
    good = recorded(tmp_path / "good", "4.2.4", "plain", with_probe=False)
    return (
        *streams_of(good, "4.2.4", "plain", "b_reacquire"),
        *streams_of(bad, "4.2.4", "probe-lat", "b_reacquire"),
    )


def test_of_a_recorded_race_it_names_exactly_the_moved_chunks(client, raced):
    good, bad = raced

    html = client.get(url(good, bad)).content.decode()

    found = rows(html)
    same = [(left, right) for relation, left, right, _ in found if relation == "same"]
    moved = {(left, there) for relation, left, _, there in found if relation == "moved" and left}
    contents = [
        [bytes(data) for data in one.chunks.order_by("chunk_id").values_list("data", flat=True)]
        for one in raced
    ]
    assert {relation for relation, *_ in found} == {"same", "moved"}
    assert len(same) == longest(*contents) == 5 and len(moved) == 6
    # Behind the same bytes, wherever they stand: each chunk of one stream has its partner in the other.
    data = [dict(one.chunks.values_list("arrival", "data")) for one in raced]
    assert all(bytes(data[0][one]) == bytes(data[1][other]) for one, other in [*same, *moved])
    assert {one for one, _ in [*same, *moved]} == set(data[0])
    assert moved == {
        (right and there, right) for relation, _, right, there in found if relation == "moved" and right
    }
    assert "5 the same, 6 moved" in html
    there = dict(re.findall(r'href="/w/(\w+)/streams/[^"]*"[^>]*>in ([AB]) #', html))
    assert there == {"app": "A", "bad": "B"}


def test_of_a_recorded_race_it_shows_both_texts_and_the_verdicts(client, raced):
    html = client.get(url(*raced)).content.decode()

    texts = [
        unescape(re.sub(r"<[^>]*>", "", one))
        for one in re.findall(r'<div class="msg">(.*?)</div>', html, re.DOTALL)
    ]
    assert texts[:2] == ["novo e2e ok", "eo oknov2 e"]
    ordered, racing = fact(html, "ordered"), fact(html, "racing_writers")
    assert racing[0].startswith("not checked here: no probe") and racing[1].startswith("found, proved: ")
    assert ordered[1].startswith("no, proved: 8 of 10 chunks moved")
    assert ordered[2] and racing[2] and fact(html, "chunks") == ("10", "10", False)
    assert "verdict-critical" in html or "verdict-error" in html
    assert fact(html, "workflow")[0] == "reacquirePerWrite"


def test_identical_streams_show_no_difference(client):
    good, same = made(spoken("hi", " you"), at=0), made(spoken("hi", " you"), at=1)

    html = client.get(url(good, same)).content.decode()

    assert "<b>No difference</b>" in html and "the same text" in html
    assert {relation for relation, *_ in rows(html)} == {"same"} and 'class="diff"' not in html


def test_a_stream_is_the_same_as_itself(client, raced):
    html = client.get(url(raced[1], raced[1])).content.decode()

    assert "<b>No difference</b>" in html and "Both sides are the same stream." in html


def test_other_ids_are_no_difference_and_are_named(client):
    html = client.get(url(made(spoken("hi"), at=0), made(spoken("hi", id="t9"), at=1))).content.decode()

    assert "<b>No difference</b>" in html and "3 the same but for ids and times" in html
    assert "other id" in html


def test_streams_of_different_kinds(client):
    plain = made([{"count": at} for at in range(3)], at=1)

    html = client.get(url(made(spoken("hi"), at=0), plain)).content.decode()

    assert "A carries AI SDK chunks, B values: they are of different kinds." in html
    assert {relation for relation, *_ in rows(html)} == {"left", "right"}
    assert "Not both have ended" not in html and fact(html, "closed once")[2]


def test_only_differences_leaves_out_the_others_and_says_how_many(client):
    pair = made(spoken(*"abcdefgh"), at=0), made(spoken(*"abcdXfgh"), at=1)

    html = client.get(url(*pair, only="differences")).content.decode()

    assert rows(html) == [("changed", 7, 7, None)]
    assert "6 rows without a difference" in html and re.search('id="only"[^>]*aria-current="true"', html)
    assert "other delta" in html


def test_only_differences_of_streams_without_any(client):
    html = client.get(
        url(made(spoken("a"), at=0), made(spoken("a"), at=1), only="differences")
    ).content.decode()

    assert rows(html) == [] and "No row with a difference" in html


def test_untrusted_text_is_escaped(client):
    evil = "<script>alert(1)</script>"
    pair = made(spoken(evil), at=0), made(spoken(evil + "!"), at=1, sdk_version=evil, workflow=evil)

    for query in ({}, {"part": "text"}):
        assert evil not in client.get(url(*pair, **query)).content.decode()
    assert evil not in client.get(url(pair[0], **{"with": evil})).content.decode()


def test_a_corrupt_chunk_is_shown_raw_and_aligned_by_its_bytes(client):
    broken = b"\x00\x00\x00\x06devl[["
    left, right = spoken("a"), spoken("a")
    left.insert(2, broken)
    right.insert(4, broken)

    html = client.get(url(made(left, at=0), made(right, at=1))).content.decode()

    assert {("moved", 3, None, 5), ("moved", None, 5, 3)} <= set(rows(html)) and "6 the same, 1 moved" in html
    assert "64 65 76 6c" in html and "cannot be read here" in html


@pytest.fixture
def sealed(settings):
    settings.KEY_SECRET = "a secret from the environment"
    values = [
        encrypted_frame({"type": "text-delta", "id": "t1", "delta": word}) for word in ("sesame", "opens")
    ]
    world = make_world("app")
    run = make_run(world, "wrun_01M80487WGNRVXFR19ENRYRFEX")
    streams = [
        make_stream(world, f"strm_01M80487WGNRVXFR19ENRYRFEX_user_{part}", run) for part in ("YQ", "Yg")
    ]
    for stream in streams:
        make_chunks(stream, [*values, CLOSE_MARKER])
        values = [
            encrypted_frame({"type": "text-delta", "id": "t1", "delta": w}) for w in ("sesame", "shuts")
        ]
    return streams


def test_encrypted_chunks_are_not_compared_without_the_key(client, sealed):
    html = client.get(url(*sealed)).content.decode()

    assert [relation for relation, *_ in rows(html)] == ["sealed", "sealed", "same"]
    assert "No difference in what can be read here" in html and "sesame" not in html
    assert not Decryption.objects.exists()


def test_with_the_key_they_are_opened_and_that_is_noted(client, sealed):
    keys.keep_key(sealed[0].world, DEPLOYMENT_KEY, "prj_x")
    keys.switch(sealed[0].world, is_on=True)

    html = client.get(url(*sealed)).content.decode()

    assert [relation for relation, *_ in rows(html)] == ["same", "changed", "same"] and "sesame" in html
    noted = Decryption.objects.order_by("id").values_list("what", flat=True)
    assert set(noted) == {f"a comparison of {one.name}" for one in sealed}


def test_a_long_stream_is_compared_in_parts_and_says_so(client):
    left = [*text_chunks(2500), CLOSE_MARKER]
    right = [*left[:5], {"type": "text-delta", "id": "t1", "delta": "more "}, *left[5:]]
    pair = made(left, at=0), made(right, at=1)

    html = client.get(url(*pair)).content.decode()

    assert "The first 1999 chunks of A and 2000 of B are compared here" in html
    assert (
        len(re.findall(r"<[a-z]", html)) < 3_000
        and len(rows(html)) == 150
        and ("right", None, 6, None) in rows(html)
    )
    onward = unescape(re.search(r'<a href="(\?[^"]*)">Go on from there', html)[1])
    html = client.get(url(pair[0]).partition("?")[0] + onward.partition("#")[0]).content.decode()
    assert rows(html)[0] == ("same", 2000, 2001, None) and "This is the last part." in html
    assert "No difference in this part." in html and "502 the same" in html


def test_rows_are_shown_a_page_at_a_time(client):
    pair = made(text_chunks(450), at=0), made([*text_chunks(449), {"last": 1}], at=1)

    first = client.get(url(*pair)).content.decode()
    later = unescape(re.search(r'href="([^"]*)"><svg[^>]*>.*?</svg>Later rows', first)[1])
    second = client.get(url(pair[0]).partition("?")[0] + later.partition("#")[0]).content.decode()

    assert rows(first)[-1][1] == 150 and rows(second)[0][1] == 151
    assert "Earlier rows" not in first and "Earlier rows" in second
    # The way to the only difference, two pages on.
    assert re.search(r'data-before="" data-after="\?[^"]*row=444#row-449"', first)


def test_the_texts_of_long_streams_come_later(client):
    pair = made([*spoken(*["word "] * 450)], at=0), made([*spoken(*["word "] * 450)], at=1)

    html = client.get(url(*pair)).content.decode()
    part = client.get(url(*pair, part="text")).content.decode()

    assert 'hx-trigger="load"' in html and "the same text" not in html
    assert "the same text" in part and part.count("<") < 1500


def test_chunks_that_are_no_longer_kept_are_told(client):
    left, right = made(spoken("a"), at=0), made(spoken("a"), at=1)
    right.chunks.all().delete()
    right.pruned_ns = 1
    right.save()

    html = client.get(url(left, right)).content.decode()

    assert "Chunks of B are no longer kept here" in html


@pytest.mark.parametrize("query", [{"after": "x"}, {"after": "99999999-5"}, {"row": "-1"}, {"row": "999999"}])
def test_addresses_that_name_nothing_are_no_error(client, query):
    pair = made(spoken("a"), at=0), made(spoken("a"), at=1)

    assert client.get(url(*pair, **query)).status_code == 200


def test_the_sides_can_be_swapped(client):
    pair = made(spoken("a", "b"), at=0), made(spoken("a"), at=1)

    html = client.get(url(*pair, only="differences")).content.decode()
    swapped = unescape(re.search(r'href="([^"]*)">.*?Swap sides', html)[1])

    assert rows(html) == [("left", 4, None, None)]
    assert rows(client.get(swapped).content.decode()) == [("right", None, 4, None)]
