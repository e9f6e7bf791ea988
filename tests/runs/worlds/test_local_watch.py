"""Following a local world with the file system's own notifications."""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import watchfiles

from runs.observations import ChunkSeen, Observation
from runs.worlds import _local_watch
from runs.worlds._local_watch import hints_of
from runs.worlds.base import Seen
from runs.worlds.local import LocalWorld
from tests.runs.worlds.made_worlds import RUN, STREAM, MadeWorld, chunk_name, look, of

PATIENCE_S = 20.0


class Follower:
    """Runs `watch` in a thread, as the product does."""

    def __init__(self, location: Path) -> None:
        self.location = location
        self.stop, self.adapter = threading.Event(), LocalWorld(str(location))
        self.hints: queue.Queue[frozenset[str] | None] = queue.Queue()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        for hints in self.adapter.watch(self.stop):
            self.hints.put(hints)

    def next(self) -> frozenset[str] | None:
        return self.hints.get(timeout=PATIENCE_S)

    def until(self, wanted: Path) -> None:
        """Waits for a hint of this path, or of the new folder that it was made in."""
        places = {str(wanted), *map(str, wanted.parents)} - set(map(str, self.location.parents))
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if places & (self.next() or set()):
                return
        raise AssertionError(f"no hint of {wanted}")

    def watched(self) -> Follower:
        """Waits until notifications are on: the second None says so."""
        assert (self.next(), self.next()) == (None, None)
        return self

    def end(self) -> None:
        self.stop.set()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


@pytest.fixture
def made(tmp_path):
    return MadeWorld(tmp_path / "world")


@pytest.fixture
def follow(monkeypatch) -> Iterator[type[Follower]]:
    monkeypatch.setattr(_local_watch, "SWEEP_S", 3_600.0)
    monkeypatch.setattr(_local_watch, "POLL_S", 0.05)
    followers = []

    def start(location: Path) -> Follower:
        followers.append(Follower(location))
        return followers[-1]

    yield start
    for follower in followers:
        follower.end()


def test_it_hints_at_each_file_that_appears(made, follow):
    made.chunk(1)
    follower = follow(made.root).watched()
    follower.until(made.chunk(2))
    path = made.root / "streams" / "chunks" / STREAM / f"{chunk_name(3)}.bin"
    (path.parent / "a.tmp.1").write_bytes(b"\0x")
    (path.parent / "a.tmp.1").rename(path)
    follower.until(path)


def test_it_hints_at_new_folders_and_at_what_is_made_in_them(made, follow):
    follower, seen = follow(made.root).watched(), Seen()
    for number in range(50):
        made.chunk(number, stream=f"strm_{number:026d}_user")
    streams: set[str] = set()
    while len(streams) < 50:
        hints = follower.next() or frozenset()
        streams |= {chunk.stream for chunk in of(ChunkSeen, look(follower.adapter, seen, *map(Path, hints)))}


def test_it_looks_into_a_new_folder_once_more_when_it_is_surely_watched(made, monkeypatch):
    made.chunk(1)
    folder = str(made.root / "streams" / "chunks" / STREAM)
    stop, changes = threading.Event(), [set(), {(watchfiles.Change.added, folder)}, set(), set()]

    def notify(*_: object, **__: object) -> Iterator[set[tuple[watchfiles.Change, str]]]:
        yield from changes
        stop.set()

    monkeypatch.setattr(watchfiles, "watch", notify)
    assert list(made.adapter().watch(stop)) == [None, None, {folder}, {folder}]


def test_it_asks_for_everything_every_now_and_then(made, follow, monkeypatch):
    monkeypatch.setattr(_local_watch, "SWEEP_S", 0.2)
    follower = follow(made.root)
    assert [follower.next() for _ in range(4)] == [None] * 4


@pytest.mark.parametrize(("seconds", "pause"), [(0.001, 5.0), (0.4, 20.0), (600.0, 60.0)])
def test_it_asks_for_everything_more_seldom_where_that_takes_long(tmp_path, monkeypatch, seconds, pause):
    root = str(tmp_path)
    assert _local_watch._pause(root) == 5.0
    monkeypatch.setattr(_local_watch, "_took", {})
    _local_watch.took(root, seconds)
    assert _local_watch._pause(root) == pytest.approx(pause)


def test_a_look_at_everything_says_how_long_it_took_and_one_at_a_few_files_does_not(made, monkeypatch):
    monkeypatch.setattr(_local_watch, "_took", {})
    path = made.run()
    list(made.adapter().read(Seen(), frozenset({str(path)})))
    assert not _local_watch._took
    list(made.adapter().read(Seen()))
    assert list(_local_watch._took) == [str(made.root.resolve())]


def test_it_does_not_hint_at_temporary_names_and_locks(tmp_path):
    root = str(tmp_path / "a.tmp.b")
    names = ["runs/x.json", "runs/x.json.tmp.1", ".locks/runs/x", ".locks", "streams"]
    changes = [(watchfiles.Change.added, f"{root}/{name}") for name in names]
    assert hints_of(root, changes) == {f"{root}/runs/x.json", f"{root}/streams"}


def test_it_waits_for_a_world_that_does_not_exist_yet(made, follow):
    made.root.rmdir()
    follower = follow(made.root)
    assert follower.next() is None
    made.root.mkdir()
    assert follower.next() is None
    follower.until(made.run())


def test_it_asks_for_everything_when_the_world_vanishes_and_when_it_is_back(made, follow, tmp_path):
    made.run(), made.chunk(1)
    follower, seen = follow(made.root).watched(), Seen()
    assert len(of(ChunkSeen, look(follower.adapter, seen))) == 1
    made.root.rename(tmp_path / "aside")
    while follower.next() is not None:
        pass
    (tmp_path / "aside").rename(made.root)
    made.chunk(2)
    found: list[Observation] = []
    while not of(ChunkSeen, found):
        hints = follower.next()
        found = look(follower.adapter, seen, *map(Path, hints or ()))
    assert [chunk.chunk_id for chunk in of(ChunkSeen, found)] == [chunk_name(2)]
    follower.until(made.event())


def test_it_notices_another_directory_in_the_place_of_the_first(made, follow, tmp_path):
    other = MadeWorld(tmp_path / "other")
    link = tmp_path / "link"
    link.symlink_to(made.root)
    follower = follow(link).watched()
    link.unlink()
    link.symlink_to(other.root)
    assert (follower.next(), follower.next()) == (None, None)
    follower.until(other.run())


def test_it_looks_again_and_again_where_there_are_no_notifications_left(made, follow, monkeypatch):
    def refuse(*_: object, **__: object) -> Iterator[object]:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles, "watch", refuse)
    follower = follow(made.root)
    assert [follower.next() for _ in range(4)] == [None] * 4
    shutil.rmtree(made.root)


def test_it_survives_a_file_name_that_notifications_cannot_carry(made, follow, monkeypatch):
    monkeypatch.setattr(_local_watch, "POLLS", 2)
    follower = follow(made.root).watched()
    with open(os.path.join(os.fsencode(made.root), b"\xff.json"), "wb"):
        pass
    assert [follower.next() for _ in range(4)] == [None] * 4  # two polls, then notifications again
    follower.until(made.run())


def test_it_ends_when_it_is_told_to(made, follow):
    follow(made.root).watched().end()
    gone = follow(made.root / RUN)
    assert gone.next() is None
    gone.end()
