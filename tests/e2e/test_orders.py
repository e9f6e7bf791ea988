"""The orders of a recorded race in a browser: the switch, the ways to a row, the table, a phone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.recorded_server import serve_with_reports, stream_url, wait_for_words
from tests.server_process import Server

SDK, LABEL = "4.2.4", "probe-lat"
NAME = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"  # b_reacquire: ten calls of one step at once, then the close
TEXT = ['"nov"', '"o"', '" e"', '"2"', '"e"', '" ok"']


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for this file: nothing here changes what it shows."""
    folder = tmp_path_factory.mktemp("orders")
    server = serve_with_reports(folder, SDK, LABEL)
    yield server
    server.kill()


def open_orders(page: Page, server: Server) -> None:
    """Once the reports have met their chunks."""
    url = stream_url(page, server, NAME)
    wait_for_words(page, f"{url}?part=orders", "6 of 10 chunks", "the writer's order is not known")
    page.goto(url)
    expect(page.locator("#orders .sum b")).to_have_text(
        re.compile("^6 of 10 chunks are not where their writer put them")
    )


def labels(page: Page, side: str) -> list[str]:
    return page.locator(f"#orders ol.{side} a").evaluate_all(
        "links => links.map((link) => link.lastChild.textContent)"
    )


def test_the_writers_order_stands_beside_the_stored_one(page, recorded):
    open_orders(page, recorded)

    meant = labels(page, "l")
    assert [one for one in meant if one.startswith('"')] == TEXT, "novo e2e ok"
    assert sorted(labels(page, "r")) == sorted(meant) and labels(page, "r") != meant
    assert page.locator("#orders ol.r b").count() == 6
    path = page.locator("#orders path.moved").get_attribute("d") or ""
    assert path.count("M0") == 6


def test_the_switch_changes_the_picture_in_place(page, recorded):
    open_orders(page, recorded)

    page.locator("#orders-from-arrival").click()
    expect(page.locator("#orders .sum b")).to_have_text(
        "All 10 chunks are stored in the order in which they became durable."
    )
    assert labels(page, "l") == labels(page, "r") and not page.locator("#orders path.moved").count()
    page.locator("#orders-from-writer").click()
    expect(page.locator("#orders .sum b")).to_contain_text("6 of 10")
    expect(page).to_have_url(re.compile(f"{NAME}/$"))


def test_without_script_the_switch_is_a_link_to_the_page(browser, recorded):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    try:
        open_orders(page, recorded)
        page.locator("#orders-to-arrival").click()
        expect(page.locator("#orders .sum b")).to_contain_text("6 of 10 chunks became durable out of")
        expect(page.locator("h1")).to_be_visible()
    finally:
        context.close()


def test_the_keyboard_reaches_the_switch_and_each_chunk_once(page, recorded):
    open_orders(page, recorded)
    page.locator("#orders-from-writer").focus()

    page.keyboard.press("Tab")
    expect(page.locator("#orders-from-arrival")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#orders-from-arrival")).to_have_attribute("aria-current", "true")
    page.locator("#orders-to-stored").focus()
    page.keyboard.press("Tab")  # what did not move scrolls in a box of its own
    expect(page.locator("#orders .slope")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#orders ol.r a").first).to_be_focused()
    assert page.locator("#orders ol.l a:not([tabindex='-1'])").count() == 0
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#chunk-1$"))
    expect(page.locator("#chunk-1")).to_be_in_viewport()


def test_the_same_as_a_table_when_it_is_opened(page, recorded):
    open_orders(page, recorded)

    page.locator("#orders summary").click()
    table = page.get_by_role("region", name="Orders of chunks as a table")
    expect(table.get_by_role("row")).to_have_count(12)
    expect(table.get_by_role("link", name="11", exact=True)).to_have_attribute("href", "?at=11#chunk-11")


def test_a_phone_shows_both_columns_without_scrolling_sideways(page, recorded):
    page.set_viewport_size({"width": 375, "height": 800})
    open_orders(page, recorded)

    panel = page.locator("#orders").bounding_box()
    assert panel is not None and panel["x"] >= 0 and panel["x"] + panel["width"] <= 375
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    badge = page.locator("#orders ol.r b").first.bounding_box()
    assert badge is not None and badge["width"] > 20 and badge["x"] + badge["width"] <= 375


def test_what_is_written_while_the_page_is_open_comes_into_the_panel(serve, page, tmp_path: Path):
    world = tmp_path / "world"
    folder = world / "streams" / "chunks" / NAME
    folder.mkdir(parents=True)
    (folder / "chnk_01M803XX9EKPGB0DR66MWJRZ8B.bin").write_bytes(b"\x00" + b"b")
    server = serve(world, tmp_path / "data")
    url = f"{server.url}/w/world/streams/{NAME}/"
    until = time.monotonic() + 20
    while page.request.get(url).status == 404:
        assert time.monotonic() < until
        time.sleep(0.1)
    page.goto(url)
    expect(page.locator("#live-pill")).to_contain_text(re.compile("live", re.IGNORECASE))
    expect(page.locator("#orders .sum b")).to_have_text("A single chunk: nothing can be out of order.")

    (folder / "chnk_01M803XX9EKPGB0DR66MWJRZ8A.bin").write_bytes(b"\x00" + b"a")
    (folder / "chnk_01M803XX9EKPGB0DR66MWJRZ8C.bin").write_bytes(b"\x01")

    expect(page.locator("#orders .sum b")).to_have_text(
        "1 of 2 chunks is stored elsewhere than it became durable (proved).", timeout=15_000
    )
