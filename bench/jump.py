"""From a key or a click until the row one asked for is on the page and in sight: any position by the field, a place in
the map of the stream, its end by the key.

    python bench/jump.py [--jumps 15] [--size 1000000]

Measured inside the page: from the browser's own time of the key or click to the first animation frame in which the row
is what one sees at its place. Reference, in the same run and in turn: the same page fetches a file of no size from the
same server and shows it. A jump that loads the page anew is followed over the load, and told.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.parts.browser import MOST_NODES, chromium, cold_page, nodes, percentile, spread, wait_for
from bench.parts.long_streams import SIZES, page_path
from bench.parts.promises import at_most, end, target
from bench.parts.serving import load, serving

MOST_MS = 200
BIN = 60  # a place in the map is one of so many parts at the least
JUMPS = (Path(__file__).parent / "parts" / "jumps.js").read_text()


def jump(page: Page, first: int, last: int, act: Callable[[], None]) -> dict[str, Any]:
    """Acts, and waits until a row of these arrivals is in sight."""
    before = page.evaluate("([from, to]) => ask(from, to)", [first, last])
    assert before is None, f"{before} is in sight before one goes there"
    act()
    found = wait_for(page, "sessionStorage.getItem('reached')", within=30)
    page.wait_for_timeout(250)
    return dict(json.loads(found))


def to_position(page: Page, arrival: int) -> dict[str, Any]:
    """Arrivals begin at 1, positions at 0."""
    page.locator("#go").fill(str(arrival - 1))
    return jump(page, arrival, arrival, partial(page.locator("#go").press, "Enter"))


def to_end(page: Page, head: int) -> dict[str, Any]:
    page.locator("body").evaluate("() => document.activeElement.blur()")
    return jump(page, head, head, partial(page.keyboard.press, "End"))


def in_map(page: Page, head: int, part: float) -> dict[str, Any]:
    field = page.locator("nav.minimap svg").first
    field.scroll_into_view_if_needed()
    page.wait_for_timeout(250)
    box = field.bounding_box()
    assert box is not None
    at = round(part * head)
    act = partial(page.mouse.click, box["x"] + part * box["width"], box["y"] + box["height"] - 4)
    return jump(page, max(1, at - head // BIN), min(head, at + head // BIN), act)


def bench(page: Page, size: int, jumps: int) -> None:
    head, chance = size + 1, random.Random(5)
    found: dict[str, list[dict[str, Any]]] = {"position": [], "map": [], "end": []}
    fetched = []
    to_position(page, head // 2)  # what the first one loads is another matter
    for _ in range(jumps):
        found["map"].append(in_map(page, head, chance.uniform(0.05, 0.95)))
        fetched.append(page.evaluate("(url) => fetchBare(url)", "/health/live"))
        found["position"].append(to_position(page, chance.randint(1000, head - 2000)))
        found["end"].append(to_end(page, head))
    for name, each in found.items():
        took = [one["took"] for one in each]
        loads = sum(one["isLoad"] for one in each)
        ratio = percentile(took, 0.5) / percentile(fetched, 0.5)
        said = f", {loads} of {jumps} by a new page" if loads else ""
        print(
            f"{size:,} chunks, {name}: {spread(took)}{said}; bare fetch {spread(fetched)}; ratio {ratio:.1f}"
        )
        target("median", percentile(took, 0.5), MOST_MS, "ms")
        target("p95", percentile(took, 0.95), MOST_MS, "ms")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jumps", type=int, default=15)
    parser.add_argument("--size", type=int, default=1_000_000, choices=SIZES[2:])
    options = parser.parse_args()
    with serving(SIZES) as server, chromium() as browser, cold_page(browser, JUMPS) as page:
        print(load())
        page.goto(server.url + page_path(options.size), wait_until="networkidle")
        bench(page, options.size, options.jumps)
        at_most("elements after all the jumps", nodes(page), MOST_NODES, "elements")
        print(load())
    end()


if __name__ == "__main__":
    main()
