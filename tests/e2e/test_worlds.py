"""Several worlds in a real browser: added, followed, paused, gone and back, removed; all without a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import PageErrors
from tests.server_process import Server
from tests.world_files import WorldFiles

SOON = 15_000  # ms, on two busy cores
NAME = "strm_01M803XX9EKPGB0DR66MWJROPE_user"


def row(page: Page, name: str):
    return page.locator(".world-row").filter(has=page.get_by_role("heading", name=name, exact=True))


@pytest.fixture
def worlds(tmp_path: Path) -> dict[str, WorldFiles]:
    made = {name: WorldFiles(tmp_path / name) for name in ("shop", "mail", "later")}
    for files in made.values():
        files.text(NAME, "a")
    return made


@pytest.fixture
def server(worlds: dict[str, WorldFiles], tmp_path: Path, serve: Callable[..., Server]) -> Server:
    return serve(
        None, tmp_path / "data", env={"TAILRACE_WORLDS": f"{tmp_path / 'shop'}, {tmp_path / 'mail'}"}
    )


def states(server: Server) -> dict[str, str]:
    with urlopen(f"{server.url}/health/ready") as answer:
        return dict(json.load(answer)["worlds"])


def test_a_world_is_added_tried_followed_paused_and_removed(
    server: Server,
    page: Page,
    page_errors: PageErrors,
    worlds: dict[str, WorldFiles],
    tmp_path: Path,
    axe: Callable[[Page], list[str]],
):
    page.goto(server.url)
    expect(page).to_have_url(f"{server.url}/worlds/")
    for name in ("shop", "mail"):
        expect(row(page, name).locator("dd").nth(1)).to_have_text("1", timeout=SOON)
    assert axe(page) == []

    page.get_by_role("link", name="Add a world").click()
    page.get_by_label("Where it is").fill("/etc")
    page.get_by_role("button", name="Test").click()
    expect(page.locator("#checks")).to_contain_text("directory of the system")
    page.get_by_label("Where it is").fill(str(tmp_path / "later"))
    page.get_by_role("button", name="Test").click()
    expect(page.locator("#checks li")).to_contain_text("it can be read")
    assert axe(page) == []
    page.get_by_role("button", name="Add", exact=True).click()
    expect(row(page, "later").locator("dd").nth(1)).to_have_text("1", timeout=SOON)

    row(page, "later").get_by_role("link", name="Manage").click()
    page.get_by_role("button", name="Pause").click()
    expect(row(page, "later")).to_contain_text("paused")
    assert axe(page) == []
    worlds["later"].text("strm_01M803XX9EKPGB0DR66MWJRNEW_user", "b")
    worlds["shop"].text("strm_01M803XX9EKPGB0DR66MWJRNEW_user", "b")
    page.goto(server.url + "/worlds/")
    expect(row(page, "shop").locator("dd").nth(1)).to_have_text("2", timeout=SOON)
    expect(row(page, "later").locator("dd").nth(1)).to_have_text("1", timeout=SOON)
    page.goto(server.url + "/w/later/manage/")
    page.get_by_role("button", name="Resume").click()
    expect(row(page, "later").locator("dd").nth(1)).to_have_text("2", timeout=SOON)

    page_errors.allow(" 422 ")
    page.get_by_label("Neither can be undone").fill("shop")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("That is not its name")).to_be_visible()
    page.get_by_label("Neither can be undone").fill("later")
    page.get_by_role("button", name="Remove").click()
    expect(page).to_have_url(f"{server.url}/worlds/")
    expect(page.locator(".world-row")).to_have_count(2, timeout=SOON)
    assert (tmp_path / "later" / "streams").is_dir(), "its own storage is not touched"


def test_a_world_that_goes_away_is_shown_and_disturbs_no_other(
    server: Server, page: Page, worlds: dict[str, WorldFiles], tmp_path: Path
):
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(server.url + "/worlds/")
    expect(row(page, "mail")).to_contain_text("read ", timeout=SOON)
    (tmp_path / "mail").rename(tmp_path / "away")
    expect(row(page, "mail")).to_contain_text("unreachable", timeout=SOON)
    expect(row(page, "mail")).to_contain_text("does not exist")
    worlds["shop"].text("strm_01M803XX9EKPGB0DR66MWJRNEW_user", "b")
    expect(row(page, "shop").locator("dd").nth(1)).to_have_text("2", timeout=SOON)
    (tmp_path / "away").rename(tmp_path / "mail")
    expect(row(page, "mail")).to_contain_text("read ", timeout=SOON)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.goto("about:blank")
    server.kill()
    server.start()
    assert states(server).keys() == {"shop", "mail"}
