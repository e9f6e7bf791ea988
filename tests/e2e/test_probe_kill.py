"""Tailrace is killed while an app reports to it: the app goes on as if nothing was, and the gap is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

from tests.lab.cell import Told, app_in
from tests.lab.found import findings, processes, wait_until_judged
from tests.lab.setups import Setup
from tests.lab.truth import truths

VERSION = "4.8.9"
WITHIN = 120.0
MISSING = "did not get here"
# Longer than the probe ever waits before it tries again.
STAY = {"LAB_TAIL": "5500"}


def slow(count: int, **env: str) -> Setup:
    env = {"LAB_SLOW_COUNT": str(count), "LAB_SLOW_PAUSE": "15", **env}
    return Setup("slow", "one step writes for a few seconds", "local", ("slow",), env)


# With their bytes only a hundred of these chunks fit into the memory that the probe allows itself.
LARGE = slow(200, LAB_SLOW_SIZE="60000", TAILRACE_PAYLOADS="1")
SMALL = slow(150)


def test_an_outage_is_told_as_a_gap_and_the_app_is_not_disturbed(lab, serve, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        alone = pool.submit(run_alone, lab, LARGE, tmp_path / "without")
        server, told = run_with_outage(lab, serve, LARGE, tmp_path, chunks_meanwhile=150)
        without = alone.result()

    for name in ("status", "returned", "replay"):
        assert told.results["slow"][name] == without.results["slow"][name], name
    assert told.unhandled == without.unhandled == []
    (process,) = processes(tmp_path / "data")
    assert process["dropped_records"] > 0
    assert process["last_number"] - process["batches"] <= process["dropped_batches"], "all others have come"
    assert f"{process['dropped_records']} records" in connect_page(server)
    assert MISSING in connect_page(server)
    assert findings(tmp_path / "data") == {}, "a report that is missing is no write that is missing"


def test_a_short_outage_leaves_no_gap(lab, serve, tmp_path):
    server, told = run_with_outage(lab, serve, SMALL, tmp_path, chunks_meanwhile=30)

    (truth,) = truths(VERSION, told).values()
    assert told.results["slow"]["status"] == "completed"
    assert (told.unhandled, truth.is_calm, len(truth.stored)) == ([], True, 154)
    (process,) = processes(tmp_path / "data")
    assert (process["dropped_records"], process["batches"]) == (0, process["last_number"])
    assert MISSING not in connect_page(server)
    assert findings(tmp_path / "data") == {}


def run_with_outage(lab, serve, setup: Setup, folder: Path, chunks_meanwhile: int):
    """Killed as soon as the first reports are stored, and back when so many more chunks were written."""
    lab(VERSION)
    world = folder / "app" / "world"
    world.mkdir(parents=True)
    server = serve(world, folder / "data")
    with app_in(VERSION, setup, folder / "app", server.url, STAY) as run:
        wait_for(lambda: any(one["records"] for one in processes(folder / "data")), "the first report")
        server.kill()
        there = chunks_in(world)
        wait_for(lambda: chunks_in(world) >= there + chunks_meanwhile, "more chunks")
        server.start()
        run.finish(WITHIN)
    wait_until_judged(folder / "data")
    return server, Told.read(folder / "app")


def run_alone(lab, setup: Setup, folder: Path) -> Told:
    lab(VERSION)
    with app_in(VERSION, setup, folder, None) as run:
        run.finish(WITHIN)
    return Told.read(folder)


def chunks_in(world: Path) -> int:
    return sum(1 for _ in (world / "streams").rglob("*.bin"))


def wait_for(happened: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + WITHIN
    while not happened():
        assert time.monotonic() < until, f"in vain: {what}"
        time.sleep(0.05)


def connect_page(server) -> str:
    with urlopen(f"{server.url}/w/world/connect/", timeout=10) as answer:
        return answer.read().decode()
