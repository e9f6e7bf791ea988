"""What a person sees in an open page while an app of the real SDK, or a stand-in for it, writes."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.lab import VERSIONS
from tests.server_process import Server

NAME = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"


def frame(number: int) -> bytes:
    body = b"devl" + b'[{"type":1,"id":2,"delta":3},"text-delta","t1","word %06d "]' % number
    return len(body).to_bytes(4, "big") + body


def write(world: Path, number: int, payload: bytes | None = None) -> None:
    """A chunk as the SDK stores it: whole under another name, then renamed. No payload: the end marker."""
    folder = world / "streams" / "chunks" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"chnk_{number:026d}.bin.tmp.X"
    part.write_bytes(b"\x01" if payload is None else b"\x00" + payload)
    part.replace(folder / f"chnk_{number:026d}.bin")


def arrivals(page: Page) -> list[int]:
    return page.eval_on_selector_all(
        "tr[data-arrival]", "rows => rows.map(row => Number(row.dataset.arrival))"
    )


def chunk_count(page: Page) -> int:
    return int(page.get_attribute("#stream-header", "data-chunk-count") or 0)


def rows(page: Page) -> Locator:
    return page.locator("tr[data-arrival]")


def open_stream(page: Page, server: Server) -> None:
    """Once it is there: the server answers before it has read its world."""
    url = f"{server.url}/w/world/streams/{NAME}/"
    until = time.monotonic() + 20
    while page.request.get(url).status == 404:
        assert time.monotonic() < until, "the stream did not appear"
        time.sleep(0.1)
    page.goto(url)


def wait_until_live(page: Page) -> None:
    expect(page.locator("#live-pill")).to_contain_text(re.compile("live|ended|closed", re.IGNORECASE))


@pytest.mark.parametrize("version", VERSIONS)
def test_chunks_of_a_real_run_appear_while_it_is_going(version, serve, run_lab, page, tmp_path):
    world = tmp_path / "world"
    world.mkdir()
    server = serve(world, tmp_path / "data")
    page.goto(f"{server.url}/w/world/streams/")
    app = run_lab(version, world, ["slow"], {"LAB_SLOW_COUNT": "80", "LAB_SLOW_PAUSE": "100"})
    app.started("slow")
    page.locator("main a[href*='/streams/strm_']").first.click(timeout=20_000)
    wait_until_live(page)
    early = chunk_count(page)
    expect(rows(page).nth(early + 5)).to_be_attached(timeout=20_000)
    assert app.poll() is None, "the run is still going"
    app.finish()
    expect(page.locator("#stream-header")).to_have_attribute("data-chunk-count", re.compile(r"^8\d$"))
    expect(page.locator("tr[data-marks~='close']")).to_have_count(1)
    assert arrivals(page) == list(range(1, chunk_count(page) + 2)), "each once, in order"


def test_an_end_marker_that_comes_late_changes_rows_already_shown(serve, page, tmp_path):
    world = tmp_path / "world"
    write(world, 1, frame(1))
    write(world, 5, frame(5))
    server = serve(world, tmp_path / "data")
    open_stream(page, server)
    expect(page.locator("#chunk-2")).to_have_attribute("data-position", "1")
    wait_until_live(page)
    write(world, 3)
    expect(page.locator("#chunk-2")).to_have_attribute("data-marks", "behind")
    expect(page.locator("#chunk-3")).to_have_attribute("data-marks", "overtaken close")


def test_a_delta_before_its_start_is_marked_moved_as_soon_as_the_start_comes(serve, page, tmp_path):
    world = tmp_path / "world"
    write(world, 1, frame(1))
    server = serve(world, tmp_path / "data")
    open_stream(page, server)
    expect(page.locator("#chunk-1")).to_be_visible()
    wait_until_live(page)
    body = b'devl[{"type":1,"id":2},"text-start","t1"]'
    write(world, 2, len(body).to_bytes(4, "big") + body)
    expect(page.locator("tr[data-marks~='moved']")).to_have_count(1)


def test_a_burst_arrives_whole_and_in_order(serve, page, tmp_path):
    world = tmp_path / "world"
    write(world, 0, frame(0))
    server = serve(world, tmp_path / "data")
    open_stream(page, server)
    expect(page.locator("#chunk-1")).to_be_visible()
    wait_until_live(page)

    def burst() -> None:
        for number in range(1, 1500):
            write(world, number, frame(number))
            if number % 10 == 0:
                time.sleep(0.02)

    writer = threading.Thread(target=burst)
    writer.start()
    expect(page.locator("#stream-header")).to_have_attribute("data-chunk-count", "1500", timeout=60_000)
    writer.join()
    expect(page.locator("#chunk-1500")).to_be_visible()
    shown = arrivals(page)
    assert shown == list(range(shown[0], 1501)), "none is missing, none comes twice"


def test_a_directory_that_vanishes_is_told_and_comes_back_whole(serve, page, tmp_path):
    world = tmp_path / "world"
    write(world, 0, frame(0))
    server = serve(world, tmp_path / "data")
    open_stream(page, server)
    expect(page.locator("#chunk-1")).to_be_visible()
    wait_until_live(page)
    world.rename(tmp_path / "away")
    expect(page.locator("#live-pill")).to_contain_text("unreachable", timeout=30_000)
    write(tmp_path / "away", 1, frame(1))
    (tmp_path / "away").rename(world)
    expect(page.locator("#chunk-2")).to_be_visible(timeout=30_000)
    write(world, 2, frame(2))
    expect(page.locator("#chunk-3")).to_be_visible()
    assert arrivals(page) == [1, 2, 3]
