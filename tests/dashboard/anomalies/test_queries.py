"""What pages are given of findings."""

from __future__ import annotations

import threading

import pytest

from dashboard.anomalies import queries
from dashboard.anomalies.detect import judge_world
from dashboard.anomalies.detect_runs import judge_runs
from dashboard.anomalies.models import Anomaly, Checkpoint, Finding
from dashboard.worlds.known import ensure_world
from runs.models import Run
from streams import ingest
from streams.models import Stream
from tests.recordings import unpack


@pytest.fixture
def world(db, tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "_opened", {})
    world = ensure_world(str(unpack("4.2.4", "probe-lat", tmp_path)))
    ingest.pull(world.pk, threading.Event())
    judge_world(world.pk, threading.Event())
    judge_runs(world.pk, threading.Event())
    return world


def of_workflow(name: str) -> Run:
    return Run.objects.get(workflow__endswith=f"//{name}")


def test_a_run_gets_the_badges_of_its_streams_worst_first(world):
    run = of_workflow("eagerClose")
    pieces = queries.run_badges([run.pk])[run.pk]
    assert [(one.kind, one.severity, one.certainty) for one in pieces] == [
        ("write_after_close", "error", "proved"),
        ("closed_more_than_once", "warning", "proved"),
        ("duplicate_event", "info", "proved"),
    ]
    assert pieces[0].url.endswith("#chunk-9"), "it leads to the first chunk that shows it"


def test_what_was_not_judged_yet_is_left_out_not_called_clean(world):
    stream = Stream.objects.get(run=of_workflow("reacquirePerWrite"))
    Finding.objects.all().delete()
    assert queries.run_badges([stream.run_id]) == {stream.run_id: []}
    Stream.objects.filter(pk=stream.pk).update(changes=99)
    assert queries.run_badges([stream.run_id]) == {}
    assert queries.stream_badges([stream.pk]) == {}


def test_a_violation_is_noted_at_its_chunk(world):
    stream = Stream.objects.get(run=of_workflow("reacquirePerWrite"))
    notes = queries.chunk_notes([stream.pk])[stream.pk]
    assert (notes[0].at, notes[0].text) == (1, "delta before start")


def test_what_could_not_be_checked_is_told_with_the_reason(world):
    stream = Stream.objects.first()
    Checkpoint.objects.filter(stream=stream).update(
        unchecked=[{"kind": "never_closed", "reason": "in its grace"}]
    )
    pieces = queries.stream_verdict([stream.pk])[stream.pk]
    assert ("never_closed", "in its grace") in [(one.kind, one.title) for one in pieces]


def test_findings_of_one_kind_and_workflow_are_one_anomaly(world):
    assert Anomaly.objects.count() == Finding.objects.count() == 4
    assert {one.workflow.split("//")[-1] for one in Anomaly.objects.all()} == {
        "eagerClose",
        "reacquirePerWrite",
    }
