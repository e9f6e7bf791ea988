"""The stream page in a real browser: rows that arrive, a pause, a lost line, ways to a problem."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

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
    world.text(stream, *words(range(3, 100)))
    expect(page.locator("#stream-header")).to_have_attribute("data-chunk-count", "100")
    expect(page.locator("#chunk-100")).to_contain_text("L000099")
    assert arrivals(page) == list(range(1, 101))
    expect(page.locator('[data-fact="chunks"]')).to_have_text("100")


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


def test_what_follows_from_the_whole_stream_is_brought_up_to_date(page, server, world, stream):
    world.text(stream, "first ")
    open_stream(page, server, stream, 1)
    expect(page.locator("#rebuilt")).to_contain_text("first")
    page.locator("#readers input[name=start]").wait_for()
    world.text(stream, "second ")
    world.close(stream)
    expect(page.locator("#rebuilt")).to_contain_text("second")
    expect(page.locator("#readers")).to_contain_text("ended")
    page.fill("#readers input[name=start]", "1")
    world.text(stream, "late ")
    expect(page.locator("#rebuilt")).to_contain_text("behind the end marker")
    page.wait_for_timeout(200)
    expect(page.locator("#readers input[name=start]")).to_have_value("1")


def test_the_panels_of_a_stream_that_had_no_chunk_come_with_its_first(page, server, world, stream):
    world.list_stream(stream)
    open_stream(page, server, stream, 0)
    expect(page.locator("#rebuilt")).to_be_hidden()
    world.text(stream, "first ", "second ")
    expect(page.locator("#rebuilt")).to_contain_text("first")
    expect(page.locator("#readers form")).to_be_visible()
    expect(page.locator("#pace h2")).to_be_visible()


def scroll(page: Page, top: str) -> None:
    page.evaluate(f"document.getElementById('chunk-box').scrollTop = {top}")


def test_it_follows_only_a_reader_who_is_at_the_end(page, server, world, stream):
    world.text(stream, *words(range(100)))
    open_stream(page, server, stream, 100)
    scroll(page, "200")
    expect(page.locator("#follow")).to_have_attribute("aria-pressed", "false")
    world.text(stream, *words(range(100, 110)))
    expect(page.locator("#chunk-110")).to_be_attached()
    assert page.evaluate("document.getElementById('chunk-box').scrollTop") == 200
    page.keyboard.press("End")
    expect(page.locator("#follow")).to_have_attribute("aria-pressed", "true")
    world.text(stream, *words(range(110, 120)))
    expect(page.locator("#chunk-120")).to_be_in_viewport()


def test_it_only_counts_below_a_window_that_is_not_the_end(page, server, world, stream):
    world.text(stream, *words(range(450)))
    open_stream(page, server, stream, 450, "?after=0")
    expect(page.locator("#live-pill")).to_contain_text("Earlier rows")
    world.text(stream, *words(range(450, 460)))
    expect(page.locator("#more-after")).to_contain_text("the end, 400 further")
    assert arrivals(page) == list(range(1, 61))
    page.locator("#more-after [data-newer]").click()
    expect(page.locator("#chunk-460")).to_be_in_viewport()
    world.text(stream, "more")
    expect(page.locator("#chunk-461")).to_be_in_viewport()


def test_it_takes_nothing_from_whoever_reads_while_more_arrives_than_it_holds(page, server, world, stream):
    world.text(stream, *words(range(100)))
    open_stream(page, server, stream, 100)
    scroll(page, "300")
    expect(page.locator("#follow")).to_have_attribute("aria-pressed", "false")
    world.text(stream, *words(range(100, 300)))
    expect(page.locator("#stream-header")).to_have_attribute("data-chunk-count", "300")
    expect(page.locator("#live-pill")).to_contain_text("Earlier rows")
    assert arrivals(page) == list(range(1, 121))
    assert page.evaluate("document.getElementById('chunk-box').scrollTop") == 300
    page.keyboard.press("End")
    expect(page.locator("#chunk-300")).to_be_in_viewport()
    expect(page.locator("#live-pill")).to_contain_text("Live")


def test_it_reads_a_long_stream_to_its_end_and_back_with_few_rows_at_a_time(page, server, world, stream):
    world.text(stream, *words(range(700)))
    world.close(stream)
    open_stream(page, server, stream, 701, "?after=0")
    seen: set[int] = set()
    for top, edge in (("1e9", 701), ("0", 1)):
        for _ in range(60):
            shown = arrivals(page)
            assert shown == list(range(shown[0], shown[-1] + 1)), "a row is missing or stands twice"
            assert len(shown) <= 120
            seen.update(shown)
            if edge in shown:
                break
            scroll(page, top)
            page.wait_for_timeout(50)
        expect(page.locator(f"#chunk-{edge}")).to_be_attached()
    assert seen == set(range(1, 702))
    assert page.evaluate("document.querySelectorAll('*').length") < 3000


def test_what_is_being_read_stays_where_it_is_as_rows_are_loaded_above_it(page, server, world, stream):
    world.text(stream, *words(range(700)))
    open_stream(page, server, stream, 700, "?at=400")
    place = """() => { const box = document.getElementById("chunk-box").getBoundingClientRect();
      const rows = [...document.querySelectorAll("#chunk-rows tr")];
      const row = rows.find(one => one.getBoundingClientRect().top >= box.top + 40);
      return [row.id, Math.round(row.getBoundingClientRect().top - box.top)]; }"""
    scroll(page, "600")
    first = page.evaluate("document.getElementById('chunks').dataset.first")
    scroll(page, "500")
    before = page.evaluate(place)
    expect(page.locator("#chunks")).not_to_have_attribute("data-first", first)
    assert page.evaluate(place) == before


def test_rows_that_come_when_one_has_turned_round_take_nothing_away(page, server, world, stream):
    world.text(stream, *words(range(700)))
    open_stream(page, server, stream, 700, "?at=400")
    page.wait_for_load_state("networkidle")
    held: list[Route] = []
    page.route("**/*part=rows*after=*", lambda route: held.append(route))  # noqa: PLW0108 - playwright asks for a function
    scroll(page, "1e9")
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(20)
    scroll(page, "800")
    before = arrivals(page)
    held[0].continue_()
    page.wait_for_timeout(500)
    assert set(arrivals(page)) >= set(before[20:50]), "what is on the screen stays"


def test_it_goes_to_a_position_and_to_a_place_on_the_map_without_loading_the_page_anew(
    page, server, world, stream
):
    world.text(stream, *words(range(700)))
    open_stream(page, server, stream, 700)
    page.evaluate("window.same = true")
    page.fill("#go", "99")
    page.keyboard.press("Enter")
    expect(page.locator("#chunk-100")).to_be_in_viewport()
    expect(page.locator("tr.at")).to_have_attribute("id", "chunk-100")
    page.locator(".minimap a").nth(30).click()
    expect(page.locator("#chunk-351")).to_be_in_viewport()
    page.fill("#go", "nowhere")
    page.keyboard.press("Enter")
    expect(page.locator("#asked")).to_contain_text("No chunk is meant by nowhere")
    expect(page.locator("#chunk-351")).to_be_attached()
    page.get_by_role("link", name="First", exact=True).click()
    expect(page.locator("#chunk-1")).to_be_in_viewport()
    expect(page.locator("[data-these-rows]")).to_have_attribute("href", re.compile(r"\?from=1&to=60$"))
    assert page.evaluate("window.same") is True
    page.reload()
    expect(page.locator("#chunk-1")).to_be_in_viewport()


def test_it_scrolls_through_what_a_filter_found_and_back(page, server, world, stream):
    world.text(stream, *[f"{'even' if n % 2 == 0 else 'odd'} {n}" for n in range(700)])
    open_stream(page, server, stream, 700, "?text=even")
    for top, edge in (("1e9", 699), ("0", 1)):
        for _ in range(60):
            shown = arrivals(page)
            assert shown == list(range(shown[0], shown[-1] + 1, 2))
            assert len(shown) <= 120
            if edge in shown:
                break
            scroll(page, top)
            page.wait_for_timeout(50)
        expect(page.locator(f"#chunk-{edge}")).to_be_attached()


def test_it_goes_to_the_next_problem_wherever_it_is(page, server, world, stream):
    world.text(stream, *words(range(300)))
    world.close(stream)
    world.text(stream, "late")
    world.text(stream, *words(range(300, 600)))
    open_stream(page, server, stream, 602, "?after=0")
    page.keyboard.press("n")
    expect(page.locator("tr.at")).to_have_attribute("id", "chunk-302")
    expect(page.locator("#chunk-302")).to_be_in_viewport()
    page.get_by_role("link", name="Last", exact=True).click()
    expect(page.locator("#chunk-602")).to_be_in_viewport()


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
    page_errors.allow("WebSocket connection|ERR_CONNECTION_REFUSED|htmx:")
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
    page.keyboard.press("End")
    world.text(stream, *words(range(1500)))
    expect(page.locator("#stream-header")).to_have_attribute("data-chunk-count", "1501")
    expect(page.locator("#chunk-1501")).to_be_in_viewport()
    assert arrivals(page) == list(range(1382, 1502))
    expect(page.locator("#more-before")).to_contain_text("rows before 1382")
    expect(page.locator("#more-before a")).to_have_attribute("href", "?before=1382")
    assert page.evaluate("document.querySelectorAll('*').length") < 3000


def test_it_stays_below_120_kilobytes_of_script(page, server, world, stream):
    world.text(stream, "a")
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(answer.body())) if ".js" in answer.url else None)
    open_stream(page, server, stream, 1)
    page.wait_for_load_state("networkidle")
    assert 20_000 < sum(sizes) < 120_000
