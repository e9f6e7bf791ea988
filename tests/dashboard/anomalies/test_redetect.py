"""Judging anew what is stored: on demand, and by itself after an upgrade."""

from __future__ import annotations

import threading
from io import StringIO

import pytest
from django.core.management import call_command

from dashboard.anomalies import detect, redetect
from dashboard.anomalies.detect import judge_world, worlds_to_judge
from dashboard.anomalies.detectors.write_after_close import WriteAfterClose
from dashboard.anomalies.models import Checkpoint, Finding, Redetection
from dashboard.anomalies.redetect import Wanted, begin_if_changed, continue_pass
from dashboard.celery import sweep
from runs.models import Run, World
from streams.models import Stream
from tests.factories import CLOSE_MARKER, make_chunks, make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
STOP = threading.Event()


@pytest.fixture(autouse=True)
def _fresh():
    detect.forget()
    redetect._has_begun.clear()


@pytest.fixture
def world() -> World:
    """Three streams with data behind their end marker, judged."""
    world = make_world()
    for number in range(3):
        stream = make_stream(world, f"strm_{number}_user", make_run(world, f"wrun_{number}"), listed=True)
        make_chunks(stream, ["a", CLOSE_MARKER, "b"])
    judge_world(world.pk, STOP)
    assert Finding.objects.filter(kind="write_after_close").count() == 3
    return world


def run_redetect(*argv: str) -> str:
    out = StringIO()
    call_command("redetect", *argv, stdout=out)
    return out.getvalue()


def test_a_new_version_finds_what_the_old_one_missed_and_takes_back_what_was_wrong(world):
    Finding.objects.filter(stream__name="strm_0_user").delete()
    wrong = Finding.objects.filter(stream__name="strm_1_user").get()
    wrong.pk, wrong.kind = None, "never_closed"
    wrong.save()
    out = run_redetect()
    assert "3 of 6\n" in out and "6 of 6 judged anew" in out
    assert "found: 1 (write_after_close 1)" in out and "withdrawn: 1 (never_closed 1)" in out
    assert Finding.objects.filter(kind="write_after_close").count() == 3


def test_it_says_what_became_surer_or_worse(world):
    Finding.objects.filter(stream__name="strm_0_user").update(certainty="suspected")
    Finding.objects.filter(stream__name="strm_1_user").update(severity="critical")
    Finding.objects.filter(stream__name="strm_2_user").update(message="as it was said before")
    out = run_redetect("--kind", "write_after_close")
    for line in ("upgraded: 1", "downgraded: 1", "reworded: 1"):
        assert f"{line} (write_after_close 1)" in out
    assert "found" not in out.replace("nothing else was found", "")


def test_nothing_changes_where_detectors_are_the_same(world):
    before = list(Finding.objects.order_by("pk").values())
    assert run_redetect().endswith("nothing else was found than before\n")
    assert list(Finding.objects.order_by("pk").values()) == before


def test_only_outdated_findings_are_judged_anew(world, monkeypatch):
    Finding.objects.filter(stream__name="strm_1_user").update(message="of version 1")
    monkeypatch.setattr(WriteAfterClose, "version", 2)
    Finding.objects.exclude(stream__name="strm_1_user").update(detector_version=2)
    assert "1 of 1 judged anew" in run_redetect("--outdated")
    assert set(Finding.objects.values_list("detector_version", flat=True)) == {2}
    assert "0 of 0 judged anew" in run_redetect("--outdated")


def test_a_kind_and_a_world_narrow_it_down(world):
    other = make_world("other")
    make_chunks(
        make_stream(other, "strm_9_user", make_run(other, "wrun_9"), listed=True), ["a", CLOSE_MARKER]
    )
    assert "1 of 1 judged anew" in run_redetect("--world", "other", "--kind", "never_closed")
    assert "4 of 4 judged anew" in run_redetect("--kind", "run_stuck")


@pytest.mark.parametrize(
    ("argv", "says"), [(["--world", "absent"], "no world"), (["--kind", "absent"], "nothing detects")]
)
def test_wrong_usage_is_64_and_says_so(argv, says):
    err = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("redetect", *argv, stderr=err)
    assert ended.value.code == 64 and says in err.getvalue()


def test_who_is_killed_loses_nothing(world, monkeypatch):
    """At the worst moment: set back, and not judged."""
    monkeypatch.setattr(redetect, "BATCH", 2)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(redetect, "judge_world", killed)
        with pytest.raises(SystemExit) as ended:
            run_redetect()
    assert ended.value.code == 130
    assert Finding.objects.count() == 3, "what was found stays until it is judged again"
    assert worlds_to_judge() == [world.pk], "the next sweep judges what was set back"
    judge_world(world.pk, STOP)
    assert worlds_to_judge() == [] and Finding.objects.count() == 3


def test_it_stops_between_batches(world, monkeypatch):
    monkeypatch.setattr(redetect, "BATCH", 1)
    stop = threading.Event()
    summary = redetect.redetect(Wanted(), lambda _: stop.set(), stop)
    assert (summary.judged, summary.total) == (1, 6)


def test_streams_whose_chunks_are_gone_keep_what_was_found(world):
    Stream.objects.filter(name="strm_0_user").update(pruned_ns=1)
    assert "2 of 2 judged anew" in run_redetect("--kind", "write_after_close")
    assert Finding.objects.filter(stream__name="strm_0_user").exists()


def through_the_pass(world: World) -> int:
    """How many sweeps it takes."""
    for sweeps in range(1, 20):
        continue_pass()
        judge_world(world.pk, STOP)
        if not Redetection.objects.exclude(next_id=None).exists():
            return sweeps
    raise AssertionError("it does not end")


def test_an_upgrade_is_noticed_at_the_start_and_judged_batch_by_batch(world, monkeypatch):
    monkeypatch.setattr(redetect, "PASS_BATCH", 2)
    Run.objects.update(judged=0, changes=0)
    begin_if_changed()
    Redetection.objects.update(next_id=None)
    begin_if_changed()
    assert not Redetection.objects.exclude(next_id=None).exists(), "the same versions: nothing to do"
    monkeypatch.setattr(WriteAfterClose, "version", 2)
    begin_if_changed()
    assert list(Redetection.objects.exclude(next_id=None).values_list("pk", flat=True)) == ["stream"]
    assert through_the_pass(world) == 3
    assert set(Finding.objects.values_list("detector_version", flat=True)) == {2}


def test_the_next_batch_waits_until_the_one_before_is_judged(world, monkeypatch):
    monkeypatch.setattr(redetect, "PASS_BATCH", 1)
    begin_if_changed()
    continue_pass()
    continue_pass()
    assert Checkpoint.objects.filter(changes=-1).count() == 1
    judge_world(world.pk, STOP)
    continue_pass()
    assert Checkpoint.objects.get(changes=-1).stream.name == "strm_1_user"


def test_the_sweep_does_it_and_a_pass_over_all_by_hand_makes_it_needless(world, monkeypatch):
    run_redetect()
    monkeypatch.setattr("dashboard.celery.ask_for_judging", lambda _: None)
    sweep()
    assert not Checkpoint.objects.filter(changes=-1).exists()
    Redetection.objects.all().delete()
    redetect._has_begun.clear()
    sweep()
    assert Checkpoint.objects.filter(changes=-1).count() == 3
