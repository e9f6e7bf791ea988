"""The facts of a run from the database and from observations are the same facts."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from dashboard.anomalies import run_rows
from dashboard.anomalies.judge_run import judge_run
from dashboard.anomalies.run_facts import RunFacts, WorldClock
from dashboard.anomalies.run_rows import run_facts
from dashboard.anomalies.scan import open_world
from dashboard.anomalies.survey import survey_of
from dashboard.lib.clock import now_ns
from dashboard.worlds.known import ensure_world
from runs.models import Event, Run
from streams import ingest
from tests.factories import devalue, make_event, make_run, make_step, make_wait, make_world
from tests.recordings import unpack
from tests.run_examples import SUPPLIES

pytestmark = pytest.mark.django_db
CLOCK = WorldClock(1, 1)


@pytest.mark.parametrize("sdk", ["4.2.4", "5.0.0-beta.55"])
def test_rows_and_observations_say_the_same_of_every_recorded_run(sdk, tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "_opened", {})
    place = str(unpack(sdk, "plain", tmp_path))
    world = ensure_world(place)
    ingest.pull(world.pk, threading.Event())
    scanned = {one.run_id: one for one in survey_of(open_world(place)).run_facts()}
    stored = [run_facts(run, CLOCK, now_ns()) for run in Run.objects.all()]
    assert len(stored) == len(scanned) == 22
    for one in stored:
        assert _comparable(one) == _comparable(scanned[one.run_id])


def _comparable(run: RunFacts) -> RunFacts:
    steps = tuple(sorted(run.steps, key=lambda step: step.step_id))
    hooks = tuple(sorted(run.hooks, key=lambda hook: hook.hook_id))
    return replace(run, steps=steps, hooks=hooks, clock=CLOCK)


def test_a_log_that_is_too_long_is_judged_by_its_beginning_and_says_so(monkeypatch):
    monkeypatch.setattr(run_rows, "EVENTS_READ", 3)
    run = make_run(make_world(), status="running", completed_ns=None)
    for kind in ("run_created", "run_started", "step_created", "step_created"):
        make_event(run, kind, correlation_id="step_1" if kind == "step_created" else "")
    facts = run_facts(run, CLOCK, now_ns())
    assert (len(facts.events), facts.event_total, facts.is_whole) == (3, 4, False)
    verdict = judge_run(facts, now_ns(), SUPPLIES)
    assert {one.kind for one in verdict.unchecked} == {"run_stuck"} and not verdict.found


def test_runs_are_read_together_as_far_as_their_events_fit(monkeypatch):
    monkeypatch.setattr(run_rows, "EVENTS_AT_ONCE", 3)
    world = make_world()
    runs = [make_run(world) for _ in range(4)]
    for run, count in zip(runs, (1, 2, 5, 0), strict=True):
        for _ in range(count):
            make_event(run, "step_started", correlation_id=f"step_of_{run.pk}")
    groups = [[(run.pk, total) for run, total in group] for group in run_rows.groups_of(runs)]
    first, second, third, fourth = (run.pk for run in runs)
    assert groups == [[(first, 1), (second, 2)], [(third, 5)], [(fourth, 0)]]
    read = [(facts.run_id, len(facts.events)) for _, facts in run_rows.facts_of(runs, CLOCK, now_ns())]
    assert read == [(run.run_id, count) for run, count in zip(runs, (1, 2, 5, 0), strict=True)]


def test_a_question_is_asked_for_many_runs_at_once(django_assert_max_num_queries):
    world = make_world()
    runs = [make_run(world) for _ in range(30)]
    for run in runs:
        make_event(run, "run_created")
        make_step(run, status="failed")
    with django_assert_max_num_queries(9):
        assert len(list(run_rows.facts_of(runs, CLOCK, now_ns()))) == 30


def test_a_wait_is_called_the_same_in_rows_and_events():
    run = make_run(make_world(), status="running", completed_ns=None)
    make_wait(run, wait_id=f"{run.run_id}-wait_7")
    assert [wait.wait_id for wait in run_facts(run, CLOCK, now_ns()).open_waits] == ["wait_7"]


@pytest.mark.parametrize(
    ("stored", "state"),
    [
        (None, "absent"),
        (b'JSON{"message": "boom", "stack": "Error: boom"}', "told"),
        (b'JSON{"message": ""}', "empty"),
        (b'JSON""', "empty"),
        (b"devl", "unknown"),
        (devalue(""), "empty"),
        (devalue({"message": "boom"}), "told"),
        (b"encr" + b"x" * 60, "unknown"),
        (b'HEAD{"size": 2000000}\nJSON{"message"', "unknown"),
        (b'JSON{"message": "' + b"x" * 20_000 + b'"}', "unknown"),  # cut short: it may say anything
    ],
)
def test_an_error_is_lost_only_where_nothing_is_stored_of_it(stored, state):
    run = make_run(make_world(), status="failed", error=stored)
    step = make_step(run, status="failed", error=stored)
    facts = run_facts(run, CLOCK, now_ns())
    assert (facts.error.state, facts.step_rows[step.step_id].error.state) == (state, state)


def test_events_say_what_is_asked_of_them_and_nothing_else():
    run = make_run(make_world(), status="running", completed_ns=None)
    make_event(run, "wait_created", {"resumeAt": "2026-11-21T22:34:06.522Z"}, correlation_id="w")
    make_event(run, "hook_conflict", {"token": "t", "conflictingRunId": "wrun_x"}, correlation_id="h")
    make_event(run, "run_failed", {"error": {"message": "m", "code": "USER_ERROR"}})
    make_event(run, "step_completed", {"result": "large"}, correlation_id="s")
    Event.objects.filter(type="step_completed").update(data=b"JSON{nonsense")
    wait, conflict, failed, done = run_facts(run, CLOCK, now_ns()).events
    assert wait.said == {"resume_ns": "1795300446522000000"}
    assert conflict.said == {"token": "t", "conflictingRunId": "wrun_x"}
    assert failed.said == {"errorCode": "USER_ERROR"} and failed.error.text == "m"
    assert done.said == {}
