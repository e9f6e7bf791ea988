"""One look at a local world: which of its files hold something that has not been recorded yet.

Only names and file status are looked at here. What was written last is listed first, and read last: the SDK
writes an entity before the event that speaks of it, so whatever an event or chunk on the list refers to is on
the list as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from stat import S_ISREG
from typing import NamedTuple, Protocol, TypeAlias

from runs.worlds._local_chunks import CHUNK_NAME, ChunkPlace, split_flat
from runs.worlds._local_files import is_inside, is_young, mtime_of, reason_of
from runs.worlds.base import Seen

ID_MAX = 255  # characters: no file name is longer
_TAG = re.compile(r"\.[a-zA-Z][a-zA-Z0-9-]*$")
_UNSAFE = re.compile(r"[./\\]")
SUFFIXES = (".json", ".bin")
CHUNKS = "streams/chunks"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of record: where its files lie, and whether a run may have a folder of its own there."""

    name: str
    folder: str
    of_run: bool = False  # the file's name is `<run>-<id>`

    def ids_in(self, file: str) -> tuple[str, ...]:
        """The ids in `<id>.json` or `<run>-<id>.json`, without the tag of a tagged world (`<id>.vitest-0`)."""
        stem = file[:-5]
        if "." in stem:
            stem = _TAG.sub("", stem)
        return tuple(stem.split("-", 1)) if self.of_run else (stem,)


LISTS = Kind("list", "streams/runs")
EVENTS = Kind("event", "events", of_run=True)
KINDS = (
    Kind("run", "runs"),
    Kind("step", "steps", of_run=True),
    Kind("hook", "hooks"),
    Kind("wait", "waits", of_run=True),
    LISTS,
    EVENTS,
)


class Place(NamedTuple):
    """A record's file: its key as in `Seen` (the kind first), and its mtime when it was listed."""

    key: tuple[str, ...]
    path: str
    mtime_ns: int


# Records that are kept under a later time than their file has: by key, that time and the file's.
Lifted: TypeAlias = dict[tuple[str, ...], tuple[int | None, int]]


class Entry(Protocol):
    """What is needed of an `os.DirEntry`."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    def is_dir(self) -> bool: ...
    def is_symlink(self) -> bool: ...
    def stat(self) -> os.stat_result: ...


class Spot:
    """A hinted path as an `Entry`."""

    def __init__(self, path: str) -> None:
        self.path, self.name = path, os.path.basename(path)

    def is_dir(self) -> bool:
        return os.path.isdir(self.path)

    def is_symlink(self) -> bool:
        return os.path.islink(self.path)

    def stat(self) -> os.stat_result:
        return os.stat(self.path)


def is_passing(name: str) -> bool:
    """Hidden (the SDK's locks and marks) or temporary (a file before it gets its real name)."""
    return name[0] == "." or ".tmp." in name


def usable_id(text: object) -> bool:
    """An id that the SDK could have made and that can be stored and shown."""
    return (
        isinstance(text, str) and 0 < len(text) <= ID_MAX and text.isprintable() and not _UNSAFE.search(text)
    )


@dataclass(slots=True)
class Look:
    """What was found. `seen` is only read, and says what need not be."""

    root: str
    seen: Seen
    lifted: Lifted = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)  # paths of chunks that an earlier listing has found
    chunks: list[ChunkPlace] = field(default_factory=list)
    found: dict[str, dict[tuple[str, ...], Place]] = field(default_factory=dict)  # by kind and key
    bad: dict[str, str] = field(default_factory=dict)  # path to reason
    streams: set[str] = field(default_factory=set)  # names that will do
    gone: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)  # folders whose content is not known

    def records(self) -> list[Place]:
        """The files to read, in reading order. Of a record with two files (one tagged) the newer counts."""
        places = [place for kind in KINDS for _, place in sorted(self.found.get(kind.name, {}).items())]
        return [place for place in places if self._is_new(place)]

    def _is_new(self, place: Place) -> bool:
        recorded = self.seen.rows.get(place.key)
        return recorded != place.mtime_ns and self.lifted.get(place.key) != (recorded, place.mtime_ns)

    def is_live(self) -> bool:
        """Whether chunks were still being written while they were listed."""
        return bool(self.chunks) and is_young(max(self.chunks)[0])

    def everywhere(self) -> None:
        self.all_chunks()
        for kind in reversed(KINDS):
            self.all_of(kind)

    def at(self, hints: Iterable[str] | None) -> None:
        """Look at these paths only (None: everywhere); a folder among them is looked into."""
        for hint in [self.root] if hints is None else hints:
            if hint == self.root:
                self.everywhere()
            elif hint.startswith(self.root.rstrip("/") + "/"):
                self._hinted(hint, os.path.relpath(hint, self.root))

    def all_chunks(self) -> None:
        for entry in self._scan(os.path.join(self.root, CHUNKS)):
            self._in_chunks(entry)

    def all_of(self, kind: Kind) -> None:
        for entry in self._scan(os.path.join(self.root, kind.folder)):
            self._in_kind(kind, entry)

    def _hinted(self, path: str, relative: str) -> None:
        entry = Spot(path)
        if any(map(is_passing, relative.split("/"))):
            return
        if not os.path.lexists(path):
            self.gone.append(path)
        elif not is_inside(self.root, os.path.dirname(path)):
            return
        elif relative == "streams":
            self.all_chunks()
            self.all_of(LISTS)
        elif relative == CHUNKS:
            self.all_chunks()
        elif relative.startswith(CHUNKS + "/"):
            self._hinted_chunk(entry, relative[len(CHUNKS) + 1 :].split("/"))
        else:
            self._hinted_record(entry, relative)

    def _hinted_chunk(self, entry: Spot, parts: list[str]) -> None:
        if len(parts) == 1:
            self._in_chunks(entry)
        elif len(parts) == 2 and self._is_stream(entry, parts[0]):
            self._in_stream(parts[0], entry)

    def _hinted_record(self, entry: Spot, relative: str) -> None:
        for kind in KINDS:
            if relative == kind.folder:
                self.all_of(kind)
            elif relative.startswith(kind.folder + "/"):
                depth = relative.count("/") - kind.folder.count("/")
                if depth == 1:
                    self._in_kind(kind, entry)
                elif depth == 2 and kind.of_run:
                    self._record(kind, entry)

    def _scan(self, folder: str, *, is_link: bool = True) -> Iterator[Entry]:
        """The entries of a folder, without hidden and temporary ones; a folder that is not there has none."""
        if is_link and not is_inside(self.root, folder):
            self._wrong(folder, "a symbolic link that leads out of the world")
            return
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not is_passing(entry.name):
                        yield entry
        except FileNotFoundError:
            return
        except OSError as error:
            self._wrong(folder, reason_of(error))

    def _wrong(self, path: str, reason: str) -> None:
        self.bad[path] = reason
        self.unlisted.append(path)

    def _in_kind(self, kind: Kind, entry: Entry) -> None:
        if entry.name.endswith(".json"):
            self._record(kind, entry)
        elif kind.of_run and entry.is_dir():
            for inner in self._scan(entry.path, is_link=entry.is_symlink()):
                if inner.name.endswith(".json"):
                    self._record(kind, inner)

    def _record(self, kind: Kind, entry: Entry) -> None:
        ids = kind.ids_in(entry.name)
        if kind is EVENTS and ids in self.seen.events:
            return
        if len(ids) != 1 + kind.of_run or not all(map(usable_id, ids)):
            self.bad[entry.path] = "its name holds no id"
        elif ids[0] not in self.seen.pruned_runs:
            try:
                self._take(Place((kind.name, *ids), entry.path, mtime_of(entry.stat())))
            except OSError as error:
                self._no_status(entry.path, error)

    def _take(self, place: Place) -> None:
        of_kind = self.found.setdefault(place.key[0], {})
        other = of_kind.get(place.key)
        if other is None or other.mtime_ns < place.mtime_ns:
            of_kind[place.key] = place

    def _no_status(self, path: str, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            self.bad[path] = reason_of(error)

    def _in_chunks(self, entry: Entry) -> None:
        """An entry of `streams/chunks`: a chunk file (flat layout), or the folder of a stream."""
        if self.listed and entry.path in self.listed:
            return
        if ids := split_flat(entry.name):
            if ids[0] in self.streams or self._is_stream(entry, ids[0]):
                self._chunk(ids[0], ids[1], entry)
        elif entry.name.endswith(SUFFIXES):
            self.bad[entry.path] = "its name is not that of a chunk"
        elif entry.is_dir() and self._is_stream(entry, entry.name):
            for inner in self._scan(entry.path, is_link=entry.is_symlink()):
                self._in_stream(entry.name, inner)

    def _is_stream(self, entry: Entry, name: str) -> bool:
        if name in self.seen.pruned_streams:
            return False
        if usable_id(name):
            self.streams.add(name)
            return True
        self.bad[entry.path] = "its name holds no name of a stream"
        return False

    def _in_stream(self, stream: str, entry: Entry) -> None:
        if self.listed and entry.path in self.listed:
            return
        if match := CHUNK_NAME.fullmatch(entry.name):
            self._chunk(stream, match[1], entry)
        elif entry.name.endswith(SUFFIXES):
            self.bad[entry.path] = "its name is not that of a chunk"

    def _chunk(self, stream: str, chunk_id: str, entry: Entry) -> None:
        known = self.seen.chunks.get(stream)
        if known is not None and chunk_id in known:
            return
        try:
            status = entry.stat()
        except OSError as error:
            self._no_status(entry.path, error)
            return
        if not S_ISREG(status.st_mode):
            self.bad[entry.path] = "not a file"
            return
        self.chunks.append((mtime_of(status), chunk_id, stream, entry.path, status.st_size))
