"""Stylesheets as one: what every page needs comes first, and no name leads anywhere else."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from dashboard.lib import styles
from dashboard.lib.styles import EVERY_PAGE, sheet_of, url_of

pytestmark = pytest.mark.django_db


def test_a_page_asks_for_one_stylesheet_that_holds_all_it_needs(client):
    page = client.get(reverse("streams-all"), follow=True).content.decode()
    (link,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
    answer = client.get(link)
    assert answer.headers["Content-Type"].startswith("text/css")
    assert "immutable" in answer.headers["Cache-Control"]
    for name in EVERY_PAGE:
        assert sheet_of([name]).css in answer.content
    assert answer.content.index(b"--surface:") < answer.content.index(b"var(--surface)")


def test_its_address_changes_with_what_it_holds(tmp_path, monkeypatch):
    sheet = tmp_path / "own.css"
    find = styles.finders.find
    monkeypatch.setattr(
        styles.finders, "find", lambda path: str(sheet) if path == "css/own.css" else find(path)
    )
    sheet.write_text("a {}")
    before = url_of(["own"])
    sheet.write_text("b {}  ")
    assert url_of(["own"]) != before


@pytest.mark.parametrize("names", ["none", "tokens+none", "../js/page", "..%2Fsettings", "tokens+" * 30, "+"])
def test_it_has_nothing_but_stylesheets(client, names):
    assert client.get(f"/static/styles/{names}.css").status_code == 404


def test_an_old_address_is_answered_with_what_there_is_now_and_not_kept(client):
    answer = client.get(reverse("styles", args=["tokens"]) + "?v=old")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


def test_a_template_that_names_none_that_is_there_fails_at_once():
    with pytest.raises(ValueError, match="nothere"):
        url_of(["nothere"])
