"""How often a rule would have fired last week."""

from __future__ import annotations

import pytest

from dashboard.alerts.models import AlertRule
from dashboard.alerts.preview import preview
from dashboard.anomalies import life
from dashboard.anomalies.models import Anomaly
from dashboard.anomalies.states import Asked
from dashboard.lib.clock import NS_PER_S
from runs.models import Run
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db
HOUR_S = 3600


@pytest.fixture
def one_run(clock):
    return make_run(make_world("app"), deployment="dpl_1")


def rule(**fields) -> AlertRule:
    return AlertRule(**({"triggers": ["first_time"], "min_severity": 0, "cooldown_s": 0} | fields))


def test_it_counts_first_times_and_what_came_back(one_run, clock):
    find(make_stream_of(one_run))
    find(make_stream_of(one_run), "chunk_lost", severity="info")
    clock.forward(2 * 24 * HOUR_S)
    life.act([Anomaly.objects.get(kind="chunk_lost").pk], Asked("resolve", clock.ns), "mira")
    clock.forward(60)
    find(make_stream_of(one_run), "chunk_lost")
    assert preview(rule(), [], clock.ns).fires == 2
    both = preview(rule(triggers=["first_time", "regressed"]), [], clock.ns)
    assert both.fires == both.messages == 3 and len(both.anomalies) == 2
    assert sum(both.by_day) == 3 and both.by_day[-1] == 1 and not both.is_estimate
    assert preview(rule(min_severity=3), [], clock.ns).fires == 0
    assert preview(rule(workflows=["other"]), [], clock.ns).fires == 0
    assert preview(rule(deployments=["dpl_1"]), [], clock.ns).fires == 2
    assert preview(rule(deployments=["dpl_2"]), [], clock.ns).fires == 0
    assert preview(rule(), [one_run.world_id + 1], clock.ns).fires == 0
    clock.forward(8 * 24 * HOUR_S)
    assert preview(rule(triggers=["first_time", "regressed"]), [], clock.ns).fires == 0


def test_it_counts_every_time_with_cooldown_and_cap(one_run, clock):
    for _ in range(4):
        find(make_stream_of(one_run))
    clock.forward(3 * HOUR_S)
    find(make_stream_of(one_run))
    every = preview(rule(triggers=["every"]), [], clock.ns)
    assert every.fires == 5 and every.is_estimate
    assert preview(rule(triggers=["every"], cooldown_s=HOUR_S), [], clock.ns).fires == 2
    assert preview(rule(triggers=["every"], hourly_cap=2), [], clock.ns).messages == 2 + 1 + 1
    assert preview(rule(triggers=["more_than"], threshold=3), [], clock.ns).fires == 1
    assert preview(rule(triggers=["more_than"], threshold=4), [], clock.ns).fires == 0
    assert preview(rule(triggers=["more_than"], threshold=4, period_s=4 * HOUR_S), [], clock.ns).fires == 1


def test_it_counts_the_gaps_between_runs(one_run, clock):
    for hours in (100, 90, 10, 9, 1):
        make_run(one_run.world, created_ns=clock.ns - hours * HOUR_S * NS_PER_S, workflow="chat")
    asked = {"triggers": ["absent"], "workflows": ["chat"]}
    assert preview(rule(**asked, period_s=5 * HOUR_S), [], clock.ns).fires == 3
    assert preview(rule(**asked, period_s=50 * HOUR_S), [], clock.ns).fires == 1
    assert preview(rule(**asked, period_s=90 * HOUR_S), [], clock.ns).fires == 0


def test_it_says_where_it_cannot_be_told(one_run, clock):
    assert preview(rule(triggers=["silent"]), [], clock.ns).why_not


def test_what_had_ended_before_its_world_was_added_is_not_counted(one_run, clock):
    find(make_stream_of(one_run))
    long_ago = one_run.world.created_ns - 2 * HOUR_S * NS_PER_S
    Run.objects.update(created_ns=long_ago, completed_ns=long_ago)
    assert preview(rule(), [], clock.ns).fires == 0
    Run.objects.update(completed_ns=clock.ns)
    assert preview(rule(), [], clock.ns).fires == 1
