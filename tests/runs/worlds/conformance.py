"""What a kind of world supplies so that `test_conformance` can hold its adapter to the contract of `World`.

One harness is one world of that kind with content that the tests make, break and mend. A new kind is one new file
`harness_<name>.py` beside this one, with subclasses of `Harness` in it: they are found by themselves.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import tests.runs.worlds
from runs.observations import ChunkSeen, Observation
from runs.worlds.base import Check, Fact, Seen, World, WorldError
from tests.runs.worlds.made_worlds import remember

WITHIN = 30.0  # seconds that anything live may take on a busy machine


class Harness(ABC):
    """A world of one kind. `fixtures` are those of pytest that it needs; `resource(name)` gives them.

    What a kind cannot do is said by the flags, and the tests that need it are left out for it.
    """

    fixtures: ClassVar[tuple[str, ...]] = ()
    is_read: ClassVar[bool] = True  # anything comes out of `read`
    grows: ClassVar[bool] = True  # `append` adds to it
    grows_far: ClassVar[bool] = True  # by thousands of chunks
    watches: ClassVar[bool] = True  # `watch` says when it grew
    vanishes: ClassVar[bool] = True  # `vanish` and `restore`
    hints: ClassVar[bool] = True  # `hints_of` names the place of one stream
    typed: ClassVar[tuple[str, ...]] = ()  # what a person may type; `{secret}` stands where a secret may
    secret: ClassVar[str] = ""  # the secret that the adapter is made with, which nothing may show

    def __init__(self, folder: Path, resource: Callable[[str], object]) -> None:
        self.folder, self.resource = folder, resource
        self.setup()

    @abstractmethod
    def setup(self) -> None:
        """Make the world: a run, a step, events, and streams with chunks and an end marker."""

    @abstractmethod
    def adapter(self) -> World:
        """A new instance."""

    @abstractmethod
    def chunk_ids(self) -> set[tuple[str, str]]:
        """Stream and id of all that is stored in it now, by other means than the adapter."""

    @abstractmethod
    def run_ids(self) -> set[str]: ...

    def append(self, count: int = 1) -> None:
        """Chunks at the end of one stream, as the SDK would write them."""
        raise NotImplementedError

    def payload(self, stream: str, chunk_id: str) -> bytes:
        """What is stored of a chunk, without the end-marker byte."""
        raise NotImplementedError

    def fetchable(self) -> list[tuple[str, str]]:
        """Those of `chunk_ids` that can be fetched: all, unless end markers are no chunks in that world."""
        return sorted(self.chunk_ids())

    def hints_of(self, stream: str) -> frozenset[str]:
        raise NotImplementedError

    def vanish(self) -> None:
        raise NotImplementedError

    def restore(self) -> None:
        raise NotImplementedError

    @abstractmethod
    def snapshot(self) -> object:
        """All of its storage, to be compared: nothing that reads it may change it."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Let go of servers and connections."""


def harnesses() -> list[object]:
    """All there are, as parameters that carry what they need."""
    names = [one.name for one in pkgutil.iter_modules(tests.runs.worlds.__path__)]
    modules = [
        importlib.import_module(f"tests.runs.worlds.{one}") for one in names if one.startswith("harness_")
    ]
    found = [
        one
        for module in modules
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Harness) and not inspect.isabstract(one)
        if one.__module__ == module.__name__
    ]
    marks = {"postgres_database": pytest.mark.postgres, "postgres_url": pytest.mark.postgres}
    return [
        pytest.param(one, id=one.__name__, marks=[marks[name] for name in one.fixtures if name in marks])
        for one in found
    ]


def batches_of(world: World, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
    """As whoever stores them reads: what was yielded is remembered before the next batch is asked for."""
    for batch in world.read(seen, hints):
        yield batch
        remember(seen, batch)


def all_of(world: World, seen: Seen, hints: frozenset[str] | None = None) -> list[Observation]:
    return [one for batch in batches_of(world, seen, hints) for one in batch]


def read_until(world: World, seen: Seen, is_there: Callable[[list[Observation]], bool]) -> list[Observation]:
    """Look again until what has just been written counts as settled."""
    found: list[Observation] = []
    until = time.monotonic() + WITHIN
    while not is_there(found) and time.monotonic() < until:
        found += all_of(world, seen)
    assert is_there(found), found
    return found


def read_again_until(world: World, seen: Seen) -> None:
    """Until a world that was away can be read."""
    until = time.monotonic() + WITHIN
    while True:
        try:
            all_of(world, seen)
            return
        except WorldError:
            assert time.monotonic() < until, "it did not come back"
            time.sleep(0.05)


def chunk_keys(found: list[Observation]) -> list[tuple[str, str]]:
    return [(one.stream, one.chunk_id) for one in found if isinstance(one, ChunkSeen)]


def words(said: list[Check] | tuple[Fact, ...]) -> str:
    return " ".join(repr(one) for one in said)


class Watched:
    """A watcher in a thread of its own, and what it has yielded."""

    def __init__(self, world: World) -> None:
        self.yielded: list[frozenset[str] | None] = []
        self.stop = threading.Event()
        self.failed: BaseException | None = None
        self._came = threading.Condition()
        self.thread = threading.Thread(target=self._run, args=(world,), daemon=True)
        self.thread.start()

    def _run(self, world: World) -> None:
        try:
            for places in world.watch(self.stop):
                with self._came:
                    self.yielded.append(places)
                    self._came.notify_all()
        except BaseException as error:  # what a watcher must never do: the test says so
            self.failed = error

    def wait_for(self, count: int) -> bool:
        with self._came:
            return self._came.wait_for(lambda: len(self.yielded) >= count, WITHIN)

    def end(self, within: float) -> bool:
        self.stop.set()
        self.thread.join(within)
        return not self.thread.is_alive()
