"""A write counts as lost only after a look that would have found its chunk, wherever in a large world that lies."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dashboard.lib.clock import NS_PER_S, now_ns
from runs.models import World
from runs.observations import Observation
from runs.worlds._places import stream_place, streams_in
from runs.worlds.base import Seen
from runs.worlds.base import World as Adapter
from runs.worlds.local import LocalWorld
from streams import ingest
from streams.doubt import kinds_read_where_watched, places_in_doubt
from streams.ledger import STORED
from streams.models import Write
from tests.factories import make_world
from tests.streams.written import START_MS, STREAM, report, write

pytestmark = pytest.mark.django_db
NEVER = threading.Event()


class Large(Adapter):
    """An adapter of a large world that says what it was asked for."""

    supplies = frozenset({"chunks"})
    is_large = True

    def __init__(self) -> None:
        super().__init__("/w")
        self.asked: list[frozenset[str] | None] = []
        self.has_older = False

    @property
    def is_behind(self) -> bool:
        return self.has_older

    def read(self, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        self.asked.append(hints)
        return iter(())

    def watch(self, stop: threading.Event) -> Iterator[frozenset[str] | None]:
        return iter(())

    def fetch_chunk(self, stream: str, chunk_id: str) -> bytes:
        return b""


@pytest.fixture
def world(monkeypatch) -> World:
    monkeypatch.setattr(ingest, "_opened", {})
    monkeypatch.setattr(ingest, "_hints", {})
    monkeypatch.setattr(ingest, "_followed", set())
    return make_world(kind="postgres")


@pytest.fixture
def adapter(monkeypatch) -> Large:
    large = Large()
    monkeypatch.setattr(ingest, "adapter_of", lambda world: large)
    return large


def looked(world: World) -> int | None:
    ingest.hint(world.pk, None)
    ingest.pull(world.pk, NEVER)
    return World.objects.get(pk=world.pk).looked_ns


def test_a_full_look_also_goes_to_streams_in_which_a_write_has_no_chunk_yet(world, adapter):
    report(world, write(1, b"a", 10), write(2, b"b", 5))
    assert looked(world)
    assert adapter.asked == [None, frozenset({stream_place(STREAM, START_MS + 5)})]


def test_a_look_at_what_a_watcher_saw_does_not(world, adapter):
    report(world, write(1, b"a", 10))
    ingest.hint(world.pk, frozenset({"recent"}))
    ingest.pull(world.pk, NEVER)
    assert adapter.asked == [frozenset({"recent"})]
    assert World.objects.get(pk=world.pk).looked_ns is None


def test_no_look_counts_while_older_runs_are_still_to_be_read(world, adapter):
    adapter.has_older = True
    assert looked(world) is None
    adapter.has_older = False
    assert looked(world)


def test_an_adapter_that_reads_all_at_once_is_never_behind():
    assert not LocalWorld("/w").is_behind


def test_writes_that_were_found_or_not_acknowledged_leave_no_doubt(world):
    report(world, write(1, b"a", 10), write(2, b"b", 20, took=None))
    Write.objects.filter(number=1).update(outcome=STORED, arrival=1)
    assert places_in_doubt(world.pk) == frozenset()


def test_a_place_says_which_stream_and_from_when_and_other_hints_say_nothing():
    places = {stream_place("a b", 7), stream_place("a b", 5), stream_place("c", -1)}
    assert streams_in({*places, "recent", "stream x y", "stream 5 ", "/a/path 5 x"}) == {"a b": 5, "c": 0}


@pytest.mark.parametrize(
    ("read_s", "is_followed", "is_due"),
    [(30, False, False), (61, False, True), (30, True, True), (1, True, False)],
)
def test_a_world_that_is_read_where_it_is_watched_is_left_alone_for_a_while(
    world, settings, read_s, is_followed, is_due
):
    settings.SWEEP_SECONDS = 10
    assert "postgres" in kinds_read_where_watched() and "local" not in kinds_read_where_watched()
    World.objects.update(read_ns=now_ns() - read_s * NS_PER_S)
    if is_followed:
        ingest._followed.add(world.pk)
    assert ingest.worlds_to_read() == ([world.pk] if is_due else [])


def test_a_new_world_waits_for_its_watcher_and_then_for_nobody(world):
    World.objects.update(read_ns=None, created_ns=now_ns())
    assert ingest.worlds_to_read() == []
    World.objects.update(created_ns=now_ns() - 61 * NS_PER_S)
    assert ingest.worlds_to_read() == [world.pk]


def test_open_writes_do_not_call_another_process_to_such_a_world(world, settings):
    settings.SWEEP_SECONDS = 10
    report(world, write(1, b"a", 10))
    World.objects.update(read_ns=now_ns(), looked_ns=now_ns() - 20 * NS_PER_S)
    assert ingest.worlds_to_read() == []
    World.objects.update(kind="local")
    assert ingest.worlds_to_read() == [world.pk]
