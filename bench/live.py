"""In a real browser: how soon a stream page shows its last chunk, and how soon a written chunk is on the page.

    python bench/live.py [--rate 20 --rate 500] [--seconds 10]

References, measured in the same run: navigation to a page without content, and the time from a write until a
bare file watcher in a process of its own reports it. The reader follows the end; after the last chunk the page's
elements are counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.parts.browser import MOST_NODES, chromium, cold_page, nodes
from bench.parts.promises import at_most, end, promise, target
from bench.parts.serving import load
from tests.server_process import Server

BIG, ROUNDS = 20_000, 5
STREAM = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"
LIVE = "strm_01M803XXRMEFHXRQDT3NW%05d_user"
MOST_MS = {20: 150, 500: 300}  # p95 at so many chunks a second
WATCH = "import sys, time\nfrom watchfiles import watch\nprint('ready', flush=True)\n" + (
    "for changes in watch(sys.argv[1], step=20, debounce=50, rust_timeout=1000, yield_on_timeout=True):\n"
    "    now = time.time()\n"
    "    for _, path in changes:\n"
    "        if not '.tmp.' in path: print(path.rsplit('/', 1)[1], now, flush=True)\n"
)


def frame(number: int) -> bytes:
    """A message with one long text; the first chunk starts it."""
    delta = b'[{"type":1,"id":2,"delta":3},"text-delta","t1","L%06d lorem ipsum dolor sit "]' % number
    body = b"devl" + (delta if number else b'[{"type":1,"id":2},"text-start","t1"]')
    return b"\x00" + len(body).to_bytes(4, "big") + body


def write(folder: Path, number: int) -> float:
    part = folder / f"chnk_{number:026d}.bin.tmp.X"
    part.write_bytes(frame(number))
    part.replace(folder / f"chnk_{number:026d}.bin")
    return time.time()


def wait_for(page: Page, url: str, chunks: int) -> None:
    until = time.monotonic() + 60
    while f'data-chunk-count="{chunks}"' not in page.request.get(url).text():
        assert time.monotonic() < until, "the server did not read its world"
        time.sleep(0.2)


def bench_page(browser: Browser, server: Server) -> None:
    """Navigation start until the last chunk's row is in the document, cold cache each time."""
    url, marker = f"{server.url}/w/world/streams/{STREAM}/", f"L{BIG - 1:06d}"
    ours = [_until_text(browser, url, marker) for _ in range(ROUNDS)]
    empty = [_until_text(browser, f"{server.url}/health/live", "ok") for _ in range(ROUNDS)]
    a, b = statistics.median(ours), statistics.median(empty)
    print(
        f"page of {BIG:,} chunks shows its last chunk after {a:.0f} ms; empty page {b:.0f} ms; ratio {a / b:.1f}"
    )
    context = browser.new_context()
    page = context.new_page()
    sizes: list[int] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    kinds: dict[str, str] = {}
    session.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    session.on(
        "Network.loadingFinished",
        lambda event: (
            sizes.append(event["encodedDataLength"]) if kinds.get(event["requestId"]) == "Script" else None
        ),
    )
    page.goto(url, wait_until="networkidle")
    print(f"script on the wire: {sum(sizes) / 1000:.1f} kB")
    context.close()


def _until_text(browser: Browser, url: str, text: str) -> float:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(
        "const look = () => { const body = document.body;"
        f" if (body && body.textContent.includes({json.dumps(text)})) window.readyAt = performance.now();"
        " else requestAnimationFrame(look); }; requestAnimationFrame(look);"
    )
    page.goto(url, wait_until="commit")
    found = None
    while found is None:
        found = page.evaluate("window.readyAt ?? null")
        time.sleep(0.01)
    context.close()
    return float(found)


def bench_live(browser: Browser, server: Server, world: Path, rate: int, seconds: int) -> None:
    stream = LIVE % rate
    folder = world / "streams" / "chunks" / stream
    folder.mkdir(parents=True)
    write(folder, 0)
    with cold_page(browser, OBSERVER) as page:
        url = f"{server.url}/w/world/streams/{stream}/"
        wait_for(page, url, 1)
        page.goto(url)
        page.wait_for_timeout(1000)
        page.keyboard.press("End")
        written, bare = _watched(page, folder, rate, seconds)
        report(page, rate, seconds, written, bare)
        at_most(f"elements after {len(written):,} live chunks", nodes(page), MOST_NODES, "elements")


def _watched(page: Page, folder: Path, rate: int, seconds: int) -> tuple[dict[int, float], dict[str, float]]:
    """When each chunk was written, and when a bare watcher said so."""
    watcher = subprocess.Popen([sys.executable, "-c", WATCH, str(folder)], stdout=subprocess.PIPE, text=True)
    assert watcher.stdout is not None
    watcher.stdout.readline()
    written = write_at(folder, rate, seconds)
    page.wait_for_timeout(2000)
    watcher.kill()
    reports = [line.split() for line in watcher.stdout if line.startswith("chnk_")]
    return written, {report[0]: float(report[1]) for report in reports if len(report) == 2}


def report(page: Page, rate: int, seconds: int, written: dict[int, float], bare: dict[str, float]) -> None:
    shown: dict[str, Any] = page.evaluate("window.seen")
    order: list[int] = page.evaluate("window.order")
    delays = sorted(shown[str(n + 1)] / 1000 - at for n, at in written.items() if str(n + 1) in shown)
    reference = sorted(
        bare[f"chnk_{n:026d}.bin"] - at for n, at in written.items() if f"chnk_{n:026d}.bin" in bare
    )
    lost, repeated = len(written) - len(delays), len(order) - len(set(order))
    is_ordered = order == sorted(order)
    print(
        f"live at {rate}/s for {seconds} s: {len(written):,} written, {lost} lost, {repeated} repeated,"
        f" {'in order' if is_ordered else 'NOT in order'}"
    )
    a, b = _percentile(delays, 0.95), _percentile(reference, 0.95)
    print(
        f"write to page: p50 {_percentile(delays, 0.5):.0f} ms, p95 {a:.0f} ms, max {delays[-1] * 1000:.0f} ms;"
        f" bare watcher p95 {b:.0f} ms; ratio {a / b:.1f}"
    )
    promise("nothing lost, nothing repeated, in order", not lost and not repeated and is_ordered)
    if rate in MOST_MS:
        target("p95", a, MOST_MS[rate], "ms")


OBSERVER = """
window.seen = {}; window.order = [];
const note = (node) => { if (!node.dataset || !node.dataset.arrival) return;
  const n = Number(node.dataset.arrival); window.order.push(n);
  if (!(n in window.seen)) window.seen[n] = performance.timeOrigin + performance.now(); };
document.addEventListener("DOMContentLoaded", () => new MutationObserver((records) => {
  for (const record of records) for (const node of record.addedNodes) note(node);
}).observe(document.body, { childList: true, subtree: true }));
"""


def write_at(folder: Path, rate: int, seconds: int) -> dict[int, float]:
    """Every 10 ms what is due, like the SDK's own writer."""
    began, written, number = time.time(), {}, 1
    while number <= rate * seconds:
        due = int((time.time() - began) * rate)
        while number <= min(due, rate * seconds):
            written[number] = write(folder, number)
            number += 1
        time.sleep(0.01)
    return written


def _percentile(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, int(part * len(values)))] * 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, action="append")
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    world = root / "world"
    folder = world / "streams" / "chunks" / STREAM
    folder.mkdir(parents=True)
    for number in range(BIG):
        write(folder, number)
    server = Server(world, root / "data")
    with chromium() as browser:
        print(load())
        wait_for(browser.new_context().new_page(), f"{server.url}/w/world/streams/{STREAM}/", BIG)
        bench_page(browser, server)
        for rate in options.rate or MOST_MS:
            bench_live(browser, server, world, rate, options.seconds)
        print(load())
    server.stop()
    end()


if __name__ == "__main__":
    main()
