"""Learning from stored runs: bounded questions, a few workflows a sweep, nothing from runs that did not complete."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.db import connection

from dashboard.anomalies import threshold_learning, threshold_values
from dashboard.anomalies.threshold_learning import learn, look, workflows_of
from dashboard.anomalies.threshold_medians import LEAST_RUNS
from dashboard.anomalies.threshold_models import LearnedThresholds, Reevaluation, ThresholdChange
from dashboard.anomalies.threshold_values import thresholds_of
from dashboard.lib.clock import NS_PER_S
from runs.models import Event, Run, World
from tests.factories import START_NS, make_run, make_world
from tests.needs import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh():
    threshold_values.forget()
    threshold_learning.begin_round()


@pytest.fixture
def world() -> World:
    return make_world()


def runs_of(
    world: World, count: int, step_s: float, status: str = "completed", workflow: str = "slow"
) -> None:
    for number in range(count):
        run = make_run(world, status=status, workflow=workflow, created_ns=START_NS + number * NS_PER_S)
        kinds = ("run_created", "run_started", "step_started", "step_completed", "run_completed")
        times = (0.0, 0.1, 0.2, 0.2 + step_s, 0.3 + step_s)
        Event.objects.bulk_create(
            Event(
                run=run, event_id=f"evnt_{at}", type=kind, correlation_id="step_1" if "step" in kind else "",
                created_ns=run.created_ns + int(time * NS_PER_S), source_ns=0,
            )
            for at, (kind, time) in enumerate(zip(kinds, times, strict=True))
        )  # fmt: skip


def test_it_learns_from_the_finished_runs_of_a_workflow(world):
    runs_of(world, 30, step_s=600)
    assert learn(world.pk, "slow")
    row = LearnedThresholds.objects.get()
    assert row.runs == 30 and row.lessons["step_s"] == [2400, 600.0]
    assert thresholds_of(world.pk).of("slow").told("step_s") == "Step takes long: 40 min (learned)"
    assert Reevaluation.objects.get().is_learned


def test_runs_that_hang_or_fail_teach_nothing(world):
    runs_of(world, 30, step_s=9000, status="running")
    runs_of(world, 30, step_s=9000, status="failed")
    runs_of(world, LEAST_RUNS - 1, step_s=600)
    assert not learn(world.pk, "slow") and not LearnedThresholds.objects.exists()
    runs_of(world, 1, step_s=600)
    learn(world.pk, "slow")
    assert LearnedThresholds.objects.get().lessons["step_s"] == [2400, 600.0]


def test_runs_that_are_no_longer_kept_teach_nothing(world):
    runs_of(world, 30, step_s=600)
    kept = Run.objects.order_by("pk").values_list("pk", flat=True)[LEAST_RUNS - 1]
    Run.objects.filter(pk__gte=kept).update(pruned_ns=1)
    assert not learn(world.pk, "slow")
    Run.objects.filter(pk=kept).update(pruned_ns=None)
    assert learn(world.pk, "slow")


def test_without_a_newer_run_there_is_no_news(world, monkeypatch):
    monkeypatch.setattr(threshold_learning, "AGAIN_NS", 0)
    runs_of(world, LEAST_RUNS, step_s=600)
    learn(world.pk, "slow")
    Event.objects.all().delete()
    assert not learn(world.pk, "slow")
    assert LearnedThresholds.objects.get().lessons["step_s"] == [2400, 600.0]


def test_it_reads_no_more_events_than_it_may_and_leaves_a_cut_log_out(world, monkeypatch):
    monkeypatch.setattr(threshold_learning, "EVENTS_READ", 5 * 12 + 3)
    runs_of(world, 30, step_s=600)
    pks = list(Run.objects.order_by("-created_ns").values_list("pk", flat=True))
    samples = threshold_learning.samples_of(pks)
    assert len(samples) == 12 and {one.step_s for one in samples} == {600}


def test_a_sweep_takes_a_few_workflows_and_a_round_all_of_them_once(world, monkeypatch):
    asked: list[tuple[int, str]] = []
    monkeypatch.setattr(threshold_learning, "learn", lambda *of: asked.append(of))
    for number in range(7):
        make_run(world, workflow=f"flow{number}")
    other = make_world("other")
    make_run(other, workflow="flow0")
    look()
    assert len(asked) == 5
    look()
    look()
    assert asked == [*((world.pk, f"flow{number}") for number in range(7)), (other.pk, "flow0")]


def test_workflows_are_walked_one_by_one(world, django_assert_num_queries):
    runs_of(world, 20, 1, workflow="a")
    runs_of(world, 20, 1, workflow="b")
    make_run(world, workflow="")
    with django_assert_num_queries(3):
        assert list(workflows_of(world.pk)) == ["a", "b"]


def plans_of(pks: list[int], world_id: int) -> list[str]:
    latest = Run.objects.filter(world=world_id, workflow="slow").order_by("-created_ns", "-id")
    walk = (
        Run.objects.filter(world=world_id, workflow__gt="a").order_by("workflow").values_list("workflow")[:1]
    )
    version = ThresholdChange.objects.filter(world=world_id).order_by("-id").values_list("id")[:1]
    asked = [
        latest.values_list("pk", "status", "pruned_ns")[:1000],
        walk,
        threshold_learning._events(pks)[:100],
        version,
    ]
    return [query.explain() for query in asked]


def test_no_question_reads_a_whole_table(world):
    runs_of(world, 20, 1)
    for plan in plans_of(list(Run.objects.values_list("pk", flat=True)), world.pk):
        assert "SEARCH" in plan and "SCAN" not in plan and "TEMP B-TREE" not in plan, plan
    assert connection.vendor == "sqlite"


PROGRAM = """
import django; django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", verbosity=0)
from runs.models import Event, Run
from tests.dashboard.anomalies.test_threshold_learning import plans_of
from tests.factories import START_NS, make_world
world = make_world()
Run.objects.bulk_create(
    Run(world=world, run_id=f"wrun_{n}", workflow=f"flow{n % 50}" if n % 3 else "slow", status="completed",
        created_ns=START_NS + n) for n in range(20_000))
pks = list(Run.objects.order_by("pk").values_list("pk", flat=True))
Event.objects.bulk_create(
    Event(run_id=pk, event_id=f"e{n}", type="x", source_ns=0) for pk in pks[:5000] for n in range(4))
with connection.cursor() as cursor:
    cursor.execute("ANALYZE")
print("\\n--\\n".join(plans_of(pks[:20], world.pk)))
"""


def test_nor_does_postgresql(postgres_database, tmp_path):
    env = {
        **os.environ, "TAILRACE_DATABASE_URL": postgres_database, "TAILRACE_DATA": str(tmp_path),
        "TAILRACE_SECRET_KEY": "k" * 50, "DJANGO_SETTINGS_MODULE": "dashboard.settings", "TAILRACE_SIGN_IN": "0",
    }  # fmt: skip
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert run.returncode == 0, run.stderr
    latest, walk, events, _ = run.stdout.split("\n--\n")
    for plan, index in (
        (latest, "runs_by_workflow"),
        (walk, "runs_by_workflow"),
        (events, "one_event_per_run"),
    ):
        assert index in plan and "Seq Scan" not in plan, plan
