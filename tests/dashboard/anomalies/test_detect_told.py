"""What a listener heard decides what the live reader is said to have got, whenever it comes."""

from __future__ import annotations

import threading

import pytest

from dashboard.anomalies.detect import judge_world
from dashboard.anomalies.models import Finding
from dashboard.prune import Keep, prune
from runs.models import World
from runs.observations import ChunkSeen, ChunkTold, Observation, RunSeen, StreamSeen
from runs.worlds.base import digest_of
from streams.ingest import store
from streams.models import Note
from tests.factories import MS, START_NS, frame, make_world

pytestmark = pytest.mark.django_db
RUN = "wrun_01M803XX9EKPGB0DR66MWJRZ8Z"
STREAM = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"


@pytest.fixture
def world() -> World:
    return make_world(kind="postgres")


def history() -> list[Observation]:
    run = RunSeen(RUN, "completed", "flow", START_NS, sdk_version="4.8.9", completed_ns=START_NS)
    return [run, StreamSeen(RUN, STREAM, listed=False), *map(chunk, range(4))]


def chunk(number: int) -> ChunkSeen:
    """Some are stored within a millisecond: their times say nothing about what was told when."""
    data = b"" if number == 3 else frame(f"chunk {number}")
    stored_ns = START_NS + number * MS // 3
    return ChunkSeen(
        STREAM, f"chnk_{number}", number == 3, data, len(data), digest_of(data), None, stored_ns, START_NS
    )


def told(*numbers: int) -> list[Observation]:
    return [ChunkTold(STREAM, f"chnk_{n}", place, START_NS, "one") for place, n in enumerate(numbers, 1)]


def found(world: World) -> list[Finding]:
    judge_world(world.pk, threading.Event())
    return list(Finding.objects.filter(kind="live_reader_diverges"))


def test_what_was_heard_with_the_chunks_proves_it(world: World):
    store(world, [*history(), *told(0, 2, 1, 3)])
    (finding,) = found(world)
    assert (finding.certainty, finding.severity) == ("proved", "error")
    assert finding.message == "A live reader got 0 2 2; a later reader gets 0..2."


def test_what_was_heard_later_has_the_stream_judged_again(world: World):
    store(world, history())
    assert found(world) == []
    _, something, _ = store(world, told(0, 2, 1, 3))
    assert something
    assert len(found(world)) == 1


def test_notes_in_the_order_of_the_chunks_are_no_finding(world: World):
    store(world, [*history(), *told(0, 1, 2, 3)])
    assert found(world) == []


def test_part_of_the_notes_proves_nothing(world: World):
    store(world, [*history(), *told(2, 1, 3)])
    assert found(world) == []


def test_notes_are_pruned_with_their_stream(world: World):
    store(world, [*history(), *told(0, 1, 2, 3)])
    assert Note.objects.count() == 4
    prune(Keep(seconds=3600))
    assert Note.objects.count() == 0
    store(world, told(0, 1, 2, 3))
    assert Note.objects.count() == 0
