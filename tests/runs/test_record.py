"""Which streams a batch lets be judged again, beside those that it writes to."""

from __future__ import annotations

import pytest

from runs.observations import EventSeen, Observation, StepSeen
from streams.ingest import store
from streams.models import Stream
from tests.factories import START_NS, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
RUN, STEP = "wrun_1", "step_1"


@pytest.fixture
def world():
    world = make_world()
    make_stream(world, "strm_1_user", make_run(world, RUN, status="running", completed_ns=None))
    return world


def event(number: int, kind: str, step: str = STEP) -> EventSeen:
    return EventSeen(RUN, f"evnt_{number}", kind, START_NS, correlation_id=step)


def step(attempt: int, source_ns: int = START_NS) -> StepSeen:
    return StepSeen(RUN, STEP, "running", "emit", source_ns, attempt=attempt)


def touched(world, *batch: Observation) -> bool:
    """Whether the stream is to be judged again."""
    before = Stream.objects.get().changes
    store(world, batch)
    return Stream.objects.get().changes > before


def test_a_retry_lets_the_streams_of_its_run_be_judged_again(world):
    assert touched(world, event(1, "step_retrying"))


def test_a_second_beginning_does_whichever_of_its_row_and_its_event_comes_last(world):
    assert not touched(world, step(1), event(1, "step_started"))
    assert touched(world, step(2, START_NS + 1))
    assert touched(world, event(2, "step_started"))


def test_the_first_beginning_and_what_else_happens_to_steps_do_not(world):
    assert not touched(world, event(1, "step_created"), step(1), event(2, "step_started"))
    assert not touched(world, event(3, "step_completed"), event(4, "wait_created", "wait_1"))


def test_streams_of_other_runs_are_left_alone(world):
    make_run(world, "wrun_2", status="running")
    Stream.objects.update(run=world.runs.get(run_id="wrun_2"))
    assert not touched(world, event(1, "step_retrying"), step(2), event(2, "step_started"))


def test_it_asks_a_few_questions_however_many_steps_begin(world, django_assert_max_num_queries):
    events = [event(number, "step_started", f"step_{number}") for number in range(200)]
    with django_assert_max_num_queries(25):
        assert not touched(world, *events)
