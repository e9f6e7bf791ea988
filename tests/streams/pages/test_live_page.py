"""The stream page in a real browser: rows that arrive, a pause, a lost line, ways to a problem."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.processes import end
from tests.server_process import Server
from tests.world_files import WorldFiles

_numbers = count(1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    return WorldFiles(tmp_path_factory.mktemp("live") / "app")


@pytest.fixture(scope="module")
def server(world: WorldFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(world.root, tmp_path_factory.mktemp("data"))
    yield started
    end(started.process)


@pytest.fixture
def stream(world: WorldFiles) -> str:
    ulid = world.ulid()
    world.run(f"wrun_{ulid}")
    return f"strm_{ulid}_user"


def words(numbers: range) -> list[str]:
    return [f"L{number:06d} " for number in numbers]


def open_stream(page: Page, server: Server, stream: str, head: int, query: str = "") -> None:
    """Once all that was written has been read."""
    url = f"{server.url}/w/app/streams/{stream}/"
    for _ in range(200):
        if f'data-head="{head}"' in page.request.get(url).text():
            break
        page.wait_for_timeout(50)
    page.goto(url + query)
    expect(page.locator("#live-pill")).not_to_contain_text("As of now")


def arrivals(page: Page) -> list[int]:
    return page.evaluate(
        "[...document.querySelectorAll('#chunk-rows tr[data-arrival]')].map(r => +r.dataset.arrival)"
    )


def test_it_appends_what_arrives_once_and_in_order(page, server, world, stream):
    world.text(stream, *words(range(3)))
    open_stream(page, server, stream, 3)
    expect(page.locator("#live-pill")).to_contain_text("Live")
    world.text(stream, *words(range(3, 200)))
    expect(page.locator("#stream-header")).to_have_attribute("data-chunk-count", "200")
    expect(page.locator("#chunk-200")).to_contain_text("L000199")
    assert arrivals(page) == list(range(1, 201))
    expect(page.locator('[data-fact="chunks"]')).to_have_text("200")


def test_it_marks_what_lands_behind_the_end_marker_as_it_lands(page, server, world, stream):
    world.text(stream, "a")
    open_stream(page, server, stream, 1)
    world.close(stream)
    expect(page.locator("#chunk-2")).to_have_attribute("data-marks", "close")
    expect(page.locator("#behind-divider")).to_have_count(0)
    world.text(stream, "b")
    expect(page.locator("#chunk-3")).to_have_attribute("data-marks", "behind")
    world.text(stream, "c")
    world.close(stream)
    expect(page.locator("#chunk-5")).to_have_attribute("data-marks", "close2")
    expect(page.locator("#behind-divider")).to_have_count(1)
    expect(page.locator("#behind-divider")).to_contain_text(
        "2 chunks and a second end marker. Readers never see this."
    )
    assert page.evaluate("document.getElementById('behind-divider').nextElementSibling.id") == "chunk-3"
    expect(page.locator("#verdict")).to_contain_text("2 chunks behind the end marker, never read")


def test_it_counts_on_while_paused_and_catches_up(page, server, world, stream):
    world.text(stream, "a")
    open_stream(page, server, stream, 1)
    page.keyboard.press("Space")
    expect(page.locator("#live-pill")).to_contain_text("Paused")
    world.text(stream, *words(range(30)))
    expect(page.locator("#live-pill")).to_contain_text("30 new")
    assert arrivals(page) == [1]
    page.keyboard.press("Space")
    expect(page.locator("#chunk-31")).to_be_attached()
    assert arrivals(page) == list(range(1, 32))
    expect(page.locator("#live-pill")).to_contain_text("Live")


def test_it_follows_only_a_reader_who_is_at_the_end(page, server, world, stream):
    world.text(stream, *words(range(120)))
    open_stream(page, server, stream, 120)
    page.evaluate("window.scrollTo(0, 200)")
    world.text(stream, *words(range(120, 130)))
    expect(page.locator("#chunk-130")).to_be_attached()
    assert page.evaluate("window.scrollY") == 200
    page.keyboard.press("End")
    expect(page.locator("#follow")).to_have_attribute("aria-pressed", "true")
    world.text(stream, *words(range(130, 140)))
    expect(page.locator("#chunk-140")).to_be_in_viewport()


def test_it_only_counts_below_a_window_that_is_not_the_end(page, server, world, stream):
    world.text(stream, *words(range(450)))
    open_stream(page, server, stream, 450, "?after=0")
    expect(page.locator("#live-pill")).to_contain_text("Earlier rows")
    world.text(stream, *words(range(450, 460)))
    expect(page.locator("#more-after")).to_contain_text("260 new at the end")
    assert arrivals(page) == list(range(1, 201))
    page.locator("#more-after a").click()
    expect(page.locator("#chunk-460")).to_be_attached()


def test_it_loads_the_window_of_a_chunk_that_a_link_names(page, server, world, stream):
    world.text(stream, *words(range(450)))
    open_stream(page, server, stream, 450)
    page.goto(f"{server.url}/w/app/streams/{stream}/#chunk-20")
    expect(page.locator("#chunk-20")).to_be_in_viewport()
    assert "at=20" in page.url


def test_it_jumps_between_problems_and_opens_a_row(page, server, world, stream):
    world.text(stream, *words(range(80)))
    world.close(stream)
    world.text(stream, "late", "later")
    open_stream(page, server, stream, 83)
    page.keyboard.press("n")
    expect(page.locator("#chunk-82")).to_be_in_viewport()
    expect(page.locator("tr.at")).to_have_attribute("id", "chunk-82")
    page.keyboard.press("n")
    expect(page.locator("tr.at")).to_have_attribute("id", "chunk-83")
    page.keyboard.press("p")
    expect(page.locator("tr.at")).to_have_attribute("id", "chunk-82")
    page.keyboard.press("Enter")
    expect(page.locator("#detail-82")).to_contain_text("minted")
    expect(page.locator("#detail-82")).to_contain_text("“late”")
    page.locator("#chunk-82 td.v").click()
    expect(page.locator("#detail-82")).to_have_count(0)


def test_it_goes_on_after_a_restart_of_the_server_without_a_gap_or_a_repeat(
    page, page_errors, world, stream, tmp_path: Path, serve
):
    page_errors.allow("WebSocket connection|ERR_CONNECTION_REFUSED")
    world.text(stream, *words(range(5)))
    server = serve(world.root, tmp_path / "data")
    open_stream(page, server, stream, 5)
    page.wait_for_load_state("networkidle")  # what the page itself asks for is not what is cut off here
    server.kill()
    expect(page.locator("#live-pill")).to_contain_text("Reconnecting")
    world.text(stream, *words(range(5, 40)))
    server.start()
    expect(page.locator("#chunk-40")).to_be_attached()
    world.text(stream, *words(range(40, 50)))
    expect(page.locator("#chunk-50")).to_be_attached()
    assert arrivals(page) == list(range(1, 51))
    # Not innerText: a row that is out of sight has none.
    assert (page.locator("#chunk-rows tr").nth(41).text_content() or "").split()[-1] == '"'


def test_it_drops_the_oldest_rows_of_a_flood_and_says_where_they_are(page, server, world, stream):
    world.text(stream, "a")
    open_stream(page, server, stream, 1)
    world.text(stream, *words(range(1500)))
    expect(page.locator("#stream-header")).to_have_attribute("data-chunk-count", "1501")
    expect(page.locator("#chunk-1501")).to_be_in_viewport()
    shown = arrivals(page)
    assert shown == list(range(502, 1502))
    expect(page.locator("#more-before")).to_contain_text("rows before 502")
    expect(page.locator("#more-before a")).to_have_attribute("href", "?before=502")


def test_it_stays_below_a_hundred_kilobytes_of_script(page, server, world, stream):
    world.text(stream, "a")
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(answer.body())) if ".js" in answer.url else None)
    open_stream(page, server, stream, 1)
    page.wait_for_load_state("networkidle")
    assert 20_000 < sum(sizes) < 100_000
