"""The real client of the SDK in a real app, through the proxy, against a stand-in for Vercel's server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections import Counter
from typing import Any

import pytest

from dashboard.proxy.server import Proxy
from dashboard.proxy.upstream import read_upstream
from dashboard.proxy.watch import Watch
from runs.reports import read_batch
from tests.lab.setups import VERCEL_WORLD
from tests.lab.vercel import StubServer
from tests.processes import free_port

TOKEN = "tok_lab_that_nobody_may_see"
SCENARIOS = ["a_clean", "b_reacquire", "c_lateFlush"]


def digest(chunk: str) -> str:
    return hashlib.sha256(base64.b64decode(chunk)).hexdigest()[:16]


async def run_through_proxy(
    run_lab: Any, version: str, folder: Any
) -> tuple[StubServer, Watch, list[Any], str]:
    records: list[dict[str, Any]] = []
    said: list[str] = []
    port = free_port()
    with StubServer(f"http://127.0.0.1:{port}/.well-known/workflow/v1", TOKEN) as stub:
        watch = Watch(records.append)
        proxy = Proxy(read_upstream(stub.url), watch, said.append)
        own = f"http://127.0.0.1:{await proxy.start('127.0.0.1', 0)}"
        env = {
            "WORKFLOW_TARGET_WORLD": str(VERCEL_WORLD),
            "WORKFLOW_VERCEL_BACKEND_URL": own,
            "PORT": str(port),
        }
        env |= {"LAB_VERCEL_TOKEN": TOKEN, "VERCEL_DEPLOYMENT_ID": "dpl_lab"}
        app = await asyncio.to_thread(run_lab, version, folder, SCENARIOS, env)
        ends = [await asyncio.to_thread(app.ended, scenario) for scenario in SCENARIOS]
        await asyncio.to_thread(app.finish)
        await proxy.stop()
    assert ends == ["completed"] * len(SCENARIOS)
    return stub, watch, records, "\n".join(said)


@pytest.mark.sdk
@pytest.mark.parametrize("version", ["4.8.9", "5.0.0-beta.55"])
async def test_what_it_records_is_what_the_server_saw(run_lab, tmp_path, version):
    stub, watch, records, said = await run_through_proxy(run_lab, version, tmp_path)
    writes = [one for one in records if one["type"] == "write"]
    seen = Counter(
        (
            one["runId"],
            one["stream"],
            one["op"],
            tuple(map(digest, one["chunks"])),
            one["outcome"] == "stored",
        )
        for one in stub.store.arrivals
    )
    told = Counter(
        (one["run"], one["stream"], one["op"], tuple(chunk["hash"] for chunk in one["chunks"]), one["ok"])
        for one in writes
    )
    assert told == seen and len({one["run"] for one in writes}) == len(SCENARIOS)
    completed = [one["run"] for one in records if one["type"] == "event" and one["event"] == "run_completed"]
    assert sorted(completed) == sorted(stub.store.runs)
    assert read_batch({"process": "p", "records": records}).problems == []
    assert watch.sdk.startswith("world-vercel ")
    assert TOKEN not in json.dumps(records) + said
    if version == "4.8.9":
        assert [one for one in writes if one["ok"] is False and one["error"]["status"] == 409]
        assert any(_is_overlapped(one, writes) for one in writes)


def _is_overlapped(one: dict[str, Any], writes: list[dict[str, Any]]) -> bool:
    """Whether another write of its stream was called while it was under way: a race, seen from outside."""
    end = one["called"] + one["took"]
    return any(other["stream"] == one["stream"] and one["called"] < other["called"] < end for other in writes)
