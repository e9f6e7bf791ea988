"""What was found before anomalies had a life gets its facts, its state and its step when the database is moved on."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps

from dashboard.anomalies.life import Group
from dashboard.anomalies.models import Anomaly, AnomalyEvent, AnomalyHour, AnomalySeenIn, Finding
from runs.models import Step
from tests.dashboard.anomalies.found import make_stream_of
from tests.factories import START_NS, make_run, make_world

pytestmark = pytest.mark.django_db
SEND = "step//./w//send"


@pytest.fixture
def earlier():
    """As rows were stored then: no facts, no step in the group."""
    world = make_world("app")
    run = make_run(world, deployment="dpl_1")
    group = Group("write_after_close", run.workflow)
    anomaly = Anomaly.objects.create(
        world=world, kind=group.kind, workflow=group.workflow, fingerprint=group.fingerprint,
        first_seen_ns=START_NS, last_seen_ns=START_NS + 5,
    )  # fmt: skip
    for severity, certainty in (("warning", "proved"), ("error", "suspected")):
        Finding.objects.create(
            anomaly=anomaly, kind=group.kind, run=run, stream=make_stream_of(run), severity=severity,
            certainty=certainty, message=severity, detector_version=1, found_ns=START_NS,
        )  # fmt: skip
    return anomaly


def backfill() -> None:
    importlib.import_module("dashboard.anomalies.migrations.0004_facts_of_anomalies").backfill(apps, None)


def test_facts_and_the_state_are_filled_in(earlier):
    backfill()
    earlier.refresh_from_db()
    assert (earlier.count, earlier.total, earlier.runs, earlier.streams) == (2, 2, 1, 2)
    assert (earlier.severity, earlier.certainty, earlier.state) == (2, 2, "open")
    assert AnomalyHour.objects.get().count == 2
    seen = AnomalySeenIn.objects.order_by("what").values_list("what", "value", "count")
    assert list(seen) == [("deployment", "dpl_1", 2), ("sdk", "4.8.9", 2)]
    assert AnomalyEvent.objects.get().what == "opened"


def test_findings_with_a_known_step_move_and_an_emptied_group_leads_there(earlier):
    run = earlier.findings.first().run
    Step.objects.create(run=run, step_id="step_1", name=SEND, source_ns=1)
    Finding.objects.update(step_id="step_1")
    backfill()
    earlier.refresh_from_db()
    new = earlier.moved_to
    assert (earlier.count, new.count, new.step_name) == (0, 2, SEND)
    assert new.fingerprint == Group(new.kind, new.workflow, SEND).fingerprint


def test_a_step_that_is_not_known_moves_nothing(earlier):
    Finding.objects.update(step_id="step_1")
    backfill()
    assert Anomaly.objects.get().moved_to is None
