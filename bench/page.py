"""First paint of stream pages in Chromium, for streams of 3 to 1,000,000 chunks, with a cold cache each time.

    python bench/page.py [--rounds 9]

Reference, measured in the same run, in turn: a copy of the very same HTML with its styles and scripts, kept in memory
and served by a plain server. Then the number of elements of each page, once all of it was in sight, and its scripts.
The streams are made once and kept (`bench/parts/long_streams.py`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.parts.browser import (
    MOST_NODES,
    MOST_SCRIPT_KB,
    Scripts,
    chromium,
    cold_page,
    nodes,
    percentile,
    scroll_through,
    spread,
    wait_for,
)
from bench.parts.copy_server import copy_of
from bench.parts.long_streams import SIZES, page_path
from bench.parts.promises import at_most, end, target
from bench.parts.serving import load, serving
from tests.server_process import Server

MOST_RATIO, MOST_GROWTH, AIM_MS = 2, 1.5, 300
PAINTED = """
new PerformanceObserver((list) => { for (const entry of list.getEntries())
  if (entry.name === "first-contentful-paint") window.paintedAt = entry.startTime;
}).observe({ type: "paint", buffered: true });
const look = () => { if (document.querySelector("[data-arrival]")) window.rowAt = performance.now();
  else requestAnimationFrame(look); };
requestAnimationFrame(look);
"""


@dataclass(frozen=True)
class Paint:
    first: float  # ms since the navigation began
    row: float
    answered: float  # the first byte of the page


def paint(browser: Browser, url: str) -> Paint:
    with cold_page(browser, PAINTED) as page:
        page.goto(url, wait_until="commit")
        wait_for(page, "window.paintedAt && window.rowAt")
        answered = page.evaluate("performance.getEntriesByType('navigation')[0].responseStart")
        found = Paint(page.evaluate("window.paintedAt"), page.evaluate("window.rowAt"), answered)
        page.wait_for_load_state("networkidle")  # what it asks for later is not to slow the next one
        return found


def bench_paint(browser: Browser, server: Server, rounds: int) -> None:
    ours: dict[int, list[Paint]] = defaultdict(list)
    copies: dict[int, list[Paint]] = defaultdict(list)
    with copy_of(server.url, [page_path(size) for size in SIZES]) as copied:
        for round_ in range(
            rounds + 1
        ):  # the first is not counted: what a first request costs is another matter
            for size in SIZES:
                for base, found in _turns(round_, (server.url, ours), (copied, copies)):
                    paint_ = paint(browser, base + page_path(size))
                    if round_:
                        found[size].append(paint_)
    for size in SIZES:
        report(size, ours[size], copies[size])
    growth = _median(ours[1_000_000]) / _median(ours[1_000])
    target("first paint of 1,000,000 chunks against 1,000", growth, MOST_GROWTH, "times")


def _turns(
    round_: int, *both: tuple[str, dict[int, list[Paint]]]
) -> Iterator[tuple[str, dict[int, list[Paint]]]]:
    """Neither of the two always goes first."""
    yield from both if round_ % 2 else reversed(both)


def _median(paints: list[Paint]) -> float:
    return percentile([one.first for one in paints], 0.5)


def report(size: int, ours: list[Paint], copies: list[Paint]) -> None:
    ratio = _median(ours) / _median(copies)
    print(
        f"{size:,} chunks: first paint {spread([one.first for one in ours])}, first row"
        f" {spread([one.row for one in ours])}, first byte {spread([one.answered for one in ours])};"
        f" static copy {spread([one.first for one in copies])}; ratio {ratio:.2f}"
    )
    target("against the static copy", ratio, MOST_RATIO, "times")
    target("first paint", _median(ours), AIM_MS, "ms")


def bench_size(browser: Browser, server: Server) -> None:
    for size in SIZES:
        with cold_page(browser) as page:
            scripts = Scripts(page.context.new_cdp_session(page))
            page.goto(server.url + page_path(size), wait_until="networkidle")
            first = nodes(page)
            most = _whole(page)
            print(f"{size:,} chunks: {first:,} elements when it is there")
            at_most("elements at the most, all of it seen", most, MOST_NODES, "elements")
            kb, sent = scripts.read / 1000, scripts.sent / 1000
            at_most(f"script ({sent:.1f} kB on the wire)", kb, MOST_SCRIPT_KB, "kB")


def _whole(page: Page) -> int:
    most = scroll_through(page)
    page.wait_for_load_state("networkidle")
    return max(most, nodes(page))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with serving(SIZES) as server, chromium() as browser:
        print(load())
        began = time.monotonic()
        bench_paint(browser, server, options.rounds)
        bench_size(browser, server)
        print(f"{load()}, {time.monotonic() - began:.0f} s")
    end()


if __name__ == "__main__":
    main()
