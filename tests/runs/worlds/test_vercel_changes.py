"""What changes at a Vercel project between two looks, or while one takes: nothing is lost, nothing is said twice."""

from __future__ import annotations

import pytest

from runs.observations import ChunkSeen, RunSeen, StepSeen, StreamListSeen, StreamSeen, Unreadable
from runs.worlds import _vercel_chunks, _vercel_client, _vercel_read, _vercel_state
from runs.worlds.base import Seen, WorldError
from streams.seen import remember
from tests.runs.worlds.read_vercel import of, opened, read
from tests.vercel_worlds import VercelServer, recorded

OLD, NEW = "wrun_01M90000000000000000000000", "wrun_01M90000000000000000000009"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    _vercel_state.forget()
    monkeypatch.setattr(_vercel_client, "PAUSE_S", 0.001)


@pytest.fixture
def server():
    with VercelServer() as running:
        yield running


def start(store, run_id):
    about = {"eventData": {"workflowName": "workflow//./a//b"}, "specVersion": 3}
    store.take(run_id, {"eventType": "run_created", **about})
    store.take(run_id, {"eventType": "run_started", "specVersion": 3})
    return f"strm_{run_id[5:]}_user"


def end(store, run_id):
    store.take(run_id, {"eventType": "run_completed", "specVersion": 3})


# --- runs -----------------------------------------------------------------------------------------------
def test_a_run_that_ends_behind_the_newest_is_read_to_its_end(server):
    stream = start(server.store, OLD)
    server.store.commit(OLD, stream, [b"a"])
    start(server.store, NEW)
    seen = Seen()
    with opened(server, runs=1) as world:
        read(world, seen)
        server.store.commit(OLD, stream, [b"b"])
        end(server.store, OLD)
        found = read(world, seen)
        again = read(world, seen)

    assert [(one.run_id, one.status) for one in of(RunSeen, found)][-1] == (OLD, "completed")
    assert [one.data for one in of(ChunkSeen, found)] == [b"b"]
    assert [one for one in again if getattr(one, "run_id", "") == OLD] == []


def test_a_run_that_is_gone_is_asked_for_once_and_a_run_that_is_whole_never(server):
    start(server.store, OLD)
    start(server.store, NEW)
    end(server.store, NEW)
    seen = Seen()
    with opened(server, runs=1) as world:
        read(world, seen)
        del server.store.runs[OLD]
        server.asked.clear()
        read(world, seen)
        read(world, seen)
    assert server.asked["/v2/runs/wrun"] == 1


def test_a_run_that_begins_while_others_are_read_is_read_before_the_rest(server, monkeypatch):
    monkeypatch.setattr(_vercel_read, "FRESH_S", 0.0)
    monkeypatch.setattr(_vercel_read, "FRESH_REQUESTS", 0.0)
    others = [f"wrun_01M8000000000000000000000{number}" for number in range(4)]
    for run_id in others:
        start(server.store, run_id)
    seen, order = Seen(), []
    with opened(server) as world:
        for batch in world.read(seen):
            remember(seen, batch)
            order += [one.run_id for one in of(RunSeen, batch)]
            if len(order) == 1:
                start(server.store, NEW)
    assert order.index(NEW) <= 2
    assert sorted(order) == sorted([*others, NEW]), "each of them once"


# --- saying it once -------------------------------------------------------------------------------------
def test_a_run_that_goes_on_without_news_says_nothing_at_the_next_look(server):
    stream = start(server.store, OLD)
    server.store.commit(OLD, stream, [b"a"])
    seen = Seen()
    with opened(server) as world:
        first = read(world, seen)
        quiet = read(world, seen), read(world, seen, frozenset({"runs"}))
        server.store.commit(OLD, f"{stream}_bG9n", [b"b"])
        grown = read(world, seen)
        fresh = read(world, Seen())

    assert len(of(StreamSeen, first)) == 1
    assert quiet == ([], [])
    assert [one.name for one in of(StreamSeen, grown)] == [f"{stream}_bG9n"]
    assert len(of(StreamListSeen, grown)) == 1
    assert len(of(StreamSeen, fresh)) == 2, "who has not been told is told"


def test_what_was_not_stored_is_said_again(server):
    stream = start(server.store, OLD)
    server.store.commit(OLD, stream, [b"a"])
    seen = Seen()
    with opened(server) as world:
        batches = world.read(seen)
        next(batches)
        batches.close()  # as when the database was away
        assert len(of(StreamSeen, read(world, seen))) == 1


def test_steps_that_could_not_be_read_are_read_with_the_next_look(server):
    start(server.store, OLD)
    seen = Seen()
    with opened(server) as world:
        read(world, seen)
        about = {"eventType": "step_created", "correlationId": "step_1", "specVersion": 3}
        server.store.take(OLD, {**about, "eventData": {"stepName": "step//./a//c", "input": b"devl[]"}})
        server.fail(500, "/steps", times=3)
        assert len(of(Unreadable, read(world, seen))) == 1
        assert [one.step_id for one in of(StepSeen, read(world, seen))] == ["step_1"]


# --- places to go on from -------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_place_that_the_server_has_forgotten_costs_a_reading_from_the_beginning(
    server, monkeypatch, status
):
    monkeypatch.setattr(_vercel_chunks, "LIMIT", 2)
    stream = start(server.store, OLD)
    server.store.commit(OLD, stream, [b"0", b"1", b"2"])
    seen = Seen()
    with opened(server) as world:
        read(world, seen)
        server.store.commit(OLD, stream, [b"3", b"4"])
        server.fail(status, "/chunks", times=1)
        server.fail(status if status != 410 else 400, "/events", times=1)
        found = read(world, seen)
    assert [one.data for one in of(ChunkSeen, found)] == [b"3", b"4"]
    assert of(Unreadable, found) == []


def test_pages_that_lead_back_are_said_and_do_not_go_on_for_ever(server):
    stream = start(server.store, OLD)
    server.store.commit(OLD, stream, [b"0"])
    page = b'{"data": [{"index": 0, "data": "MA=="}], "cursor": "MA==", "hasMore": true}'
    server.says_json = True
    server.say("/chunks", page, times=100)
    seen = Seen()
    with opened(server) as world:
        found = read(world, seen)
    assert [one.data for one in of(ChunkSeen, found)] == [b"0"]
    assert "repeat" in of(Unreadable, found)[0].reason


# --- chunks of streams whose names tell no run ----------------------------------------------------------
def test_a_chunk_is_fetched_by_who_has_read_nothing_and_its_name_tells_no_run(server):
    start(server.store, OLD)
    start(server.store, NEW)
    name = "strm_01M9000000AAAAAAAAAAAAAAAA"
    server.store.commit(OLD, name, [b"zero", b"one"])
    for row in server.store.runs.values():
        row["createdAt"] = row["createdAt"].replace(year=2020)
    with opened(server) as world:
        assert world.fetch_chunk(name, "chnk_000000000002") == b"one"


def test_a_stream_that_no_run_lists_is_said_not_to_be_known(server):
    start(server.store, OLD)
    with opened(server) as world, pytest.raises(WorldError, match=r"which run .* is not known"):
        world.fetch_chunk("strm_01M9000000AAAAAAAAAAAAAAAA", "chnk_000000000001")


# --- what stands between --------------------------------------------------------------------------------
@pytest.mark.parametrize("body", [b"<!DOCTYPE html><p>sign in", b"Bad gateway", b"ok, all is well", b"\xa0"])
def test_an_answer_that_is_no_list_is_never_taken_for_an_empty_one(body):
    with VercelServer(recorded("vercel-4.1.2")) as server, opened(server) as world:
        server.say("/v2/runs", body, times=1)
        with pytest.raises(WorldError, match="the list of runs cannot be read"):
            read(world, Seen())


def test_a_run_whose_lists_are_something_else_is_not_taken_for_whole(server):
    stream = start(server.store, OLD)
    server.store.commit(OLD, stream, [b"a"])
    end(server.store, OLD)
    seen = Seen()
    with opened(server) as world:
        server.say("/streams", b"{}", times=1)
        assert len(of(Unreadable, read(world, seen))) == 1
        assert [one.data for one in of(ChunkSeen, read(world, seen))] == [b"a"]
