"""In a real browser: how soon a finding is on an open page after its evidence became durable.

    python bench/finding.py [--rounds 10]

Evidence is a chunk behind the end marker of a stream. It is looked for on the page of that stream and in the inbox,
both open; each round has a stream of a namespace of its own, so that the inbox gets a row of its own. Reference,
measured in the same run: the time until the chunk itself is on the page of the stream.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.parts.browser import chromium, cold_page, percentile, spread, wait_for
from bench.parts.promises import end, target
from bench.parts.serving import load
from tests.server_process import Server

RUN = "01M803XX9EKPGB0DR66MWJRZ8Z"
MOST_MS = 1000
CHUNK, FINDING, ROW = "chunk on its page", "finding on the page of its stream", "row in the inbox"

WATCH = """
window.shownAt = {}; window.wanted = {};
const look = () => { for (const [name, [css, text]] of Object.entries(window.wanted))
  if (!(name in window.shownAt) && [...document.querySelectorAll(css)].some((one) => one.textContent.includes(text)))
    window.shownAt[name] = performance.timeOrigin + performance.now();
  requestAnimationFrame(look); };
requestAnimationFrame(look);
"""

LOOK_FOR = "(wanted) => { window.wanted = wanted; }"


class Stream:
    """One stream of the world's directory; it has three chunks and its end marker."""

    def __init__(self, world: Path, number: int) -> None:
        namespace = base64.urlsafe_b64encode(b"round-%03d" % number).decode().rstrip("=")
        self.name = f"strm_{RUN}_user_{namespace}"
        self.folder = world / "streams" / "chunks" / self.name
        self.folder.mkdir(parents=True)
        for place in range(3):
            self.write(place)
        self.write(3, is_close=True)

    def write(self, place: int, *, is_close: bool = False) -> float:
        """Milliseconds since 1970 when it was durable."""
        body = b"" if is_close else b"devl" + json.dumps([f"text {place}"]).encode()
        data = b"\x01" if is_close else b"\x00" + len(body).to_bytes(4, "big") + body
        path = self.folder / f"chnk_{place:026d}.bin"
        part = path.with_suffix(".bin.tmp.X")
        part.write_bytes(data)
        part.replace(path)
        return time.time() * 1000


def one_round(browser: Browser, server: Server, world: Path, number: int) -> dict[str, float]:
    """Milliseconds from durable to shown, by what is shown."""
    stream = Stream(world, number)
    with cold_page(browser, WATCH) as page, cold_page(browser, WATCH) as inbox:
        _open_when_judged(page, f"{server.url}/w/world/streams/{stream.name}/")
        inbox.goto(f"{server.url}/anomalies/?state=all")
        inbox.wait_for_timeout(1500)
        page.evaluate(LOOK_FOR, {CHUNK: ("#chunk-5", ""), FINDING: ("#findings li", "write_after_close")})
        inbox.evaluate(LOOK_FOR, {ROW: ("#anomaly-list tbody tr", f"round-{number:03d}")})
        durable = stream.write(4)
        shown = {}
        for at, names in ((page, (CHUNK, FINDING)), (inbox, (ROW,))):
            wait_for(at, f"Object.keys(window.shownAt).length === {len(names)}", 30)
            shown |= at.evaluate("window.shownAt")
    return {name: at - durable for name, at in shown.items()}


def _open_when_judged(page: Page, url: str) -> None:
    until = time.monotonic() + 60
    while 'data-chunk-count="3"' not in page.request.get(url).text():
        assert time.monotonic() < until, "the server did not read its world"
        time.sleep(0.2)
    page.goto(url)
    page.wait_for_timeout(1500)  # the socket is open, and what was there has been judged


def rounds(server: Server, world: Path, count: int) -> Iterator[dict[str, float]]:
    with chromium() as browser:
        for number in range(count):
            yield one_round(browser, server, world, number)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    world = root / "world"
    (world / "streams" / "chunks").mkdir(parents=True)
    server = Server(world, root / "data")
    print(load())
    found = list(rounds(server, world, options.rounds))
    server.stop()
    base = percentile([one[CHUNK] for one in found], 0.5)
    print(f"{CHUNK}: {spread([one[CHUNK] for one in found])}")
    for name in (FINDING, ROW):
        delays = [one[name] for one in found]
        print(f"{name}: {spread(delays)}; {percentile(delays, 0.5) / base:.1f} times the chunk itself")
        target(f"{name}, median", percentile(delays, 0.5), MOST_MS, "ms")
    print(load())
    end()


if __name__ == "__main__":
    main()
