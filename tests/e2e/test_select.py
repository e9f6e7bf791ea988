"""A range of chunks in a browser: chosen by mouse and by keys, copied, downloaded, kept while rows come and go."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.recordings import unpack
from tests.server_process import Server

SDK, LABEL = "4.2.4", "probe-lat"
NAME = "strm_01M803XXRMEFHXRQDT3NWX3SN6_user"  # fourteen chunks of eight steps


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for this file: nothing here changes what it shows."""
    folder = tmp_path_factory.mktemp("select")
    server = Server(unpack(SDK, LABEL, folder / "world"), folder / "data")
    yield server
    server.kill()


@pytest.fixture
def rows(page: Page, recorded: Server) -> Page:
    page.goto(f"{recorded.url}/")
    base = re.match(r".*/w/[^/]+", page.url)
    assert base is not None
    until = time.monotonic() + 20
    while page.goto(f"{base[0]}/streams/{NAME}/").status == 404:
        assert time.monotonic() < until, "the stream was never read"
        time.sleep(0.1)
    page.wait_for_function("document.querySelectorAll('#chunk-rows tr[data-arrival]').length >= 14")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return page


def picked(page: Page) -> list[int]:
    return page.eval_on_selector_all(
        "#chunk-rows tr.picked", "rows => rows.map(row => Number(row.dataset.arrival))"
    )


def cell(page: Page, arrival: int):
    return page.locator(f"#chunk-{arrival} td.a")


def what(page: Page):
    return page.locator(".pick-bar .what")


def copied(page: Page, button: str, said: str) -> str:
    page.locator(f".pick-bar [data-copy-as={button}]").click()
    expect(what(page)).to_have_text(said)
    return page.evaluate("navigator.clipboard.readText()")


def test_shift_and_a_click_choose_from_the_row_before_to_this_one(rows):
    cell(rows, 3).click(modifiers=["Shift"])
    cell(rows, 6).click(modifiers=["Shift"])

    assert picked(rows) == [3, 4, 5, 6]
    expect(what(rows)).to_have_text("chunks 3–6 (4)")
    assert len(rows.context.pages) == 1


def test_a_plain_click_opens_the_row_and_chooses_nothing(rows):
    cell(rows, 3).click()

    expect(rows.locator("#detail-3 .chunk-detail")).to_be_visible()
    assert picked(rows) == []
    expect(rows.locator(".pick-bar")).to_be_hidden()


def test_the_row_that_was_opened_is_where_the_range_begins(rows):
    cell(rows, 5).click()
    cell(rows, 2).click(modifiers=["Shift"])

    assert picked(rows) == [2, 3, 4, 5]


def test_keys_mark_a_range_and_escape_clears_it(rows):
    rows.locator("#chunk-4 td.a a").focus()
    rows.keyboard.press("Shift+ArrowDown")
    rows.keyboard.press("Shift+ArrowDown")
    assert picked(rows) == [4, 5, 6]

    rows.keyboard.press("Escape")
    assert picked(rows) == []
    expect(rows.locator(".pick-bar")).to_be_hidden()

    rows.keyboard.press("v")
    for key in ("ArrowUp", "ArrowUp", "v", "ArrowUp"):
        rows.keyboard.press(key)
    assert picked(rows) == [4, 5, 6]
    expect(what(rows)).to_have_text("chunks 4–6 (3)")


def test_keys_in_a_field_choose_nothing(rows):
    rows.locator(".filter [name=text]").focus()
    rows.keyboard.press("v")

    expect(rows.locator(".filter [name=text]")).to_have_value("v")
    assert picked(rows) == []


def test_text_and_json_of_the_range_are_copied(rows):
    cell(rows, 1).click(modifiers=["Shift"])
    cell(rows, 3).click(modifiers=["Shift"])

    text = copied(rows, "text", "chunks 1–3 (3): 3 copied as text")
    lines = [line.split("\t") for line in text.split("\n")]
    assert [line[0] for line in lines] == ["1", "2", "3"]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", line[2]) and len(line) == 5 for line in lines)
    chunks = json.loads(copied(rows, "json", "chunks 1–3 (3): 3 copied as JSON"))
    assert [chunk["arrival"] for chunk in chunks] == [1, 2, 3]
    assert [json.loads(line[4]) for line in lines] == [chunk["value"] for chunk in chunks]


def test_what_could_not_be_copied_is_said(rows, page_errors):
    page_errors.allow("Failed to load resource")
    cell(rows, 1).click(modifiers=["Shift"])
    rows.route("**/chunks.ndjson*", lambda route: route.abort())

    rows.locator(".pick-bar [data-copy-as=text]").click()

    expect(what(rows)).to_have_text("chunk 1 (1): could not be copied, download them")


def test_the_range_is_downloaded(rows):
    cell(rows, 2).click(modifiers=["Shift"])
    cell(rows, 4).click(modifiers=["Shift"])

    with rows.expect_download() as kept:
        rows.locator(".pick-bar [data-form=ndjson]").click()
    lines = kept.value.path().read_text().splitlines()
    assert [json.loads(line)["arrival"] for line in lines] == [2, 3, 4]
    for form in ("csv", "bin"):
        assert f"chunks.{form}?from=2&to=4" in rows.locator(f".pick-bar [data-form={form}]").get_attribute(
            "href"
        )


def test_a_range_is_kept_while_its_rows_leave_and_come_back(rows):
    cell(rows, 4).click(modifiers=["Shift"])
    cell(rows, 8).click(modifiers=["Shift"])
    rows.evaluate("""() => {
      const some = [4, 5, 6].map(arrival => document.getElementById(`chunk-${arrival}`));
      window.gone = some.map(row => row.cloneNode(true));
      for (const row of window.gone) row.classList.remove("picked");
      for (const row of some) row.remove();
    }""")
    assert picked(rows) == [7, 8]
    expect(what(rows)).to_have_text("chunks 4–8 (5)")

    rows.evaluate("document.getElementById('chunk-3').after(...window.gone)")

    rows.wait_for_function("document.querySelectorAll('#chunk-rows tr.picked').length === 5")
    assert picked(rows) == [4, 5, 6, 7, 8]


def test_a_range_in_a_filtered_table_is_of_what_fits(rows):
    rows.goto(f"{rows.url.split('?')[0]}?type=close")
    row = rows.locator("#chunk-rows tr[data-arrival]").first
    arrival = int(row.get_attribute("data-arrival"))
    row.locator("td.a").click(modifiers=["Shift"])

    expect(what(rows)).to_have_text(f"chunk {arrival}, those that fit the filter")
    href = rows.locator(".pick-bar [data-form=ndjson]").get_attribute("href")
    lines = rows.request.get(f"{rows.url.split('/w/')[0]}{href}").text().splitlines()
    assert [json.loads(line)["is_close"] for line in lines] == [True]
