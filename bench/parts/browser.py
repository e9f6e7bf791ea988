"""Chromium for benches, and what is read off a page the same way in each of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, ViewportSize, sync_playwright

from tests.conftest import CHROMIUM_ARGS
from tests.needs import NEEDS

MOST_NODES = 3_000
MOST_SCRIPT_KB = 120
VIEW: ViewportSize = {"width": 1400, "height": 900}


@contextmanager
def chromium() -> Iterator[Browser]:
    found = NEEDS["browser"].find()
    if found is None:
        raise SystemExit(NEEDS["browser"].missing_message())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(found), args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@contextmanager
def cold_page(browser: Browser, *scripts: str) -> Iterator[Page]:
    """A page without a cache; `scripts` run in it before anything else."""
    context = browser.new_context(viewport=VIEW)
    page = context.new_page()
    for script in scripts:
        page.add_init_script(script)
    yield page
    context.close()


def wait_for(page: Page, expression: str, within: float = 60) -> Any:
    """What it is once it is something. Asked from outside: the pages' policy keeps Playwright's own way out."""
    until = time.monotonic() + within
    while not (found := page.evaluate(expression)):
        if time.monotonic() > until:
            raise SystemExit(f"after {within} s: {expression}")
        time.sleep(0.01)
    return found


def nodes(page: Page) -> int:
    return int(page.evaluate("document.querySelectorAll('*').length"))


def scroll_through(page: Page) -> int:
    """The page to its end and back, then the rows of the table, a screen at a time, so that all that loads when it is
    seen is there; the highest number of elements on the way."""
    counts = [nodes(page)]
    for step in (*[(0, 900)] * 30, (0, -30_000)):
        counts.append(_scrolled(page, "scrollBy", step))
    for step in (*[(0, -1500)] * 20, *[(0, 1500)] * 20):
        counts.append(_scrolled(page, "document.getElementById('chunk-box')?.scrollBy", step))
    return max(counts)


def _scrolled(page: Page, call: str, step: tuple[int, int]) -> int:
    page.evaluate(f"{call}{step}")
    page.wait_for_timeout(100)
    return nodes(page)


class Scripts:
    """The bytes of script that a page takes in: as sent, and as the browser reads them."""

    def __init__(self, session: CDPSession) -> None:
        self.sent = self.read = 0
        self._kinds: dict[str, str] = {}
        session.send("Network.enable")
        session.on("Network.responseReceived", self._kind)
        session.on("Network.dataReceived", self._data)
        session.on("Network.loadingFinished", self._end)

    def _kind(self, event: dict[str, Any]) -> None:
        self._kinds[event["requestId"]] = event["type"]

    def _data(self, event: dict[str, Any]) -> None:
        if self._kinds.get(event["requestId"]) == "Script":
            self.read += event["dataLength"]

    def _end(self, event: dict[str, Any]) -> None:
        if self._kinds.get(event["requestId"]) == "Script":
            self.sent += event["encodedDataLength"]


def percentile(values: Sequence[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def spread(values: Sequence[float]) -> str:
    """`95 ms (82 to 140)`: the median and what it lies between."""
    return f"{percentile(values, 0.5):,.0f} ms ({min(values):,.0f} to {max(values):,.0f})"
