"""The runs list: rows, filters and place in the URL, live refresh that keeps what is being read."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

import pytest
from django.urls import reverse

from dashboard.lib import panels
from dashboard.lib.panels import Piece
from runs import queries
from tests.factories import (
    CLOSE_MARKER,
    MS,
    START_NS,
    make_chunks,
    make_run,
    make_stream,
    make_unreadable,
    make_world,
    text_chunks,
)

pytestmark = pytest.mark.django_db
EVIL = '<script>alert("x")</script>'


@pytest.fixture
def world(monkeypatch):
    streams = panels._providers["run_streams"]
    monkeypatch.setattr(panels, "_providers", panels.defaultdict(list, run_streams=list(streams)))
    return make_world()


def page(client, world, **query):
    response = client.get(f"{reverse('runs', args=[world.slug])}?{urlencode(query)}")
    assert response.status_code == 200
    return response.content.decode()


def row_order(html):
    return [int(number) for number in re.findall(r'<tr id="run-(\d+)"', html)]


def test_it_shows_a_run_with_its_facts(client, world):
    run = make_run(world, "wrun_01M803XX9EKPGB0DR66MWJRZ8Z", status="failed", error_code="USER_ERROR")
    html = page(client, world)
    assert f'href="/w/app/runs/{run.run_id}/"' in html
    assert 'title="workflow//./workflows/chat//chatTurn">chatTurn</a>' in html
    assert "…66MWJRZ8Z" in html
    assert f'data-copy="{run.run_id}"' in html
    assert "22:26:40.000" in html
    assert "528 ms" in html
    assert 'failed <span class="why">USER_ERROR</span>' in html
    assert "4.8.9" in html


def test_it_draws_a_glyph_for_each_stream_with_what_is_wrong(client, world):
    run = make_run(world)
    late = make_stream(world, "late", run=run)
    make_chunks(late, [*text_chunks(1), CLOSE_MARKER, *text_chunks(2)])
    make_stream(world, "strm_01M803XX9EKPGB0DR66MWJRZ8Z_system_abort", run=run, is_system=True)
    html = page(client, world)
    assert html.count('<svg class="glyph"') == 1
    assert "2 chunks behind the end marker" in html
    assert f'href="{reverse("stream", args=[world.slug, "late"])}"' in html
    assert f'<tr id="run-{run.pk}" class="bad">' in html


def test_it_never_takes_unchecked_for_clean(client, world):
    checked, found = make_run(world), make_run(world)
    make_run(world)
    finding = Piece("never_closed", "never_closed", "info", "proved", "no end marker")
    panels.provide("run_badges", lambda ids: {checked.pk: [], found.pk: [finding, finding, finding]})
    html = page(client, world)
    assert html.count(">none found<") == 1
    assert html.count(">not checked<") == 1
    assert "+2" in html


def test_it_is_newest_first_and_pages_by_key(client, world, monkeypatch):
    monkeypatch.setattr(queries, "RUNS_PAGE", 2)
    runs = [make_run(world, created_ns=START_NS + at) for at in range(5)]
    html = page(client, world, status="completed")
    assert row_order(html) == [runs[4].pk, runs[3].pk]
    older = re.search(r'href="\?(status=completed&amp;older=[^"]*)"', html)[1].replace("&amp;", "&")
    second = client.get(f"{reverse('runs', args=[world.slug])}?{older}").content.decode()
    assert row_order(second) == [runs[2].pk, runs[1].pk]
    assert "Newer" in second
    assert "Newer" not in html


def test_it_filters_by_what_the_url_says(client, world):
    failed = make_run(world, status="failed")
    make_run(world, status="running", completed_ns=None)
    assert row_order(page(client, world, status="failed")) == [failed.pk]
    assert "No run matches these filters." in page(client, world, status="nonsense")
    assert "No run matches these filters." in page(client, world, text=EVIL)


def test_it_counts_runs_by_status_also_those_nobody_expects(client, world):
    make_run(world, status="failed")
    make_run(world, status="half<done>")
    html = page(client, world)
    assert re.search(r'href="\?status=failed".*?<b>1</b>', html)
    assert re.search(r'href="\?status=running".*?<b>0</b>', html)
    assert "half&lt;done&gt;" in html


def test_it_shows_world_data_as_text_and_finds_runs_by_any_id(client, world):
    hostile = "r \"'<b>&?#%25;é"
    run = make_run(world, hostile, workflow=f"x//{EVIL}", sdk_version=EVIL, error_code="a\u202eb\x07")
    html = page(client, world)
    assert "<script>alert" not in html
    assert "\u202e" not in html
    url = reverse("run", args=[world.slug, hostile])
    assert quote("?#%", safe="") in url
    answer = client.get(url)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()
    assert f'id="run-{run.pk}"' in html


def test_it_teaches_the_next_step_when_there_is_no_run(client, world):
    html = page(client, world)
    assert "No runs in this world yet." in html
    assert "tailrace demo" in html


def test_it_shows_a_run_that_is_known_only_by_its_traces(client, world):
    make_run(world, status="", workflow="", completed_ns=None, sdk_version="")
    assert page(client, world).count("not seen") == 2


def test_it_refreshes_in_place_and_only_counts_what_is_new_to_a_reader(client, world, monkeypatch):
    monkeypatch.setattr(queries, "RUNS_PAGE", 3)
    runs = [make_run(world, created_ns=START_NS + at) for at in range(4)]
    top = f"{runs[2].created_ns}.{runs[2].pk}"
    kept = page(client, world, part="rows", top=top)
    assert row_order(kept) == [runs[2].pk, runs[1].pk, runs[0].pk]
    assert "1 new run<" in kept
    assert f'data-top="{top}"' in kept
    assert "<html" not in kept
    moved = page(client, world, part="rows")
    assert row_order(moved) == [runs[3].pk, runs[2].pk, runs[1].pk]
    assert "new run" not in moved
    assert "new run" not in page(client, world, part="rows", top="nonsense")


def test_it_says_when_a_world_cannot_be_read_and_what_in_it(client, world):
    world.trouble, world.trouble_since_ns = f"gone: {EVIL}", START_NS + 1000 * MS
    world.save()
    make_unreadable(world, f"runs/{EVIL}.json", reason=f"not JSON: {EVIL}")
    html = page(client, world)
    assert "This world cannot be read</b> since 22:26:41 UTC" in html
    assert "1 place in this world could not be read" in html
    assert "7b 22 72 75 6e" in html
    assert "<script>alert" not in html


def test_it_has_a_page_for_a_world_that_is_not_there(client, world):
    response = client.get("/w/nope/runs/")
    assert response.status_code == 404
    assert "There is no such world here." in response.content.decode()


def test_it_asks_the_same_number_of_questions_for_any_number_of_runs(
    client, world, django_assert_num_queries, django_assert_max_num_queries
):
    make_stream(world, "s", run=make_run(world))
    with django_assert_max_num_queries(8) as asked:
        page(client, world)
    for at in range(30):
        make_stream(world, f"s{at}", run=make_run(world))
    with django_assert_num_queries(len(asked)):
        page(client, world)


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "x" * 5000, "%", "\\", "'"])
def test_it_takes_any_text_in_the_url(client, world, text):
    make_run(world, "wrun_1")
    for name in ("text", "status", "workflow", "older", "newer"):
        page(client, world, **{name: text})
    for url in (f"/w/app/runs/{quote(text, safe='')}/", f"/w/app/streams/{quote(text, safe='')}/"):
        assert client.get(url).status_code == 404
    after = urlencode({"after": text})
    assert client.get(f"{reverse('run', args=[world.slug, 'wrun_1'])}?{after}").status_code == 200
    assert client.get(f"/w/app/runs/wrun_1/steps/{quote(text, safe='')}/?{after}").status_code == 404
