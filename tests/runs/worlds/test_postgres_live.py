"""A PostgreSQL world followed into the database: chunks by their notes, the rest by overlap, through outages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from dashboard.lib import database
from dashboard.lib.clock import NS_PER_MS
from dashboard.worlds.known import ensure_world
from runs.models import Event, Hook, Run, Wait, World
from runs.observations import EventSeen
from runs.worlds import _postgres_watch
from runs.worlds._postgres_beside import Beside, beside_of
from runs.worlds._postgres_eye import LONGEST_OVERLAP_MS, OVERLAP_MS, TOP, Eye
from runs.worlds.postgres import PostgresWorld
from streams import ingest
from streams.models import Chunk, Note, Stream
from streams.seen import SeenAsAsked
from tests.needs import NEEDS
from tests.postgres_worlds import Writer, cluster, empty_world, rows_of, stream_of, ulid

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
WITHIN = 40.0  # seconds, on a busy machine


@pytest.fixture
def url(postgres_database: str) -> str:
    empty_world(postgres_database)
    return postgres_database


@contextmanager
def followed(url: str) -> Iterator[tuple[World, list[int]]]:
    """A world with a watcher in a thread of its own, and which worlds it said had changed."""
    from django.db import connections

    world, stop, changed = ensure_world(url), threading.Event(), []

    def follow() -> None:
        ingest.follow(world.pk, stop, _never, changed.append)
        connections.close_all()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield world, changed
    finally:
        stop.set()
        thread.join(10)
        ingest.forget()


def _never(world_id: int) -> None:
    raise AssertionError("such a world is read where it is watched, by no other worker")


def until(is_so: Callable[[], object], otherwise: str = "it did not happen") -> None:
    """Asked between the transactions of the thread that follows: the tests' SQLite is one cache for both."""
    limit = time.monotonic() + WITHIN
    while True:
        with database._one_writer:
            if is_so():
                return
        assert time.monotonic() < limit, otherwise
        time.sleep(0.05)


def beside(world: World) -> Beside:
    return beside_of(world.location)


def test_chunks_that_are_told_of_are_stored_with_the_order_in_which_they_were_told(url):
    with followed(url) as (world, changed), Writer(url) as writer:
        until(lambda: beside(world).is_listening)
        run = writer.run()
        stream = stream_of(run)
        ids = [writer.put(stream, b"%d" % number) for number in range(5)]
        for chunk_id in reversed(ids):
            writer.tell(stream, chunk_id)
        until(lambda: Chunk.objects.filter(stream__name=stream).count() == 5)
        until(lambda: Note.objects.filter(stream__name=stream).count() == 5)
        notes = Note.objects.filter(stream__name=stream).order_by("place")
        assert [note.chunk_id for note in notes] == ids[::-1]
        until(lambda: Stream.objects.get(name=stream).run is not None)
        assert changed and set(changed) == {world.pk}


def test_what_happens_to_a_run_is_stored_without_a_note(url):
    with followed(url) as (_, _changed), Writer(url) as writer:
        run = writer.run()
        writer.step(run)
        until(lambda: Run.objects.filter(run_id=run, status="running").exists())
        writer.event(run, "hook_created", "hook_1", {"token": "t"})
        writer.event(run, "wait_created", "wait_1", {})
        writer.end(run)
        until(lambda: Run.objects.filter(run_id=run, status="completed").exists())
        until(lambda: Event.objects.filter(run__run_id=run).count() == 5)
        assert Hook.objects.get().token == "t" and Wait.objects.get().status == "waiting"


def test_chunks_without_a_note_are_found(url):
    """The app was killed between the row and the note; and one that comes after the run has ended."""
    with followed(url) as (world, _), Writer(url) as writer:
        until(lambda: beside(world).is_listening)
        run = writer.run()
        writer.put(stream_of(run), b"never told")
        until(lambda: Chunk.objects.count() == 1)
        writer.end(run)
        writer.put(stream_of(run), b"late")
        until(lambda: Chunk.objects.count() == 2)
        assert Note.objects.count() == 0


def test_a_job_that_is_queued_asks_for_a_look_at_events(url, monkeypatch):
    monkeypatch.setattr(_postgres_watch, "RECENT_S", (1e6, 1e6))
    monkeypatch.setattr(_postgres_watch, "SWEEP_S", 1e6)
    with followed(url) as (world, _), Writer(url) as writer:
        until(lambda: beside(world).is_listening)
        until(lambda: World.objects.get(pk=world.pk).looked_ns)
        run = writer.run()
        writer.connection.execute("SELECT pg_notify('jobs:insert', %s)", ('{"r": 1, "count": 1}',))
        until(lambda: Run.objects.filter(run_id=run, status="running").exists())


def test_without_notifications_chunks_are_found_by_looking(url, monkeypatch):
    def refuse(*_: object) -> None:
        raise _postgres_watch.Unheard("this is a standby, which passes no notifications on")

    monkeypatch.setattr(_postgres_watch, "_listen", refuse)
    with followed(url) as (world, _), Writer(url) as writer:
        run = writer.run()
        for number in range(20):
            writer.chunk(stream_of(run), b"%d" % number)
        until(lambda: Chunk.objects.count() == 20)
        until(lambda: "standby" in str(World.objects.get(pk=world.pk).facts))


def test_no_event_of_two_clocks_and_a_transaction_held_open_is_missed(url):
    """The issue's figure with a tenth of its events: bench/postgres.py has all of them."""
    with followed(url):
        threads = [
            threading.Thread(target=_events, args=(url, 500, behind), daemon=True) for behind in (0, 20)
        ]
        with Writer(url, autocommit=False) as held:
            run = held.run()
            early = [held.event(run, "step_started", "step_1") for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WITHIN)
            until(lambda: Event.objects.count() == 1000)
            assert not Event.objects.filter(event_id__in=early).exists()
            time.sleep(4)  # longer than the overlap of most looks
            held.connection.commit()
        stored = {row[0] for row in rows_of(url, "SELECT id FROM workflow.workflow_events")}
        assert len(stored) == 1021
        until(lambda: set(Event.objects.values_list("event_id", flat=True)) == stored)


def _events(url: str, count: int, behind_ms: int) -> None:
    with Writer(url, behind_ms=behind_ms) as writer:
        run = writer.run()
        for _ in range(count - 1):
            writer.event(run, "step_started", "step_1")


def test_nothing_is_lost_when_the_server_is_killed_and_comes_back():
    binaries = NEEDS["postgres"].find()
    assert isinstance(binaries, Path)
    with cluster(binaries) as server:
        empty_world(server.url)
        with followed(server.url) as (world, _):
            with Writer(server.url) as writer:
                run = writer.run()
                writer.chunk(stream_of(run), b"before")
                until(lambda: Chunk.objects.count() == 1)
                writer.put(stream_of(run), b"not told before the end")
            server.kill()
            until(lambda: World.objects.get(pk=world.pk).trouble, "nobody noticed")
            row = World.objects.get(pk=world.pk)
            assert "cannot be reached" in row.trouble or "closed" in row.trouble, row.trouble
            assert row.trouble_since_ns is not None
            time.sleep(5)
            assert World.objects.get(pk=world.pk).trouble_since_ns == row.trouble_since_ns
            server.start()
            with Writer(server.url) as writer:
                writer.put(stream_of(run), b"before anyone listens again")
                writer.end(run)
                until(lambda: World.objects.get(pk=world.pk).trouble == "", "it did not come back")
                writer.chunk(stream_of(run), b"after")
            until(lambda: Chunk.objects.count() == 4)
            until(lambda: Run.objects.filter(run_id=run, status="completed").exists())
            stored = {row[0] for row in rows_of(server.url, "SELECT id FROM workflow.workflow_events")}
            until(lambda: set(Event.objects.values_list("event_id", flat=True)) == stored)


def test_a_run_that_was_cut_off_is_read_to_its_end_by_the_next_process(url, monkeypatch):
    """Killed between the run's row and its chunks: the row alone does not make it a run that has been read."""
    with Writer(url) as writer:
        run = writer.run()
        writer.chunk(stream_of(run))
        writer.end(run)
        ended = (
            "UPDATE workflow.workflow_runs SET completed_at = completed_at - interval '1 day' WHERE id = %s"
        )
        writer.connection.execute(ended.encode(), (run,))
    world, seen = ensure_world(url), None
    adapter = PostgresWorld(world.location)
    seen = SeenAsAsked(world)
    for batch in adapter.read(seen):
        ingest.store(world, batch)
        if Run.objects.filter(run_id=run, status="completed").exists():
            break
    adapter.close()
    assert Chunk.objects.count() == 0
    Event.objects.all().delete()  # with the run's row they are not what the next process goes by
    again = PostgresWorld(world.location)
    for batch in again.read(SeenAsAsked(world)):
        ingest.store(world, batch)
    again.close()
    assert Chunk.objects.count() == 1 and Event.objects.count() == 2
    assert [one for batch in PostgresWorld(world.location).read(SeenAsAsked(world)) for one in batch] == []


def test_a_large_world_is_read_newest_first_in_slices_while_it_is_watched(url, monkeypatch):
    from runs.worlds import _postgres_look

    monkeypatch.setattr(_postgres_look, "PAGE", 10)
    monkeypatch.setattr(_postgres_look, "SLICE_S", 0.0)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            b"INSERT INTO workflow.workflow_runs (id, deployment_id, status, name) SELECT 'wrun_01K8' ||"
            b" lpad(n::text, 22, '0'), 'd', 'completed', 'w' FROM generate_series(1, 45) n"
        )
    with followed(url) as (world, _):
        until(lambda: Run.objects.count() == 45)
        until(lambda: not beside(world).is_behind)
    order = list(Run.objects.order_by("pk").values_list("run_id", flat=True))
    assert order[0] > order[-1] and set(order[:10]) > set(sorted(order)[-9:])


def test_a_seen_set_of_a_large_world_knows_what_it_is_asked_about_and_no_more(url, monkeypatch):
    with Writer(url) as writer:
        runs = [writer.run(), writer.run()]
        for run in runs:
            writer.step(run)
            writer.chunk(stream_of(run))
    world = ensure_world(url)
    adapter = PostgresWorld(world.location)
    for batch in adapter.read(SeenAsAsked(world)):
        ingest.store(world, batch)
    adapter.close()
    seen = SeenAsAsked(world)
    seen.about(runs=runs[:1], streams=[stream_of(runs[0])])
    assert {run for run, _ in seen.events} == {runs[0]} and set(seen.chunks) == {stream_of(runs[0])}
    assert {key[1] for key in seen.rows} == {runs[0]}
    monkeypatch.setattr("streams.seen.MOST_KEPT", 1)
    seen.about(runs=runs[1:])
    assert {run for run, _ in seen.events} == {runs[1]} and seen.chunks == {}


def test_a_stream_longer_than_all_that_is_kept_stays_known_while_it_is_asked_about(url, monkeypatch):
    with Writer(url) as writer:
        long, *others = (stream_of(writer.run()) for _ in range(3))
        for stream in (long, long, long, *others):
            writer.chunk(stream)
    world = ensure_world(url)
    adapter, seen = PostgresWorld(world.location), SeenAsAsked(world)
    for batch in adapter.read(seen):
        ingest.store(world, batch)
    adapter.close()
    monkeypatch.setattr("streams.seen.MOST_KEPT", 3)
    seen = SeenAsAsked(world)
    for other in others:
        seen.about(streams=[other])
        seen.about(streams=[long])
        assert len(seen.chunks[long]) == 3
    assert set(seen.chunks) == {long, others[-1]}
    seen.about(streams=[f"strm_{n}" for n in range(10)])  # of which nothing is stored: their names count too
    seen.about(streams=others)
    assert long not in seen._streams and len(seen._streams) <= 3 + len(others)


def test_after_a_long_pause_the_list_of_runs_is_walked_through_again():
    eye = Eye(older_than=None)
    eye.begin_look()
    eye.begin_look()
    assert eye.older_than is None
    eye.full_look_ns -= 2 * LONGEST_OVERLAP_MS * NS_PER_MS
    eye.begin_look()
    assert eye.older_than == TOP


def test_events_that_the_overlap_missed_make_it_longer_up_to_a_limit():
    def event(age_ms: int) -> EventSeen:
        return EventSeen("wrun_1", f"wevt_{ulid(time.time_ns() // NS_PER_MS - age_ms)}", "x", 0)

    eye = Eye()
    eye.learn_overlap([event(1_000)])
    assert eye.overlap_ms == OVERLAP_MS
    eye.learn_overlap([event(2 * OVERLAP_MS)])
    assert 4 * OVERLAP_MS <= eye.overlap_ms < LONGEST_OVERLAP_MS
    eye.learn_overlap([event(100 * OVERLAP_MS)])
    assert eye.overlap_ms == LONGEST_OVERLAP_MS


def test_a_slow_database_is_looked_at_less_often_and_a_quick_one_as_before():
    found = Beside()
    found.worked(0.01)
    assert found.back_off == 1
    found.worked(1.0)
    assert found.back_off == 2
    found.worked(0.01)
    assert found.back_off == 1


def test_a_slow_database_is_told_on_the_page_of_worlds(url):
    world = PostgresWorld(url)
    world._beside.back_off = 2.0
    list(world.read(SeenAsAsked(ensure_world(url))))
    world._beside.back_off = 2.0
    assert any(fact.label == "Slow database" and fact.is_warning for fact in world.facts())
    world._beside.back_off = 1.0
    assert not any(fact.label == "Slow database" for fact in world.facts())
    world.close()


@pytest.mark.parametrize(
    "payload",
    ["", "x", "[]", "null", '{"streamId": 1, "chunkId": "a"}', '{"streamId": "a"}', "[" * 1000,
     '{"streamId": "../a", "chunkId": "b"}', '{"streamId": "a", "chunkId": "' + "b" * 3000 + '"}'],
)  # fmt: skip
def test_a_note_that_says_nothing_is_no_note(payload):
    assert _postgres_watch.told_by(payload, "session", 0) is None


def test_a_note_of_the_sdk_is_one():
    told = _postgres_watch.told_by('{"streamId": "strm_1_user", "chunkId": "chnk_1"}', "session", 3)
    assert told is not None and (told.stream, told.chunk_id, told.place) == ("strm_1_user", "chnk_1", 3)
