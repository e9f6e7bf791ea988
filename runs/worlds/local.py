"""A local world: the directory that the SDK's development world writes (`WORKFLOW_LOCAL_DATA_DIR`).

A pure reader of files. It goes by what has been seen, not by how far it has come: files appear out of the
order of their ids, and behind the end marker of their stream.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import PurePath
from threading import Event as StopEvent
from typing import Any

from runs.observations import Observation
from runs.worlds._local_chunks import CHUNK_NAME, fetch_whole, jumped_over
from runs.worlds._local_describe import describe, looks_like_world
from runs.worlds._local_files import Unfit, Unsettled, is_inside, printable, read_version, reason_of
from runs.worlds._local_look import CHUNKS, SUFFIXES, Lifted, Look, usable_id
from runs.worlds._local_read import Reading, batches
from runs.worlds._local_records import RECORD_MAX, parse_record, unwrapped
from runs.worlds._local_watch import follow, took
from runs.worlds.base import Place, Seen, World, WorldError

__all__ = ["LocalWorld", "describe", "looks_like_world"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?!\\)")
_GENERIC = frozenset({".workflow-data", "workflow-data", ".next", "data"})


class LocalWorld(World):
    """Every layout that versions 4.2 to 5.0 of the JavaScript SDK and the Python SDK have written."""

    kind = "local"
    label = "local world"
    supplies = frozenset({"chunks", "stream_list"})
    example = "./.workflow-data"

    def __init__(self, location: str, secret: str = "") -> None:
        super().__init__(location, secret)
        self._lifted: Lifted = {}

    @classmethod
    def parse(cls, given: str) -> Place | None:
        """Any path, by its real one; a URL is none."""
        if _URL.match(given):
            return None
        path = os.path.realpath(os.path.expanduser(given))
        return Place(path, name_of(path))

    def read(self, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        root = root_of(self.location)
        look = self._look(root, seen, hints)
        is_full = hints is None or root in hints
        yield from batches(Reading(look, is_full).observations())

    def _look(self, root: str, seen: Seen, hints: frozenset[str] | None) -> Look:
        look, began = Look(root, seen, self._lifted), time.monotonic()
        look.at(hints)
        if hints is None:
            took(root, time.monotonic() - began)
        is_listed = hints is None or any(not hint.endswith(SUFFIXES) for hint in hints)
        if is_listed and look.is_live():
            again = Look(root, seen, listed={place[3] for place in look.chunks})
            again.all_chunks() if hints is None else again.at(hints)
            look.chunks += jumped_over(look.chunks, again.chunks)
        return look

    def watch(self, stop: StopEvent) -> Iterator[frozenset[str] | None]:
        return follow(self.location, stop)

    def fetch_chunk(self, stream: str, chunk_id: str) -> bytes:
        if not usable_id(stream) or not CHUNK_NAME.fullmatch(f"{chunk_id}.bin"):
            raise WorldError("no chunk of a local world has such a name", permanent=True)
        root = root_of(self.location)
        for path in _chunk_paths(os.path.join(root, CHUNKS), stream, chunk_id):
            try:
                _check_inside(root, path)
                return fetch_whole(root, path)
            except FileNotFoundError:
                continue
            except (Unfit, Unsettled, OSError) as error:
                raise _unfetched(f"chunk {chunk_id}", error) from error
        raise WorldError(f"chunk {chunk_id} is no longer in the world")

    def fetch_payload(self, pointer: str) -> bytes:
        """`pointer` is `relative/path.json#field.path`; what it gives has the stored size and hash."""
        relative, _, field = pointer.replace("\0", "").rpartition("#")
        root = root_of(self.location)
        path = os.path.join(root, relative)
        try:
            _check_inside(root, path)
            fields: Any = parse_record(read_version(root, path, RECORD_MAX).data)
        except FileNotFoundError:
            raise WorldError(f"{printable(relative)} is no longer in the world") from None
        except (Unfit, Unsettled, OSError, UnicodeEncodeError) as error:
            raise _unfetched(printable(relative), error) from error
        for name in field.split("."):
            fields = fields.get(name) if isinstance(fields, dict) else None
        if fields is None:
            raise WorldError(f"{printable(pointer)} is no longer in the world")
        return _whole(unwrapped(fields))


def name_of(path: str) -> str:
    """`shop/.workflow-data` is the world of shop; any other directory goes by its own name."""
    place = PurePath(path)
    return next(
        (one.name for one in (place, *place.parents) if one.name and one.name not in _GENERIC), "local"
    )


def root_of(location: str) -> str:
    """The real path of the directory. Raises WorldError where there is none that can be read."""
    name = printable(location)
    try:
        with os.scandir(location):
            return os.path.realpath(location)
    except FileNotFoundError:
        raise WorldError(f"{name} does not exist") from None
    except NotADirectoryError:
        raise WorldError(f"{name} is a file, not a directory") from None
    except OSError as error:
        raise WorldError(f"{name} cannot be read: {reason_of(error)}") from None
    except ValueError:
        raise WorldError(f"{name} is no path") from None


def _chunk_paths(chunks: str, stream: str, chunk_id: str) -> Iterator[str]:
    """Where the chunk may lie: a folder for its stream or flat, today's extension or the old one, tagged."""
    for base in (os.path.join(chunks, stream, chunk_id), os.path.join(chunks, f"{stream}-{chunk_id}")):
        yield base + ".bin"
        yield base + ".json"
        folder, start = os.path.split(base)
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        tagged = (name for name in names if name.startswith(start + ".") and ".tmp." not in name)
        yield from (
            os.path.join(folder, name) for name in tagged if CHUNK_NAME.fullmatch(name[name.rfind("chnk_") :])
        )


def _check_inside(root: str, path: str) -> None:
    if not is_inside(root, path):
        raise Unfit("it leads out of the world")


def _unfetched(what: str, error: Exception) -> WorldError:
    if isinstance(error, Unsettled):
        return WorldError(f"{what} is being written right now")
    reason = reason_of(error) if isinstance(error, OSError) else str(error)
    return WorldError(f"{what} cannot be read: {reason}", permanent=isinstance(error, Unfit))


def _whole(value: Any) -> bytes:
    """As in `stored_bytes`, whose hash this must have."""
    if isinstance(value, bytes):
        return value
    return b"JSON" + json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
