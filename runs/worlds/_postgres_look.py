"""Which parts of a PostgreSQL world a look goes to: what was told of, what is recent, what is open, what is old.

Rows appear out of the order of their ids (a transaction that was open for a while, a writer whose clock is
behind), so nothing goes by how far it has come: each look overlaps the one before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dashboard.lib.clock import NS_PER_MS, now_ns
from runs.observations import ChunkSeen, ChunkTold, EventSeen, Observation
from runs.worlds._local_look import usable_id
from runs.worlds._places import streams_in
from runs.worlds._postgres_beside import Beside
from runs.worlds._postgres_chunks import AT_ONCE
from runs.worlds._postgres_eye import LONGEST_OVERLAP_MS, TOP, Eye, below, floor
from runs.worlds._postgres_link import Row
from runs.worlds._postgres_read import Reading
from runs.worlds._postgres_schema import CHUNKS, EVENTS, RUNS
from runs.worlds.base import TERMINAL, Seen

RECENT, STREAMS, OLDER = "recent", "streams", "older"  # what hints say

PAGE = 500  # runs of one page of their list
RUNS_AT_ONCE = 20  # read as a whole with one statement for each table
SHORT_MS = 3_000  # of ids: the overlap of every look
WIDE_EVERY_S = 5.0
EVENTS_AT_ONCE = 5_000
SLICE_S = 1.0  # of old runs, between which what is new is read
TOLD_S = 0.25  # of storing what was told, while more keeps coming
OPEN_AT_ONCE = 100  # runs that are not over, in one full look


@dataclass(slots=True)
class Look:
    """One call of `read`."""

    reading: Reading
    eye: Eye
    beside: Beside
    is_bounded: bool  # a watcher beside us asks again: old runs are read in slices

    @property
    def seen(self) -> Seen:
        return self.reading.seen

    def groups(self, hints: frozenset[str] | None) -> Iterator[list[Observation]]:
        """Observations that belong together. What was told of comes first, and again between all others."""
        for group in self._parts(hints):
            self.eye.note(group)
            yield group
            yield from self.told()
        yield from self.told()

    def _parts(self, hints: frozenset[str] | None) -> Iterator[list[Observation]]:
        yield []
        if hints is None:
            self.eye.begin_look()
        if hints is None or RECENT in hints:
            yield from self.recent(is_full=hints is None)
            yield from self._due()
        if hints is None:
            yield from self._newest()
            yield from self._open()
        if hints is None or STREAMS in hints:
            yield from self._streams(is_full=hints is None)
        if hints:
            yield from self._asked(streams_in(hints))
        if hints is None or OLDER in hints:
            yield from self._older()

    def told(self) -> Iterator[list[Observation]]:
        """The chunks that the listener heard of, and that it did. What was heard leaves the queue when it is stored.

        Anyone may send notes: one about a chunk that is not there says nothing.
        """
        notes, read = self.beside.notes, self.reading
        if not read.schema.has(CHUNKS):
            notes.clear()
        until = time.monotonic() + TOLD_S
        while notes:
            if time.monotonic() > until:
                self.beside.woken.set()  # the rest is next, after what else is due
                return
            some: list[ChunkTold] = [notes[at] for at in range(min(AT_ONCE, len(notes)))]
            self.seen.about(streams={note.stream for note in some})
            pairs = [(note.stream, note.chunk_id) for note in some]
            found = read.chunks.exactly(pairs, self.seen, read.link_chunk)
            there = {(one.stream, one.chunk_id) for one in found if isinstance(one, ChunkSeen)}
            heard = [
                note
                for note, pair in zip(some, pairs, strict=True)
                if pair in there or self.seen.has_chunk(*pair)
            ]
            self.eye.note(found)
            if heard:  # not for those of another schema, which use the same channel
                self.beside.something_happened()
            yield [*found, *heard]
            for note in some:
                if notes and notes[0] is note:  # else the listener had to drop it to make room
                    notes.popleft()

    # Events

    def recent(self, *, is_full: bool) -> Iterator[list[Observation]]:
        """New events by an overlap of their ids, and what they say has changed."""
        if not self.reading.schema.has(EVENTS):
            return
        now, last = time.monotonic(), self.eye.looked_at
        self.eye.looked_at = now
        is_wide = is_full or now - self.eye.wide_at >= WIDE_EVERY_S or now - last > SHORT_MS / 2000
        if is_wide:
            self.eye.wide_at = now
        overlap = self.eye.overlap_ms if is_wide else SHORT_MS
        low = floor("wevt_", now_ns() // NS_PER_MS - overlap)
        while True:
            statement = self.reading.sql.recent_events.text
            keys = self.reading.link.rows(statement, low, EVENTS_AT_ONCE)
            self.seen.about(runs={run for _, run in keys})
            fresh = [(event, run) for event, run in keys if (run, event) not in self.seen.events]
            for at in range(0, len(fresh), AT_ONCE):
                yield self._of_events(fresh[at : at + AT_ONCE])
            if len(keys) < EVENTS_AT_ONCE:
                return
            low = keys[-1][0]

    def _of_events(self, fresh: Sequence[tuple[str, str]]) -> list[Observation]:
        self.beside.something_happened()
        read = self.reading
        events = read.events([event for event, _ in fresh])
        runs = sorted({run for _, run in fresh})
        steps: dict[str, None] = {}
        hooks: dict[str, None] = {}
        waits: dict[tuple[str, str], None] = {}
        for one in events:
            kind, _, about = getattr(one, "type", ""), 0, getattr(one, "correlation_id", "")
            if kind.startswith("step_"):
                steps[about] = None
            elif kind.startswith("hook_"):
                hooks[about] = None
            elif kind.startswith("wait_"):
                waits[(one.run_id, about)] = None  # type: ignore[union-attr]
        for run in runs:
            self.eye.changed(run)
        entities = [*read.steps(list(steps)), *read.entities(list(hooks), list(waits))]
        return read.finish([*read.changed_runs(runs, settled=False), *entities, *events])

    # Runs

    def _due(self) -> Iterator[list[Observation]]:
        """Runs that something happened to a moment ago, and those that ended a while ago: these from the start."""
        due = self.eye.take_due()
        ended = [run for run in due if run in self.eye.ended]
        yield from self._whole([run for run in due if run not in self.eye.ended], is_live=True)
        yield from self._whole(ended)

    def _whole(self, runs: Sequence[str], *, is_live: bool = False) -> Iterator[list[Observation]]:
        low_of = self._low_of if is_live else _from_the_start
        for at in range(0, len(runs), RUNS_AT_ONCE):
            some = runs[at : at + RUNS_AT_ONCE]
            known = self.eye.whole & set(some)
            self.eye.read_whole(some)
            for group in self.reading.whole(some, low_of):
                self.eye.learn_overlap(
                    one for one in group if isinstance(one, EventSeen) and one.run_id in known
                )
                yield group

    def _low_of(self, stream: str) -> str:
        """A little below the highest id that is known."""
        highest, _ = self.eye.streams.get(stream, ("", 0.0))
        return below(highest, self.eye.overlap_ms) if highest else ""

    def _newest(self) -> Iterator[list[Observation]]:
        """The newest runs, as far back as there is any that is new or changed without an event we saw."""
        below_id: str | None = TOP if self.reading.schema.has(RUNS) and self.eye.older_than is None else None
        while below_id is not None:
            keys = self._keys(below_id)
            wanted = [key[0] for key in keys if self._is_wanted(key)]
            yield from self._whole(wanted)
            below_id = keys[-1][0] if wanted and len(keys) == PAGE else None

    def _keys(self, below_id: str) -> list[Row]:
        """A page of the list of runs, newest first."""
        keys = self.reading.link.rows(self.reading.sql.newest_runs.text, below_id, PAGE)
        self.seen.about(runs=[key[0] for key in keys])
        return keys

    def _is_wanted(self, key: Row) -> bool:
        """Whether a run of the list has to be read as a whole: it is not known to have been read to its end."""
        run_id, status = str(key[0]), key[1]
        if run_id in self.seen.pruned_runs or run_id in self.eye.whole:
            return False
        if status not in TERMINAL:
            return True
        return self.reading.is_new(("run", run_id), self.reading.version_of_run(key))

    def _open(self) -> Iterator[list[Observation]]:
        """Runs that are not over, those first that were not looked at for longest."""
        waiting = sorted(self.eye.open_runs, key=self.eye.open_runs.__getitem__)[:OPEN_AT_ONCE]
        yield from self._whole(waiting, is_live=True)

    def _older(self) -> Iterator[list[Observation]]:
        """Pages of the list of runs, newest first, down to the first run there is."""
        if not self.reading.schema.has(RUNS):
            self.eye.older_than = None
        until = time.monotonic() + SLICE_S
        while self.eye.older_than is not None:
            keys = self._keys(self.eye.older_than)
            yield from self._whole([key[0] for key in keys if self._is_wanted(key)])
            self.eye.older_than = keys[-1][0] if len(keys) == PAGE else None
            if self.is_bounded and time.monotonic() > until:
                break
        self.beside.is_behind = self.eye.older_than is not None

    # Streams

    def _asked(self, since_ms: Mapping[str, int]) -> Iterator[list[Observation]]:
        """Streams that somebody misses chunks in, from a little before the time that these can be of."""
        read = self.reading
        if not since_ms or not read.schema.has(CHUNKS):
            return
        lows = {
            name: floor("chnk_", ms - LONGEST_OVERLAP_MS) for name, ms in since_ms.items() if usable_id(name)
        }
        self.seen.about(streams=lows)
        yield from read.chunks.new_of(lows, self.seen, read.link_chunk)

    def _streams(self, *, is_full: bool) -> Iterator[list[Observation]]:
        """Streams that are written to, from a little below the highest id that is known of each."""
        read = self.reading
        if not read.schema.has(CHUNKS):
            return
        back = self.eye.overlap_ms if is_full else SHORT_MS
        lows = {name: below(highest, back) for name, highest in self.eye.lively_streams().items()}
        open_runs = list(self.eye.open_runs)
        for at in range(
            0 if is_full else max(0, len(open_runs) - OPEN_AT_ONCE), len(open_runs), OPEN_AT_ONCE
        ):
            found = read.streams_of(open_runs[at : at + OPEN_AT_ONCE])
            lows |= {name: self._low_of(name) for name in found if name not in lows}
        self.seen.about(streams=lows)
        for group in read.chunks.new_of(lows, self.seen, read.link_chunk):
            self.beside.something_happened()
            yield group


def _from_the_start(_stream: str) -> str:
    return ""
