from __future__ import annotations

import pytest
from django.urls import reverse

from dashboard.anomalies import documentation
from dashboard.anomalies.documentation import Fix, kinds

pytestmark = pytest.mark.django_db


def page_of(client, kind: str) -> str:
    response = client.get(reverse("anomaly-kind", args=[kind]))
    assert response.status_code == 200
    return response.content.decode()


def test_it_lists_all_kinds_with_a_link_to_each(client):
    html = client.get("/anomalies/kinds/").content.decode()
    for kind in kinds():
        assert f'href="/anomalies/kinds/{kind}/"' in html
    assert html.index("write_after_close") < html.index("closed_more_than_once")  # the worst first


def test_it_says_what_happened_why_and_how_to_fix_it(client):
    html = page_of(client, "racing_writers")
    assert "Several writers of one step race for one stream." in html
    assert "Before</figcaption>" in html and "writer.releaseLock()" in html
    assert 'href="https://github.com/vercel/workflow/issues/2058"' in html
    assert "fixed in 5.0.0-beta.39" in html and "4.x up to 4.8.9, and 5.0.0-beta.5" in html
    assert "In an error tracker" not in html


def test_it_gives_a_filter_for_error_trackers_that_drops_nothing(client):
    html = page_of(client, "write_rejected")
    assert "In an error tracker" in html
    assert "return event" in html and "return null" not in html


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_has_a_page(client, kind: str):
    html = page_of(client, kind)
    assert "What happened" in html and "Examples" in html
    assert "`" not in html.partition("<main")[2].partition("<pre")[0]


def test_it_escapes_what_it_shows(client, monkeypatch):
    code = {"racing_writers": Fix("<script>alert(1)</script>", "a < b")}
    monkeypatch.setattr(documentation, "fixes", lambda: code)
    html = page_of(client, "racing_writers")
    assert "<script>alert" not in html and "&lt;script&gt;alert(1)" in html


@pytest.mark.parametrize("kind", ["nothing", "base", "_copies"])
def test_a_kind_that_nothing_detects_has_no_page(client, kind: str):
    assert client.get(f"/anomalies/kinds/{kind}/").status_code == 404
