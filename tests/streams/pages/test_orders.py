"""The orders on the stream page: recorded races, streams of which nobody told the order, long and hostile ones."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from streams.models import Chunk, Stream, Write
from streams.order import MOVED_PROVED
from streams.pages._orders import MOST, orders_context, orders_part
from tests.factories import CLOSE_MARKER, make_chunks, make_stream, make_world, text_chunks
from tests.streams.pages.test_rebuilt import recorded, streams_of
from tests.streams.test_order_queries import a_write, long_stream, make_writer, told_by

__all__ = ["long_stream"]  # a fixture
pytestmark = pytest.mark.django_db


def part(rf, stream: Stream, query: str = "") -> str:
    response = orders_part(rf.get(f"/?part=orders&{query}"), stream)
    assert response.status_code == 200
    return response.content.decode()


def words(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def sentence(html: str) -> str:
    found = re.search(r'<p class="sum[^>]*><b>(.*?)</b>', html)
    assert found is not None
    return unescape(found[1])


def column(html: str, side: str) -> list[str]:
    """The labels of one column, with what stands behind them."""
    found = re.search(rf'<ol class="{side}">(.*?)</ol>', html, re.DOTALL)
    assert found is not None
    return [
        re.sub(r"\s+", " ", unescape(re.sub(r"<i>.*?</i>|<[^>]+>", " ", cell))).strip()
        for cell in re.findall(r"<li.*?</li>", found[1], re.DOTALL)
    ]


def a_stream(values: list[object], **fields) -> Stream:
    stream = make_stream(make_world(), **fields)
    make_chunks(stream, values)
    return stream


@pytest.mark.parametrize(
    ("sdk", "label", "certainty"),
    [
        ("4.2.4", "probe-lat", "proved: the order of calls and the message's grammar agree"),
        ("5.0.0-beta.5", "probe-w2", "proved"),
    ],
)
def test_the_race_of_2058_shows_what_was_meant_against_what_is_stored(tmp_path, rf, sdk, label, certainty):
    world = recorded(tmp_path, sdk, label)
    stream = streams_of(world, sdk, label, "b_reacquire")[0]
    html = part(rf, stream)

    meant = ["start", "text-start", '"nov"', '"o"', '" e"', '"2"', '"e"', '" ok"', "text-end", "finish"]
    assert sentence(html) == f"6 of 10 chunks are not where their writer put them ({certainty})."
    assert [re.sub(r'" +', '" ', one) for one in column(html, "l")] == [*meant, "end marker"]
    right = column(html, "r")
    assert len([one for one in right if re.search(r"(early|late) by \d|moved$", one)]) == 6
    assert sorted(re.sub(r" (early|late) by \d+| moved$", "", one) for one in right) == sorted(
        [*meant, "end marker"]
    )
    assert html.count('<path class="o moved"') == 1 and 'href="#chunk-1"' in html
    assert 'aria-label="Chunks as the writer meant it, and as stored, what readers get: 6 of 10' in html


def test_the_page_has_the_panel_without_a_click_and_takes_the_switch_as_it_does(client, tmp_path):
    world = recorded(tmp_path, "4.2.4", "probe-lat")
    stream = streams_of(world, "4.2.4", "probe-lat", "b_reacquire")[0]
    url = reverse("stream", args=[world.slug, stream.name])

    plain = client.get(url).content.decode()
    switched = client.get(f"{url}?left=arrival&right=stored").content.decode()
    alone = client.get(f"{url}?part=orders&left=arrival&right=stored").content.decode()

    assert "6 of 10 chunks are not where" in sentence(plain)
    assert sentence(switched) == sentence(alone)
    assert sentence(alone) == "All 10 chunks are stored in the order in which they became durable."
    assert "<html" not in alone and 'id="orders-from-arrival" aria-current="true"' in alone


def test_what_is_behind_the_end_marker_is_hatched_and_the_marker_thick(tmp_path, rf):
    world = recorded(tmp_path, "4.2.4", "probe-lat")
    html = part(rf, streams_of(world, "4.2.4", "probe-lat", "c_eagerClose")[0])

    assert html.count('<li class="o behind">') == 10, "five chunks in both columns"
    assert html.count('<path class="o close"') == html.count('<path class="o close2"') == 1
    assert "Chunks of different steps or attempts have no order between them" in html
    assert "A runAgentTurn" in html and "moved" not in sentence(html)


def test_without_a_probe_it_says_so_and_is_never_a_clean_result(rf):
    stream = a_stream([*text_chunks(3), CLOSE_MARKER])
    default, asked = part(rf, stream), part(rf, stream, "left=writer&right=stored")

    assert sentence(default) == "All 3 chunks are stored in the order in which they became durable."
    reason = "no probe reported who wrote this stream; a probe would tell."
    assert sentence(asked) == f"The writer's order is not known here: {reason}"
    assert "proved" not in default + asked and '<div class="slope"' not in asked


def test_what_only_the_grammar_suspects_is_told(rf):
    stream = make_stream(make_world())
    make_chunks(stream, text_chunks(3), moved=(2,))

    note = "By the message's grammar 1 chunk moved: a probe would tell what was meant."
    assert note in words(part(rf, stream))
    assert note not in words(part(rf, a_stream_of(stream.world, "other")))


def a_stream_of(world, name: str) -> Stream:
    stream = make_stream(world, name)
    make_chunks(stream, text_chunks(3))
    return stream


def test_lost_and_rejected_writes_stand_in_their_place_without_a_line(rf):
    stream = a_stream(text_chunks(2))
    writer = make_writer(stream)
    told_by(
        stream,
        [
            a_write(stream, writer, 1, 1, sequence=0),
            a_write(stream, writer, 2, None, sequence=1, outcome="rejected", status=409, size=60),
            a_write(stream, writer, 3, 2, sequence=2),
        ],
    )
    html = part(rf, stream)

    assert column(html, "l") == ['"word0 "', "rejected: 60 B, HTTP 409", '"word1 "']
    assert column(html, "r") == ['"word0 "', "", '"word1 "']
    assert html.count("H100") == 2 and "1 write rejected: no chunk, and so no line." in words(html)
    assert "lost" not in words(part(rf, stream, "left=arrival&right=stored"))


def test_a_stream_with_nothing_but_refused_writes_shows_them(tmp_path, rf):
    world = recorded(tmp_path, "4.2.4", "probe-409")
    stream = streams_of(world, "4.2.4", "probe-409", "c_lateFlush")[0]

    html = part(rf, stream)

    assert sentence(html) == "No chunk is stored."
    assert column(html, "l")[0].startswith("rejected: ") and column(html, "r") == [""]


def test_where_the_order_is_known_of_some_chunks_the_others_are_dotted(rf):
    stream = a_stream(text_chunks(3))
    writer = make_writer(stream)
    told_by(stream, [a_write(stream, writer, 1, 1), a_write(stream, writer, 2, 2)])

    html = part(rf, stream)

    assert sentence(html) == (
        "Of 3 chunks 2 are stored where their writer put them; of the others the writer's order is not known."
    )
    assert html.count('<path class="o unknown"') == 1 and "<i>?</i>" in html


def test_the_same_chunks_as_a_table(tmp_path, rf):
    world = recorded(tmp_path, "5.0.0-beta.5", "probe-w2")
    stream = streams_of(world, "5.0.0-beta.5", "probe-w2", "b_reacquire")[0]
    html = part(rf, stream, "as=table")

    assert html.count('scope="col"') == 5 and html.count("<tr") == 1 + 11
    assert len(re.findall(r"(early|late) by \d+ \(proved\)|moved \(proved\)", html)) == 6
    assert html.count("in its place") == 5 and 'href="?at=1#chunk-1"' in html


@pytest.mark.parametrize(
    "query", ["left=x&right=y", "left=stored&right=stored", "left=writer", "near=-1", "near=²"]
)
def test_nonsense_asks_for_nothing(rf, query):
    stream = a_stream(text_chunks(2))

    assert part(rf, stream, query) == part(rf, stream)


def test_choosing_what_the_other_side_shows_makes_both_change_sides(rf):
    html = part(rf, a_stream(text_chunks(2)), "left=arrival&right=stored")

    assert re.search(r'href="\?left=stored&amp;right=arrival#orders"[^>]*id="orders-from-stored"', html)
    assert re.search(r'href="\?left=writer&amp;right=stored#orders"[^>]*id="orders-from-writer"', html)


@pytest.mark.parametrize("fields", [{"is_system": True}, {"pruned_ns": 1}])
def test_the_sdks_own_streams_and_those_not_kept_have_no_orders(rf, fields):
    stream = a_stream(text_chunks(2), **fields)

    assert orders_context(rf.get("/"), stream) == {"orders": None}
    assert '<section id="orders" hidden' in part(rf, stream) and "slope" not in part(rf, stream)


def test_a_middling_stream_is_counted_whole_and_shown_around_what_moved(rf):
    stream = a_stream(text_chunks(500))
    Chunk.objects.filter(stream=stream, arrival=250).update(chunk_id=f"chnk_{300:026d}z", marks=2)

    html = part(rf, stream)

    assert sentence(html) == "1 of 500 chunks is stored elsewhere than it became durable (proved)."
    assert "late by 50" in html and "Parallel writes of one batch do that" in html
    assert 'href="?at=250#chunk-250"' in html and "… " in html
    assert "Earlier" in html and "Later" in html and "Next moved" not in html


def test_next_moved_leads_to_the_next_one_and_later_on(rf):
    stream = a_stream(text_chunks(500))
    for arrival in (50, 400):
        Chunk.objects.filter(stream=stream, arrival=arrival).update(chunk_id=f"chnk_{arrival + 3:026d}z")

    first = part(rf, stream)
    link = re.search(r'href="\?(\S*near=(\d+))#orders"[^>]*><svg[^>]*><use href="#i-moved"', first)

    assert link is not None and link[2] == "400" and "late by 3" in first
    assert 'id="order-400"' not in first and 'id="order-400"' in part(rf, stream, unescape(link[1]))


@pytest.mark.parametrize(("count", "moved"), [(5, ()), (MOST + 1, (7,))])
def test_where_nothing_moved_or_a_stream_is_long_it_is_asked_for_when_the_page_is_there(client, count, moved):
    stream = make_stream(make_world())
    make_chunks(stream, text_chunks(count), moved=moved)
    url = reverse("stream", args=[stream.world.slug, stream.name])

    html = client.get(f"{url}?near=5").content.decode()

    assert re.search(r'id="orders" hx-get="\?part=orders&amp;near=5" hx-trigger="load"', html)
    link = re.search(r'<a href="(\?left=arrival&amp;right=stored&amp;near=5)#orders">Orders</a>', html)
    assert link is not None and '<p class="sum' not in html
    assert sentence(client.get(url + unescape(link[1])).content.decode()).startswith("All ")


def test_a_long_stream_asks_few_questions_reads_few_rows_and_has_few_elements(long_stream, rf):
    for query in ("", "left=arrival&right=stored", "left=stored&right=writer&near=19999"):
        with CaptureQueriesContext(connection) as queries:
            html = part(rf, long_stream, query)
        assert len(queries) <= 16, query
        assert html.count("<li") <= 120 and len(re.findall(r"<\w", html)) <= 400

    html = part(rf, long_stream)
    assert sentence(html).endswith("chunks looked at are not where their writer put them (proved).")
    assert sentence(html).startswith("2 of ")
    assert "As judged, 2 of all 20,000 chunks moved." in words(html)
    assert "None of all 20,000 chunks was stored before" in words(
        part(rf, long_stream, "left=arrival&right=stored")
    )


def test_hostile_values_and_names_are_text(rf):
    hostile = '<script>alert(1)</script>"\u202e'
    stream = a_stream(
        [{"type": hostile}, {"type": "text-delta", "id": hostile, "delta": hostile}, b"\xff\x00<b>"]
    )
    writers = [make_writer(stream, name, step_name=hostile) for name in ("a", "b")]
    told_by(stream, [a_write(stream, writers[0], 1, 2), a_write(stream, writers[1], 2, None, error=hostile)])

    for query in ("", "as=table"):
        html = part(rf, stream, query)
        assert "&lt;script&gt;" in html and not re.search("<script|<b>\\W|\u202e", html.replace("<b>All", ""))


def test_what_only_the_order_of_calls_says_is_suspected(rf):
    stream = a_stream(text_chunks(2))
    writer = make_writer(stream)
    fields = {"order": None, "sequence": None}
    told_by(stream, [a_write(stream, writer, 1, 2, **fields), a_write(stream, writer, 2, 1, **fields)])

    assert sentence(part(rf, stream)) == "1 of 2 chunks is not where its writer put it (suspected)."


def test_a_chunk_proved_by_judging_alone_is_told_as_such(rf):
    stream = a_stream(text_chunks(3))
    Chunk.objects.filter(stream=stream, arrival=3).update(marks=MOVED_PROVED)
    stream.moved_count = 1
    writer = make_writer(stream)
    told_by(stream, [a_write(stream, writer, at, at) for at in (2, 1)])

    assert sentence(part(rf, stream)) == "1 of 3 chunks is not where its writer put it (proved)."
    assert Write.objects.count() == 2
