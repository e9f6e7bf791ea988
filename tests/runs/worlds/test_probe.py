"""Runs and steps folded from events alone, whatever order they are told in."""

from __future__ import annotations

import json
import random
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.observations import EventSeen
from runs.worlds.base import WORLDS, Seen, WorldError
from runs.worlds.probe import ProbeWorld, run_of

RUN, STEP = "wrun_1", "step_1"


def event(kind: str, at: int, step: str = "", n: int = 1, **data: str) -> EventSeen:
    stored = b"JSON" + json.dumps(data).encode() if data else None
    return EventSeen(RUN, f"{at:020d} p {n}", kind, at, step, at, stored)


LIFE = [
    event("run_created", 10, workflow="workflow//./chat//turn"),
    event("run_started", 20),
    event("step_created", 30, STEP, step_name="step//./chat//emit"),
    event("step_started", 40, STEP),
    event("step_retrying", 50, STEP),
    event("step_started", 60, STEP),
    event("step_completed", 70, STEP),
    event("run_completed", 80),
]


def test_it_folds_a_run_and_its_steps():
    run, (step,) = run_of(RUN, LIFE, "4.8.9")
    assert (run.run_id, run.status, run.workflow, run.sdk_version) == (
        RUN,
        "completed",
        "workflow//./chat//turn",
        "4.8.9",
    )
    assert (run.created_ns, run.started_ns, run.completed_ns, run.source_ns) == (10, 20, 80, 80)
    assert (step.step_id, step.status, step.name, step.attempt) == (
        STEP,
        "completed",
        "step//./chat//emit",
        2,
    )
    assert (step.created_ns, step.started_ns, step.completed_ns, step.source_ns) == (30, 40, 70, 70)


@given(st.integers(0, 2**32))
def test_the_order_of_telling_does_not_matter(seed):
    shuffled = LIFE.copy()
    random.Random(seed).shuffle(shuffled)
    assert run_of(RUN, shuffled) == run_of(RUN, LIFE)


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ([], ""),
        (["run_created"], "pending"),
        (["run_started"], "running"),
        (["run_created", "run_started"], "running"),
        (["run_started", "run_created"], "running"),
        (["run_started", "run_failed"], "failed"),
        (["run_started", "run_cancelled", "run_completed"], "cancelled"),
        (["run_completed", "run_started"], "completed"),
        (["hook_received", "wait_created"], ""),
    ],
)
def test_the_status_of_a_run_follows_its_events(kinds, status):
    run, steps = run_of(RUN, [event(kind, at) for at, kind in enumerate(kinds, 1)])
    assert (run.status, steps) == (status, [])


@pytest.mark.parametrize(
    ("kinds", "status", "attempt"),
    [
        (["step_created"], "pending", None),
        (["step_started"], "running", 1),
        (["step_started", "step_retrying"], "pending", 1),
        (["step_started", "step_started"], "running", 2),
        (["step_started", "step_failed"], "failed", 1),
        (["step_started", "step_completed", "step_failed"], "completed", 1),
        (["step_started", "step_created"], "running", 1),
        (["step_completed", "step_started"], "completed", 1),
    ],
)
def test_the_status_of_a_step_follows_its_events(kinds, status, attempt):
    _, (step,) = run_of(RUN, [event(kind, at, STEP) for at, kind in enumerate(kinds, 1)])
    assert (step.status, step.attempt) == (status, attempt)


def test_the_first_end_counts():
    run, _ = run_of(RUN, [event("run_completed", 5), event("run_failed", 6)])
    assert (run.completed_ns, run.source_ns) == (5, 6)


def test_a_process_whose_clock_is_ahead_takes_no_beginning_away():
    """Created by one process, executed by another: by their clocks the end may come first."""
    run, (step,) = run_of(
        RUN,
        [event("run_completed", 50), event("run_created", 90), event("run_started", 95),
         event("step_completed", 40, STEP), event("step_created", 91, STEP), event("step_started", 92, STEP)],
    )  # fmt: skip
    assert (run.status, run.created_ns, run.started_ns, run.completed_ns) == ("completed", 90, 95, 50)
    assert (step.status, step.created_ns, step.started_ns, step.completed_ns) == ("completed", 91, 92, 40)


def test_an_end_alone_is_an_end():
    run, (step,) = run_of(RUN, [event("run_failed", 5), event("step_failed", 4, STEP)])
    assert (run.status, run.started_ns, step.status, step.attempt) == ("failed", None, "failed", None)


def test_an_event_of_a_step_without_its_id_makes_no_step():
    assert run_of(RUN, [event("step_started", 1)])[1] == []


def test_steps_are_kept_apart_and_their_names_are_taken_from_whichever_event_has_them():
    _, steps = run_of(
        RUN,
        [event("step_started", 1, "a"), event("step_started", 2, "b"), event("step_completed", 3, "a", step_name="A")],
    )  # fmt: skip
    assert [(one.step_id, one.name, one.status) for one in steps] == [
        ("a", "A", "completed"),
        ("b", "", "running"),
    ]


def test_equal_times_are_told_apart_by_the_event_ids():
    first, second = event("step_started", 5, STEP, n=1), event("step_completed", 5, STEP, n=2)
    assert run_of(RUN, [second, first]) == run_of(RUN, [first, second])
    assert run_of(RUN, [second, first])[1][0].status == "completed"


def test_there_is_nothing_to_read_or_to_watch():
    world, stop = ProbeWorld("shop"), Event()
    stop.set()
    assert WORLDS.found["probe"] is ProbeWorld
    assert list(world.read(Seen())) == [] and list(world.watch(stop)) == []
    assert "chunks" not in ProbeWorld.supplies
    with pytest.raises(WorldError):
        world.fetch_chunk("s", "c")
