"""The inbox, without script: filters in the URL, actions on several, undo, who may."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.anomalies.models import Anomaly, AnomalyEvent
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db
PAGE = "/w/app/anomalies/"
ACTIONS, UNDO = "/anomalies/actions/", "/anomalies/undo/"


@pytest.fixture
def world():
    return make_world("app")


def found(world, kind="chunk_lost", **values):
    return find(make_stream_of(make_run(world)), kind=kind, **values).anomaly


def act(client, *anomalies, action="acknowledge", follow=True, **fields):
    given = {"anomaly": [one.pk for one in anomalies], "action": action, "next": PAGE} | fields
    return client.post(ACTIONS, given, follow=follow)


def test_it_lists_what_waits_with_a_number_in_the_header(client, world):
    one = found(world, message="A chunk was lost <b>here</b>.")
    html = client.get(PAGE).content.decode()
    assert f'href="/anomalies/{one.pk}/"' in html and "chatTurn" in html
    assert "A chunk was lost &lt;b&gt;here&lt;/b&gt;." in html
    assert 'title="1 open or regressed"' in html


def test_an_empty_inbox_says_so_and_no_filter_is_called_clean(client, world):
    assert "Nothing waits for you." in client.get(PAGE).content.decode()
    html = client.get(PAGE + "?kind=chunk_lost").content.decode()
    assert "No anomaly matches these filters." in html


def test_filters_come_from_the_url_and_unknown_words_are_ignored(client, world):
    found(world, "chunk_lost")
    found(world, "never_closed", severity="info")
    html = client.get(PAGE + "?severity=info").content.decode()
    assert 'id="anomaly-' in html and html.count('<tr id="anomaly-') == 1
    html = client.get(PAGE + "?severity=dreadful&state=odd&older=x&within=aeon&order=1").content.decode()
    assert html.count('<tr id="anomaly-') == 2


def test_all_worlds_are_listed_together_and_one_is_led_to(client, world):
    found(make_world("other"))
    found(world)
    assert client.get("/anomalies/").content.decode().count('<tr id="anomaly-') == 2
    response = client.get("/anomalies/?world=app&kind=chunk_lost")
    assert response.headers["Location"] == "/w/app/anomalies/?kind=chunk_lost"


def test_several_are_acknowledged_at_once_told_and_undone(client, world):
    one, two = found(world, "chunk_lost"), found(world, "never_closed")
    html = act(client, one, two).content.decode()
    assert "2 anomalies acknowledged" in html and "Nothing waits for you." in html
    assert set(Anomaly.objects.values_list("state", flat=True)) == {"acknowledged"}
    event = AnomalyEvent.objects.filter(what="acknowledged").first()
    assert event.who == "the owner of this machine"
    html = client.post(UNDO, {"batch": event.batch, "next": PAGE}, follow=True).content.decode()
    assert "Undone: 2 anomalies as before" in html
    assert set(Anomaly.objects.values_list("state", flat=True)) == {"open"}


def test_what_it_does_not_apply_to_is_left_and_counted(client, world):
    one, two = found(world, "chunk_lost"), found(world, "never_closed")
    act(client, one, action="resolve")
    html = act(client, one, two).content.decode()
    assert "1 anomaly acknowledged; 1 left as it was" in html
    assert "Nothing was changed: nothing was chosen" in act(client).content.decode()


def test_an_undo_that_comes_too_late_is_told(client, world):
    html = client.post(UNDO, {"batch": "gone", "next": PAGE}, follow=True).content.decode()
    assert "too long ago" in html


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"mute": "left", "left": "3"}, {"mute_left": 3}),
        ({"mute": "rate", "rate": "5", "per": "hour"}, {"mute_rate": 5, "mute_per_ns": 3_600_000_000_000}),
        ({"mute": "until", "until": "2031-01-01T09:00"}, {"mute_until_ns": 1_925_024_400_000_000_000}),
        ({"mute": "good"}, {"mute_left": None}),
    ],
)
def test_it_is_muted_as_asked(client, world, fields, kept):
    one = found(world)
    act(client, one, action="mute", **fields)
    one.refresh_from_db()
    assert one.state == "muted" and {name: getattr(one, name) for name in kept} == kept


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "burn"},
        {"action": "mute", "mute": "left", "left": "0"},
        {"action": "mute", "mute": "left", "left": "²"},
        {"action": "mute", "mute": "rate", "rate": "5", "per": "aeon"},
        {"action": "mute", "mute": "until", "until": "yesterday"},
        {"action": "mute", "mute": "until", "until": "2001-01-01T09:00"},
        {"action": "mute", "mute": "sometimes"},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(client, world, fields):
    one = found(world)
    assert act(client, one, **fields).status_code == 400
    assert Anomaly.objects.get().state == "open"


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_it_leads_back_to_pages_of_its_own_only(client, world, back):
    response = act(client, found(world), follow=False, next=back)
    assert response.status_code == 303 and response.headers["Location"].startswith("/anomalies/?done=")


def test_nothing_changes_by_a_link_nor_without_the_token(world):
    one = found(world)
    client = Client(enforce_csrf_checks=True)
    assert client.get(ACTIONS).status_code == 405
    assert act(client, one).status_code == 403
    assert client.post(UNDO, {"batch": "x"}).status_code == 403
    assert client.post(f"/anomalies/{one.pk}/comments/", {"text": "x"}).status_code == 403
    assert Anomaly.objects.get().state == "open"


def test_where_people_sign_in_only_the_owner_may_and_is_named(settings, world):
    settings.SIGN_IN = True
    one = found(world)
    guest, owner = Client(), Client()
    assert act(guest, one, follow=False).headers["Location"].startswith("/account/sign-in/")
    guest.force_login(User.objects.create_user("guest"))
    assert act(guest, one, follow=False).status_code == 403
    owner.force_login(User.objects.create_superuser("mira"))
    assert act(owner, one, follow=False).status_code == 303
    assert AnomalyEvent.objects.get(what="acknowledged").who == "mira"


def test_rows_that_a_reader_has_open_stay_and_what_is_new_is_counted(client, world):
    one = found(world, "never_closed", severity="info")
    token = f"{one.pk}.{one.severity}open"
    found(world, "chunk_lost")
    html = client.get(PAGE, {"part": "rows", "top": token}).content.decode()
    assert html.count('<tr id="anomaly-') == 1 and "1 new here or moved up" in html
    assert 'id="waiting" hx-swap-oob="true"' in html and "<html" not in html
    html = client.get(PAGE, {"part": "rows", "shown": token}).content.decode()
    assert html.count('<tr id="anomaly-') == 2


def test_a_page_asks_the_same_number_of_questions_however_many_rows(
    client, world, django_assert_max_num_queries
):
    for at in range(12):
        find(make_stream_of(make_run(world, workflow=f"workflow//./w//{at}")))
    with django_assert_max_num_queries(40):
        client.get(PAGE)
