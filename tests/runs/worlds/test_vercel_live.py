"""Following a project while its app writes: hints come from live reads and from looking, never an error."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from runs.observations import ChunkSeen, RunSeen
from runs.worlds import _vercel_live, _vercel_state
from runs.worlds.base import Seen, WorldError
from runs.worlds.vercel import VercelWorld
from streams.seen import remember
from tests.vercel_worlds import VercelServer, recorded

WITHIN = 20.0  # seconds that anything may take here


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    _vercel_state.forget()
    monkeypatch.setattr(_vercel_live, "AGAIN_S", 0.1)


@pytest.fixture
def server():
    with VercelServer(recorded("vercel-4.1.2")) as running:
        yield running


class Follower:
    """Watches and reads as the product does, with two adapters."""

    def __init__(self, server, **more):
        self.server, self.more = server, more
        self.seen, self.found, self.hints, self.errors = Seen(), [], [], []
        self.stop = threading.Event()
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._follow, daemon=True)

    def _follow(self):
        watcher = VercelWorld(self.server.location(**self.more), self.server.token)
        for hints in watcher.watch(self.stop):
            self.hints.append(hints)
            reader = VercelWorld(self.server.location(**self.more), self.server.token)
            try:
                for batch in reader.read(self.seen, hints):
                    if self.stop.is_set():
                        break
                    remember(self.seen, batch)
                    with self.changed:
                        self.found += batch
                        self.changed.notify_all()
            except WorldError as error:
                self.errors.append(str(error))
            finally:
                reader.close()

    def wait_for(self, told):
        until = time.monotonic() + WITHIN
        with self.changed:
            while not told(self.found):
                assert time.monotonic() < until, (self.errors, self.hints[-3:])
                self.changed.wait(0.2)


@contextmanager
def following(server, **more):
    follower = Follower(server, **more)
    follower.thread.start()
    yield follower
    follower.stop.set()
    follower.thread.join(WITHIN)
    assert not follower.thread.is_alive()


def _start(store, run_id="wrun_01M90000000000000000000000"):
    about = {"eventData": {"workflowName": "workflow//./a//b"}, "specVersion": 3}
    store.take(run_id, {"eventType": "run_created", **about})
    store.take(run_id, {"eventType": "run_started", "specVersion": 3})
    return run_id


def _chunks(found, run_id):
    return [
        one.data for one in found if type(one) is ChunkSeen and run_id[5:] in one.stream and not one.is_close
    ]


def test_a_new_run_its_chunks_and_its_end_are_seen_as_they_come(server):
    with following(server) as follower:
        follower.wait_for(lambda found: sum(type(one) is RunSeen for one in found) >= 10)
        run_id = _start(server.store)
        name = f"strm_{run_id[5:]}_user"
        for number in range(5):
            server.store.commit(run_id, name, [b"%d" % number])
            follower.wait_for(lambda found, n=number: len(_chunks(found, run_id)) == n + 1)
        server.store.commit(run_id, name, None)
        server.store.take(run_id, {"eventType": "run_completed", "specVersion": 3})
        follower.wait_for(lambda found: any(
            type(one) is RunSeen and (one.run_id, one.status) == (run_id, "completed") for one in found
        ))  # fmt: skip
        follower.wait_for(lambda found: any(type(one) is ChunkSeen and one.is_close and run_id[5:] in one.stream
                                            for one in found))  # fmt: skip

    assert _chunks(follower.found, run_id) == [b"0", b"1", b"2", b"3", b"4"]
    assert follower.errors == []
    assert any(hints == _vercel_live.HEARD for hints in follower.hints), "a live read heard it"


def test_without_live_reads_looking_finds_it_all_the_same(server):
    server.fail(404, "/stream/", times=10_000)
    with following(server) as follower:
        run_id = _start(server.store)
        server.store.commit(run_id, f"strm_{run_id[5:]}_user", [b"a", b"b"])
        follower.wait_for(lambda found: len(_chunks(found, run_id)) == 2)
    assert follower.errors == []


def test_watching_goes_on_when_the_server_fails_and_comes_back(server):
    with following(server) as follower:
        follower.wait_for(lambda found: sum(type(one) is RunSeen for one in found) >= 10)
        server.fail(429, times=2, Retry_After="1")
        server.fail(500, times=7)
        run_id = _start(server.store)
        server.store.commit(run_id, f"strm_{run_id[5:]}_user", [b"a"])
        follower.wait_for(lambda found: _chunks(found, run_id) == [b"a"])
    assert any("429" in error for error in follower.errors)


def test_every_request_counts_live_reads_too(server):
    run_id = _start(server.store)
    server.store.commit(run_id, f"strm_{run_id[5:]}_user", [b"a"])
    with following(server) as follower:
        follower.wait_for(lambda found: _chunks(found, run_id) == [b"a"])
        _until(lambda: server.asked["/v3/runs/wrun/stream/strm"])
    (state,) = _vercel_state._states.values()
    assert state.pacer.used() >= sum(server.asked.values())


def _until(is_so):
    until = time.monotonic() + WITHIN
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_when_watching_ends_no_live_read_goes_on_and_its_instance_can_still_read(server):
    run_id = _start(server.store)
    server.store.commit(run_id, f"strm_{run_id[5:]}_user", [b"a"])
    stop, world = threading.Event(), VercelWorld(server.location(), server.token)
    hints = world.watch(stop)
    next(hints)
    list(world.read(Seen()))
    _until(lambda: next(hints) and server.asked["/v3/runs/wrun/stream/strm"])
    assert _listening() != []

    stop.set()
    assert list(hints) == []

    _until(lambda: _listening() == [])
    assert any(type(one) is RunSeen for batch in world.read(Seen()) for one in batch)
    world.close()


def _listening():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("hear-")]


def test_a_live_read_that_fails_does_not_hide_the_path_that_works(server):
    run_id = _start(server.store)
    server.store.commit(run_id, f"strm_{run_id[5:]}_user", [b"a"])
    server.fail(500, "/stream/", times=1)
    with following(server) as follower:
        follower.wait_for(lambda found: _chunks(found, run_id) == [b"a"])
        (state,) = _vercel_state._states.values()
        _until(lambda: state.live)
    assert server.asked["/v3/runs/wrun/stream/strm"] > 1


def test_watching_ends_when_it_is_told_to(server):
    stop = threading.Event()
    stop.set()
    world = VercelWorld(server.location(), server.token)
    assert list(world.watch(stop)) == [None]
