"""static/probe/tailrace-probe.cjs in apps of the real SDK."""

from __future__ import annotations

import pytest

from tests.probe.apps import PROBE, orders

VERSION_4, VERSION_5 = "4.8.9", "5.0.0-beta.55"


@pytest.fixture
def probed(run_lab, intake, tmp_path):
    """The id of the scenario's run, after the app has ended with the probe as its world."""

    def run(version, scenario, **env):
        lab = run_lab(
            version,
            tmp_path / "world",
            [scenario],
            env={"WORKFLOW_TARGET_WORLD": str(PROBE), "TAILRACE_URL": intake.url, **env},
        )
        run_id = lab.started(scenario)
        assert lab.ended(scenario) == "completed"
        lab.finish()
        return run_id, lab.complaints()

    return run


@pytest.mark.sdk
@pytest.mark.parametrize("version", [VERSION_4, VERSION_5])
def test_a_clean_app_is_one_writable_in_order_and_no_warning(version, probed, intake):
    run_id, complaints = probed(version, "a_clean")

    *writes, close = intake.of("write")
    assert [order for _, order in orders(writes)] == list(range(1, 11))
    assert {pair for pair, _ in orders(writes)} == {1}
    assert (close["op"], close["pair"], close["step"]["known"]) == ("close", 2, "exact")
    assert {(write["run"], write["ok"], write["step"]["known"]) for write in writes} == {
        (run_id, True, "exact")
    }
    assert {write["step"]["name"].split("//")[-1] for write in writes} == {"writeAll"}
    assert not any("overlaps" in write for write in [*writes, close])
    assert "[tailrace]" not in complaints
    app = intake.batches[0]["app"]
    assert (app["sdk"], app["world"]) == (version, "local")
    events = {event["event"]: event for event in intake.of("event") if event["ok"]}
    assert {"run_started", "step_started", "step_completed", "run_completed"} <= set(events)
    assert events["step_started"]["attempt"] == 1
    assert events["run_started"]["workflow"].endswith("//clean")


@pytest.mark.sdk
def test_writables_acquired_anew_race_on_4x(probed, intake):
    _, complaints = probed(VERSION_4, "b_reacquire")

    writes = [write for write in intake.of("write") if write["op"] == "write"]
    assert len({pair for pair, _ in orders(writes)}) == 10
    assert sorted(order for _, order in orders(writes)) == list(range(1, 11))
    assert {write["acquired"] for write in writes} == {10}
    assert any("overlaps" in write for write in writes)
    assert complaints.count("[tailrace]") == 1
    assert 'step "writeEachAnew" (workflow "reacquire") has several writers' in complaints


@pytest.mark.sdk
def test_writables_acquired_anew_are_one_on_5x(probed, intake):
    _, complaints = probed(VERSION_5, "b_reacquire")

    writes = [write for write in intake.of("write") if write["op"] == "write"]
    assert [order for _, order in orders(writes)] == list(range(1, 11))
    assert len({pair for pair, _ in orders(writes)}) == 1
    assert {write["acquired"] for write in writes} == {1}
    assert not any("overlaps" in write for write in writes)
    assert "[tailrace]" not in complaints


@pytest.mark.sdk
@pytest.mark.parametrize("version", [VERSION_4, VERSION_5])
def test_in_production_the_context_is_enough(version, probed, intake):
    probed(version, "b_reacquire", NODE_ENV="production")

    writes = [write for write in intake.of("write") if write["op"] == "write"]
    assert {write["step"]["known"] for write in writes} == {"context"}
    assert any("overlaps" in write for write in writes) == (version == VERSION_4)
    assert intake.batches[0]["app"]["exact"] is False
