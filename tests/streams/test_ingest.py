"""Reading a world into the database: batches, the seen-set, hints, claims, and worlds that cannot be read."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.worlds.known import ensure_world
from runs.models import Event, Hook, Run, Step, Unreadable, Wait, World
from runs.observations import ChunkSeen, Observation, ReadableAgain, RunSeen, StepSeen
from runs.observations import Unreadable as UnreadableSeen
from runs.worlds.base import Seen, WorldError, digest_of
from runs.worlds.base import World as Adapter
from streams import ingest
from streams.models import Chunk, Stream
from tests.recordings import SDKS, scenarios, unpack

NAME = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user"
NEVER = threading.Event()


class Scripted(Adapter):
    """An adapter that yields what a test puts into it, as often as it is asked."""

    supplies = frozenset({"chunks", "stream_list"})

    def __init__(self, *batches: list[Observation]) -> None:
        super().__init__("/w")
        self.batches, self.asked = list(batches), []
        self.error: Exception | None = None

    def read(self, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        self.asked.append((hints, {name: len(ids) for name, ids in seen.chunks.items()}))
        if self.error:
            raise self.error
        yield from self.batches

    def watch(self, stop: threading.Event) -> Iterator[frozenset[str] | None]:
        return iter(())

    def fetch_chunk(self, stream: str, chunk_id: str) -> bytes:
        return b""


@pytest.fixture
def world(monkeypatch, db) -> World:
    monkeypatch.setattr(ingest, "_opened", {})
    monkeypatch.setattr(ingest, "_hints", {})
    monkeypatch.setattr(ingest, "_followed", set())
    return World.objects.create(slug="w", kind="local", location="/w", name="w", created_ns=1)


@pytest.fixture
def adapter(monkeypatch) -> Scripted:
    scripted = Scripted()
    monkeypatch.setattr(ingest, "adapter_of", lambda world: scripted)
    return scripted


def chunk(number: int) -> ChunkSeen:
    return ChunkSeen(NAME, f"chnk_{number:026d}", False, b"x", 1, digest_of(b"x"), number, number, number)


def run_seen(status: str, source_ns: int) -> RunSeen:
    return RunSeen("wrun_01M803XX9EKPGB0DR66MWJRZ8Z", status, "workflow//./a//chat", source_ns)


@pytest.mark.parametrize("sdk", SDKS)
def test_it_stores_all_that_a_recorded_world_holds(world, tmp_path, sdk):
    pk = ensure_world(str(unpack(sdk, "plain", tmp_path))).pk
    ingest.pull(pk, NEVER)
    expected = {run: one for one in scenarios(sdk, "plain") for run in one["runIds"]}
    assert {r.run_id: r.status for r in Run.objects.filter(world=pk)} == {
        k: v["status"] for k, v in expected.items()
    }
    files = {s["name"]: s["files"] for one in expected.values() for s in one["streams"]}
    assert {s.name: s.head for s in Stream.objects.filter(world=pk)} == files
    assert not Stream.objects.filter(world=pk, run=None).exists()
    assert Step.objects.exists() and Event.objects.exists() and Hook.objects.exists()
    assert not Unreadable.objects.exists()
    assert Wait.objects.count() == 0, "the local world deletes waits when their run ends"


def test_reading_again_changes_nothing(world, tmp_path):
    pk = ensure_world(str(unpack("4.8.9", "plain", tmp_path))).pk
    ingest.pull(pk, NEVER)
    before = (Chunk.objects.count(), Event.objects.count(), World.objects.get(pk=pk).generation)
    ingest.hint(pk, ingest.EVERYTHING)
    ingest.pull(pk, NEVER)
    assert (Chunk.objects.count(), Event.objects.count(), World.objects.get(pk=pk).generation) == before


def test_the_cursor_moves_once_for_every_batch(world, adapter):
    adapter.batches = [[chunk(1), chunk(2)], [chunk(3)]]
    ingest.pull(world.pk, NEVER)
    world.refresh_from_db()
    assert (world.generation, world.trouble, Chunk.objects.count()) == (2, "", 3)
    assert world.read_ns is not None


def test_a_batch_that_fails_leaves_nothing_of_itself(world, adapter, monkeypatch):
    adapter.batches = [[run_seen("running", 1), chunk(1)]]
    monkeypatch.setattr(ingest.arrivals, "record_chunks", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ingest.pull(world.pk, NEVER)
    world.refresh_from_db()
    assert (Run.objects.count(), world.generation, world.claimed_until_ns) == (0, 0, 0)


def test_another_process_sees_what_this_one_stored(world, adapter):
    adapter.batches = [[chunk(1), chunk(2)]]
    ingest.pull(world.pk, NEVER)
    ingest._opened.clear()
    adapter.batches = []
    ingest.pull(world.pk, NEVER)
    assert adapter.asked[-1][1] == {NAME: 2}


def test_what_another_process_stored_meanwhile_is_not_read_again(world, adapter):
    adapter.batches = [[chunk(1)]]
    ingest.pull(world.pk, NEVER)
    ingest.store(world, [chunk(2), chunk(3)])
    World.objects.filter(pk=world.pk).update(claimed_until_ns=0)  # and that process is done
    adapter.batches = []
    ingest.pull(world.pk, NEVER)
    assert adapter.asked[-1][1] == {NAME: 3}


def test_an_older_version_never_overwrites_a_newer_one(world):
    ingest.store(world, [run_seen("completed", 20)])
    ingest.store(world, [run_seen("running", 10)])
    assert Run.objects.get().status == "completed"
    step = StepSeen("wrun_01M803XX9EKPGB0DR66MWJRZ8Z", "step_1", "completed", "s", 20)
    ingest.store(world, [step, StepSeen(step.run_id, step.step_id, "running", "s", 10)])
    assert Step.objects.get().status == "completed"


def test_a_run_that_is_only_named_is_kept_until_it_is_seen(world):
    ingest.store(world, [StepSeen("wrun_01M803XX9EKPGB0DR66MWJRZ8Z", "step_1", "running", "s", 5)])
    run = Run.objects.get()
    assert (run.status, run.created_ns) == ("", 1_795_300_455_726_000_000)
    ingest.store(world, [run_seen("running", 6)])
    assert Run.objects.get().status == "running"


def test_a_world_that_cannot_be_read_says_why_and_since_when(world, adapter):
    adapter.error = WorldError("the directory /w is gone")
    ingest.pull(world.pk, NEVER)
    world.refresh_from_db()
    assert world.trouble == "the directory /w is gone"
    since = world.trouble_since_ns
    ingest.pull(world.pk, NEVER)
    world.refresh_from_db()
    assert world.trouble_since_ns == since
    adapter.error, adapter.batches = None, [[chunk(1)]]
    ingest.pull(world.pk, NEVER)
    world.refresh_from_db()
    assert (world.trouble, world.trouble_since_ns, Chunk.objects.count()) == ("", None, 1)


def test_a_kind_that_nothing_reads_is_trouble_not_a_crash(world):
    World.objects.filter(pk=world.pk).update(kind="future")
    ingest.pull(world.pk, NEVER)
    world.refresh_from_db()
    assert "nothing here reads worlds of kind 'future'" in world.trouble


def test_only_one_pull_of_a_world_is_in_flight(world, adapter):
    World.objects.filter(pk=world.pk).update(claimed_until_ns=now_ns() + 10 * NS_PER_S)
    ingest.pull(world.pk, NEVER)
    assert adapter.asked == []
    World.objects.filter(pk=world.pk).update(claimed_until_ns=now_ns() - 1)
    ingest.pull(world.pk, NEVER)
    assert len(adapter.asked) == 1, "a claim that ran out belongs to a process that is gone"


def test_a_hint_that_comes_during_a_pull_is_looked_at_before_it_ends(world, adapter, monkeypatch):
    ingest._followed.add(world.pk)
    ingest.hint(world.pk, frozenset({"/w/a"}))
    original = adapter.read

    def read(seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        if hints == frozenset({"/w/a"}):
            ingest.hint(world.pk, frozenset({"/w/b"}))
        return original(seen, hints)

    monkeypatch.setattr(adapter, "read", read)
    ingest.pull(world.pk, NEVER)
    assert [hints for hints, _ in adapter.asked] == [frozenset({"/w/a"}), frozenset({"/w/b"})]


def test_a_followed_world_is_not_searched_without_a_hint(world, adapter):
    ingest._followed.add(world.pk)
    ingest.pull(world.pk, NEVER)
    assert adapter.asked == []
    ingest.hint(world.pk, frozenset({"/w/a"}))
    ingest.hint(world.pk, ingest.EVERYTHING)
    ingest.pull(world.pk, NEVER)
    assert [hints for hints, _ in adapter.asked] == [None], "everything covers every single place"


def test_what_could_not_be_read_is_kept_until_it_can(world):
    ingest.store(world, [UnreadableSeen("runs/x.json", "truncated JSON", b"{")])
    ingest.store(world, [UnreadableSeen("runs/x.json", "not UTF-8", b"\xff")])
    assert Unreadable.objects.get().reason == "not UTF-8"
    ingest.store(world, [ReadableAgain("runs/x.json")])
    assert not Unreadable.objects.exists()


def test_the_sweep_asks_for_worlds_nobody_looked_at(world, settings):
    settings.SWEEP_SECONDS = 10
    assert ingest.worlds_to_read() == [world.pk]
    World.objects.filter(pk=world.pk).update(read_ns=now_ns())
    assert ingest.worlds_to_read() == []
    World.objects.filter(pk=world.pk).update(read_ns=now_ns() - 11 * NS_PER_S)
    assert ingest.worlds_to_read() == [world.pk]
