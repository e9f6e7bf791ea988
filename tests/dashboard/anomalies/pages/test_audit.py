from __future__ import annotations

import csv
import json
import threading
from io import StringIO

import pytest

from dashboard.anomalies import audit_queries
from dashboard.anomalies.audit import Count, Kind
from dashboard.anomalies.audit_queries import audit_of, cube_of
from dashboard.anomalies.detect import forget, judge_world
from dashboard.anomalies.detect_runs import judge_runs
from runs.models import World
from streams.models import Stream
from tests.factories import CLOSE_MARKER, START_NS, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
BEHIND = Kind("stream", "write_after_close")
LOST = Kind("stream", "chunk_lost")
DAY = 86_400 * 10**9


@pytest.fixture(autouse=True)
def _fresh():
    forget()
    audit_queries.forget()


@pytest.fixture
def world() -> World:
    """Two workflows, deployments and SDK versions: two of five streams have data behind their end marker."""
    world = make_world()
    for number, (workflow, deployment, sdk, values) in enumerate(
        [
            ("chat", "dpl_1", "4.2.4", ["a", CLOSE_MARKER, "b"]),
            ("chat", "dpl_1", "4.2.4", ["a", CLOSE_MARKER]),
            ("chat", "dpl_2", "4.8.9", ["a", CLOSE_MARKER, CLOSE_MARKER]),
            ("mail", "dpl_2", "4.8.9", ["a", CLOSE_MARKER, "b"]),
            ("mail", "", "", ["a"]),
        ]
    ):
        run = make_run(world, f"wrun_{number}", workflow=workflow, deployment=deployment, sdk_version=sdk)
        stream = make_stream(world, f"strm_{number}_user", run, listed=True)
        make_chunks(stream, values)
        Stream.objects.filter(pk=stream.pk).update(last_stored_ns=START_NS + number * DAY)
    judge_world(world.pk, threading.Event())
    judge_runs(world.pk, threading.Event())
    return world


def page(client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_it_says_how_many_of_how_many(client, world):
    html = page(client, "/audit/")
    for kind, words in (
        ("write_after_close", "2 of 5"),
        ("closed_more_than_once", "1 of 5"),
        ("never_closed", "1 of 5"),
    ):
        assert f'<a href="/streams/?kind={kind}">{words}</a>' in html
    assert "5 streams of 5 runs of all worlds, as of" in html


def test_what_was_not_checked_is_said_and_never_none_of_many(client, world):
    html = page(client, "/w/app/audit/")
    row = html.partition(">chunk_lost</a>")[2].partition("</tr>")[0]
    assert "not checked" in row and ">5<" in row and "0 of" not in row
    assert cube_of(None).count(LOST) == Count(found=0, checked=0, total=5)


def test_it_breaks_it_down_with_links_to_just_those_streams(client, world):
    html = page(client, "/w/app/audit/")
    assert '<a href="/w/app/streams/?kind=write_after_close&amp;workflow=mail">1 of 2</a>' in html
    assert '<a href="/w/app/audit/?sdk=4.8.9" title="4.8.9">' in html
    assert "kind=write_after_close&amp;state=all&amp;deployment=dpl_2" in html
    listed = page(client, "/w/app/streams/?kind=write_after_close&workflow=mail")
    assert "strm_3_user" in listed and "strm_0_user" not in listed


def test_it_can_be_narrowed_and_widened_again(client, world):
    html = page(client, "/w/app/audit/?sdk=4.8.9&workflow=chat")
    assert "1 stream of 1 run of app" in html
    assert 'href="/w/app/audit/?workflow=chat" title="show all again">SDK version: 4.8.9' in html
    assert "Nothing matches." in page(client, "/audit/?deployment=dpl_of_nobody")


def test_each_day_leads_to_its_streams(client, world):
    html = page(client, "/w/app/audit/")
    assert 'aria-label="2026-11-24: 1 streams, 1 with a problem"' in html
    day = page(client, "/w/app/audit/?day=2026-11-24")
    url = "/w/app/streams/?kind=write_after_close&from=2026-11-24T00%3A00&to=2026-11-24T23%3A59%3A59"
    assert url.replace("&", "&amp;") in day
    listed = page(client, url)
    assert "strm_3_user" in listed and "strm_0_user" not in listed


def test_streams_that_wait_to_be_judged_are_no_clean_ones(client, world):
    Stream.objects.filter(name="strm_1_user").update(changes=99)
    html = page(client, "/audit/")
    assert "2 of 4" in html and "1 stream not judged as it is now" in html


def test_the_sdks_own_and_purged_streams_are_left_out(client, world):
    Stream.objects.filter(name="strm_1_user").update(is_system=True)
    Stream.objects.filter(name="strm_2_user").update(expired=True)
    html = page(client, "/audit/")
    assert "2 left out" in html and "3 streams of" in html


def test_runs_are_counted_apart(world):
    run = make_run(world, "wrun_9", status="failed", error=None)
    judge_runs(world.pk, threading.Event())
    cube = cube_of(world.pk)
    assert cube.totals["run"].total() == 6 and cube.totals["stream"].total() == 5
    assert cube.count(Kind("run", "error_lost")).found == 1, run


def test_another_world_is_not_counted(client, world):
    other = make_world("other")
    make_stream(other, "strm_x_user", make_run(other, "wrun_x"))
    assert cube_of(other.pk).totals["stream"].total() == 1
    assert cube_of(None).totals["stream"].total() == 6
    assert client.get("/w/absent/audit/").status_code == 404


def test_the_exports_have_the_same_numbers(client, world):
    rows = list(csv.DictReader(StringIO(client.get("/audit/?format=csv").content.decode())))
    (whole,) = [row for row in rows if (row["by"], row["kind"]) == ("all", "write_after_close")]
    assert (whole["found"], whole["checked"], whole["total"]) == ("2", "5", "5")
    (lost,) = [row for row in rows if (row["by"], row["kind"]) == ("all", "chunk_lost")]
    assert (lost["found"], lost["not_checked"]) == ("", "5")
    told = json.loads(client.get("/audit/?format=json&workflow=mail").content)
    (mail,) = [row for row in told["rows"] if (row["by"], row["kind"]) == ("all", "write_after_close")]
    assert (mail["found"], mail["checked"]) == (1, 2)
    text = client.get("/w/app/audit/?format=md").content.decode()
    assert (
        "2 of 5 streams have data behind their end marker, 1 closed more than once, 1 never closed." in text
    )
    assert "| chat | 1 of 3 | 1 of 3 | 0 of 3 |" in text


def test_names_from_outside_are_text_everywhere(client, world):
    name = "=cmd|<script>alert(1)</script>"
    run = make_run(world, "wrun_evil", workflow=name, deployment=name)
    make_stream(world, "strm_evil_user", run)
    html = page(client, "/audit/")
    assert "<script>alert" not in html and "&lt;script&gt;alert(1)" in html
    assert "'=cmd|" in client.get("/audit/?format=csv").content.decode()
    text = client.get("/audit/?format=md").content.decode()
    assert "<script>" not in text and "=cmd\\|\\<script\\>" in text


def test_it_counts_with_a_fixed_number_of_queries(world, django_assert_num_queries):
    with django_assert_num_queries(7):
        cube_of(None)


def test_counts_are_kept_for_a_moment_and_taken_anew_when_a_world_changes(world, monkeypatch):
    monkeypatch.setattr(audit_queries, "SHARE", 0)
    first = audit_of(world.pk)
    World.objects.update(generation=7)
    assert audit_of(world.pk) is not first
    monkeypatch.setattr(audit_queries, "SHARE", 10**6)
    audit_queries.forget()
    kept = audit_of(world.pk)
    assert audit_of(world.pk) is kept


def test_an_empty_fleet_has_an_empty_page(client):
    assert "Nothing is stored yet." in page(client, "/audit/")
    assert "There are no streams." in client.get("/audit/?format=md").content.decode()
