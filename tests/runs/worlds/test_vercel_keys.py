"""Keys of a Vercel project's runs: asked for where a person has switched decryption on, and nowhere else."""

from __future__ import annotations

import base64
import json

import pytest

from runs.keys import has_own_keys, key_for, switch
from runs.models import Run, World
from runs.payloads import decode_chunk
from runs.worlds import _vercel_state
from tests.vercel_worlds import TOKEN, VERCEL, VercelServer

pytestmark = pytest.mark.django_db
SAMPLES = json.loads((VERCEL / "vercel-encryption-samples.json").read_text())


@pytest.fixture
def server(monkeypatch):
    _vercel_state.forget()
    monkeypatch.setenv("TAILRACE_VERCEL_TOKEN", TOKEN)
    with VercelServer() as running:
        run_id = SAMPLES[0]["runId"]
        running.store.runs[run_id] = {"runId": run_id, "status": "completed", "deploymentId": "dpl_1"}
        running.keys[run_id] = base64.b64decode(SAMPLES[0]["runKey"])
        yield running


@pytest.fixture
def run(server):
    world = World.objects.create(
        kind="vercel", location=server.location(), name="shop", slug="shop", created_ns=1
    )
    return Run.objects.create(world=world, run_id=SAMPLES[0]["runId"], created_ns=1)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample["v"] for sample in SAMPLES])
def test_where_decryption_is_on_what_each_version_encrypted_is_opened(server, run, sample):
    switch(run.world, is_on=True)

    key = key_for(run)

    (value,) = decode_chunk(base64.b64decode(sample["chunk"]), key=key).values
    assert value.status == "ok"
    assert key.opened == 1


def test_where_it_is_not_nobody_is_asked(server, run):
    assert has_own_keys(run.world)
    assert key_for(run) is None
    switch(run.world, is_on=True)
    switch(run.world, is_on=False)
    assert key_for(run) is None
    assert not server.asked


def test_a_key_that_cannot_be_had_leaves_the_values_sealed(server, run, caplog):
    switch(run.world, is_on=True)
    server.fail(404, "run-key")
    assert key_for(run) is None
    assert TOKEN not in caplog.text
