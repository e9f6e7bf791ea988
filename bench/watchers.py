"""Twenty watchers of one stream that is written at 2,000 chunks a second: one in Chromium, the others sockets alone.

    python bench/watchers.py [--rate 2000] [--seconds 30] [--sockets 19]

Nothing may be lost, repeated or out of order at any of them; the delay is from the write until a socket has the row,
and until it is in the page's document. Reference, in the same run: each frame of rows is to be read from the database
once for all who watch, so the frames that were sent are held against the reads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.live import LIVE, OBSERVER, wait_for, write
from bench.parts.browser import MOST_NODES, chromium, cold_page, nodes, percentile
from bench.parts.promises import at_most, end, promise, target
from bench.parts.serving import load, memory_mb
from tests.needs import ROOT
from tests.processes import end as end_process
from tests.server_process import Server

AFTER_S = 20  # the last chunk is waited for so long
MOST_READS = 1.1  # a frame


class CountedServer(Server):
    """Notes each read of a frame (`bench/parts/counted_serve.py`)."""

    def start(self, within: float = 30) -> None:
        self._argv[1] = "bench/parts/counted_serve.py"
        super().start(within)


def started(*command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ
    )


def watched(page: Page, server: Server, folder: Path, options: argparse.Namespace) -> tuple[Any, Any]:
    """When each chunk was written, and what each socket took."""
    rate, seconds = options.rate, options.seconds
    path = f"/ws/w/world/streams/{folder.name}/?after=1"
    numbers = (str(options.sockets), str(rate * seconds), str(seconds + AFTER_S))
    sockets = started("bench.parts.socket_clients", server.url, path, *numbers)
    assert sockets.stdout is not None and sockets.stdout.readline() == "ready\n"
    writer = started("bench.parts.stream_writer", str(folder), str(rate), str(seconds))
    # By the page's own clock, so that Playwright's messages are handled meanwhile.
    page.wait_for_timeout(seconds * 1000)
    written = json.loads(writer.communicate()[0])
    _wait_for_last(page, len(written) + 1)
    clients = json.loads(sockets.communicate()[0])
    return dict(written), clients


def _wait_for_last(page: Page, last: int) -> None:
    for _ in range(AFTER_S * 4):
        if page.evaluate("(last) => last in window.seen", last):
            return
        page.wait_for_timeout(250)


def report_sockets(written: dict[int, float], clients: list[Any]) -> None:
    delays = []
    for client in clients:
        for first, last, moment in client["frames"]:
            delays += [moment - written[n - 1] for n in range(first + 1, last + 1)]
    taken = [client["frames"][-1][1] - 1 if client["frames"] else 0 for client in clients]
    wrong = [said for client in clients for said in client["wrong"]]
    print(
        f"{len(clients)} sockets: {min(taken):,} to {max(taken):,} of {len(written):,} chunks; {_words(delays)}"
    )
    for said in wrong[:5]:
        print(f"  {said}")
    promise("nothing lost at any socket", min(taken) == len(written))
    promise("nothing out of order or repeated at any socket", not wrong)


def report_page(page: Page, written: dict[int, float]) -> None:
    shown: dict[str, float] = page.evaluate("window.seen")
    order: list[int] = page.evaluate("window.order")
    delays = [shown[str(n + 1)] / 1000 - at for n, at in written.items() if str(n + 1) in shown]
    print(f"Chromium: {len(delays):,} of {len(written):,} chunks; {_words(delays)}")
    promise("nothing lost in Chromium", len(delays) == len(written))
    promise("nothing out of order or repeated in Chromium", order == sorted(set(order)))
    at_most("elements after it", nodes(page), MOST_NODES, "elements")


def _words(delays: list[float]) -> str:
    if not delays:
        return "none came"
    p50, p95 = (percentile(delays, part) * 1000 for part in (0.5, 0.95))
    return f"delay p50 {p50:,.0f} ms, p95 {p95:,.0f} ms, max {max(delays) * 1000:,.0f} ms"


def report_reads(reads: Path, clients: list[Any], last: int) -> None:
    """Chromium's frames cannot be seen from here: it is one of those that share, or makes reads of its own."""
    read = [line.split() for line in reads.read_text().splitlines()]
    read = [one for one in read if 1 <= int(one[0]) < last]
    sent = [(first, to) for client in clients for first, to, _ in client["frames"]]
    each = len(read) / max(1, len(set(sent)))
    print(
        f"{len(sent):,} frames were sent to sockets, {len(set(sent)):,} different ones; {len(read):,} were read:"
        f" {len(sent) / max(1, len(read)):.1f} sockets a read"
    )
    target("reads for each different frame", each, MOST_READS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--sockets", type=int, default=19)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    folder = root / "world" / "streams" / "chunks" / (LIVE % options.rate)
    folder.mkdir(parents=True)
    write(folder, 0)
    reads = root / "reads"
    server = CountedServer(
        root / "world", root / "data", env={"BENCH_READS": str(reads), "TAILRACE_LOG_LEVEL": "ERROR"}
    )
    print(f"{options.rate:,}/s for {options.seconds} s; {load()}")
    with chromium() as browser, cold_page(browser, OBSERVER) as page:
        url = f"{server.url}/w/world/streams/{folder.name}/"
        wait_for(page, url, 1)
        page.goto(url, wait_until="networkidle")
        page.keyboard.press("End")
        written, clients = watched(page, server, folder, options)
        report_sockets(written, clients)
        report_page(page, written)
        report_reads(reads, clients, len(written) + 1)
        print(f"server {memory_mb(server.process.pid):,.0f} MB; {load()}")
    end_process(server.process)
    end()


if __name__ == "__main__":
    main()
