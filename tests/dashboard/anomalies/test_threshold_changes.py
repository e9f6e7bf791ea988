"""What a change of a threshold leaves behind: its history, and runs and streams that are judged anew."""

from __future__ import annotations

import threading

import pytest

from dashboard.anomalies import detect, reevaluate, threshold_changes
from dashboard.anomalies.detect import judge_world
from dashboard.anomalies.detect_runs import judge_runs
from dashboard.anomalies.models import AnomalyEvent, Finding
from dashboard.anomalies.redetect import set_back
from dashboard.anomalies.threshold_changes import history_of, set_threshold, store_learned
from dashboard.anomalies.threshold_medians import Learned, Lesson
from dashboard.anomalies.threshold_models import Reevaluation, ThresholdChange
from dashboard.lib.clock import NS_PER_S, now_ns
from runs.models import Run, World
from streams.models import Stream
from tests.factories import make_chunks, make_event, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
STOP = threading.Event()


@pytest.fixture(autouse=True)
def _fresh():
    detect.forget()


@pytest.fixture
def world() -> World:
    return make_world()


def quiet_run(world: World, seconds: int, workflow: str = "slow") -> Run:
    """Began that long ago, and nothing has happened in it since; elsewhere in its world something has."""
    began = now_ns() - seconds * NS_PER_S
    run = make_run(
        world,
        status="running",
        workflow=workflow,
        created_ns=began,
        completed_ns=None,
        source_ns=began,
        changes=1,
    )
    make_event(run, "run_created", created_ns=began)
    make_event(run, "run_started", created_ns=began)
    return run


def sweeps(world: World, most: int = 9) -> None:
    """As many as it takes until everything is judged anew."""
    for _ in range(most):
        reevaluate.continue_all()
        judge_world(world.pk, STOP)
        judge_runs(world.pk, STOP)
        if not Reevaluation.objects.exists():
            return
    raise AssertionError("it does not end")


def kinds_of(run: Run) -> list[str]:
    return sorted(Finding.objects.filter(run=run).values_list("kind", flat=True))


def test_a_finding_that_no_longer_holds_is_withdrawn_and_its_history_says_why(world):
    run, fresh = quiet_run(world, 3600), quiet_run(world, 1)
    sweeps(world)
    assert kinds_of(run) == ["run_stuck"]
    assert "10 min (default)" in Finding.objects.get().evidence["threshold"]
    set_threshold(world, "slow", "idle_s", 7200, "ada")
    assert kinds_of(run) == ["run_stuck"], "it stays until it is judged anew"
    sweeps(world)
    assert kinds_of(run) == kinds_of(fresh) == []
    said = AnomalyEvent.objects.get(what="withdrawn").note
    assert said.endswith("the threshold “Nothing happens” was changed to 2 h by ada")
    set_threshold(world, "slow", "idle_s", None, "ada")
    sweeps(world)
    assert kinds_of(run) == ["run_stuck"], "and it is found again after a reset"


def test_a_value_for_all_workflows_concerns_all_of_them_but_those_with_their_own(world):
    own, other = quiet_run(world, 3600, "own"), quiet_run(world, 3600, "other")
    quiet_run(world, 1)
    set_threshold(world, "own", "idle_s", 60, "ada")
    set_threshold(world, "", "idle_s", 7200, "ada")
    sweeps(world)
    assert (kinds_of(own), kinds_of(other)) == (["run_stuck"], [])
    assert "(set for this workflow)" in Finding.objects.get().evidence["threshold"]


def test_streams_are_judged_anew_with_what_they_were_fed(world):
    run = make_run(world, workflow="slow", completed_ns=now_ns() - 60 * NS_PER_S)
    stream = make_stream(world, "strm_1_user", run, listed=True)
    make_chunks(stream, ["a", "b"])
    sweeps(world)
    assert kinds_of(run) == ["never_closed"]
    verdict = Stream.objects.get().verdict
    set_threshold(world, "slow", "close_s", 3600, "ada")
    sweeps(world)
    assert kinds_of(run) == [] and Stream.objects.get().verdict < verdict
    assert "“Never closed” was changed to 60 min by ada" in AnomalyEvent.objects.get(what="withdrawn").note


@pytest.mark.parametrize("state", [{"paused_ns": 1}, {"trouble": "gone"}])
def test_a_world_that_is_paused_or_cannot_be_read_is_judged_anew_as_well(world, state):
    run = make_run(world, workflow="slow", completed_ns=now_ns() - 60 * NS_PER_S)
    make_chunks(make_stream(world, "strm_1_user", run, listed=True), ["a", "b"])
    stuck = quiet_run(world, 3600)
    quiet_run(world, 1)
    sweeps(world)
    assert (kinds_of(run), kinds_of(stuck)) == (["never_closed"], ["run_stuck"])
    World.objects.update(**{"read_ns": now_ns(), **state})
    set_threshold(world, "slow", "close_s", 3600, "ada")
    set_threshold(world, "slow", "idle_s", 7200, "ada")
    sweeps(world)
    assert kinds_of(run) == kinds_of(stuck) == []


@pytest.mark.parametrize(("version", "is_told"), [(1, True), (0, False)])
def test_a_pass_after_an_upgrade_that_comes_first_does_not_hide_the_reason(world, version, is_told):
    """Unless the detector is another one as well: then nobody knows which of the two it was."""
    run = make_run(world, workflow="slow", completed_ns=now_ns() - 60 * NS_PER_S)
    make_chunks(make_stream(world, "strm_1_user", run, listed=True), ["a", "b"])
    quiet_run(world, 3600)
    quiet_run(world, 1)
    sweeps(world)
    Finding.objects.update(detector_version=version)
    set_threshold(world, "slow", "close_s", 3600, "ada")
    set_threshold(world, "slow", "idle_s", 7200, "ada")
    set_back("stream", list(Stream.objects.values_list("pk", flat=True)))
    set_back("run", list(Run.objects.values_list("pk", flat=True)))
    judge_world(world.pk, STOP)
    judge_runs(world.pk, STOP)
    notes = AnomalyEvent.objects.filter(what="withdrawn").values_list("note", flat=True)
    assert [("by ada" in note) for note in notes] == [is_told, is_told]


def test_what_goes_for_another_reason_is_not_put_down_to_a_threshold(world):
    run = quiet_run(world, 3600)
    quiet_run(world, 1)
    sweeps(world)
    set_threshold(world, "slow", "wait_s", 120, "ada")
    make_event(run, "run_completed", created_ns=now_ns())
    Run.objects.filter(pk=run.pk).update(status="completed", completed_ns=now_ns(), changes=2)
    sweeps(world)
    assert kinds_of(run) == []
    assert "threshold" not in AnomalyEvent.objects.get(what="withdrawn").note


def test_who_changed_what_and_when_is_kept(world):
    assert set_threshold(world, "slow", "idle_s", 7200, "ada")
    assert not set_threshold(world, "slow", "idle_s", 7200, "ada"), "the same again is no change"
    set_threshold(world, "", "retries", 4, "ben")
    set_threshold(world, "slow", "idle_s", None, "ben")
    set_threshold(world, "other", "idle_s", 60, "ben")
    told = [(one.name, one.before, one.after, one.who) for one in history_of(world.pk, "slow")]
    assert told == [("idle_s", 7200, None, "ben"), ("retries", None, 4, "ben"), ("idle_s", None, 7200, "ada")]
    assert len(history_of(world.pk)) == 4 and history_of(make_world("other").pk) == []


def test_what_was_learned_is_a_line_of_its_own_and_not_for_each_median(world):
    def lesson(value: float, middle: float) -> Learned:
        return Learned({"step_s": Lesson(value, middle)}, 214)

    assert store_learned(world.pk, "slow", lesson(2400, 600), 1)
    assert not store_learned(world.pk, "slow", lesson(2400, 610), 2)
    assert not store_learned(world.pk, "other", lesson(900, 3), 3), "that is the default"
    (line,) = history_of(world.pk)
    assert (line.who, line.after, line.note) == ("Tailrace", 2400, "median of 214 finished runs: 10 min")


def test_of_what_was_learned_only_the_latest_lines_are_kept(world, monkeypatch):
    monkeypatch.setattr(threshold_changes, "LEARNED_KEPT", 5)
    set_threshold(world, "slow", "idle_s", 60, "ada")
    for number in range(60):
        store_learned(world.pk, "slow", Learned({"step_s": Lesson(1000 + number, 1)}, 20), number)
    assert ThresholdChange.objects.filter(who="Tailrace").count() < 26
    assert ThresholdChange.objects.filter(who="ada").count() == 1
