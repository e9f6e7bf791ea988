"""Thresholds in a browser: try a value, set it, see that it counts, and take it back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect

from tests.processes import end
from tests.recordings import unpack
from tests.server_process import Server

NEVER = "3650 days"  # more than may be
LONG = "30 days"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("thresholds")
    started = Server(unpack("4.2.4", "plain", folder / "app"), folder / "data")
    with urlopen(f"{started.url}/health/ready") as answer:
        (slug,) = json.load(answer)["worlds"]
    yield f"{started.url}/w/{slug}"
    end(started.process)


def test_a_change_is_tried_set_and_seen(page: Page, page_errors, address: str):
    page_errors.allow("422")
    page.goto(f"{address}/thresholds/?kind=never_closed")
    expect(page.locator(".threshold")).to_have_count(1)
    field, row = page.locator("#value-close_s"), page.locator("#close_s")
    field.fill(NEVER)
    expect(row.locator(".tried")).to_contain_text("It must be from 0 s to 30 days.")
    row.get_by_role("button", name="Set", exact=True).click()
    expect(page.locator("#error-close_s")).to_contain_text("It must be from 0 s to 30 days.")
    field.fill(LONG)
    expect(row.locator(".tried")).to_contain_text("never_closed")
    row.get_by_role("button", name="Set", exact=True).click()
    expect(page.locator(".say.fine")).to_contain_text("Never closed was changed")
    expect(row.locator(".now")).to_contain_text("30 days")
    expect(page.locator("#history")).to_contain_text("the owner of this machine")
    row.get_by_role("button", name="Reset").click()
    expect(row.locator(".now")).to_contain_text("default")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 375)])
def test_the_page_has_no_serious_fault_and_is_no_wider_than_the_screen(
    page: Page, address: str, axe: Callable[[Page], list[str]], scheme: str, width: int
):
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{address}/thresholds/")
    page.locator("#value-idle_s").fill(f"{width} s")
    page.locator("#idle_s").get_by_role("button", name="Set", exact=True).click()
    expect(page.locator(".say.fine")).to_be_visible()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
