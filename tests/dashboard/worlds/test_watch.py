"""Watchers start and stop as worlds come, go, and change; a broken one disturbs no other."""

from __future__ import annotations

import threading
import time

import pytest

from dashboard.worlds import manage, watch
from dashboard.worlds.manage import add, taken_apart
from dashboard.worlds.watch import Watching
from runs.models import World
from streams import ingest
from tests.factories import make_world
from tests.kinds import SECRET, RemoteWorld, made_kind

pytestmark = pytest.mark.django_db(transaction=True)
WITHIN = 20.0


@pytest.fixture
def remote(monkeypatch, settings, tmp_path):
    settings.DATA = tmp_path / "data"
    return made_kind(monkeypatch)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def followed(remote, asked):
    found = Watching(threading.Event(), asked.append)
    yield found
    found.end()


def until(true) -> None:
    limit = time.monotonic() + WITHIN
    while not true():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.01)


def added(place: str) -> World:
    return add(taken_apart(place))[0]


def places() -> list[str]:
    return sorted(location for location, _ in RemoteWorld.watched)


def test_all_worlds_that_are_known_are_followed(followed, asked):
    worlds = [added("remote://a/x"), added("remote://b/x")]
    followed.look()
    until(lambda: sorted(asked) == [one.pk for one in worlds])
    assert places() == ["remote://a/x", "remote://b/x"]
    assert ingest._followed == {one.pk for one in worlds}
    followed.look()
    assert len(RemoteWorld.watched) == 2, "each by one watcher"


def test_what_is_paused_archived_removed_or_pushes_is_not(followed):
    for number, act in enumerate((manage.pause, manage.archive, manage.remove)):
        act(added(f"remote://h{number}/x"))
    make_world("app", kind="probe")
    make_world("old", kind="carrier-pigeon")
    followed.look()
    assert [one.target.kind for one in followed.watchers.values()] == ["carrier-pigeon"]
    assert places() == []


def test_a_watcher_ends_when_its_world_is_paused_and_begins_again_when_it_is_resumed(followed, asked):
    world = added("remote://a/x")
    followed.look()
    until(lambda: asked)
    manage.pause(world)
    followed.look()
    until(lambda: RemoteWorld.ended == ["remote://a/x"])
    assert followed.watchers == {}
    until(lambda: world.pk not in ingest._followed)
    manage.resume(world)
    followed.look()
    until(lambda: len(RemoteWorld.watched) == 2)


def test_a_new_secret_or_place_takes_effect_at_once(followed):
    world = added("remote://a/x")
    followed.look()
    until(lambda: len(RemoteWorld.watched) == 1)
    manage.give_secret(world, SECRET)
    followed.look()
    until(lambda: ("remote://a/x", SECRET) in RemoteWorld.watched)
    manage.move(world, taken_apart("remote://b/x"))
    followed.look()
    until(lambda: ("remote://b/x", SECRET) in RemoteWorld.watched)
    until(lambda: RemoteWorld.ended == ["remote://a/x"] * 2)


def test_a_pull_reads_with_the_new_secret_too(remote):
    world = added("remote://a/x")
    ingest.pull(world.pk, threading.Event())
    manage.give_secret(world, SECRET)
    ingest.pull(world.pk, threading.Event())
    assert RemoteWorld.read_by == [("remote://a/x", ""), ("remote://a/x", SECRET)]
    manage.pause(world)
    ingest.pull(world.pk, threading.Event())
    assert len(RemoteWorld.read_by) == 2, "nothing is read while it is paused"


def test_a_broken_adapter_ends_alone_and_is_tried_again_later(followed, asked, caplog, monkeypatch):
    good, bad = added("remote://good/x"), added("remote://broken/x")
    followed.look()
    until(lambda: good.pk in asked and not followed.watchers[bad.pk].thread.is_alive())
    assert "an adapter with a fault" in caplog.text
    followed.look()
    assert list(followed.watchers) == [good.pk] and followed.watchers[good.pk].thread.is_alive()
    followed.look()
    assert len(RemoteWorld.watched) == 2, "not at once"
    followed._again[bad.pk] = 0
    followed.look()
    until(lambda: len(RemoteWorld.watched) == 3)


def test_a_secret_that_cannot_be_opened_stops_its_world_alone(followed, asked, settings, caplog):
    bad = add(taken_apart("remote://bad/x", SECRET))[0]
    (settings.DATA / "sealing-key").unlink()
    good = added("remote://good/x")
    followed.look()
    until(lambda: good.pk in asked and not followed.watchers[bad.pk].thread.is_alive())
    ingest.pull(bad.pk, threading.Event())
    trouble = World.objects.get(pk=bad.pk).trouble
    assert "cannot be used" in trouble and SECRET not in trouble + caplog.text


def test_it_runs_until_it_is_told_to_stop(remote, asked):
    stop = threading.Event()
    runner = threading.Thread(target=Watching(stop, asked.append).run, daemon=True)
    runner.start()
    world = added("remote://a/x")
    until(lambda: world.pk in asked)
    stop.set()
    watch.look_now()
    runner.join(WITHIN)
    assert not runner.is_alive() and RemoteWorld.ended == ["remote://a/x"]


def test_it_removes_what_is_to_be_removed(remote, asked):
    stop = threading.Event()
    world = added("remote://a/x")
    manage.remove(world)
    runner = threading.Thread(target=Watching(stop, asked.append).run, daemon=True)
    runner.start()
    until(lambda: not World.objects.exists())
    stop.set()
    watch.look_now()
    runner.join(WITHIN)
    assert not runner.is_alive()
