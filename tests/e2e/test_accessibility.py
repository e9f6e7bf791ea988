"""Every page for people with a keyboard, a screen reader, or little contrast: axe-core finds nothing serious."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from urllib.request import urlopen

import pytest
from playwright.sync_api import Page, expect

from tests.processes import end
from tests.recordings import unpack
from tests.server_process import Server

RACE = "reacquirePerWrite"  # its chunks are out of order
EAGER = "eagerClose"  # it has chunks behind its end marker
LONG = "manyChunks"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("axe")
    started = Server(unpack("4.2.4", "plain", folder / "app"), folder / "data")
    yield started
    end(started.process)


@pytest.fixture(scope="module")
def slug(server: Server) -> str:
    with urlopen(f"{server.url}/health/ready") as answer:
        (only,) = json.load(answer)["worlds"]
    return str(only)


def stream_of(page: Page, server: Server, slug: str, workflow: str) -> str:
    """The address of that workflow's stream, once it has been judged."""
    page.goto(f"{server.url}/w/{slug}/streams/?q={workflow}")
    row = page.locator("tr", has_text=workflow).first
    row.wait_for()
    return str(row.locator("a[href*='/streams/strm']").first.get_attribute("href"))


PAGES = (
    "/", "/streams/", "/w/{slug}/runs/", "/w/{slug}/streams/", "/w/{slug}/connect/", "/w/{slug}/settings/",
    "/audit/", "/w/{slug}/audit/", "/anomalies/kinds/", "/anomalies/kinds/write_rejected/", "/anomalies/?state=all",
    "/w/{slug}/streams/?verdict=error&q=nothing", "/account/sign-in/", "/nothing-here/",
    "/alerts/", "/alerts/rules/", "/alerts/rules/new/", "/alerts/rules/1/", "/alerts/channels/",
    "/alerts/channels/new/", "/alerts/channels/new/email/", "/alerts/channels/1/", "/alerts/deliveries/",
    "/alerts/mute/forged/",
)  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_no_serious_fault(
    page: Page,
    page_errors,
    server: Server,
    slug: str,
    axe: Callable[[Page], list[str]],
    path: str,
    scheme: str,
):
    page_errors.allow("Failed to load resource")  # the page that is not there
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(server.url + path.format(slug=slug))
    assert axe(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("workflow", [RACE, EAGER, LONG])
def test_the_page_of_a_stream_and_those_it_leads_to_have_no_serious_fault(
    page: Page, server: Server, slug: str, axe: Callable[[Page], list[str]], workflow: str, scheme: str
):
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    url = server.url + stream_of(page, server, slug, workflow)
    page.goto(url)
    page.locator("#readers form").wait_for()
    page.locator("#orders header").wait_for()
    page.locator("#chunk-rows tr td.v").first.click()
    page.locator("tr.detail .chunk-detail").wait_for()
    assert axe(page) == []
    run = page.locator(".crumb a").nth(1).get_attribute("href")
    for path in (f"{url}compare/", f"{url}chunks/1/", f"{server.url}{run}"):
        page.goto(path)
        assert axe(page) == [], path


def test_the_page_of_a_run_step_and_value_have_no_serious_fault(
    page: Page, server: Server, slug: str, axe: Callable[[Page], list[str]]
):
    page.goto(f"{server.url}/w/{slug}/runs/")
    page.locator("td a[href*='/runs/wrun_']").first.click()
    expect(page.locator("h1")).to_be_visible()
    assert axe(page) == []
    for pattern in (r"/steps/[^?]*$", r"/value/[^&]*$"):
        links = [link.get_attribute("href") for link in page.locator("main a").all()]
        inner = next((link for link in links if link and re.search(pattern, link)), None)
        if inner:
            page.goto(server.url + inner)
            assert axe(page) == [], inner
            page.go_back()


def test_the_stream_page_is_worked_with_the_keyboard_alone(page: Page, server: Server, slug: str):
    page.goto(server.url + stream_of(page, server, slug, EAGER))
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("n")
    expect(page.locator("tr.at")).to_have_count(1)
    page.keyboard.press("Enter")
    page.locator("tr.detail .chunk-detail").wait_for()
    page.locator("#chunk-box").focus()
    page.keyboard.press("PageUp")
    seen = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.closest('[id]')?.id"))
    assert {"go-form", "lanes-picture", "orders", "readers", "chunk-box"} & seen >= {
        "lanes-picture",
        "chunk-box",
    }


@pytest.mark.parametrize("workflow", [EAGER, LONG])
def test_the_stream_page_needs_no_scrolling_sideways_on_a_phone(
    page: Page, server: Server, slug: str, workflow: str
):
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(server.url + stream_of(page, server, slug, workflow))
    page.locator("#readers form").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
