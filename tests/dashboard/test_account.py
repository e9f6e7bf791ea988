"""Beyond loopback every page, socket and API call needs the owner."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from dashboard.account import OWNER, ensure_owner, must_choose_password, reset_owner

pytestmark = pytest.mark.django_db


@pytest.fixture
def reachable(settings):
    settings.SIGN_IN = True


def test_the_owner_is_made_once(db):
    password = ensure_owner()
    assert password is not None and len(password) >= 12
    assert ensure_owner() is None


@pytest.mark.parametrize("path", ["/", "/w/x/runs/", "/w/x/streams/s/", "/metrics"])
def test_a_stranger_is_sent_to_the_sign_in(reachable, client, path):
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.url.startswith("/account/sign-in/")


def test_an_api_call_gets_a_401(reachable, client):
    assert client.post("/api/v1/probe").status_code == 401


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/account/sign-in/"])
def test_health_and_the_sign_in_itself_are_open(reachable, client, path):
    assert client.get(path).status_code == 200


def test_on_loopback_nobody_signs_in(client):
    assert client.get("/").status_code == 200


def test_the_first_password_is_for_one_use(reachable, client):
    password = ensure_owner()
    client.post("/account/sign-in/", {"username": OWNER, "password": password})
    assert client.get("/").url == "/account/password/", "with it one can only choose another"
    answer = client.post(
        "/account/password/", {"new_password1": "correct horse 7", "new_password2": "correct horse 7"}
    )
    assert answer.url == "/"
    assert client.get("/").status_code == 200
    client.post("/account/sign-out/")
    client.post("/account/sign-in/", {"username": OWNER, "password": password})
    assert client.get("/").status_code == 302, "it is used up"
    client.post("/account/sign-in/", {"username": OWNER, "password": "correct horse 7"})
    assert client.get("/").status_code == 200


def test_a_wrong_password_says_so_and_lets_nobody_in(reachable, client):
    ensure_owner()
    answer = client.post("/account/sign-in/", {"username": OWNER, "password": "guess"})
    assert answer.status_code == 200
    assert b"password" in answer.content
    assert client.get("/").status_code == 302


def test_the_owner_can_get_a_new_one_time_password(reachable, client):
    ensure_owner()
    password = reset_owner()
    assert client.login(username=OWNER, password=password)
    assert must_choose_password(User.objects.get(username=OWNER))
