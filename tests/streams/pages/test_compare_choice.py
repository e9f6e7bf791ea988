"""Which stream another one is compared with: what is offered, and what can be pasted."""

from __future__ import annotations

import re

import pytest

from streams.pages._compare_choice import choice_in
from tests.factories import make_chunks, make_run, make_stream, make_world
from tests.streams.pages.test_compare import ULIDS, made, spoken, url

pytestmark = pytest.mark.django_db


def test_without_another_stream_it_offers_those_of_the_workflow_good_ones_first(client):
    stream = made(spoken("a"), at=0, created_ns=10)
    bad = made([*spoken("a"), {"type": "late"}], at=1, created_ns=3)
    good = made(spoken("a"), at=2, created_ns=2)
    made(spoken("a"), at=3, workflow="workflow//./other//other")
    make_stream(stream.world, f"strm_{ULIDS[4]}_user_YQ", good.run)

    html = client.get(url(stream)).content.decode()

    assert re.findall(r'href="\?with=app/(strm_\w+)"', html) == [good.name, bad.name]


def test_the_choice_takes_a_bounded_number_of_queries(client, django_assert_max_num_queries):
    stream = made(spoken("a"), at=0)
    for _ in range(30):
        run = make_run(stream.world)
        make_chunks(make_stream(stream.world, f"strm_{run.run_id[5:]}_user", run), spoken("a"))

    with django_assert_max_num_queries(16):
        html = client.get(url(stream)).content.decode()

    assert html.count("?with=app/strm_") == 20


def test_of_a_stream_without_a_workflow_none_can_be_offered(client):
    stream = make_stream(make_world("app"))

    assert "its workflow" not in client.get(url(stream)).content.decode()
    assert "none can be offered" in client.get(url(stream)).content.decode()


def test_an_unknown_stream_is_said_and_can_be_corrected(client):
    stream = made(spoken("a"), at=0)

    answer = client.get(url(stream, **{"with": "app/strm_nothing"}))

    assert answer.status_code == 200
    assert "No stream is known here by app/strm_nothing" in answer.content.decode()
    assert 'value="app/strm_nothing"' in answer.content.decode()
    assert client.get("/w/app/streams/strm_nothing/compare/").status_code == 404


def test_a_stream_is_found_by_whatever_is_pasted():
    stream = made(spoken("a"), at=0, world=make_world("other"))
    run, name = stream.run.run_id, stream.name

    for asked in (
        name, f"other/{name}", run, f"other/{run}", f"/w/other/streams/{name}/",
        f"http://127.0.0.1:8000/w/other/streams/{name}/?at=3#chunk-3", f"https://x.example/w/other/runs/{run}/",
    ):  # fmt: skip
        assert choice_in(asked).stream == stream, asked


@pytest.mark.parametrize(
    "asked", ["", "app", "app/", "/", "a/b/c", "http://[", "\0", "x" * 5000, "/w/app/streams/"]
)
def test_what_names_no_stream_is_no_error(asked):
    make_world("app")

    choice = choice_in(asked)

    assert choice.stream is None and bool(choice.trouble) == bool(asked)


def test_a_run_of_several_streams_does_not_say_which():
    stream = made(spoken("a"), at=0)
    make_stream(stream.world, f"strm_{ULIDS[0]}_user_YQ", stream.run)

    assert choice_in(stream.run.run_id).stream is None


def test_the_stream_page_leads_to_it(client):
    stream = made(spoken("a"), at=0)

    assert (
        f'href="/w/app/streams/{stream.name}/compare/"'
        in client.get(f"/w/app/streams/{stream.name}/").content.decode()
    )
