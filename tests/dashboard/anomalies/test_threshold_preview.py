"""What a change would do, before it is made."""

from __future__ import annotations

import pytest

from dashboard.anomalies import detect, threshold_preview
from dashboard.anomalies.models import Finding, WorldTime
from dashboard.anomalies.threshold_changes import set_threshold
from dashboard.anomalies.threshold_preview import Tried, preview
from dashboard.lib.clock import NS_PER_S, now_ns
from tests.dashboard.anomalies.test_threshold_changes import quiet_run
from tests.factories import make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh():
    detect.forget()


@pytest.fixture
def world():
    world = make_world()
    for seconds in (400, 3600, 9000):
        quiet_run(world, seconds)
    quiet_run(world, 1, "other")
    return world


def test_it_counts_findings_of_now_and_of_then_among_the_latest_runs(world):
    detect_time(world)
    found = preview(world, "slow", "idle_s", 7200)
    assert (found.subject, found.runs, found.looked) == ("run", 3, 3)
    assert found.tried == (Tried("run_stuck", 2, 1),)
    assert preview(world, "", "idle_s", 300).tried == (Tried("run_stuck", 2, 3),)
    assert not Finding.objects.exists(), "nothing is stored"


def test_a_reset_is_tried_as_well(world):
    detect_time(world)
    set_threshold(world, "slow", "idle_s", 60, "me")
    assert preview(world, "slow", "idle_s", None).tried == (Tried("run_stuck", 3, 2),)


def test_streams_are_tried_with_their_chunks(world):
    for age in (20, 600):
        run = make_run(world, workflow="done", completed_ns=now_ns() - age * NS_PER_S)
        make_chunks(make_stream(world, f"strm_{age}_user", run, listed=True), ["a"])
    found = preview(world, "done", "close_s", 60)
    assert (found.subject, found.looked, found.tried) == ("stream", 2, (Tried("never_closed", 2, 1),))


def test_streams_that_are_too_long_are_left_out(world, monkeypatch):
    monkeypatch.setattr(threshold_preview, "CHUNKS", 3)
    for number, values in enumerate((["a"], ["a", "b", "c"])):
        run = make_run(world, workflow="done")
        make_chunks(make_stream(world, f"strm_{number}_user", run, listed=True), values)
    assert preview(world, "done", "close_s", 60).looked == 1


def test_a_workflow_without_runs_concerns_none(world):
    found = preview(world, "absent", "idle_s", 60)
    assert (found.runs, found.looked, found.tried) == (0, 0, (Tried("run_stuck", 0, 0),))


def detect_time(world) -> None:
    """The clock of the world, as the judge keeps it."""
    WorldTime.objects.create(world=world, newest_ns=now_ns() - NS_PER_S, observed_ns=now_ns())
