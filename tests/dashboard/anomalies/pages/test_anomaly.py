"""The page of one anomaly."""

from __future__ import annotations

import pytest

from dashboard.anomalies.models import Anomaly
from tests.dashboard.anomalies.found import find, make_stream_of, withdraw
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_world("app")


def html_of(client, anomaly, query=""):
    return client.get(f"/anomalies/{anomaly.pk}/{query}").content.decode()


def test_it_tells_what_happened_how_sure_and_where(client, world):
    stream = make_stream_of(make_run(world, deployment="dpl_1"))
    finding = find(
        stream, message="Five <chunks> behind it.", missing=["a <probe>"],
        evidence={"closed_by": "<chnk>", "chunks": 1200, "steps": [{"step": "a", "calls": 2}]},
        chunks=[{"chunk_id": "chnk_1", "position": None, "arrival": 9}], chunk_total=5,
    )  # fmt: skip
    html = html_of(client, finding.anomaly)
    for text in (
        "Five &lt;chunks&gt; behind it.", "a &lt;probe&gt;", "&lt;chnk&gt;", "1,200", "step: a, calls: 2",
        "and 4 more", "dpl_1", "vercel/workflow#1949", "/anomalies/kinds/write_after_close/",
    ):  # fmt: skip
        assert text in html, text
    assert "<chunks>" not in html and "<probe>" not in html


def test_the_evidence_comes_from_the_pieces_of_the_stream_page(client, world):
    stream = make_stream_of(make_run(world))
    type(stream).objects.filter(pk=stream.pk).update(head=5, chunk_count=4)
    one = find(stream, kind="out_of_order", chunks=[{"chunk_id": "c", "position": 1, "arrival": 3}])
    html = html_of(client, one.anomaly)
    for query in ("?part=rebuilt", "?part=orders&amp;near=3", "?part=rows&amp;at=3"):
        assert f'hx-get="/w/app/streams/{stream.name}/{query}"' in html


def test_a_finding_of_a_stream_that_holds_nothing_asks_for_no_pieces(client, world):
    html = html_of(client, find(make_stream_of(make_run(world))).anomaly)
    assert "?part=" not in html


def test_the_next_affected_run_is_one_key_away(client, world):
    first, second = (find(make_stream_of(make_run(world))) for _ in range(2))
    html = html_of(client, first.anomaly)
    assert f'id="next-run" href="?finding={first.pk}#evidence"' in html and "previous-run" not in html
    html = html_of(client, first.anomaly, f"?finding={first.pk}")
    assert f'id="previous-run" href="?finding={second.pk}#evidence"' in html and "next-run" not in html


def test_runs_are_paged_and_a_strange_place_is_the_first_page(client, world):
    for _ in range(21):
        one = find(make_stream_of(make_run(world)))
    html = html_of(client, one.anomaly)
    assert html.count('<tr id="finding-') == 20
    older = html.split('href="?runs=')[1].split("#")[0]
    assert html_of(client, one.anomaly, f"?runs={older}").count('<tr id="finding-') == 1
    assert html_of(client, one.anomaly, "?runs=x&finding=999999").count('<tr id="finding-') == 20


def test_comments_are_shown_with_who_wrote_them(client, world):
    one = find(make_stream_of(make_run(world))).anomaly
    response = client.post(f"/anomalies/{one.pk}/comments/", {"text": "Seen <this>\nbefore"})
    assert response.headers["Location"] == f"/anomalies/{one.pk}/#history"
    html = html_of(client, one)
    assert "Seen &lt;this&gt;<br>before" in html and "the owner of this machine" in html
    client.post(f"/anomalies/{one.pk}/comments/", {"text": "  "})
    assert html_of(client, one).count('class="comment"') == 1


def test_an_anomaly_whose_step_became_known_leads_to_the_one_that_names_it(client, world):
    stream = make_stream_of(make_run(world))
    old = find(stream).anomaly
    new = find(stream, step_name="step//./w//send").anomaly
    assert client.get(f"/anomalies/{old.pk}/").headers["Location"] == f"/anomalies/{new.pk}/"
    assert client.get(f"/anomalies/{new.pk}/").status_code == 200


def test_what_was_withdrawn_keeps_its_page_and_says_why(client, world):
    one = withdraw(find(make_stream_of(make_run(world)), message="It was wrong."))
    html = html_of(client, one)
    assert "Nothing of it is left." in html and "a finding was withdrawn" in html and "It was wrong." in html


def test_pieces_are_asked_for_again_by_an_open_page(client, world):
    one = find(make_stream_of(make_run(world))).anomaly
    for piece, mark in (("head", 'id="anomaly-head"'), ("history", 'id="history"')):
        html = html_of(client, one, f"?piece={piece}&part=rows")
        assert mark in html and "<html" not in html


def test_there_is_no_page_for_what_is_not_there(client, world):
    assert client.get("/anomalies/99/").status_code == 404
    assert client.get(f"/anomalies/{2**70}/").status_code == 404
    assert not Anomaly.objects.exists()


def test_findings_on_the_stream_page_lead_to_their_anomaly(client, world):
    stream = make_stream_of(make_run(world))
    one = find(stream)
    html = client.get(f"/w/app/streams/{stream.name}/").content.decode()
    assert f'href="/anomalies/{one.anomaly_id}/?finding={one.pk}"' in html
