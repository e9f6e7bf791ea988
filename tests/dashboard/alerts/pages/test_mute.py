from __future__ import annotations

import time

import pytest
from django.test import Client

from dashboard.alerts.mute_link import VALID_S, token_of
from dashboard.alerts.pages.mute import WHO
from dashboard.anomalies import life
from dashboard.anomalies.models import Anomaly, AnomalyEvent
from dashboard.anomalies.states import Asked
from dashboard.lib.clock import NS_PER_S, now_ns
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def anomaly():
    stream = make_stream_of(make_run(make_world("app")))
    return find(stream, "chunk_lost", message="Lost <b>it</b>.").anomaly


def url(anomaly):
    return f"/alerts/mute/{token_of(anomaly.pk)}/"


def state(anomaly):
    anomaly.refresh_from_db()
    return anomaly.state


def test_it_asks_first_and_changes_nothing_by_being_opened(client, anomaly):
    response = client.get(url(anomaly))
    html = response.content.decode()
    assert "Mute this anomaly?" in html and "chunk_lost" in html and "chatTurn" in html
    assert "Lost &lt;b&gt;it&lt;/b&gt;." in html and "no-store" in response["Cache-Control"]
    client.head(url(anomaly))
    assert state(anomaly) == "open"


@pytest.mark.parametrize(("words", "seconds"), [("1h", 3600), ("1d", 86_400), ("7d", 7 * 86_400)])
def test_it_mutes_for_a_time_and_says_until_when(client, anomaly, words, seconds):
    before = now_ns()
    html = client.post(url(anomaly), {"for": words}, follow=True).content.decode()
    assert "It is muted" in html and "No alert comes of it until" in html
    assert state(anomaly) == "muted"
    assert before <= anomaly.mute_until_ns - seconds * NS_PER_S <= now_ns()
    assert AnomalyEvent.objects.get(what="muted").who == WHO


def test_it_mutes_for_so_many_more(client, anomaly):
    html = client.post(url(anomaly), {"for": "left", "left": "20"}, follow=True).content.decode()
    assert "for 20 more" in html
    assert state(anomaly) == "muted" and anomaly.mute_left == 20


@pytest.mark.parametrize(
    "fields", [{}, {"for": "ever"}, {"for": "left", "left": "0"}, {"for": "left", "left": "x"}]
)
def test_what_is_wrong_is_said_and_nothing_is_muted(client, anomaly, fields):
    response = client.post(url(anomaly), fields)
    assert response.status_code == 422 and 'id="left-problem"' in response.content.decode()
    assert state(anomaly) == "open"


def test_it_works_with_the_signature_alone_and_a_forged_one_does_not(anomaly, settings):
    settings.SIGN_IN = True
    someone = Client()
    assert someone.get(url(anomaly)).status_code == 200
    assert someone.post(url(anomaly), {"for": "1d"}).status_code == 303
    assert state(anomaly) == "muted"
    forged = someone.post(f"/alerts/mute/{token_of(anomaly.pk)[:-1]}!/", {"for": "1d"})
    assert forged.status_code == 403 and "not one that Tailrace has made" in forged.content.decode()


def test_a_person_who_is_not_signed_in_sees_no_more_than_the_alert_said(anomaly, settings):
    settings.SIGN_IN = True
    make_world("secret-project")
    html = Client().get(url(anomaly)).content.decode()
    assert "secret-project" not in html and 'href="/anomalies/"' not in html


def test_a_link_that_is_too_old_says_so(client, anomaly, monkeypatch):
    link = url(anomaly)
    late = time.time() + VALID_S + 1
    monkeypatch.setattr("django.core.signing.time.time", lambda: late)
    response = client.post(link, {"for": "1d"})
    assert response.status_code == 403 and "older than a week" in response.content.decode()
    assert state(anomaly) == "open"


def test_an_anomaly_that_is_gone_or_resolved_says_so(client, anomaly):
    life.act([anomaly.pk], Asked("resolve", now_ns()), "x")
    assert "It is resolved" in client.get(url(anomaly)).content.decode()
    assert client.post(url(anomaly), {"for": "1d"}).status_code == 303
    assert state(anomaly) == "resolved"
    link = url(anomaly)
    Anomaly.objects.all().delete()
    assert client.get(link).status_code == 404


def test_a_post_from_another_site_is_refused(anomaly):
    assert Client(enforce_csrf_checks=True).post(url(anomaly), {"for": "1d"}).status_code == 403
    assert state(anomaly) == "open"
