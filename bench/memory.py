"""Whether memory stays flat while a stream is watched live: the page's heap after a forced collection, its elements,
and what the server holds.

    python bench/memory.py [--minutes 1] [--rate 100]         ten minutes: --minutes 10

The reader follows the end. Reference, in the same run: the same figures in its first third, once 2,000 chunks have
come, so that what is filled once (tables of rows, caches) is full. What the server keeps for each chunk (its id, so
that it is not stored twice) is told as bytes a chunk; the mapped pages of its database are not counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.live import LIVE, wait_for, write
from bench.parts.browser import MOST_NODES, chromium, cold_page, nodes
from bench.parts.promises import at_most, end, promise, target
from bench.parts.serving import load, memory_mb
from bench.watchers import started
from tests.processes import end as end_process
from tests.server_process import Server

WARM = 2_000  # chunks
SAMPLES = 30
MOST_GROWTH = 1.1
SHOWN = "Number([...document.querySelectorAll('[data-arrival]')].at(-1)?.dataset.arrival ?? 0)"


@dataclass(frozen=True)
class Sample:
    chunks: int  # shown so far
    heap: float  # MB
    kept: int  # nodes that the page holds, those included that are in no document
    nodes: int
    renderer: float  # MB of the process that shows the page
    server: float  # MB, without the mapped database


class Watcher:
    """Asks the browser about one page, and Linux about the server."""

    def __init__(self, page: Page, pid: int) -> None:
        self._page, self._pid = page, pid
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable")
        browser = page.context.browser
        assert browser is not None
        self._browser = browser.new_browser_cdp_session()

    def sample(self) -> Sample:
        self._session.send("HeapProfiler.collectGarbage")
        told = self._session.send("Performance.getMetrics")["metrics"]
        metrics = {one["name"]: one["value"] for one in told}
        heap, kept = metrics["JSHeapUsedSize"] / 2**20, int(metrics["Nodes"])
        server = memory_mb(self._pid, "RssAnon")
        return Sample(self._page.evaluate(SHOWN), heap, kept, nodes(self._page), self._renderer(), server)

    def _renderer(self) -> float:
        processes = self._browser.send("SystemInfo.getProcessInfo")["processInfo"]
        return max(memory_mb(one["id"], "RssAnon") for one in processes if one["type"] == "renderer")


def watch(page: Page, pid: int, seconds: float, began: float) -> list[Sample]:
    watcher, samples, first = Watcher(page, pid), [], time.monotonic()
    for number in range(SAMPLES):
        due = first + (began + seconds - first) * number / SAMPLES
        page.wait_for_timeout(max(0, due - time.monotonic()) * 1000)
        samples.append(watcher.sample())
    return samples


def report(samples: list[Sample]) -> None:
    third = len(samples) // 3
    early, late = samples[:third], samples[-third:]
    figures: list[tuple[str, Callable[[Sample], float], str]] = [
        ("heap of the page", lambda one: one.heap, "MB"),
        ("nodes that the page holds", lambda one: one.kept, ""),
        ("process of the page", lambda one: one.renderer, "MB"),
        ("server", lambda one: one.server, "MB"),
    ]
    for name, figure, unit in figures:
        before, after = (median(map(figure, some)) for some in (early, late))
        print(f"{name}: {before:,.1f} {unit} in the first third, {after:,.1f} {unit} in the last")
        target(name, after / before, MOST_GROWTH, "times")
    for name, some in (("first", samples[: len(samples) // 2]), ("second", samples[len(samples) // 2 :])):
        came = some[-1].chunks - some[0].chunks
        grown = (some[-1].server - some[0].server) * 2**20 / max(1, came)
        print(f"server: {grown:,.0f} bytes a chunk over the {came:,} chunks of the {name} half")
    at_most("elements at the most", max(one.nodes for one in samples), MOST_NODES, "elements")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--rate", type=int, default=100)
    options = parser.parse_args()
    seconds, warm = options.minutes * 60, WARM / options.rate
    root = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    folder = root / "world" / "streams" / "chunks" / (LIVE % options.rate)
    folder.mkdir(parents=True)
    write(folder, 0)
    server = Server(root / "world", root / "data", env={"TAILRACE_LOG_LEVEL": "ERROR"})
    print(f"{options.rate:,}/s for {options.minutes:g} min; {load()}")
    with chromium() as browser, cold_page(browser) as page:
        url = f"{server.url}/w/world/streams/{folder.name}/"
        wait_for(page, url, 1)
        page.goto(url, wait_until="networkidle")
        page.keyboard.press("End")
        total = round(warm + seconds)
        writer = started("bench.parts.stream_writer", str(folder), str(options.rate), str(total))
        began = time.monotonic()
        page.wait_for_timeout(warm * 1000)
        report(watch(page, server.process.pid, total, began))
        writer.communicate()
        page.wait_for_timeout(2000)
        promise("the last chunk is shown", page.evaluate(SHOWN) == options.rate * total + 1)
    print(load())
    end_process(server.process)
    end()


if __name__ == "__main__":
    main()
