"""The contract of a world adapter, and what every adapter shares."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import Event as StopEvent
from typing import Any, ClassVar

from dashboard.lib.redacted import without_credentials
from dashboard.lib.registry import Registry
from runs.observations import Observation

KEPT_WHOLE = 1_000_000  # bytes: a larger payload is kept as head, size, hash and pointer
HEAD_KEPT = 64 * 1024  # bytes kept of such a payload
TERMINAL = frozenset({"completed", "failed", "cancelled"})  # of runs and of steps


class WorldError(Exception):
    """A world cannot be read. `permanent` means that trying again will not help until a person acts."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(slots=True)
class Seen:
    """What has been recorded already, so that an adapter yields only what is new.

    `chunks` and `events` are never rewritten by a world: their keys are enough. `rows` are rewritten: key
    ("run", run_id), ("step", run_id, step_id), ("hook", hook_id), ("wait", run_id, wait_id) or
    ("list", run_id) to the `source_ns` of the version recorded. Streams in `pruned_streams` and runs in
    `pruned_runs` were removed on purpose and are not read again.
    """

    chunks: dict[str, set[str]] = field(default_factory=dict)
    events: set[tuple[str, str]] = field(default_factory=set)
    rows: dict[tuple[str, ...], int] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    pruned_streams: set[str] = field(default_factory=set)
    pruned_runs: set[str] = field(default_factory=set)

    def about(self, runs: Iterable[str] = (), streams: Iterable[str] = ()) -> None:
        """Called before an adapter of a large world asks about these: a seen-set filled as needed gets them now."""

    def has_chunk(self, stream: str, chunk_id: str) -> bool:
        known = self.chunks.get(stream)
        return (known is not None and chunk_id in known) or stream in self.pruned_streams


@dataclass(frozen=True, slots=True)
class Place:
    """What a person typed, taken apart: `location` identifies the world and holds no secret."""

    location: str
    name: str  # how it may be called, e.g. the name of the database
    secret: str = ""  # a password or token that stood in what was typed


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that an adapter found out about its world, for the page of worlds."""

    label: str
    value: str
    hint: str = ""  # what it means, or what a person can do about it
    is_warning: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried of a world. `ok` is None where it could not be tried, or is not needed."""

    name: str
    ok: bool | None
    message: str
    fix: str = ""  # a command or sentence that mends it


class World(ABC):
    """Reads one kind of world. It never writes to it and never touches a model.

    One instance lives as long as its process reads the world; `read` and `watch` of one world may be called on
    different instances, in different threads.
    """

    kind: ClassVar[str]
    label: ClassVar[str]
    supplies: ClassVar[frozenset[str]] = frozenset()  # evidence detectors may ask for, e.g. "stream_list"
    example: ClassVar[str] = ""  # what a person may type, e.g. postgres://reader@host/database
    secret_label: ClassVar[str] = ""  # what its secret is called, e.g. "password"; empty where it has none
    secret_variable: ClassVar[str] = ""  # where the secret is looked for when none is stored
    is_read_where_watched: ClassVar[bool] = (
        False  # its watcher learns what only the reader beside it can store
    )
    has_times: ClassVar[bool] = True  # of chunks; else `stored_ns` is when we saw each
    shows_behind: ClassVar[bool] = (
        True  # what is stored behind the end marker of a stream, which no reader gets
    )
    is_large: ClassVar[bool] = False  # its reader says what it will ask `Seen` about: `Seen.about`

    def __init__(self, location: str, secret: str = "") -> None:
        self.location, self.secret = location, secret

    @classmethod
    def parse(cls, given: str) -> Place | None:
        """What a person typed, if it names a world of this kind. Raises WorldError where it does, wrongly.

        A URL of another scheme is None; a path is what the local world takes when no other kind does.
        """
        return None

    @classmethod
    def preparation(cls, location: str) -> str:
        """What somebody runs once so that it can be read, as text to copy; empty where nothing is needed."""
        return ""

    @abstractmethod
    def read(self, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        """Yield everything that `seen` does not have yet, in batches of at most 1,000 observations.

        `hints` are the places (paths) that a watcher saw change: with them only these are looked at; without,
        everything is. The caller adds to `seen` what it has recorded, after each batch is committed. Chunks that
        are found together come ordered by stored time, then chunk id. Entities come before what refers to them.
        Raises WorldError if the world itself cannot be read.
        """

    @abstractmethod
    def watch(self, stop: StopEvent) -> Iterator[frozenset[str] | None]:
        """Yield hints whenever something may have changed, and None when everything must be looked at again.

        Returns when `stop` is set. Never raises because the world vanished: it waits for it to come back.
        """

    @abstractmethod
    def fetch_chunk(self, stream: str, chunk_id: str) -> bytes:
        """The whole payload of a chunk again, without its end-marker byte. Raises WorldError."""

    def fetch_payload(self, pointer: str) -> bytes:
        """A value that was too large to copy, by the pointer stored with its head. Raises WorldError."""
        raise WorldError(f"a {self.label} keeps no value at {pointer}", permanent=True)

    def facts(self) -> tuple[Fact, ...]:
        """What this instance has found out about its world so far; asked after each read. Never raises."""
        return ()

    @property
    def is_behind(self) -> bool:
        """Whether some of what is old has not been read yet, where that is done between looks at what is new."""
        return False

    def check(self) -> Iterator[Check]:
        """Try one by one what reading needs, from reaching the world to each right. Never raises WorldError."""
        try:
            for _batch in self.read(Seen(), frozenset()):
                break
        except WorldError as error:
            yield Check("readable", False, str(error))
        else:
            yield Check("readable", True, "it can be read")

    def close(self) -> None:  # noqa: B027 - most kinds hold nothing open
        """Let go of connections; the instance is not used again."""

    def run_key(self, run_id: str) -> bytes | None:
        """The 32-byte key of a run's encrypted values, where the world itself hands it out. Raises WorldError.

        Asked only for worlds in which a person switched decryption on.
        """
        return None


def digest_of(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]


def stored_bytes(value: Any, pointer: str) -> bytes | None:
    """The stored form of a payload: SDK bytes as they are, plain JSON as `JSON` + text, too large as `HEAD`.

    No SDK tag is written in capitals, so the three forms cannot be taken for one another.
    """
    if value is None:
        return None
    whole = (
        value
        if isinstance(value, bytes)
        else b"JSON" + json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    )
    if len(whole) <= KEPT_WHOLE:
        return whole
    about = {"size": len(whole), "sha256": hashlib.sha256(whole).hexdigest(), "pointer": pointer}
    return b"HEAD" + json.dumps(about).encode() + b"\n" + whole[:HEAD_KEPT]


WORLDS: Registry[World] = Registry(World, "runs.worlds")  # type: ignore[type-abstract]


def place_of(given: str) -> tuple[str, Place]:
    """The kind and place of what a person typed: a URL of a kind that takes it, else a path of a local world.

    Raises WorldError where it is a URL that no kind takes, or one that its kind cannot read.
    """
    for kind, world in WORLDS.found.items():
        place = world.parse(given) if kind != "local" else None
        if place is not None:
            return kind, place
    local = WORLDS.found["local"].parse(given)
    if local is None:
        raise WorldError(f"nothing here reads {without_credentials(given)!r}", permanent=True)
    return "local", local


def _class_of(kind: str) -> type[World]:
    """Of a kind that nothing here reads, `World` itself: it supplies nothing, and what its rows say is believed."""
    return WORLDS.found.get(kind, World)


def supplies_of(kind: str) -> frozenset[str]:
    """The evidence that worlds of a kind supply; none where nothing here reads them."""
    return _class_of(kind).supplies


def has_times(kind: str) -> bool:
    """Whether worlds of a kind tell when a chunk was stored."""
    return _class_of(kind).has_times


def shows_behind(kind: str) -> bool:
    """Whether worlds of a kind show what is stored behind an end marker."""
    return _class_of(kind).shows_behind


def kinds_without(evidence: str) -> list[str]:
    """The kinds of worlds that cannot supply it, e.g. `chunks` where nobody reads the storage."""
    return [kind for kind in WORLDS.found if evidence not in supplies_of(kind)]
