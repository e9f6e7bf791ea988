"""The front door, the frame of pages, and pages for what goes wrong."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.urls import reverse

from tests.factories import START_NS, make_world

pytestmark = pytest.mark.django_db


def test_it_leads_straight_to_the_only_world(client):
    make_world("app")
    response = client.get("/")
    assert (response.status_code, response["Location"]) == (302, "/w/app/runs/")


def test_it_lets_one_choose_between_worlds(client):
    make_world("app")
    make_world("shop", name="<b>shop</b>", trouble="gone", trouble_since_ns=START_NS)
    html = client.get("/", follow=True).content.decode()
    assert 'href="/w/app/runs/"' in html
    assert "&lt;b&gt;shop&lt;/b&gt;" in html
    assert "since 22:26:40" in html


def test_it_teaches_the_first_command_when_there_is_no_world(client):
    html = client.get("/").content.decode()
    assert "tailrace serve path/to/.workflow-data" in html
    assert "tailrace demo" in html


def test_it_shows_the_open_world_and_a_way_to_the_others(client):
    make_world("app")
    make_world("shop")
    html = client.get("/w/app/runs/").content.decode()
    assert 'href="/w/shop/runs/"' in html
    assert 'href="/w/app/runs/" aria-current="page"' in html
    assert 'href="/w/app/streams/" aria-current' not in html
    assert "being read" in html


def test_it_refreshes_the_state_of_a_world(client):
    make_world("app", read_ns=START_NS)
    piece = client.get(reverse("world-state", args=["app"])).content.decode()
    assert "data-age=" in piece
    assert "<html" not in piece
    assert client.get(reverse("world-state", args=["nope"])).status_code == 404


def test_it_runs_no_script_that_stands_in_a_page(client):
    make_world("app")
    html = client.get("/w/app/runs/").content.decode()
    assert html.count("<script") == html.count("<script src=")
    assert " onclick=" not in html
    assert " style=" not in html


def test_it_has_a_page_for_an_address_that_is_none(client):
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "There is no page at this address." in response.content.decode()


def test_it_has_a_page_for_an_error_of_its_own(client, monkeypatch):
    client.raise_request_exception = False
    monkeypatch.setattr("dashboard.pages.home.queries.worlds", lambda: 1 / 0)
    response = client.get("/")
    assert response.status_code == 500
    assert "This page failed" in response.content.decode()
    assert "ZeroDivisionError" not in response.content.decode()


@pytest.mark.parametrize("name", ["400.html", "403.html"])
def test_it_has_a_page_for_other_refusals(name):
    assert 'href="/"' in render_to_string(name)


def test_it_asks_for_a_sign_in_and_leads_back(client, settings):
    settings.SIGN_IN = True
    make_world("app")
    response = client.get("/w/app/runs/")
    html = client.get(response["Location"]).content.decode()
    assert '<input type="hidden" name="next" value="/w/app/runs/">' in html
    User.objects.create_user("owner", password="correct horse")
    wrong = client.post(
        "/account/sign-in/", {"username": "owner", "password": "wrong", "next": "/w/app/runs/"}
    )
    assert "do not match" in wrong.content.decode()
    right = client.post(
        "/account/sign-in/", {"username": "owner", "password": "correct horse", "next": "/w/app/runs/"}
    )
    assert right["Location"] == "/w/app/runs/"
    assert "Sign out" in client.get("/w/app/runs/").content.decode()


def test_it_says_what_is_wrong_with_a_new_password(client, settings):
    settings.SIGN_IN = True
    client.force_login(User.objects.create_user("owner", password="x"))
    html = client.post(
        "/account/password/", {"new_password1": "12345", "new_password2": "12345"}
    ).content.decode()
    assert "too short" in html
    assert 'aria-invalid="true"' in html
