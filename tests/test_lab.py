"""The lab runs the real SDK: if this fails, look here first, before the tests that watch it."""

from __future__ import annotations

import json

import pytest

from tests.lab import VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_the_real_sdk_writes_what_its_steps_meant(version, run_lab, tmp_path):
    world, truth = tmp_path / "world", tmp_path / "truth.jsonl"

    lab = run_lab(
        version, world, ["a_clean", "c_eagerClose", "many"], env={"LAB_TRUTH": str(truth), "LAB_MANY": "25"}
    )

    runs = {scenario: lab.started(scenario) for scenario in ("a_clean", "c_eagerClose", "many")}
    assert {scenario: lab.ended(scenario) for scenario in runs} == dict.fromkeys(runs, "completed")
    lab.finish()
    meant = [json.loads(line)["runId"] for line in truth.read_text().splitlines()]
    assert (_chunks(world, runs["a_clean"]), _closes(world, runs["a_clean"])) == (10, 1)
    assert meant.count(runs["a_clean"]) == 11
    assert (_chunks(world, runs["c_eagerClose"]), _closes(world, runs["c_eagerClose"])) == (12, 2)
    assert _chunks(world, runs["many"]) == 25


def test_the_slow_scenario_is_seen_while_it_is_going(run_lab, tmp_path):
    world = tmp_path / "world"
    lab = run_lab("4.8.9", world, ["slow"], env={"LAB_SLOW_COUNT": "20", "LAB_SLOW_PAUSE": "30"})

    run = lab.started("slow")
    while _chunks(world, run) < 3:
        assert lab.poll() is None
    assert _chunks(world, run) < 24

    assert lab.ended("slow") == "completed"
    lab.finish()
    assert _chunks(world, run) == 24


def _files(world, run):
    # 4.x puts the chunks of all streams into one directory, 5.x those of each stream into its own.
    found = (world / "streams" / "chunks").rglob("*.bin")
    return [file for file in found if run.removeprefix("wrun_") in str(file)]


def _chunks(world, run):
    return sum(file.stat().st_size > 1 for file in _files(world, run))


def _closes(world, run):
    return sum(file.read_bytes() == b"\x01" for file in _files(world, run))
