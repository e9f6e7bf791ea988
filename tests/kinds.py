"""A made-up kind of world behind a password, for tests of what manages worlds: it is not read, only asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import ClassVar
from urllib.parse import urlsplit

import pytest

from runs.observations import Observation
from runs.worlds.base import WORLDS, Check, Fact, Place, Seen, World, WorldError

KIND = "remote"
SECRET = "hunter2-correct-horse"


class RemoteWorld(World):
    """`remote://user:password@host/name`. It says what it was made with; `away` holds hosts that do not answer."""

    kind = KIND
    label = "remote world"
    supplies = frozenset({"chunks"})
    example = "remote://reader@host/name"
    secret_label = "password"
    secret_variable = "TAILRACE_REMOTE_PASSWORD"
    away: ClassVar[set[str]] = set()
    watched: ClassVar[list[tuple[str, str]]] = []  # location and secret of each watcher that began
    ended: ClassVar[list[str]] = []
    read_by: ClassVar[list[tuple[str, str]]] = []

    @classmethod
    def parse(cls, given: str) -> Place | None:
        if not given.startswith("remote:"):
            return None
        parts = urlsplit(given)
        if not parts.hostname or not parts.path.strip("/"):
            raise WorldError(f"{given} names no host and no world", permanent=True)
        user = f"{parts.username}@" if parts.username else ""
        location = f"remote://{user}{parts.hostname}{parts.path}"
        return Place(location, parts.path.strip("/"), parts.password or "")

    def _reach(self) -> None:
        if urlsplit(self.location).hostname in self.away:
            raise WorldError("the host does not answer")

    def read(self, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        self._reach()
        self.read_by.append((self.location, self.secret))
        return iter(())

    def watch(self, stop: threading.Event) -> Iterator[frozenset[str] | None]:
        self.watched.append((self.location, self.secret))
        if urlsplit(self.location).hostname == "broken":
            raise RuntimeError("an adapter with a fault")
        yield None
        stop.wait()
        self.ended.append(self.location)

    def fetch_chunk(self, stream: str, chunk_id: str) -> bytes:
        raise WorldError("nothing is stored here")

    def check(self) -> Iterator[Check]:
        try:
            self._reach()
        except WorldError as error:
            yield Check("reachable", False, str(error), "Is the host up?")
            return
        yield Check("reachable", True, "it answers")
        ok = self.secret == SECRET
        yield Check(
            "password", ok, f"taken as {self.secret}", "" if ok else "GRANT SELECT ON runs TO reader;"
        )

    def facts(self) -> tuple[Fact, ...]:
        return (Fact("Version", "4.3"), Fact("Clock", "12 ms off", "Set its time zone.", is_warning=True))


def made_kind(monkeypatch: pytest.MonkeyPatch) -> type[RemoteWorld]:
    """Known to the product until the test ends."""
    monkeypatch.setitem(WORLDS.found, KIND, RemoteWorld)
    for name in ("away", "watched", "ended", "read_by"):
        getattr(RemoteWorld, name).clear()
    return RemoteWorld
