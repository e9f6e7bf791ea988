"""An app of the real SDK on a real PostgreSQL, followed live: what Tailrace says is what truly happened.

`make lab` does the same with more scenarios, an older version and the probe.
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.lab import postgres
from tests.lab.cell import APP_TIMEOUT, Told, app_in, world_in
from tests.lab.found import Finding, database, findings, wait_until_judged
from tests.lab.setups import Setup
from tests.lab.truth import StreamTruth, canonical, stream_name, tokens_of, truths
from tests.lab.verdict import diverging_streams

VERSION = "4.8.9"
APP = Setup(
    "postgres",
    "a short app",
    postgres.PACKAGE,
    (
        "a_clean", "b_reacquire", "b_reacquire#2", "b_reacquire#3", "c_eagerClose", "c_lateFlush", "f_sleep",
        "f_hookResumed",
    ),
)  # fmt: skip
pytestmark = pytest.mark.postgres
DIVERGES = "live_reader_diverges"
JUDGED = {DIVERGES, "write_after_close", "closed_more_than_once", "never_closed"}
PATIENCE = 30.0
OUTAGE_S = float(os.environ.get("LAB_OUTAGE", "5"))  # `make lab`: 60
RUN_ID = "wrun_01M803XX9EKPGB0DR66MWJRZ8Z"


def test_runs_streams_and_anomalies_are_what_the_app_did(serve, lab, tmp_path):
    lab(VERSION)
    data = tmp_path / "data"
    with world_in(VERSION, APP, tmp_path / "app") as (world, env):
        serve(world, data)
        with app_in(VERSION, APP, tmp_path / "app", None, env) as app:
            app.started("a_clean")
            until(lambda: rows(data, "SELECT 1 FROM streams_chunk"), "the first chunk")
            assert app.poll() is None, "the app is still at work"
            app.finish(APP_TIMEOUT)
        wait_until_judged(data)
    told = Told.read(tmp_path / "app")
    assert statuses(data) == {one["runId"]: one["status"] for one in told.results.values()}
    assert streams(data) == told.stored
    found = findings(data)
    for name, truth in truths(VERSION, told).items():
        here = {one.kind: one for one in found.get(name, ()) if one.kind in JUDGED}
        assert set(here) == set(kinds(truth, told)), (truth.scenario, here)
        assert truth.is_in_order and not any(is_disorder(one) for one in found.get(name, ()))
    assert live_readings(data, found, told) == live_readers(told)
    assert diverging_streams(told), "and what this test is there for did happen"


def test_nothing_is_lost_when_the_database_goes_away_for_a_while(serve, lab, page, tmp_path):
    lab(VERSION)
    data = tmp_path / "data"
    with postgres.world(VERSION) as url, postgres.Outages(url) as server:
        tailrace = serve(url, data)
        writer = postgres.Writer(url, RUN_ID, pause=0.02)
        writer.start()
        until(lambda: count(data) > 20, "the first chunks")
        server.stop()
        slug = rows(data, "SELECT slug FROM runs_world")[0][0]
        page.goto(f"{tailrace.url}/w/{slug}/streams/{writer.stream}/")
        expect(page.locator("#live-pill")).to_contain_text("World unreachable", timeout=PATIENCE * 1000)
        page.goto(f"{tailrace.url}/worlds/")
        expect(page.locator("main")).to_contain_text(re.compile(r"unreachable\s*since \d\d:\d\d:\d\d"))
        time.sleep(OUTAGE_S)
        before = count(data)
        server.start()
        until(lambda: count(data) > before + 20, "what was written since")
        writer.enough.set()
        writer.join()
        until(lambda: streams(data) == stored(url), "all that is stored")
        until(lambda: rows(data, "SELECT trouble FROM runs_world") == [("",)], "the end of the trouble")
    assert len(streams(data)[writer.stream]) >= writer.stored > before
    assert [at for (at,) in rows(data, "SELECT arrival FROM streams_chunk ORDER BY arrival")] == list(
        range(1, count(data) + 1)
    ), "each once, none left out"


def kinds(truth: StreamTruth, told: Told) -> Iterator[str]:
    if truth.name in diverging_streams(told):
        yield DIVERGES
    if truth.after_end:
        yield "write_after_close"
    if truth.ends > 1:
        yield "closed_more_than_once"
    if not truth.ends:
        yield "never_closed"


def is_disorder(finding: Finding) -> bool:
    """That the database got chunks in another order than their ids is for information: it alone proves nothing."""
    return finding.kind == "out_of_order" and finding.severity != "info"


def live_readers(told: Told) -> dict[str, list[str]]:
    """What the app's own live readers got of the streams of which later readers get something else."""
    differing = diverging_streams(told)
    return {
        name: [canonical(item) for item in live["items"]]
        for result in told.results.values()
        for live in result["live"]
        if (name := stream_name(result["runId"], live["namespace"])) in differing
    }


def live_readings(data: Path, found: dict[str, list[Finding]], told: Told) -> dict[str, list[str]]:
    """What Tailrace says that they got, which it must be sure of."""
    said = {}
    for name, some in found.items():
        for finding in some:
            if finding.kind == DIVERGES:
                assert (finding.certainty, finding.severity) == ("proved", "error"), finding.message
                chunks = dict(rows(data, f"{OF_STREAM} WHERE s.name = ?", name))
                said[name] = [token for at in finding.evidence["live"] for token in tokens_of(chunks[at])]
    return said


OF_STREAM = "SELECT c.arrival, c.data FROM streams_chunk c JOIN streams_stream s ON s.id = c.stream_id"


def rows(data: Path, query: str, *values: Any) -> list[Any]:
    with database(data) as connection:
        return [tuple(row) for row in connection.execute(query, values)]


def statuses(data: Path) -> dict[str, str]:
    return dict(rows(data, "SELECT run_id, status FROM runs_run"))


def streams(data: Path) -> dict[str, list[bytes | None]]:
    found: dict[str, list[bytes | None]] = {}
    query = (
        "SELECT s.name, c.is_close, c.data FROM streams_chunk c JOIN streams_stream s ON s.id = c.stream_id"
        " ORDER BY s.name, c.chunk_id"
    )
    for name, is_close, payload in rows(data, query):
        found.setdefault(name, []).append(None if is_close else payload)
    return found


def count(data: Path) -> int:
    return int(rows(data, "SELECT count(*) FROM streams_chunk")[0][0])


def stored(url: str) -> dict[str, list[bytes | None]]:
    return {
        name: [None if chunk is None else base64.b64decode(chunk) for chunk in chunks]
        for name, chunks in postgres.stored(url).items()
    }


def until(holds: Any, what: str, within: float = PATIENCE) -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.05)
