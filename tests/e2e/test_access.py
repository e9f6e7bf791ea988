"""On any address but loopback, pages and sockets need the owner; hosts and origins are checked."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


def status(url: str, **headers: str) -> int:
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def test_the_owner_signs_in_with_the_printed_password_and_sees_live_pages(serve, page, page_errors, tmp_path):
    page_errors.allow("Failed to load resource")
    (tmp_path / "shop").mkdir()
    server = serve(tmp_path / "shop", tmp_path / "data", "--host", "0.0.0.0")
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://127.0.0.1:{server.port}/ws/w/shop/", origin=server.url)
    password = re.search(r"one-time password (\S+)", server.output())[1]
    page.goto(f"{server.url}/w/shop/runs/")
    page.fill("input[name=username]", "owner")
    page.fill("input[name=password]", password)
    page.keyboard.press("Enter")
    page.fill("input[name=new_password1]", "a better one 7")
    page.fill("input[name=new_password2]", "a better one 7")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Runs")
    cookie = next(one for one in page.context.cookies() if one["name"] == "tailrace_session")
    header = {"Cookie": f"tailrace_session={cookie['value']}"}
    with connect(f"ws://127.0.0.1:{server.port}/ws/w/shop/", origin=server.url, additional_headers=header):
        pass


def test_a_foreign_host_name_is_refused(serve, tmp_path):
    """A page of another site whose name was made to point here must not read the dashboard."""
    (tmp_path / "shop").mkdir()
    server = serve(tmp_path / "shop", tmp_path / "data")
    assert status(f"{server.url}/") == 200
    assert status(f"{server.url}/", Host="evil.example") == 400
