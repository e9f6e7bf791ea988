"""Reading one run of a Vercel project: its events, its steps, its streams and their chunks.

A run is first told with a version a nanosecond too old, and with its own version once all of it has been read: so a
reading that was cut off is done again, and a run that has ended is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dashboard.lib.clock import now_ns
from runs.observations import ChunkSeen, Observation, StreamListSeen, StreamSeen
from runs.worlds import _vercel_records as records
from runs.worlds._local_look import usable_id
from runs.worlds._local_refs import Handle, handles_in, owner_of
from runs.worlds._vercel_chunks import (
    can_go_on,
    chunk_seen,
    close_id_of,
    end_seen,
    pages_from,
    stored_by,
    tombstone,
)
from runs.worlds._vercel_client import Broken, Client, Gone, TooLarge, path_of
from runs.worlds._vercel_events import page_after
from runs.worlds._vercel_frames import EventPage
from runs.worlds._vercel_records import Row, Values
from runs.worlds._vercel_state import RunNote, Said, State, StreamNote
from runs.worlds.base import TERMINAL, Seen

STEPS = 100  # in a page
HELD_BYTES = 16 * 2**20  # kept back until the events say whether their run has ended
OBJECT_BYTES = 500  # what an observation takes beside its payload
SEALED = (b"encr", b"encp")
RUN_ENDS = frozenset({"run_completed", "run_failed", "run_cancelled"})


@dataclass(slots=True)
class Look:
    """One pass over a project. `fetch` gets a value by its reference; `told`: what was said of streams in it."""

    client: Client
    state: State
    said: Said
    fetch: Callable[[str, str], object]
    told: dict[str, StreamSeen] = field(default_factory=dict)

    @property
    def seen(self) -> Seen:
        return self.said.seen

    def forget(self, run_id: str) -> None:
        """All of a run that is over is recorded: what it took to read it is not needed again."""
        self.said.lists.pop(run_id, None)
        self.said.streams.pop(run_id, None)
        self.state.drop(run_id)


class RunReading:
    """One run in one pass. `ended_ns`: when it ended, from its row or its events."""

    def __init__(self, look: Look, row: Row) -> None:
        self.look, self.row = look, row
        self.client, self.state, self.seen = look.client, look.state, look.seen
        self.run_id: str = row["runId"]
        self.note: RunNote = self.state.note(self.run_id)
        self.values = Values(self.run_id, look.fetch)
        self.is_over = row.get("status") in TERMINAL
        self.ended_ns = records.time_in(row, "completedAt") if self.is_over else None
        self.broken: Broken | None = None  # the first part that could not be read
        self.has_steps = False
        self.links: set[StreamSeen] = set()
        self.listed: tuple[str, ...] | None = None

    def observations(self) -> Iterator[Observation]:
        version = records.version_ns(self.row)
        self.note.deployment = str(self.row.get("deploymentId") or self.note.deployment)
        told = records.run_seen(self.row, self.values, version - 1)
        self._note_sealed(told.input)
        if self.seen.rows.get(("run", self.run_id), -2) < version - 1:
            yield told
        if self.is_over:  # once more from the beginning: nothing must have slipped in before the cursor
            self.note.events_cursor = ""
        held = self._held(self._part("list of streams", self._streams()))
        yield from self._part("events", self._events())
        yield from held
        if self.is_over or not self.note.has_steps:
            yield from self._part("steps", self._steps())
        if self.broken is not None:
            raise self.broken
        if self.is_over:
            yield records.run_seen(self.row, self.values, version)

    def news_of(self, name: str) -> Iterator[Observation]:
        held = self._held(self._part(f"stream {name}", self._stream(name)))
        yield from self._part("events", self._events())
        yield from held
        if not self.note.has_steps:
            yield from self._part("steps", self._steps())

    def recorded(self) -> None:
        """All that this reading gave is stored by now, so it need not be asked for again."""
        self.note.has_steps |= self.has_steps
        if not self.is_over:
            self.look.said.streams.setdefault(self.run_id, set()).update(self.links)
            if self.listed is not None:
                self.look.said.lists[self.run_id] = self.listed
        elif self.broken is None:
            self.look.forget(self.run_id)

    def _held(self, found: Iterator[Observation]) -> Iterator[Observation]:
        """What streams gave, kept back until the run's events are known.

        They are asked for after the chunks: a run that they do not show ended had not ended when the chunks were
        there, so that none of them seems to have been stored after its end. Of a run that is over that is known.
        """
        if self.is_over:
            return found
        first: list[Observation] = []
        size = 0
        for one in found:
            first.append(one)
            size += len(one.data) + OBJECT_BYTES if type(one) is ChunkSeen else OBJECT_BYTES
            if size >= HELD_BYTES:
                break
        return self._bounded(first, found)

    def _bounded(self, first: list[Observation], rest: Iterator[Observation]) -> Iterator[Observation]:
        for part in (first, rest):
            for one in part:
                if type(one) is ChunkSeen and self.ended_ns is not None:
                    one = one._replace(stored_ns=min(one.stored_ns, self.ended_ns))
                yield one

    def _part(self, name: str, found: Iterator[Observation]) -> Iterator[Observation]:
        """A part that cannot be read leaves the others as they are, and the run to be read again.

        What was removed for its age is no fault.
        """
        try:
            yield from found
        except (Broken, TooLarge, Gone) as error:
            if isinstance(error, Gone) and error.is_expired:
                return
            reason = f"its {name} cannot be read: {error or 'the server has none'}"
            self.broken = self.broken or Broken(reason, getattr(error, "status", 0))

    # --- events, steps ------------------------------------------------------------------------------
    def _events(self) -> Iterator[Observation]:
        note = self.note
        if note.events_cursor and (self.run_id, note.events_until) not in self.seen.events:
            note.events_cursor = ""
        asked: set[str] = set()
        while note.events_cursor not in asked:
            asked.add(note.events_cursor)
            page = self._events_page(is_first=len(asked) == 1)
            for row in page.events:
                yield from self._event(row)
            if page.cursor and page.events:
                note.events_cursor = page.cursor
                note.events_until = records.id_in(page.events[-1], "eventId")
            if not page.has_more:
                return

    def _events_page(self, is_first: bool) -> EventPage:
        """A place that the server does not know any more costs a reading from the beginning."""
        note = self.note
        try:
            return page_after(self.client, self.state, self.run_id, note.events_cursor)
        except (Broken, Gone) as error:
            if not (is_first and note.events_cursor and 400 <= error.status < 500):
                raise
        note.events_cursor = ""
        return page_after(self.client, self.state, self.run_id, "")

    def _event(self, row: Row) -> Iterator[Observation]:
        known = (self.run_id, records.id_in(row, "eventId")) in self.seen.events
        data = self.values.data_of(row) if not known else row.get("eventData") or {}
        event = records.event_seen(row, self.values, data)
        if event is None or not isinstance(data, dict):
            return
        if event.type in RUN_ENDS and self.ended_ns is None:
            self.ended_ns = event.created_ns
        if not known:
            self.note.has_steps &= not event.type.startswith("step_")
            yield event
            yield from self._links(handles_in(records.payloads_in({"eventData": data}), b""))
        if event.correlation_id and event.type == "hook_created" and not known:
            yield records.hook_seen(event, data, self.values)
        elif event.correlation_id and event.type in ("wait_created", "wait_completed"):
            wait = records.wait_seen(event, data, self.note.waits.get(event.correlation_id))
            self.note.waits[event.correlation_id] = wait
            if self.seen.rows.get(("wait", self.run_id, wait.wait_id), -1) < wait.source_ns:
                yield wait

    def _steps(self) -> Iterator[Observation]:
        cursor, asked = "", set[str]()
        while cursor not in asked:
            asked.add(cursor)
            params = {"limit": str(STEPS), "sortOrder": "asc", "remoteRefBehavior": "resolve"}
            params |= {"cursor": cursor} if cursor else {}
            page = self.client.value(path_of("v2", "runs", self.run_id, "steps"), params)
            for row in records.rows_in(page):
                step = records.step_seen(row, self.values)
                key = ("step", self.run_id, step.step_id if step else "")
                if step is not None and self.seen.rows.get(key) != step.source_ns:
                    yield step
                    yield from self._links(handles_in(records.payloads_in(row), b""))
            cursor = records.cursor_in(page)
            if not records.has_more(page):
                break
        self.has_steps = True

    def _note_sealed(self, payload: bytes | None) -> None:
        if payload and not payload.startswith((b"JSON", b"HEAD")):
            self.state.is_encrypted = bool(self.state.is_encrypted) or payload.startswith(SEALED)

    # --- streams ------------------------------------------------------------------------------------
    def _streams(self) -> Iterator[Observation]:
        yield from self._links(handles_in(records.payloads_in(self.row), b""))
        names: list[str] = []
        try:
            listed = self.client.value(path_of("v2", "runs", self.run_id, "streams"))
            names = [name for name in dict.fromkeys(records.names_in(listed)) if usable_id(name)]
        except Gone:
            return
        self.listed = tuple(names)
        if self.listed != self.look.said.lists.get(self.run_id):
            yield StreamListSeen(self.run_id, tuple(names), now_ns())
        for name in names:
            yield from self._tell(StreamSeen(self.run_id, name, listed=True))
            yield from self._part(f"stream {name}", self._stream(name))

    def _stream(self, name: str) -> Iterator[Observation]:
        if not owner_of(name)[1]:
            self.state.owners[name] = self.run_id
        if name in self.seen.pruned_streams:
            return
        note = self.note.streams.setdefault(name, StreamNote())
        if not can_go_on(note, name, self.seen):
            note.cursor, note.start = "", 0
        known, count = self.seen.chunks.get(name, set()), note.start
        try:
            for page in pages_from(self.client, self.run_id, name, note):
                yield from self._new(name, page.chunks, known)
                count = page.chunks[-1][0] + 1 if page.chunks else count
        except Gone as error:
            if error.is_expired and not known:
                yield tombstone(name, self._stored_ns(now_ns()))
            self.state.set_open(self.run_id, name, None)
            return
        if note.is_done and not any(one.endswith("_close") for one in known):
            observed_ns = now_ns()
            yield end_seen(name, close_id_of(count), self._stored_ns(observed_ns), observed_ns)
        self.state.set_open(self.run_id, name, None if note.is_done or self.is_over else count)

    def _new(self, name: str, chunks: list[tuple[int, bytes]], known: set[str]) -> Iterator[ChunkSeen]:
        observed_ns = now_ns()
        stored_ns = self._stored_ns(observed_ns)
        for index, data in chunks:
            seen = chunk_seen(name, index, data, stored_ns, observed_ns)
            if seen.chunk_id not in known:
                self.state.is_encrypted = bool(self.state.is_encrypted) or data[4:8] in SEALED
                yield seen

    def _stored_ns(self, observed_ns: int) -> int:
        return stored_by(observed_ns, self.client.clock_off_s, self.ended_ns)

    def _links(self, handles: Iterator[Handle]) -> Iterator[Observation]:
        """Streams that payloads speak of: they say how a stream of bytes is framed."""
        for handle in handles:
            owner, is_proved = owner_of(handle.name)
            if not is_proved:
                owner = handle.run_id if usable_id(handle.run_id) else self.run_id
            yield from self._tell(StreamSeen(owner, handle.name, listed=False, framing=handle.framing))

    def _tell(self, link: StreamSeen) -> Iterator[Observation]:
        told, before = self.look.told, self.look.told.get(link.name)
        if link.run_id in self.seen.pruned_runs or link.name in self.seen.pruned_streams:
            return
        if before is not None:
            owner = link.run_id if link.listed else before.run_id
            framing = before.framing or link.framing
            link = StreamSeen(owner, link.name, listed=link.listed or before.listed, framing=framing)
        if link != before:
            told[link.name] = link
            self.links.add(link)
            if link not in self.look.said.streams.get(self.run_id, ()):
                yield link
