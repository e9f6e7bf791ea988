"""The lanes in a browser: a race that was recorded, with what its probe reported."""

from __future__ import annotations

import json
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
LONGER = "strm_01M803XXRMEFHXRQDT3NWX3SN6_user"  # c_eagerClose: fourteen chunks of eight steps


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for this file: nothing here changes what it shows."""
    folder = tmp_path_factory.mktemp("lanes")
    server = serve_with_reports(folder, SDK, LABEL)
    yield server
    server.kill()


def open_lanes(page: Page, server: Server, name: str = NAME) -> None:
    """Once the reports have met their chunks."""
    url = stream_url(page, server, name)
    wait_for_words(page, f"{url}?part=lanes", "step only", "no writer is known")
    page.goto(url)
    expect(page.locator("#lanes-zoom")).to_be_visible()


def view(page: Page) -> tuple[float, float]:
    data = json.loads(page.locator("#lanes-data").text_content() or "{}")
    return data["from"], data["to"]


def wait_for_part(page: Page, act: str) -> None:
    """Do something that asks for another part, and wait for its picture."""
    with page.expect_response(lambda response: "part=lanes" in response.url):
        page.evaluate("document.getElementById('lanes-field').dataset.old = '1'")
        page.keyboard.press(act) if len(act) < 11 and not act.startswith("[") else page.locator(act).click()
    expect(page.locator("#lanes-field[data-old]")).to_have_count(0)


def rows_of(page: Page) -> int:
    return page.locator("#lanes-picture .lab:not(.ax)").count()


def test_overlap_is_visible_without_a_hover(page, recorded):
    open_lanes(page, recorded)

    assert rows_of(page) == 11 and page.locator("#lanes-picture .lab.g").count() == 10
    expect(page.locator("#lanes-panel .racing")).to_have_text("10 of 10 calls of emitStream overlap")
    assert page.locator("#lanes-picture .plot .flight").count() == 11


def test_zoom_buttons_show_a_part_and_fit_shows_all_again(page, recorded):
    open_lanes(page, recorded)
    whole = view(page)

    wait_for_part(page, "[data-zoom=in]")
    inner = view(page)
    wait_for_part(page, "[data-zoom=fit]")

    assert whole[0] < inner[0] < inner[1] < whole[1] and rows_of(page) == 11
    assert view(page) == whole


def test_the_picture_is_stretched_at_once_and_drawn_anew_when_it_settles(page, recorded):
    open_lanes(page, recorded)

    width = page.evaluate(
        """() => {
          document.querySelector("[data-zoom=in]").click();
          return parseFloat(document.getElementById("lanes-field").getAttribute("width"));
        }"""
    )

    assert round(width) == 160
    expect(page.locator("#lanes-field")).to_have_attribute("width", "100%")


def test_the_wheel_zooms_with_control_at_the_pointer_and_scrolls_without(page, recorded):
    open_lanes(page, recorded)
    whole = view(page)
    page.locator("#lanes-panel").scroll_into_view_if_needed()
    box = page.locator("#lanes-picture .plot").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)

    page.mouse.wheel(0, 1)
    page.keyboard.down("Control")
    with page.expect_response(lambda response: "part=lanes" in response.url):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")

    expect(page.locator("#lanes-field")).to_have_attribute("width", "100%")
    page.wait_for_function(
        "whole => JSON.parse(document.getElementById('lanes-data').textContent).to < whole", arg=whole[1]
    )
    begin, end = view(page)
    assert begin - whole[0] < (whole[1] - whole[0]) / 50 and end < whole[1], (
        "what was under the pointer stays there"
    )


def test_dragging_moves_the_axis_and_opens_nothing(page, recorded):
    open_lanes(page, recorded)
    whole, url = view(page), page.url
    page.locator("#lanes-panel").scroll_into_view_if_needed()
    box = page.locator("#lanes-picture .plot").bounding_box()
    assert box is not None
    with page.expect_response(lambda response: "part=lanes" in response.url):
        page.mouse.move(box["x"] + 400, box["y"] + 70)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 70, steps=4)
        page.mouse.up()

    page.wait_for_function(
        "whole => JSON.parse(document.getElementById('lanes-data').textContent).from > whole", arg=whole[0]
    )
    begin, end = view(page)
    share = 200 / box["width"] * (whole[1] - whole[0])
    assert abs(begin - whole[0] - share) < 1 and abs(end - whole[1] - share) < 1
    assert page.url == url


def test_keys_move_zoom_choose_and_open(page, recorded):
    open_lanes(page, recorded)
    whole = view(page)
    page.locator("#lanes-picture").focus()

    wait_for_part(page, "+")
    inner = view(page)
    wait_for_part(page, "ArrowRight")
    moved = view(page)
    wait_for_part(page, "0")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")

    assert inner[1] - inner[0] < whole[1] - whole[0] and moved[0] > inner[0]
    assert view(page) == whole
    facts = page.locator("#lanes-facts")
    expect(facts).to_contain_text(
        re.compile(r"chunk \d+, position \d+ · ∥\d+ .*\(step only\) · called \+6\d ms")
    )
    page.keyboard.press("Escape")
    expect(facts).to_contain_text("drag or")
    page.keyboard.press("ArrowUp")
    expect(facts).to_contain_text("end marker")
    arrival = re.match(r"chunk (\d+)", facts.text_content() or "")
    page.keyboard.press("Enter")
    assert arrival is not None
    expect(page).to_have_url(re.compile(f"#chunk-{arrival[1]}$"))


def tick_of(page: Page, look: str) -> tuple[float, float]:
    """Where the first tick of a kind is on the screen."""
    page.locator("#lanes-panel").scroll_into_view_if_needed()
    place = page.evaluate(
        """look => {
          const data = JSON.parse(document.getElementById("lanes-data").textContent);
          const mark = data.marks.find((one) => data.looks[one[6]] === look);
          const box = document.querySelector("#lanes-picture .plot").getBoundingClientRect();
          const x = (mark[3] - data.from) / (data.to - data.from);
          return [box.left + box.width * x, box.top + data.top + data.row * (mark[0] + .5)];
        }""",
        look,
    )
    return place[0], place[1]


def test_hovering_a_mark_tells_about_it_and_leaving_it_stops(page, recorded):
    open_lanes(page, recorded, LONGER)
    x, y = tick_of(page, "behind the end marker: never read")
    facts = page.locator("#lanes-facts")

    page.mouse.move(x, y)
    writer = r"chunk \d+ · persistTurnMessages \(step only\)"
    times = r"called \+[\d.]+ ms · took [\d.]+ ms · tick \+[\d.]+ ms"
    expect(facts).to_have_text(re.compile(f"{writer} · {times} · behind the end marker: never read"))
    expect(page.locator("#lanes-pick")).to_have_attribute("visibility", "visible")
    page.mouse.move(x, y - 90)
    expect(facts).to_contain_text("drag or")


def test_a_click_on_a_mark_goes_to_its_row(page, recorded):
    open_lanes(page, recorded, LONGER)
    x, y = tick_of(page, "second end marker")

    page.mouse.click(x, y)

    expect(page).to_have_url(re.compile("#chunk-14$"))
    expect(page.locator("#chunk-14")).to_be_in_viewport()


def test_the_same_picture_as_a_table(page, recorded):
    open_lanes(page, recorded)
    button = page.get_by_role("button", name="As table")

    button.click()
    table = page.get_by_role("region", name="Chunks by the time of their call")
    expect(table.get_by_role("row")).to_have_count(12)
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#lanes-picture")).to_be_hidden()
    expect(table.get_by_role("link", name="11", exact=True)).to_have_attribute("href", "?at=11#chunk-11")
    button.click()

    expect(page.locator("#lanes-picture")).to_be_visible()
    expect(page.locator("#lanes-table")).to_be_hidden()


def test_a_phone_has_the_same_lanes_without_scrolling_sideways(page, recorded):
    page.set_viewport_size({"width": 375, "height": 800})
    open_lanes(page, recorded)

    panel = page.locator("#lanes-panel").bounding_box()
    assert (
        rows_of(page) == 11 and panel is not None and panel["x"] >= 0 and panel["x"] + panel["width"] <= 375
    )


def test_what_is_written_while_the_page_is_open_comes_into_the_picture(serve, page, tmp_path: Path):
    world = tmp_path / "world"
    folder = world / "streams" / "chunks" / "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"
    folder.mkdir(parents=True)
    (folder / "chnk_01M803XX9EKPGB0DR66MWJRZ8A.bin").write_bytes(b"\x00" + b"a")
    server = serve(world, tmp_path / "data")
    url = f"{server.url}/w/world/streams/{folder.name}/"
    until = time.monotonic() + 20
    while page.request.get(url).status == 404:
        assert time.monotonic() < until
        time.sleep(0.1)
    page.goto(url)
    expect(page.locator("#live-pill")).to_contain_text(re.compile("live", re.IGNORECASE))
    assert len(json.loads(page.locator("#lanes-data").text_content() or "")["marks"]) == 1
    (folder / "chnk_01M803XX9EKPGB0DR66MWJRZ8B.bin").write_bytes(b"\x00" + b"b")
    page.wait_for_function(
        "() => JSON.parse(document.getElementById('lanes-data').textContent).marks.length === 2"
    )
