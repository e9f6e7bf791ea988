"""Judging runs as they change and as time goes by: a finding appears, gets surer, and goes when it was wrong."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from dashboard.anomalies import detect_runs, queries, run_queries
from dashboard.anomalies.detect_runs import judge_again, judge_runs, runs_to_judge, worlds_with_runs_to_judge
from dashboard.anomalies.models import Anomaly, Finding, RunCheckpoint, WorldTime
from dashboard.lib import doorbell
from dashboard.lib.clock import NS_PER_S, now_ns
from runs.models import Run, World
from runs.observations import EventSeen, RunSeen, StepSeen
from streams import ingest
from streams.models import Stream
from tests.factories import make_stream, make_world

pytestmark = pytest.mark.django_db
STOP = threading.Event()
RUN = "wrun_" + "1" * 26
STEP = "step_" + "1" * 26
SECOND = NS_PER_S


@pytest.fixture(autouse=True)
def rested(monkeypatch):
    monkeypatch.setattr(detect_runs, "_resting", detect_runs.OrderedDict())


@pytest.fixture
def clock(monkeypatch) -> list[int]:
    """Our clock, to be set: the world's times count from it."""
    time = [now_ns()]
    monkeypatch.setattr(detect_runs, "now_ns", lambda: time[0])
    return time


@pytest.fixture
def world() -> World:
    return make_world()


def run_seen(at_ns: int, status: str = "running", **fields: Any) -> RunSeen:
    ended = at_ns if status != "running" else None
    return RunSeen(
        RUN, status, "workflow//./app//flow", at_ns, created_ns=at_ns, completed_ns=ended, **fields
    )


def event(number: int, kind: str, at_ns: int, about: str = "", run_id: str = RUN) -> EventSeen:
    return EventSeen(run_id, f"evnt_{number:026}", kind, at_ns, about, created_ns=at_ns)


def step(at_ns: int, status: str = "running") -> StepSeen:
    return StepSeen(RUN, STEP, status, "step//./app//work", at_ns, attempt=1, started_ns=at_ns)


def seen(world: World, *observations: Any) -> None:
    ingest.store(world, list(observations))


def judged(world: World) -> dict[str, Finding]:
    judge_runs(world.pk, STOP)
    return {one.kind: one for one in Finding.objects.filter(run__world=world, stream=None)}


def started(world: World, at_ns: int) -> None:
    seen(world, run_seen(at_ns), event(1, "run_created", at_ns), event(2, "run_started", at_ns))


def test_a_finding_appears_with_the_event_that_shows_it(world):
    at_ns = now_ns()
    started(world, at_ns)
    seen(world, step(at_ns), event(3, "step_created", at_ns, STEP), event(4, "step_started", at_ns, STEP))
    assert judged(world) == {}
    seen(world, event(5, "step_created", at_ns, STEP))
    found = judged(world)["duplicate_event"]
    assert (found.severity, found.certainty, found.step_id) == ("info", "proved", STEP)
    assert found.events == [f"evnt_{3:026}", f"evnt_{5:026}"] and found.stream is None
    assert (found.anomaly.kind, found.anomaly.workflow) == ("duplicate_event", "workflow//./app//flow")


def test_a_run_is_judged_once_for_each_change_and_no_more(world):
    started(world, now_ns())
    assert worlds_with_runs_to_judge() == [world.pk]
    judge_runs(world.pk, STOP)
    assert worlds_with_runs_to_judge() == [] and runs_to_judge(world.pk) == []
    seen(world, step(now_ns()))
    assert len(runs_to_judge(world.pk)) == 1


def test_chunks_alone_do_not_change_a_run(world):
    started(world, now_ns())
    judge_runs(world.pk, STOP)
    before = Run.objects.get().changes
    seen(world)
    assert Run.objects.get().changes == before


def test_a_run_gets_stuck_by_time_alone_and_a_sign_of_life_takes_it_back(world, clock):
    began = clock[0]
    started(world, began)
    assert judged(world) == {}
    due = RunCheckpoint.objects.get().due_ns
    assert due == began + 600 * SECOND, "it says when to ask again"
    clock[0] = due + SECOND
    found = judged(world)["run_stuck"]
    assert (found.severity, found.certainty) == ("error", "suspected")
    first = found.found_ns
    seen(world, event(3, "step_created", clock[0], STEP), step(clock[0], "pending"))
    assert judged(world) == {} and Anomaly.objects.get().count == 0
    assert first < now_ns() + 700 * SECOND


def test_a_finding_stays_the_same_row_while_it_is_made_surer(world, clock):
    old = clock[0] - 7200 * SECOND
    started(world, old)
    quiet = judged(world)["run_stuck"]
    assert (quiet.severity, quiet.certainty) == ("info", "at_risk"), "nothing says that this world is alive"
    other = "wrun_" + "2" * 26
    seen(world, event(1, "run_created", clock[0], run_id=other))
    surer = judged(world)["run_stuck"]
    assert (surer.pk, surer.severity, surer.certainty) == (quiet.pk, "error", "suspected")


def test_a_copy_of_a_world_gets_no_alarm_by_being_watched(world, clock):
    started(world, clock[0] - 7200 * SECOND)
    assert judged(world)["run_stuck"].certainty == "at_risk"
    clock[0] += 7200 * SECOND
    RunCheckpoint.objects.update(due_ns=1)
    assert judged(world)["run_stuck"].certainty == "at_risk"


def test_the_clock_of_a_world_never_goes_back_and_is_not_believed_far_ahead(world, clock):
    started(world, clock[0])
    judge_runs(world.pk, STOP)
    assert WorldTime.objects.get().newest_ns == clock[0]
    seen(world, event(3, "step_created", clock[0] - 50 * SECOND, STEP))
    judge_runs(world.pk, STOP)
    assert WorldTime.objects.get().newest_ns == clock[0]
    seen(world, event(4, "step_started", clock[0] + 86_400 * SECOND, STEP))
    judge_runs(world.pk, STOP)
    other = "wrun_" + "2" * 26
    seen(world, RunSeen(other, "running", "flow", clock[0], created_ns=clock[0]))
    assert "run_stuck" not in judged(world), "one host with a wrong clock makes no other run late"


def test_a_chunk_of_a_long_step_is_a_sign_of_life(world, clock):
    began = clock[0]
    started(world, began)
    seen(world, step(began), event(3, "step_created", began, STEP), event(4, "step_started", began, STEP))
    judge_runs(world.pk, STOP)
    clock[0] = began + 1000 * SECOND
    stream = make_stream(world, run=Run.objects.get(), last_stored_ns=began + 990 * SECOND)
    assert judged(world) == {}
    Stream.objects.filter(pk=stream.pk).update(last_stored_ns=began)
    RunCheckpoint.objects.update(due_ns=1)
    assert set(judged(world)) == {"step_unfinished"}


def test_a_change_rings_those_who_look_at_the_world(world, monkeypatch):
    rung: list[str] = []
    monkeypatch.setattr(doorbell, "ring", lambda group, message: rung.append(message["type"]))
    started(world, now_ns())
    rung.clear()
    judge_runs(world.pk, STOP)
    assert rung == []
    at_ns = now_ns()
    seen(world, event(3, "step_created", at_ns, STEP), event(4, "step_created", at_ns, STEP))
    rung.clear()
    judge_runs(world.pk, STOP)
    assert rung == ["world.changed"]


def test_a_pruned_run_is_not_judged_by_what_is_left_of_it(world):
    started(world, now_ns())
    Run.objects.update(pruned_ns=now_ns())
    assert runs_to_judge(world.pk) == [] and worlds_with_runs_to_judge() == []


def test_a_run_with_a_long_log_gives_way(world, monkeypatch):
    monkeypatch.setattr(detect_runs, "LONG", 1)
    monkeypatch.setattr(detect_runs, "SHARE", 10**9)
    started(world, now_ns())
    judge_runs(world.pk, STOP)
    seen(world, step(now_ns()))
    assert runs_to_judge(world.pk) == []
    assert worlds_with_runs_to_judge() == [world.pk], "it is asked for again"


def test_what_a_detector_cannot_answer_is_kept_with_the_reason(world, monkeypatch):
    World.objects.update(kind="probe")
    started(world, now_ns())
    judge_runs(world.pk, STOP)
    (run,) = Run.objects.all()
    pieces = run_queries.run_findings([run.pk])[run.pk]
    assert [(one.text, one.title) for one in pieces] == [
        ("not checked", "not checked here: nobody reads the storage of this world")
    ]
    assert "run_stuck" in pieces[0].kind and "clock_skew" in pieces[0].kind


def test_all_runs_are_judged_anew_when_that_is_asked(world):
    started(world, now_ns())
    judge_runs(world.pk, STOP)
    judge_again(Run.objects.values_list("pk", flat=True))
    assert len(runs_to_judge(world.pk)) == 1


def test_the_page_of_a_run_gets_its_findings_and_leads_to_the_event(world):
    at_ns = now_ns()
    started(world, at_ns)
    seen(world, run_seen(at_ns + SECOND, "cancelled"), event(3, "run_cancelled", at_ns))
    seen(world, event(4, "step_completed", at_ns, STEP))
    judge_runs(world.pk, STOP)
    (run,) = Run.objects.all()
    (piece,) = run_queries.run_findings([run.pk])[run.pk]
    assert (piece.kind, piece.severity, piece.certainty) == ("event_after_end", "warning", "proved")
    assert piece.url == f"/w/{world.slug}/runs/{RUN}/#event-4" and piece.detail
    (badge,) = queries.run_badges([run.pk])[run.pk]
    assert badge.kind == "event_after_end" and badge.url.endswith("#findings")
    assert [one.kind for one in queries.world_findings([world.pk])[world.pk]] == ["event_after_end"]


def test_a_run_not_judged_as_it_is_now_is_not_called_clean(world):
    started(world, now_ns())
    (run,) = Run.objects.all()
    assert queries.run_badges([run.pk]) == {}
    judge_runs(world.pk, STOP)
    assert queries.run_badges([run.pk]) == {run.pk: []}


def test_a_run_has_one_finding_of_a_kind(world):
    at_ns = now_ns()
    started(world, at_ns)
    seen(world, event(3, "step_created", at_ns, STEP), event(4, "step_created", at_ns, STEP))
    found = judged(world)["duplicate_event"]
    with pytest.raises(IntegrityError), transaction.atomic():
        Finding.objects.create(
            anomaly=found.anomaly, kind=found.kind, run=found.run, severity="info", certainty="proved",
            message="twice", detector_version=1, found_ns=1,
        )  # fmt: skip


def test_the_run_page_shows_findings_as_text_whatever_names_say(world, client):
    at_ns = now_ns() - 3600 * SECOND
    hostile = "<script>alert(1)</script>"
    seen(world, run_seen(at_ns), event(1, "run_created", at_ns), event(2, "step_created", at_ns, STEP))
    failed = StepSeen(RUN, STEP, "failed", f"step//./app//{hostile}", at_ns, completed_ns=at_ns)
    seen(world, failed, event(3, "step_failed", at_ns, STEP))
    judge_runs(world.pk, STOP)
    html = client.get(f"/w/{world.slug}/runs/{RUN}/").content.decode()
    part = html.partition('id="findings"')[2].partition("</section>")[0]
    assert "error_lost" in part and "no error is stored that says why" in part
    assert hostile not in html and "&lt;script&gt;" in part


def test_a_run_without_findings_has_no_list_of_them(world, client):
    started(world, now_ns())
    judge_runs(world.pk, STOP)
    assert 'id="findings"' not in client.get(f"/w/{world.slug}/runs/{RUN}/").content.decode()
