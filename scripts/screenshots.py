"""Take the screenshots in docs/screenshots anew, from a recorded world, in the browser that tests use.

python scripts/screenshots.py
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from playwright.sync_api import Browser, sync_playwright

from tests.conftest import CHROMIUM_ARGS
from tests.needs import NEEDS, ROOT
from tests.recordings import unpack
from tests.server_process import Server

RUN = "wrun_01M803XXRMEFHXRQDT3NWX3SN6"  # closed early
SCRAMBLED = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"
LATE = "strm_01M803XXRMEFHXRQDT3NWX3SN6_user"
PAGES = {
    "runs": "runs/",
    "run": f"runs/{RUN}/",
    "stream": f"streams/{SCRAMBLED}/",
    "stream-closed-early": f"streams/{LATE}/",
}


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="tailrace-shots-"))
    world = unpack("4.2.4", "probe-lat", folder).rename(folder / "chat-app")
    server = Server(world, folder / "tailrace")
    time.sleep(2)  # until it has read its world and judged it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(NEEDS["browser"].find()), args=CHROMIUM_ARGS)
        for name, path in PAGES.items():
            for scheme in ("light", "dark"):
                take(browser, f"{server.url}/w/chat-app/{path}", f"{name}-{scheme}", scheme, 1280)
        take(browser, f"{server.url}/w/chat-app/{PAGES['stream']}", "stream-phone", "light", 375)
        browser.close()
    server.stop()


def take(browser: Browser, url: str, name: str, scheme: str, width: int) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 700},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_timeout(800)
    page.screenshot(path=ROOT / "docs" / "screenshots" / f"{name}.png", full_page=True)
    context.close()


if __name__ == "__main__":
    main()
