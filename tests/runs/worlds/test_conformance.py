"""Every adapter keeps the contract of `runs.worlds.base.World`: the same tests for all kinds of worlds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runs.observations import ChunkSeen, EventSeen, Observation, RunSeen, StepSeen, StreamSeen
from runs.worlds.base import WORLDS, Check, Fact, Seen, WorldError
from tests.runs.worlds.conformance import (
    Harness,
    Watched,
    all_of,
    batches_of,
    chunk_keys,
    harnesses,
    read_again_until,
    read_until,
    words,
)

HOSTILE = (
    "",
    "..",
    "../../etc/passwd",
    "a/b",
    "\0",
    "\ud800",
    "x" * 5_000,
    "' OR 1=1 --",
    "%00",
    "<b>",
    "\u202e",
)


@pytest.fixture(params=harnesses())
def harness(request, tmp_path: Path) -> Iterator[Harness]:
    made: Harness = request.param(tmp_path, request.getfixturevalue)
    yield made
    made.close()


@pytest.fixture
def world(harness: Harness) -> Iterator:
    adapter = harness.adapter()
    yield adapter
    adapter.close()


def only(harness: Harness, *flags: str) -> None:
    """Leaves a test out for a kind that cannot do what it is about."""
    for flag in flags:
        if not getattr(harness, flag):
            pytest.skip(f"{type(harness).__name__}: not {flag}")


def rest(found: list[Observation]) -> list[Observation]:
    """Without what has no version that a reader could be told of: whose stream it is may be said again."""
    return [one for one in found if not isinstance(one, StreamSeen)]


def test_every_kind_of_world_has_a_harness():
    kinds = {param.values[0].__name__.lower() for param in harnesses()}
    assert all(any(kind in name for name in kinds) for kind in WORLDS.found), "one is missing"


def test_it_reads_all_there_is_once_and_only_once(harness, world):
    found = all_of(world, seen := Seen())
    keys = chunk_keys(found)
    assert set(keys) == harness.chunk_ids() and len(keys) == len(set(keys))
    assert {one.run_id for one in found if isinstance(one, RunSeen)} >= harness.run_ids()
    assert bool(keys) == harness.is_read
    assert rest(all_of(world, seen)) == [], "a second read yields nothing"


def test_another_instance_goes_on_where_the_first_was(harness, world):
    all_of(world, seen := Seen())
    another = harness.adapter()
    assert rest(all_of(another, seen)) == []
    another.close()


def test_it_reads_what_was_added_and_nothing_else(harness, world):
    only(harness, "grows")
    all_of(world, seen := Seen())
    before = harness.chunk_ids()
    harness.append(3)
    new = harness.chunk_ids() - before
    assert len(new) == 3
    found = read_until(world, seen, lambda found: len(chunk_keys(found)) >= 3)
    assert set(chunk_keys(found)) == new


def test_a_batch_is_never_empty_and_never_above_a_thousand(harness, world):
    only(harness, "grows", "grows_far")
    harness.append(2_300)
    seen, sizes, keys = Seen(), [], []
    for batch in batches_of(world, seen):
        sizes.append(len(batch))
        keys += chunk_keys(batch)
    keys += chunk_keys(
        read_until(world, seen, lambda found: len(keys) + len(chunk_keys(found)) >= len(harness.chunk_ids()))
    )
    assert sizes and all(0 < size <= 1_000 for size in sizes)
    assert set(keys) == harness.chunk_ids() and len(keys) == len(set(keys))


def test_what_is_found_together_comes_in_the_order_in_which_it_was_stored(harness, world):
    only(harness, "is_read")
    chunks = [one for one in all_of(world, Seen()) if isinstance(one, ChunkSeen)]
    order = [(one.stored_ns, one.chunk_id) for one in chunks]
    by_stream: dict[str, list[tuple[int, str]]] = {}
    for one, key in zip(chunks, order, strict=True):
        by_stream.setdefault(one.stream, []).append(key)
    assert all(keys == sorted(keys) for keys in by_stream.values())


def test_entities_come_before_what_refers_to_them(harness, world):
    only(harness, "is_read")
    found = all_of(world, Seen())
    first = {}
    for at, one in enumerate(found):
        if isinstance(one, RunSeen):
            first.setdefault(("run", one.run_id), at)
        elif isinstance(one, StreamSeen):
            first.setdefault(("stream", one.name), at)
    referring = [
        (at, ("stream", one.stream) if isinstance(one, ChunkSeen) else ("run", one.run_id))
        for at, one in enumerate(found)
        if isinstance(one, (ChunkSeen, StepSeen, EventSeen, StreamSeen))
    ]
    assert referring and first
    assert [one for one in referring if first.get(one[1], -1) > one[0]] == []


def test_hints_say_where_to_look_and_nothing_else_is_looked_at(harness, world):
    only(harness, "hints")
    streams = sorted({stream for stream, _ in harness.chunk_ids()})
    assert len(streams) > 1, "two streams, so that one can be left alone"
    found = all_of(world, Seen(), harness.hints_of(streams[0]))
    assert {stream for stream, _ in chunk_keys(found)} == {streams[0]}


def test_a_world_that_is_away_is_a_world_error_without_its_secret(harness, world):
    only(harness, "vanishes")
    all_of(world, seen := Seen())
    harness.vanish()
    with pytest.raises(WorldError) as away:
        all_of(world, Seen())
    assert str(away.value).strip() and (not harness.secret or harness.secret not in str(away.value))
    harness.restore()
    read_again_until(harness.adapter(), seen)
    if harness.grows:
        harness.append(1)
        read_until(harness.adapter(), seen, lambda found: len(chunk_keys(found)) == 1)


def test_a_watcher_first_asks_for_a_look_at_everything_and_ends_when_told(harness, world):
    watched = Watched(world)
    if harness.watches:
        assert watched.wait_for(1) and watched.yielded[0] is None
    assert watched.end(within=1.0) and watched.failed is None


def test_a_watcher_says_when_something_was_added(harness, world):
    only(harness, "watches", "grows")
    watched = Watched(world)
    assert watched.wait_for(1)
    all_of(reader := harness.adapter(), seen := Seen())
    count = len(watched.yielded)
    harness.append(1)
    assert watched.wait_for(count + 1)
    read_until(reader, seen, lambda found: len(chunk_keys(found)) == 1)
    assert watched.end(within=1.0)


def test_a_watcher_outlives_a_world_that_goes_and_comes_back(harness, world):
    only(harness, "watches", "vanishes")
    watched = Watched(world)
    assert watched.wait_for(1)
    harness.vanish()
    assert not watched.stop.wait(0.3) and watched.thread.is_alive() and watched.failed is None
    count = len(watched.yielded)
    harness.restore()
    assert watched.wait_for(count + 1), "it asks for a look when the world is back"
    assert watched.end(within=1.0) and watched.failed is None


def test_a_chunk_can_be_fetched_whole(harness, world):
    only(harness, "is_read")
    for stream, chunk_id in harness.fetchable()[:5]:
        assert world.fetch_chunk(stream, chunk_id) == harness.payload(stream, chunk_id)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_chunk_that_is_not_there_is_a_world_error_whatever_it_is_called(harness, world, name):
    known = sorted(harness.chunk_ids())[:1] or [("strm_1_user", "chnk_1")]
    for stream, chunk_id in ((name, name), (known[0][0], name), (name, known[0][1])):
        with pytest.raises(WorldError):
            world.fetch_chunk(stream, chunk_id)
    with pytest.raises(WorldError):
        world.fetch_payload(f"runs/{name}.json#input")


def test_reading_leaves_no_trace_in_the_world(harness, world):
    before = harness.snapshot()
    seen = Seen()
    all_of(world, seen)
    all_of(world, seen)
    list(world.check())
    watched = Watched(harness.adapter())
    if harness.watches:
        watched.wait_for(1)
    watched.end(within=5)
    for stream, chunk_id in harness.fetchable()[:1]:
        world.fetch_chunk(stream, chunk_id)
    assert harness.snapshot() == before


def test_facts_and_checks_are_told_and_never_raise(harness, world):
    for when in ("new", "read", "away"):
        if when == "read":
            all_of(world, Seen())
        if when == "away" and not harness.vanishes:
            break
        if when == "away":
            harness.vanish()
        facts, checks = world.facts(), list(world.check())
        assert all(isinstance(fact, Fact) and fact.label for fact in facts)
        assert checks and all(isinstance(one, Check) and one.name and one.message for one in checks)
        assert not harness.secret or harness.secret not in words(facts) + words(checks)
        failed = any(one.ok is False for one in checks)
        assert failed == (when == "away"), checks


def test_what_was_typed_is_taken_apart_and_its_place_is_typed_again(harness):
    kind = type(harness.adapter())
    for typed in harness.typed:
        place = kind.parse(typed.replace("{secret}", "hunter2+%"))
        assert place is not None and place.location and place.name
        assert "hunter2" not in place.location + place.name
        assert ("{secret}" in typed) == bool(place.secret)
        again = kind.parse(place.location)
        assert again is not None and (again.location, again.secret) == (place.location, "")
    for foreign in ("carrier-pigeon://host/x", "mysql://u:p@host/db", "mailto:a"):
        assert kind.parse(foreign) is None


def test_it_lets_go_of_the_world_as_often_as_it_is_asked(harness):
    adapter = harness.adapter()
    adapter.close()
    adapter.close()
    used = harness.adapter()
    all_of(used, Seen())
    used.close()
    used.close()
