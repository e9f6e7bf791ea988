from __future__ import annotations

import re

import pytest

from dashboard.alerts.models import Alert, AlertChannel
from dashboard.alerts.route import route
from dashboard.lib.clock import now_ns
from tests.dashboard.alerts.telling import NEVER, make_channel, make_rule, run
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bare", "counting")]
PAGE = "/alerts/"


@pytest.fixture
def world():
    return make_world("app")


def page(client, query=""):
    response = client.get(PAGE + query)
    assert response.status_code == 200
    return response.content.decode()


def row(html, alert):
    return re.search(rf'<tr id="alert-{alert.pk}">.*?</tr>', html, re.S)[0]


def test_it_shows_what_is_open_since_when_and_who_was_told(client, world):
    make_rule(make_channel("Ops <b>"), name="All & more")
    finding = find(make_stream_of(make_run(world)), "chunk_lost")
    run()
    shown = row(page(client), Alert.objects.get())
    assert (
        f'href="/anomalies/{finding.anomaly_id}/"' in shown and "chunk_lost" in shown and "chatTurn" in shown
    )
    assert "Ops &lt;b&gt;" in shown and "All &amp; more" in shown


def test_what_is_over_is_not_open(client, world):
    make_rule(make_channel())
    find(make_stream_of(make_run(world)), "chunk_lost")
    run()
    Alert.objects.update(recovered_ns=now_ns())
    html = page(client)
    assert "Nothing is open." in html and '<tr id="alert-' not in html


def test_what_nobody_was_told_says_why(client, world):
    make_rule(make_channel(), hourly_cap=1)
    find(make_stream_of(make_run(world)), "chunk_lost")
    find(make_stream_of(make_run(world)), "never_closed", severity="info")
    route(NEVER)
    html = page(client)
    assert "waits for the next digest" in html and "holds 1 alert; its digest goes out at" in html


def test_flapping_is_named(client, world):
    make_rule(make_channel())
    find(make_stream_of(make_run(world)), "chunk_lost")
    run()
    Alert.objects.update(is_flapping=True, episodes=4)
    shown = row(page(client), Alert.objects.get())
    assert "flapping" in shown and "4 times so far" in shown


def test_a_channel_that_was_switched_off_is_a_notice_with_the_reason_and_a_way_back(client):
    channel = make_channel("Hook", is_on=False, disabled_ns=now_ns(), disabled_reason="410 <script>Gone")
    html = page(client)
    assert "Hook was switched off" in html and "410 &lt;script&gt;Gone" in html
    client.post(f"/alerts/channels/{channel.pk}/actions/", {"action": "on", "from": "overview"})
    assert AlertChannel.objects.get().is_on
    assert "was switched off" not in page(client)


def test_an_empty_one_says_what_to_do(client):
    html = page(client)
    assert "There is no rule, so nobody is told anything." in html and 'href="/alerts/rules/new/"' in html
    assert "There is no channel, so nobody can be told." in html and 'href="/alerts/channels/new/"' in html


def test_it_says_where_links_are_missing(client, settings):
    settings.BASE_URL = ""
    assert "TAILRACE_BASE_URL" in page(client)
    settings.BASE_URL = "https://tailrace.example.com"
    assert "TAILRACE_BASE_URL" not in page(client)


def test_the_live_piece_is_the_same_without_the_frame(client):
    piece = page(client, "?part=live")
    assert piece.strip().startswith('<div id="alerts-live"') and "<html" not in piece


def test_an_absence_leads_only_to_a_path_of_ours(client, world):
    rule = make_rule(make_channel(), triggers=["absent"], workflows=["nightly"])
    about = {"title": "No run of nightly <i>", "path": "//evil.example/x"}
    Alert.objects.create(
        rule=rule,
        subject="absent:1:x",
        world=world,
        about=about,
        opened_ns=now_ns(),
        last_ns=now_ns(),
        severity=1,
    )
    shown = row(page(client), Alert.objects.get())
    assert "No run of nightly &lt;i&gt;" in shown and "evil.example" not in shown


def test_people_who_are_not_signed_in_are_sent_to_the_door(stranger):
    assert stranger.get(PAGE).status_code == 302
