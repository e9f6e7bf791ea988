"""Comparing a good run with one that raced, in a browser: from the stream page, with the keyboard, on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.recorded_server import stream_url, wait_for_words
from tests.recordings import unpack
from tests.server_process import Server

GOOD = "strm_01M803WTVFBDZEV5ANQ0GCB2X6_user"  # b_reacquire, stored as it was meant
BAD = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"  # the same with latency: upstream issue 2058


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two recordings of one app as one world."""
    folder = tmp_path_factory.mktemp("compare")
    unpack("4.2.4", "plain", folder / "world")
    server = Server(unpack("4.2.4", "probe-lat", folder / "world"), folder / "data")
    yield server
    server.kill()


def judged_url(page: Page, server: Server, name: str) -> str:
    """Once the whole world is read and judged."""
    wait_for_words(page, stream_url(page, server, BAD), "protocol_violation", "the bad run was not judged")
    return stream_url(page, server, name)


def test_from_a_bad_stream_to_the_good_one_and_through_the_differences(page, recorded):
    page.goto(judged_url(page, recorded, BAD))

    page.get_by_role("link", name="Compare…").click()
    page.locator(f'a[href*="{GOOD}"]').click()

    expect(page.locator("#outcome")).to_contain_text("5 the same, 6 moved")
    expect(page.locator("#texts .two-texts .msg").first).to_have_text("eo oknov2 e")
    expect(page.locator("#texts .two-texts .msg").last).to_have_text("novo e2e ok")
    assert page.locator("tr.moved").count() == 12 and page.locator("tr.same").count() == 5
    page.keyboard.press("n")
    expect(page.locator("tr[data-difference]").first).to_be_focused()
    page.keyboard.press("n")
    page.keyboard.press("p")
    expect(page.locator("tr[data-difference]").first).to_be_focused()
    page.get_by_role("button", name="Next difference").click()
    expect(page.locator("tr[data-difference]").nth(1)).to_be_focused()

    page.get_by_role("link", name="only differences").click()
    expect(page.locator("tr.same")).to_have_count(0)
    expect(page.locator("tr.moved")).to_have_count(12)

    page.locator("tr.moved .rel a").first.click()
    expect(page).to_have_url(re.compile(rf"/streams/({GOOD}|{BAD})/\?at=\d+#chunk-\d+$"))


def test_a_wrong_address_is_said_and_a_pasted_one_leads_on(page, recorded):
    page.goto(judged_url(page, recorded, GOOD) + "compare/")

    page.get_by_label("With any stream").fill("nothing/here")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("No stream is known here by nothing/here")
    page.get_by_label("With any stream").fill(stream_url_of(page, BAD) + "?at=3#chunk-3")
    page.keyboard.press("Enter")

    expect(page.locator("#outcome")).to_contain_text("6 moved")
    page.get_by_role("link", name="Swap sides").click()
    expect(page).to_have_url(re.compile(f"/streams/{BAD}/compare/"))


def stream_url_of(page: Page, name: str) -> str:
    return page.url.partition("/streams/")[0] + f"/streams/{name}/"


def test_on_a_phone_the_sides_stand_below_one_another(page, recorded):
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(judged_url(page, recorded, GOOD) + f"compare/?with={BAD}")

    row = page.locator("tr.same").first
    first, second = (row.locator("td.half").nth(at).bounding_box() for at in (0, 1))

    assert first is not None and second is not None and second["y"] >= first["y"] + first["height"] - 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    expect(row.locator(".letter").first).to_be_visible()
