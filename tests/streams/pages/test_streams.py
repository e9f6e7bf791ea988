"""The list of streams: what it says of each, its filters in the URL, and that it stays still under a reader."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from dashboard.lib import panels
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.panels import Piece
from streams import list_queries
from streams.models import Stream
from streams.pages._list_query import rows_in
from streams.pages._names import namespace_of, suffixes_of
from tests.crawl import crawl
from tests.factories import (
    CLOSE_MARKER,
    START_NS,
    ULID,
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
    where = reverse("streams", args=[world.slug]) if world else reverse("streams-all")
    response = client.get(where + query)
    assert response.status_code == 200
    return response.content.decode()


def names(html):
    return re.findall(r'<a class="wf"[^>]*title="([^"]*)"', html)


def token(html):
    return re.search(r'data-shown="([^"]*)"', html)[1]


def test_it_says_of_each_stream_what_is_wrong_in_words(client, world):
    run = make_run(world)
    make_chunks(make_stream(world, run=run), [*text_chunks(2), CLOSE_MARKER])
    make_chunks(make_stream(world, "orphan"), [*text_chunks(1), CLOSE_MARKER, *text_chunks(3), CLOSE_MARKER])
    html = page(client, world)
    assert "chatTurn" in html and "not known" in html
    assert "3 chunks behind the end marker, 2 end markers" in html
    assert ">completed</span>" in html
    assert html.count("verdict-not-judged") == 3, "in the counts, and at both rows"


def test_it_shows_the_worst_first_and_the_newest_if_asked(client, world):
    for at, (name, verdict) in enumerate({"warned": 60, "fine": 10, "bad": 70}.items()):
        make_stream(world, name, verdict=verdict, judged=0, last_stored_ns=START_NS - at)
    assert names(page(client, world)) == ["bad", "warned", "fine"]
    html = page(client, world, "?order=newest")
    assert names(html) == ["warned", "fine", "bad"]
    assert 'aria-sort="descending">Last stored' in html


def test_it_shows_the_streams_of_all_worlds(client, world):
    make_stream(world, "mine", verdict=60)
    make_stream(make_world("other"), "theirs", verdict=70)
    html = page(client, None)
    assert names(html) == ["theirs", "mine"]
    assert reverse("stream", args=["other", "theirs"]) in html
    assert 'data-socket="/worlds/"' in html
    assert names(page(client, world)) == ["mine"]
    assert "data-socket" not in page(client, world)


def test_it_goes_to_the_page_of_a_world_that_is_chosen(client, world):
    answer = client.get(reverse("streams-all") + "?world=app&verdict=error&older=1.2.3")
    assert answer.url == reverse("streams", args=["app"]) + "?verdict=error"
    assert names(page(client, None, "?world=nope")) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?verdict=error", ["bad"]), ("?verdict=none-found", ["fine"]), ("?verdict=nonsense", ["bad", "fine"]),
        ("?text=FIN", ["fine"]), ("?text=wrun_A", ["bad"]), ("?workflow=workflow//./w//chat", ["bad"]),
        ("?within=hour", ["fine"]), ("?within=year", ["bad", "fine"]), ("?from=2026-11-21T22:26", ["bad", "fine"]),
        ("?to=2026-11-21T22:27", ["bad"]), ("?from=2026-11-21T22:27&to=2026-11-21T22:28", []),
        ("?from=garbage&to=99999-01-01T00:00", ["bad", "fine"]), ("?older=x&top=y&shown=z", ["bad", "fine"]),
        ("?namespace=chat", []), ("?kind=write_after_close", []), ("?text=%00%F0", []),
    ],
)  # fmt: skip
def test_it_filters_by_what_the_url_says(client, world, query, found):
    run = make_run(world, "wrun_A", workflow="workflow//./w//chat")
    make_stream(world, "bad", run=run, verdict=70, last_stored_ns=START_NS)
    make_stream(world, "fine", verdict=10, judged=0, last_stored_ns=now_ns() + 60 * NS_PER_S)
    assert names(page(client, world, query)) == found


@pytest.mark.parametrize("namespace", ["metrics", "metrics/é:1", "a", "ab", "abc"])
def test_it_finds_a_namespace_as_it_is_written_in_names(client, world, namespace):
    (suffix,) = suffixes_of(namespace)
    make_stream(world, f"strm_{ULID}{suffix}")
    make_stream(world, f"strm_{ULID}_user")
    found = names(page(client, world, f"?namespace={namespace}"))
    assert [namespace_of(name) for name in found] == [namespace]
    assert names(page(client, world, "?namespace=default")) == [f"strm_{ULID}_user"]


def test_it_filters_by_the_kind_of_a_finding(client, world):
    from dashboard.anomalies.models import Anomaly, Finding

    bad = make_stream(world, "bad")
    make_stream(world, "fine")
    anomaly = Anomaly.objects.create(
        world=world, kind="out_of_order", fingerprint="x", first_seen_ns=1, last_seen_ns=1
    )
    Finding.objects.create(
        anomaly=anomaly, kind="out_of_order", stream=bad, severity="error", certainty="proved", message="m",
        detector_version=1, found_ns=1,
    )  # fmt: skip
    html = page(client, world, "?kind=out_of_order")
    assert names(html) == ["bad"]
    assert "<option selected>out_of_order</option>" in html
    assert names(page(client, world, "?kind=never_closed")) == []


def test_it_counts_each_verdict_and_leads_to_it(client, world):
    for at in range(3):
        make_stream(world, f"s{at}", verdict=70)
    html = page(client, world, "?text=s1")
    assert re.search(r'href="\?verdict=error&amp;text=s1|href="\?text=s1&amp;verdict=error', html)
    assert re.search(r"verdict-error err.*?<b>3</b>", html)
    assert re.search(r"verdict-critical err.*?<b>0</b>", html)
    assert 'href="?"' in page(client, world, "?verdict=error"), "once more takes it back"


def test_it_shows_findings_that_counts_do_not_tell(client, world):
    stream = make_stream(world, "s", behind_count=1, verdict=70)
    found = [
        Piece("racing_writers", "racing_writers", "error", "proved", "two at once"),
        Piece("write_after_close", "write_after_close", "error", "proved", "told by the counts"),
    ]
    panels.provide("stream_badges", lambda ids: {stream.pk: found})
    html = page(client, world)
    assert "proved: two at once" in html
    assert "told by the counts" not in html


def test_a_verdict_that_clears_is_not_shown_for_a_state_that_nobody_judged(client, world):
    make_stream(world, "s", verdict=0, judged=3, changes=3)
    assert page(client, world).count("verdict-clean") == 2
    Stream.objects.update(changes=4)
    assert page(client, world).count("verdict-clean") == 1
    assert page(client, world).count("verdict-not-judged") == 2


def test_it_says_what_an_empty_list_means(client, world):
    assert "No streams in this world yet." in page(client, world)
    assert "tailrace demo" in page(client, None)
    make_stream(world, "fine")
    assert "No stream matches these filters." in page(client, world, "?verdict=critical")
    assert "Nothing comes after this." in page(client, world, "?older=0.0.0")


@pytest.mark.parametrize("order", ["", "&order=newest"])
def test_it_goes_on_page_by_page(client, world, monkeypatch, order):
    monkeypatch.setattr(list_queries, "PAGE", 2)
    for at in range(5):
        make_stream(world, f"s{at}", verdict=70, last_stored_ns=START_NS + at)
    seen, query = [], f"?text=s{order}"
    while query:
        html = page(client, world, query)
        seen += names(html)
        further = re.search(r'href="(\?[^"]*older=[^"]*)"', html)
        query = further[1].replace("&amp;", "&") if further else ""
    assert seen == ["s4", "s3", "s2", "s1", "s0"]


def test_it_keeps_the_rows_of_a_reader_and_counts_what_came_above_them(client, world):
    first, second = (make_stream(world, name, verdict=60, last_stored_ns=START_NS) for name in ("a", "b"))
    shown = token(page(client, world))
    make_stream(world, "new", verdict=70)
    Stream.objects.filter(pk=first.pk).update(verdict=80, behind_count=4)
    html = page(client, world, f"?part=rows&top={shown}")
    assert names(html) == ["b", "a"] and second.pk == int(shown.split(".")[0])
    assert "4 chunks behind" in html, "the rows are the same, their state is the new one"
    assert "1 stream new here" in html
    assert "<html" not in html
    assert names(page(client, world, "?part=rows")) == ["a", "new", "b"]


def test_streams_that_are_being_written_do_not_swap_places(client, world):
    for at, name in enumerate("abc"):
        make_stream(world, name, verdict=20, last_stored_ns=START_NS - at)
    shown = token(page(client, world))
    Stream.objects.filter(name="c").update(last_stored_ns=START_NS + 9)
    assert names(page(client, world, f"?part=rows&shown={shown}")) == ["a", "b", "c"]
    assert names(page(client, world, "?part=rows")) == ["c", "a", "b"]
    Stream.objects.filter(name="b").update(verdict=70)
    assert names(page(client, world, f"?part=rows&shown={shown}")) == ["b", "c", "a"]


def test_rows_of_a_url_may_be_anything():
    assert rows_in("5.70-x-6.10-7-8.9999-٣.٣") == ((5, 70), (6, 10))
    assert len(rows_in("-".join(["1.1"] * 900))) == list_queries.PAGE


def test_names_of_people_are_text(client, world):
    make_stream(world, "<script>alert(1)<|script>\u202e", run=make_run(world, workflow="<b>w</b>"))
    html = page(client, world, '?text=<script>&workflow="><script>')
    assert "<script>alert" not in html + page(client, world)
    assert '"><script>' not in html


def test_the_tab_leads_to_the_streams_of_the_world_or_of_all(client, world):
    make_world("other")
    assert f'href="{reverse("streams-all")}"' in client.get(reverse("home"), follow=True).content.decode()
    inside = client.get(reverse("runs", args=[world.slug])).content.decode()
    assert f'href="{reverse("streams", args=[world.slug])}"' in inside
    assert 'aria-current="page">Streams' in page(client, None)


def test_every_link_of_it_leads_somewhere(client, world):
    make_chunks(make_stream(world, run=make_run(world)), [*text_chunks(2), CLOSE_MARKER])
    found = crawl(client, reverse("streams-all"))
    assert set(found.values()) == {200}


def test_it_asks_the_same_number_of_questions_for_any_number_of_streams(
    client, world, django_assert_num_queries, django_assert_max_num_queries
):
    make_stream(world, "first", run=make_run(world), last_stored_ns=1)
    with django_assert_max_num_queries(24) as asked:
        page(client, world)
    for at in range(20):
        make_stream(world, f"s{at}", run=make_run(world), last_stored_ns=at)
    with django_assert_num_queries(len(asked)):
        page(client, world)
