"""Batches, newest first, each when the one before was judged; and nobody stores by thresholds that no longer count."""

from __future__ import annotations

import threading

import pytest

from dashboard.anomalies import detect, detect_runs, redetect, reevaluate
from dashboard.anomalies.detect import judge_world, worlds_to_judge
from dashboard.anomalies.detect_runs import judge_runs, worlds_with_runs_to_judge
from dashboard.anomalies.models import Checkpoint, RunCheckpoint
from dashboard.anomalies.threshold_changes import set_threshold, store_learned
from dashboard.anomalies.threshold_medians import Learned, Lesson
from dashboard.anomalies.threshold_models import Reevaluation
from dashboard.lib.clock import NS_PER_S
from runs.models import Run, World
from tests.factories import START_NS, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
STOP = threading.Event()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    detect.forget()
    monkeypatch.setattr(reevaluate, "BATCH", 2)
    monkeypatch.setattr(reevaluate, "LEARNED_BATCH", 2)


@pytest.fixture
def world() -> World:
    """Five finished runs, the last one the newest, all judged."""
    world = make_world()
    for number in range(5):
        make_run(world, f"wrun_{number}", workflow="flow", created_ns=START_NS + number * NS_PER_S, judged=0)
    return world


def waiting() -> list[str]:
    rows = RunCheckpoint.objects.filter(due_ns=0).order_by("-run__created_ns")
    return list(rows.values_list("run__run_id", flat=True))


def test_the_newest_come_first_and_the_next_batch_waits_for_the_one_before(world):
    set_threshold(world, "flow", "step_s", 60, "me")
    reevaluate.continue_all()
    assert waiting() == ["wrun_4", "wrun_3"]
    assert worlds_with_runs_to_judge() == [world.pk]
    reevaluate.continue_all()
    assert waiting() == ["wrun_4", "wrun_3"]
    seen = []
    while Reevaluation.objects.exists():
        judge_runs(world.pk, STOP)
        assert waiting() == []
        reevaluate.continue_all()
        seen += waiting()
    assert seen == ["wrun_2", "wrun_1", "wrun_0"]
    assert not RunCheckpoint.objects.exclude(due_ns=0).exists(), "what was judged leaves nothing behind"


def test_nothing_is_shown_as_not_judged_meanwhile(world):
    set_threshold(world, "", "step_s", 60, "me")
    reevaluate.continue_all()
    assert not Run.objects.exclude(judged=0).exists()


def test_a_change_during_it_begins_again(world):
    set_threshold(world, "flow", "step_s", 60, "me")
    reevaluate.continue_all()
    judge_runs(world.pk, STOP)
    set_threshold(world, "flow", "idle_s", 60, "me")
    reevaluate.continue_all()
    assert waiting() == ["wrun_4", "wrun_3"] and Reevaluation.objects.count() == 1


def test_other_workflows_and_worlds_are_left_alone(world):
    make_run(world, "wrun_other", workflow="other", created_ns=START_NS + 99 * NS_PER_S)
    make_run(make_world("other"), "wrun_far", workflow="flow", created_ns=START_NS + 99 * NS_PER_S)
    set_threshold(world, "flow", "step_s", 60, "me")
    reevaluate.continue_all()
    assert waiting() == ["wrun_4", "wrun_3"]


def test_a_threshold_of_streams_sets_back_the_streams_that_still_have_chunks(world):
    kept, pruned = (make_stream(world, f"strm_{n}_user", Run.objects.get(run_id=f"wrun_{n}")) for n in (4, 3))
    for stream in (kept, pruned):
        make_chunks(stream, ["a"])
    judge_world(world.pk, STOP)
    Checkpoint.objects.update(due_ns=None)
    type(pruned).objects.filter(pk=pruned.pk).update(pruned_ns=1)
    set_threshold(world, "flow", "close_s", 60, "me")
    reevaluate.continue_all()
    assert list(Checkpoint.objects.filter(due_ns=0).values_list("stream", flat=True)) == [kept.pk]
    assert worlds_to_judge() == [world.pk] and waiting() == []


def test_after_learning_only_what_can_be_told_otherwise_is_judged_anew(world):
    Run.objects.filter(run_id__in=("wrun_3", "wrun_0")).update(status="running")
    store_learned(world.pk, "flow", Learned({"step_s": Lesson(2400, 600)}, 20), 1)
    seen = []
    while Reevaluation.objects.exists():
        reevaluate.continue_all()
        seen += waiting()
        RunCheckpoint.objects.all().delete()
    assert seen == ["wrun_3", "wrun_0"]


def test_learning_does_not_make_less_of_what_a_person_began(world):
    set_threshold(world, "flow", "step_s", 60, "me")
    store_learned(world.pk, "flow", Learned({"step_s": Lesson(2400, 600)}, 20), 1)
    reevaluate.continue_all()
    assert waiting() == ["wrun_4", "wrun_3"]


def test_the_sweep_does_it(world):
    set_threshold(world, "flow", "step_s", 60, "me")
    redetect._has_begun.set()
    redetect.look()
    assert waiting() == ["wrun_4", "wrun_3"]


@pytest.mark.parametrize("subject", ["run", "stream"])
def test_what_was_judged_by_thresholds_that_changed_meanwhile_is_not_stored(world, monkeypatch, subject):
    stream = make_stream(world, "strm_4_user", Run.objects.get(run_id="wrun_4"))
    make_chunks(stream, ["a"])
    Run.objects.filter(run_id="wrun_4").update(changes=1)
    name = "judge_run" if subject == "run" else "stream_facts"
    module = detect_runs if subject == "run" else detect
    real, asked = getattr(module, name), []

    def changed_meanwhile(*given):
        if not asked:
            asked.append(set_threshold(world, "flow", "step_s", 60, "me"))
        return real(*given)

    monkeypatch.setattr(module, name, changed_meanwhile)
    if subject == "run":
        detect_runs._judge_some(world.pk, [Run.objects.get(run_id="wrun_4").pk], STOP)
        assert Run.objects.get(run_id="wrun_4").judged == 0
        judge_runs(world.pk, STOP)
        assert Run.objects.get(run_id="wrun_4").judged == 1
    else:
        detect._judge_stream(stream.pk)
        assert not Checkpoint.objects.exists()
        judge_world(world.pk, STOP)
        assert Checkpoint.objects.exists()
