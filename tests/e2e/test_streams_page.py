"""The Streams page in a real browser: it follows what is written, and its rows stay under the reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.processes import end
from tests.server_process import Server
from tests.world_files import WorldFiles

ROWS = "#stream-list tbody tr"
OPEN, LATE = (f"strm_01M803XX9EKPGB0DR66MWJR{name}_user" for name in ("OPE", "LAT"))
QUIET = [f"strm_01M803XX9EKPGB0DR66MWJ{at:03d}_user" for at in range(40)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root: Path = tmp_path_factory.mktemp("streams") / "app"
    files = WorldFiles(root)
    for name in QUIET:
        files.text(name, "a", "b")
        files.close(name)
    started = Server(root, tmp_path_factory.mktemp("data"))
    started.world = files  # type: ignore[attr-defined]
    yield started
    end(started.process)


@pytest.fixture
def world(server: Server) -> WorldFiles:
    return server.world  # type: ignore[attr-defined, no-any-return]


@pytest.fixture(params=["/streams/", "/w/app/streams/"])
def stream_list(page: Page, server: Server, request: pytest.FixtureRequest) -> Page:
    for _ in range(200):
        page.goto(server.url + request.param)
        if page.locator(f"{ROWS} .verdict-none-found").count() >= 40:
            break
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)  # the socket is open a moment after the page is
    return page


def row(page: Page, name: str):
    return page.locator(ROWS, has=page.locator(f'a.wf[title="{name}"]'))


def test_a_new_stream_appears_and_becomes_an_error_by_itself(stream_list, world):
    name = LATE.replace("LAT", "LA1" if "/w/" in stream_list.url else "LA2")
    world.text(name, "hello")
    expect(row(stream_list, name).locator(".verdict-running")).to_be_visible()
    world.close(name)
    world.text(name, "too late")
    expect(row(stream_list, name).locator(".verdict-error")).to_be_visible()
    expect(row(stream_list, name)).to_contain_text("1 chunk behind the end marker")
    expect(stream_list.locator(ROWS).first.locator(".verdict-error")).to_be_visible()


def test_rows_stay_where_they_are_under_a_reader_who_has_scrolled(stream_list, world):
    stream_list.mouse.wheel(0, 400)
    stream_list.wait_for_function("window.scrollY > 300")
    seen = stream_list.locator(ROWS).nth(20)
    before = (seen.get_attribute("id"), seen.bounding_box())
    name = LATE.replace("LAT", "SC1" if "/w/" in stream_list.url else "SC2")
    world.text(name, "hello")
    expect(stream_list.locator("div.fresh")).to_contain_text("1 stream new here or moved up")
    assert (seen.get_attribute("id"), seen.bounding_box()) == before
    stream_list.locator("div.fresh a").click()
    expect(stream_list.locator("div.fresh")).to_have_count(0)
    expect(row(stream_list, name)).to_be_visible()


def test_the_tab_the_filters_and_the_order_are_used_by_keyboard(stream_list):
    stream_list.get_by_label("Stream, run id or workflow contains").fill(QUIET[7])
    stream_list.keyboard.press("Enter")
    expect(stream_list.locator(ROWS)).to_have_count(1)
    expect(stream_list).to_have_url(re.compile(QUIET[7]))
    stream_list.get_by_role("link", name="Clear").press("Enter")
    stream_list.get_by_role("link", name="newest first").press("Enter")
    expect(stream_list.locator("th[aria-sort]")).to_contain_text("Last stored")
    stream_list.locator(".verdicts").get_by_text("critical").click()
    expect(stream_list.locator(".empty")).to_contain_text("No stream matches these filters.")
    stream_list.get_by_role("navigation", name="Main").get_by_role("link", name="Streams").press("Enter")
    expect(stream_list.locator(ROWS).first).to_be_visible()


def test_it_fits_a_phone(stream_list):
    stream_list.set_viewport_size({"width": 375, "height": 800})
    assert stream_list.evaluate("document.documentElement.scrollWidth") == 375
    assert stream_list.evaluate("document.querySelectorAll('*').length") < 3000
