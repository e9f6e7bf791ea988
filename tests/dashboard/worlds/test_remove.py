"""Everything of a removed world goes, in small pieces, and nothing of another."""

from __future__ import annotations

import threading

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.anomalies.audit_queries import cube_of
from dashboard.anomalies.detect import judge_world, worlds_to_judge
from dashboard.anomalies.detect_runs import judge_runs, runs_to_judge
from dashboard.anomalies.inbox_queries import waiting_count
from dashboard.lib.clock import now_ns
from dashboard.worlds import manage, remove
from dashboard.worlds.known import ensure_world
from runs import tokens
from runs.managed import removing
from runs.models import Run, World
from streams import ingest
from streams.list_queries import verdict_counts
from streams.models import Chunk, Stream
from tests.recordings import unpack

LEFT = {
    "World", "Permission", "ContentType", "Group", "User", "Session", "LogEntry", "Redetection", "AlertRule",
    "AlertChannel", "Routing",
}  # fmt: skip


@pytest.fixture
def worlds(db, tmp_path, monkeypatch):
    monkeypatch.setattr(ingest, "_opened", {})
    found = []
    for name in ("a", "b"):
        world = ensure_world(str(unpack("4.8.9", "plain", tmp_path / name)))
        ingest.pull(world.pk, threading.Event())
        judge_world(world.pk, threading.Event())
        judge_runs(world.pk, threading.Event())
        tokens.create(world, "staging")
        found.append(world)
    return found


def rows() -> dict[str, int]:
    return {
        model.__name__: model.objects.count() for model in apps.get_models() if model.__name__ not in LEFT
    }


def test_all_of_it_goes_and_all_of_the_other_stays(worlds, monkeypatch):
    monkeypatch.setattr(remove, "ROWS", 50)
    both = rows()
    manage.remove(worlds[0])
    with CaptureQueriesContext(connection) as asked:
        remove.remove_waiting(threading.Event())
    assert [one.pk for one in World.objects.all()] == [worlds[1].pk]
    half = {name: count / 2 for name, count in both.items()}
    assert rows() == half and half["Chunk"] > 100 and half["Finding"] > 0 and half["Event"] > 0
    deleted = [one["sql"] for one in asked if one["sql"].startswith("DELETE FROM streams_chunk")]
    assert len(deleted) > half["Chunk"] / 50 / 2, "in pieces"


def left_of(world_id: int) -> tuple[int, int]:
    """Runs and streams that are still there."""
    return Run.objects.filter(world=world_id).count(), Stream.objects.filter(world=world_id).count()


def test_whoever_is_stopped_leaves_the_rest_to_the_next(worlds, monkeypatch):
    manage.remove(worlds[0])
    stop = threading.Event()
    monkeypatch.setattr(remove, "SUBJECTS", 2)
    monkeypatch.setattr(stop, "wait", lambda _seconds: stop.set())
    remove.remove_waiting(stop)
    runs, streams = left_of(worlds[0].pk)
    assert runs and streams and removing().exists()
    remove.remove_waiting(threading.Event())
    assert left_of(worlds[0].pk) == (0, 0) and not removing().exists()


def test_it_waits_for_a_pull_that_is_under_way(worlds):
    World.objects.filter(pk=worlds[0].pk).update(claimed_until_ns=now_ns() + 60 * 10**9)
    manage.remove(worlds[0])
    before = Chunk.objects.count()
    remove.remove_waiting(threading.Event())
    assert Chunk.objects.count() == before and Stream.objects.filter(world=worlds[0].pk).exists()


def test_an_archive_keeps_all_of_it(worlds):
    before = rows()
    manage.archive(worlds[0])
    remove.remove_waiting(threading.Event())
    assert rows() == before


def test_lists_of_all_worlds_show_nothing_of_what_is_being_removed(worlds):
    def shown() -> tuple[int, int, int]:
        return (
            waiting_count(None),
            sum(verdict_counts(None, own=False).values()),
            sum(cube_of(None).totals["stream"].values()),
        )

    both = shown()
    manage.remove(worlds[0])
    assert shown() == tuple(count / 2 for count in both) and all(both)
    assert worlds[0].pk not in worlds_to_judge() and not runs_to_judge(worlds[0].pk)
    manage.remove(worlds[1])
    assert shown() == (0, 0, 0)
