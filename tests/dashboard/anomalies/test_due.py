"""Time alone accuses nobody in a world at which nobody looks."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.anomalies import detect_runs
from dashboard.anomalies.detect_runs import runs_to_judge, worlds_with_runs_to_judge
from dashboard.anomalies.due import time_in
from dashboard.anomalies.models import RunCheckpoint
from runs.models import World
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db
NOW = 1_000_000
DUE = 900_000


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(detect_runs, "now_ns", lambda: NOW)


def world_with_due_run(**fields: Any) -> World:
    world = make_world(**fields)
    run = make_run(world, status="running", completed_ns=None, changes=1, judged=1)
    RunCheckpoint.objects.create(run=run, due_ns=DUE)
    return world


@pytest.mark.parametrize("fields", [{"read_ns": DUE}, {"read_ns": NOW}, {"kind": "probe"}])
def test_what_is_due_is_judged_where_somebody_looked_since(fields):
    world = world_with_due_run(**fields)
    assert len(runs_to_judge(world.pk)) == 1 and worlds_with_runs_to_judge() == [world.pk]


@pytest.mark.parametrize(
    "fields",
    [
        {"read_ns": DUE - 1},
        {"read_ns": NOW, "paused_ns": DUE - 5},
        {"read_ns": NOW, "trouble": "gone", "trouble_since_ns": 5},
    ],
    ids=["not looked at since", "paused", "unreachable"],
)
def test_nothing_is_due_where_nobody_looked(fields):
    world = world_with_due_run(**fields)
    assert runs_to_judge(world.pk) == [] and worlds_with_runs_to_judge() == []


def test_a_resumed_world_is_judged_after_its_next_look_and_not_before():
    world = world_with_due_run(read_ns=DUE - 1, paused_ns=5)
    World.objects.update(paused_ns=None)
    assert runs_to_judge(world.pk) == [], "what happened meanwhile is not known yet"
    World.objects.update(read_ns=NOW)
    assert len(runs_to_judge(world.pk)) == 1


def test_time_stands_still_at_the_last_look():
    assert time_in(make_world("a", read_ns=5), NOW) == NOW
    assert time_in(make_world("b", read_ns=5, paused_ns=7), NOW) == 5
    assert time_in(make_world("c", read_ns=5, trouble="gone"), NOW) == 5
    assert time_in(make_world("d", paused_ns=7), NOW) == NOW
