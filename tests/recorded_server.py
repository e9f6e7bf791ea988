"""A server that shows a recording, as far as a browser test needs it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from urllib.request import Request, urlopen

from playwright.sync_api import Page

from tests.probe_journal import batches
from tests.recordings import unpack
from tests.server_process import Server


def serve_with_reports(folder: Path, sdk: str, label: str) -> Server:
    """Over the recording's world, which the probe's journal is sent to."""
    server = Server(unpack(sdk, label, folder / "world"), folder / "data")
    for batch in batches(sdk, label):
        headers = {"Content-Type": "application/json"}
        with urlopen(Request(f"{server.url}/api/v1/probe", json.dumps(batch).encode(), headers)) as answer:
            assert answer.status == 202
    return server


def stream_url(page: Page, server: Server, name: str) -> str:
    """Of a stream of the only world there is."""
    page.goto(f"{server.url}/")
    base = re.match(r".*?/w/[^/]+", page.url)
    assert base is not None
    return f"{base[0]}/streams/{name}/"


def wait_for_words(page: Page, url: str, words: str, otherwise: str) -> None:
    until = time.monotonic() + 20
    while words not in page.request.get(url).text():
        assert time.monotonic() < until, otherwise
        time.sleep(0.1)
