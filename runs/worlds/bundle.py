"""A bundle: the evidence of one stream as another Tailrace packed it (docs/bundle.md). It never changes.

What the world knew comes from here; what a probe reported (`writes`) and who reported (`processes`) is asked for by
whoever imports it, since no adapter yields writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from threading import Event as StopEvent
from typing import Any, TypeVar

from runs.observations import (
    ChunkSeen,
    EventSeen,
    Observation,
    RunSeen,
    StepSeen,
    StreamListSeen,
    Unreadable,
    WriteTried,
)
from runs.worlds import _bundle_rows as rows
from runs.worlds._bundle_zip import FORMAT, MANIFEST, VERSION, Archive, Damaged, opened, signature
from runs.worlds.base import HEAD_KEPT, KEPT_WHOLE, Seen, World, WorldError

__all__ = ["FORMAT", "MANIFEST", "VERSION", "BundleWorld", "real_path"]

AT_ONCE = 1000
NOT_HERE = "the bundle was made without payloads: what is shown is the chunk's outline"
T = TypeVar("T")


class BundleWorld(World):
    """Reads one bundle. Its times, ids and arrivals are those of the world that it was made from."""

    kind = "bundle"
    label = "bundle, read-only"
    supplies = frozenset({"chunks", "stream_list"})

    def __init__(self, location: str, secret: str = "") -> None:
        super().__init__(location, secret)
        self._read: tuple[int, int, int] | None = None  # the version of the file that was read to its end

    def read(self, seen: Seen, hints: frozenset[str] | None = None) -> Iterator[list[Observation]]:
        version = signature(self.location)
        if version == self._read:
            return
        with opened(self.location) as archive:
            batch: list[Observation] = []
            for one in _Reading(archive, seen).observations():
                batch.append(one)
                if len(batch) >= AT_ONCE:
                    yield batch
                    batch = []
            if batch:
                yield batch
        self._read = version

    def watch(self, stop: StopEvent) -> Iterator[frozenset[str] | None]:
        stop.wait()
        return iter(())

    def fetch_chunk(self, stream: str, chunk_id: str) -> bytes:
        with opened(self.location) as archive:
            for _, line in _lines(archive, "chunks.jsonl"):
                try:
                    chunk = rows.parsed(line)
                except Damaged:
                    continue
                if chunk.get("chunk_id") == chunk_id and stream == archive.manifest.get("stream"):
                    return _fetched(archive, chunk)
        raise WorldError(f"the bundle has no chunk {chunk_id[:80]}", permanent=True)

    def manifest(self) -> dict[str, Any]:
        """Raises WorldError."""
        with opened(self.location) as archive:
            return archive.manifest

    def verdict(self) -> dict[str, Any]:
        """What was found and not checked when it was bundled. Raises WorldError."""
        with opened(self.location) as archive:
            try:
                return dict(rows.record(archive.json("verdict.json")))
            except Damaged as error:
                raise WorldError(f"verdict.json cannot be used: {error}", permanent=True) from None

    def processes(self) -> list[dict[str, Any]]:
        """Who reported, as `dashboard.bundle.members` writes them; empty where nobody did. Raises WorldError."""
        with opened(self.location) as archive:
            try:
                found = archive.json("processes.json")
            except Damaged:
                return []
            return [dict(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def writes(self, complain: Callable[[Unreadable], None]) -> Iterator[WriteTried]:
        """What the app's probes reported; what cannot be read is told to `complain`. Raises WorldError."""
        with opened(self.location) as archive:
            stream = rows.text(archive.manifest, "stream")
            yield from _each(archive, "writes.jsonl", lambda one: rows.write_of(stream, one), complain)


class _Reading:
    """One look at a bundle: everything that is not known yet, entities before what refers to them."""

    def __init__(self, archive: Archive, seen: Seen) -> None:
        self._archive, self._seen = archive, seen
        self._stream = rows.text(archive.manifest, "stream")
        self._run_id = rows.text(archive.manifest, "run")
        self._troubles: list[Unreadable] = []

    def observations(self) -> Iterator[Observation]:
        for part in (self._run, self._steps, self._events, self._chunks, self._notes):
            for one in part():
                if self._is_new(one):
                    yield one
            yield from self._told()
        for name in ("writes.jsonl", "processes.json", "verdict.json"):
            self._check(name)
        yield from self._told()

    def _told(self) -> Iterator[Unreadable]:
        told, self._troubles = self._troubles, []
        yield from (one for one in told if one.where not in self._seen.unreadable)

    def _is_new(self, one: Observation) -> bool:
        seen = self._seen
        if isinstance(one, ChunkSeen):
            return not seen.has_chunk(one.stream, one.chunk_id)
        if isinstance(one, EventSeen):
            return (one.run_id, one.event_id) not in seen.events
        key = _row_key(one)
        return not key or key not in seen.rows

    def _check(self, name: str) -> None:
        if self._archive.has(name):
            try:
                self._archive.check(name)
            except Damaged as error:
                self._complain(Unreadable(name, str(error)))

    def _complain(self, trouble: Unreadable) -> None:
        self._troubles.append(trouble)

    def _whole(self, name: str) -> Any:
        try:
            return self._archive.json(name)
        except Damaged as error:
            self._complain(Unreadable(name, str(error)))
            return None

    def _run(self) -> Iterable[Observation]:
        run = self._whole("run.json")
        if run is None:
            return []
        try:
            return rows.run_of(rows.record(run))
        except Damaged as error:
            self._complain(Unreadable("run.json", str(error)))
            return []

    def _steps(self) -> Iterator[Observation]:
        found = self._whole("steps.json")
        for number, one in enumerate(found if isinstance(found, list) else [], 1):
            try:
                yield rows.step_of(self._run_id, rows.record(one))
            except Damaged as error:
                self._complain(Unreadable(f"steps.json:{number}", str(error)))

    def _events(self) -> Iterator[Observation]:
        yield from _each(
            self._archive, "events.jsonl", lambda one: rows.event_of(self._run_id, one), self._complain
        )

    def _chunks(self) -> Iterator[Observation]:
        yield from _each(self._archive, "chunks.jsonl", self._chunk, self._complain)

    def _notes(self) -> Iterator[Observation]:
        """In which order readers were told of the chunks. Bundles of older versions do not say."""
        if self._archive.has("notes.jsonl"):
            yield from _each(
                self._archive, "notes.jsonl", lambda one: rows.told_of(self._stream, one), self._complain
            )

    def _chunk(self, chunk: rows.Record) -> ChunkSeen:
        if not isinstance(chunk.get("payload"), dict):
            return rows.chunk_of(self._stream, chunk, None)
        try:
            payload = _payload(self._archive, chunk)
        except Damaged as error:
            problem = f"its payload in the bundle cannot be used: {error}"
            return rows.chunk_of(self._stream, {**chunk, "problem": problem}, b"")
        kept = payload if len(payload) <= KEPT_WHOLE else payload[:HEAD_KEPT]
        return rows.chunk_of(self._stream, chunk, kept)


def _row_key(one: Observation) -> tuple[str, ...]:
    if isinstance(one, RunSeen):
        return ("run", one.run_id)
    if isinstance(one, StepSeen):
        return ("step", one.run_id, one.step_id)
    return ("list", one.run_id) if isinstance(one, StreamListSeen) else ()


def _lines(archive: Archive, name: str) -> Iterator[tuple[int, bytes]]:
    try:
        yield from archive.lines(name)
    except Damaged as error:
        raise WorldError(f"{name} cannot be used: {error}", permanent=True) from None


def _each(
    archive: Archive, name: str, make: Callable[[rows.Record], T], complain: Callable[[Unreadable], None]
) -> Iterator[T]:
    """What each line says; a line that says nothing costs only itself."""
    try:
        for number, line in archive.lines(name):
            try:
                yield make(rows.parsed(line))
            except Damaged as error:
                complain(Unreadable(f"{name}:{number}", str(error), line[:64]))
    except Damaged as error:
        complain(Unreadable(name, str(error)))


def _payload(archive: Archive, chunk: rows.Record) -> bytes:
    """Raises Damaged."""
    place = rows.record(chunk.get("payload"))
    at, length = rows.whole(place, "at"), rows.whole(place, "length")
    if at is None or length is None or at < 0 or length < 0:
        raise Damaged("its place is missing")
    data = archive.part(rows.needed(place, "member"), at, length)
    if len(data) != length:
        raise Damaged("it is cut short")
    return data


def _fetched(archive: Archive, chunk: rows.Record) -> bytes:
    if not isinstance(chunk.get("payload"), dict):
        raise WorldError(NOT_HERE, permanent=True)
    try:
        return _payload(archive, chunk)
    except Damaged as error:
        raise WorldError(f"its payload cannot be used: {error}", permanent=True) from None


def real_path(location: str) -> str:
    return os.path.realpath(os.path.expanduser(location))
