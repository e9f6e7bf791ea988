"""Lists in a real browser: they refresh by themselves and never jump under the reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.processes import end
from tests.server_process import Server
from tests.world_files import WorldFiles

ROWS = "#runs tbody tr"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root: Path = tmp_path_factory.mktemp("lists") / "app"
    files = WorldFiles(root)
    for _ in range(45):
        files.run(f"wrun_{files.ulid()}", "completed")
    started = Server(root, tmp_path_factory.mktemp("data"))
    started.world = files  # type: ignore[attr-defined]
    yield started
    end(started.process)


@pytest.fixture
def world(server: Server) -> WorldFiles:
    return server.world  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def run_list(page: Page, server: Server) -> Page:
    for _ in range(200):
        page.goto(f"{server.url}/w/app/runs/")
        if page.locator(ROWS).count() >= 45:
            break
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)  # the socket is open a moment after the page is
    return page


def test_it_shows_a_new_run_and_its_end_by_itself(run_list, world):
    run_id = f"wrun_{world.ulid()}"
    world.run(run_id)
    first = run_list.locator(ROWS).first
    expect(first.locator(f'[data-copy="{run_id}"]')).to_be_attached()
    expect(first).to_contain_text("running")
    world.run(run_id, "failed")
    expect(first).to_contain_text("failed")
    expect(run_list.locator(".filters input[type=search]")).to_be_visible()


def test_it_keeps_the_rows_of_a_reader_who_has_scrolled(run_list, world):
    run_list.mouse.wheel(0, 400)
    run_list.wait_for_function("window.scrollY > 300")
    row = run_list.locator(ROWS).nth(20)
    before = (row.get_attribute("id"), row.bounding_box())
    world.run(f"wrun_{world.ulid()}")
    expect(run_list.locator(".fresh")).to_contain_text("1 new run")
    assert (row.get_attribute("id"), row.bounding_box()) == before
    run_list.locator(".fresh a").click()
    expect(run_list.locator(".fresh")).to_have_count(0)


def test_it_keeps_the_focus_of_a_reader_who_uses_the_keyboard(run_list, world):
    link = run_list.locator(f"{ROWS} a.mono").nth(3)
    link.focus()
    name = link.get_attribute("id")
    world.run(f"wrun_{world.ulid()}")
    expect(run_list.locator(".fresh")).to_be_attached()
    assert run_list.evaluate("document.activeElement.id") == name


def test_it_switches_the_theme_and_remembers_it(run_list):
    button = run_list.locator("#theme")
    button.click()
    button.click()
    expect(run_list.locator("html")).to_have_attribute("data-theme", "dark")
    run_list.reload()
    expect(run_list.locator("html")).to_have_attribute("data-theme", "dark")
    button.click()
    expect(run_list.locator("html")).not_to_have_attribute("data-theme", "dark")


def test_it_copies_an_id(run_list):
    run_list.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy = run_list.locator("[data-copy]").first
    copy.dispatch_event("click")
    expect(copy).to_have_class("btn quiet icon copy done")
    assert run_list.evaluate("navigator.clipboard.readText()") == copy.get_attribute("data-copy")


def test_it_refreshes_the_page_of_a_run(run_list, world, server):
    run_id = f"wrun_{world.ulid()}"
    world.run(run_id)
    expect(run_list.locator(f'[data-copy="{run_id}"]')).to_be_attached()
    run_list.goto(f"{server.url}/w/app/runs/{run_id}/")
    expect(run_list.locator("#run")).to_contain_text("Running since")
    run_list.wait_for_timeout(300)
    world.text(f"strm_{run_id[5:]}_user", "hello")
    world.run(run_id, "completed")
    expect(run_list.locator("#run")).to_contain_text("Completed")
    expect(run_list.locator("#run")).to_contain_text("1 chunk, 0 end markers")


def test_it_keeps_what_a_reader_of_a_run_has_opened_and_where_they_are(run_list, world, server):
    run_id = f"wrun_{world.ulid()}"
    world.run(run_id, input={"question": {"deep": {"deeper": "answer"}}})
    expect(run_list.locator(f'[data-copy="{run_id}"]')).to_be_attached()
    run_list.set_viewport_size({"width": 1200, "height": 300})
    run_list.goto(f"{server.url}/w/app/runs/{run_id}/")
    deepest = run_list.locator("#run details").nth(2)
    deepest.locator("> summary").click()
    run_list.wait_for_timeout(300)
    run_list.evaluate("document.getElementById('events').scrollIntoView()")
    before = run_list.locator("#events").bounding_box()["y"]
    world.text(f"strm_{run_id[5:]}_user", "hello")
    world.text(f"strm_{run_id[5:]}_user_bG9ncw", "hello")
    expect(run_list.locator("#run")).to_contain_text("logs")
    run_list.wait_for_timeout(100)
    assert deepest.evaluate("one => one.open") is True
    assert abs(run_list.locator("#events").bounding_box()["y"] - before) <= 1
