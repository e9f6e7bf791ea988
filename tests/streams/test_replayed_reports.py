"""Real journals replayed through the inbox beside the worlds that were recorded with them, against the truth."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard.anomalies.detect import judge_world
from dashboard.anomalies.models import Finding
from dashboard.lib.clock import now_ns
from runs.models import World
from streams import ingest
from streams.inbox import apply
from tests.probe_recordings import look_again, recorded
from tests.probe_recordings import push as push_batches
from tests.recordings import scenarios, unpack

pytestmark = pytest.mark.django_db
STOP = threading.Event()
RACING_SDKS = {"4.2.4", "4.8.9", "5.0.0-beta.5"}  # 5.0.0-beta.55 gives one writable per step and stream
KINDS = {
    "chunks-after-eof": "write_after_close",
    "multiple-eof": "closed_more_than_once",
    "never-closed": "never_closed",
    "stream calls rejected (probe 409)": "write_rejected",
    "lost": "chunk_lost",
    "streams missing from streams/runs mapping": "stream_unlisted",
}
ABOUT_WRITES = {"racing_writers", "out_of_order", "write_rejected", "chunk_lost"}
BREAKS_THE_PROTOCOL = "protocol_violation"  # has no word in the recordings


def push(world: World, sdk: str, label: str) -> None:
    push_batches(world, sdk, label)
    apply(world.pk, STOP)


def read(world: World) -> None:
    ingest.hint(world.pk, None)
    ingest.pull(world.pk, STOP)


@pytest.fixture
def replay(tmp_path: Path) -> Callable[..., World]:
    def replayed(sdk: str, label: str, *steps: Callable[[World, str, str], None]) -> World:
        location = str(unpack(sdk, label, tmp_path).resolve())
        world = World.objects.create(
            kind="local", location=location, name="app", slug="app", created_ns=now_ns()
        )
        for step in steps:
            step(world, sdk, label)
            judge_world(world.pk, STOP)
        look_again(world)
        judge_world(world.pk, STOP)
        return world

    return replayed


def reading(world: World, sdk: str, label: str) -> None:
    read(world)


def truth(sdk: str, label: str) -> dict[str, set[str]]:
    """By run, what is truly wrong, as far as the detectors so far can tell it."""
    found: dict[str, set[str]] = {}
    for entry in scenarios(sdk, label):
        kinds = set()
        for one in entry["anomalies"]:
            words = one["anomaly"].partition("(")[0] if "probe 409" not in one["anomaly"] else one["anomaly"]
            kinds |= {KINDS[words]} if words in KINDS else set()
            if words == "persisted-order-differs-from-producer" and entry["scenario"].startswith("b_"):
                kinds.add("out_of_order")
        if entry["scenario"].startswith("b_reacquire") and sdk in RACING_SDKS:
            kinds.add("racing_writers")
        if entry["scenario"] == "e_retries":  # the text is there twice, though the truth has no word for it
            kinds.add("repeated_by_retry")
        for run_id in entry["runIds"]:
            found[run_id] = kinds
    return found


def told(world: World) -> dict[str, set[str]]:
    """By run; a journal may tell of runs whose files the recording did not keep."""
    kept = world.runs.exclude(source_ns=None).values_list("run_id", flat=True)
    found: dict[str, set[str]] = {run_id: set() for run_id in kept}
    for finding in Finding.objects.filter(anomaly__world=world).select_related("run"):
        assert finding.run is not None
        if finding.kind != BREAKS_THE_PROTOCOL and finding.run.run_id in found:
            found[finding.run.run_id].add(finding.kind)
    return found


@pytest.mark.parametrize("steps", [(push, reading), (reading, push)], ids=["reports first", "chunks first"])
@pytest.mark.parametrize(("sdk", "label"), recorded())
def test_it_finds_exactly_what_is_wrong(replay, sdk, label, steps):
    world = replay(sdk, label, *steps)

    assert told(world) == truth(sdk, label)


@pytest.mark.parametrize(("sdk", "label"), recorded())
def test_every_stored_chunk_has_its_writer_and_every_write_an_outcome(replay, sdk, label):
    world = replay(sdk, label, push, reading)

    outcomes = {
        outcome
        for stream in world.streams.filter(run__source_ns__isnull=False)
        for outcome in stream.writes.values_list("outcome", flat=True)
    }
    assert outcomes <= {"stored", "rejected"}
    for stream in world.streams.all():
        stored = stream.writes.filter(outcome="stored")
        assert stored.count() == stream.chunk_count + stream.close_count
        assert set(stored.values_list("arrival", flat=True)) == set(
            stream.chunks.filter(writer__isnull=False).values_list("arrival", flat=True)
        )


def test_the_scrambled_run_is_proved_and_names_its_step(replay):
    world = replay("5.0.0-beta.5", "probe-w2", push, reading)
    finding = Finding.objects.get(anomaly__world=world, kind="out_of_order")

    assert (finding.certainty, finding.severity) == ("proved", "error")
    assert "emitStream" in finding.message and finding.step_id.startswith("step_")
    racing = Finding.objects.get(anomaly__world=world, kind="racing_writers")
    assert (racing.certainty, racing.step_id) == ("proved", finding.step_id)


def test_a_rejection_names_its_step_and_what_was_lost(replay):
    world = replay("4.2.4", "probe-409", push, reading)
    by_workflow = {
        finding.run.workflow.rpartition("//")[2]: finding
        for finding in Finding.objects.filter(anomaly__world=world, kind="write_rejected")
    }

    closed = by_workflow["cleanChat"]
    assert closed.severity == "error" and closed.evidence["lost"]["end_marker"] is True
    assert "closeDefault" in closed.message
    again = by_workflow["eagerClose"]
    assert again.severity == "info" and again.evidence["lost"] == {
        "chunks": 0,
        "bytes": 0,
        "end_marker": False,
    }
    lost = by_workflow["lateFlush"]
    assert lost.severity == "error" and lost.evidence["lost"]["chunks"] == 1
    assert "fireAndForgetWrite" in lost.message
