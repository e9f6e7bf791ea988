"""Reading runs and what belongs to them: rows by their keys in, observations out.

A run counts as read to its end (its version in `Seen` is the whole one) only with the batch that holds the
last of it, so that whatever breaks off a reading is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dashboard.lib.clock import NS_PER_S, now_ns
from runs.observations import EventSeen, Observation, ReadableAgain, StreamSeen, WaitSeen
from runs.worlds._local_look import usable_id
from runs.worlds._local_refs import Handle, handles_in, owner_of
from runs.worlds._postgres_chunks import Chunks
from runs.worlds._postgres_gone import hooks_from, waits_from
from runs.worlds._postgres_link import Link, Row
from runs.worlds._postgres_rows import SETTLED, Rows
from runs.worlds._postgres_schema import CHUNKS, EVENTS, HOOKS, RUNS, STEPS, WAITS, Schema
from runs.worlds._postgres_sql import RUN_KEYS, STEP_KEYS, Statements
from runs.worlds.base import TERMINAL, Seen

SETTLES_NS = 25 * NS_PER_S  # after a run's end
AT_ONCE = 200  # rows with values in one statement
LIFTED_MOST = 50_000
STREAM_END = "zzzzzzzz"  # sorts behind what follows `_user` in a stream's name, in every collation


@dataclass(slots=True)
class Reading:
    """One world's rows, read for one seen-set. `lifted` are rows kept under a later version than they have."""

    link: Link
    sql: Statements
    rows: Rows
    chunks: Chunks
    seen: Seen
    lifted: dict[tuple[str, ...], tuple[int | None, int]] = field(default_factory=dict)
    linked: dict[str, StreamSeen] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        return self.sql.schema

    def _query(self, table: str, statement: str, *parameters: Any) -> list[Row]:
        return self.link.rows(statement, *parameters) if self.schema.has(table) else []

    def whole(self, runs: Sequence[str], low_of: Callable[[str], str]) -> Iterator[list[Observation]]:
        """All that is new of these runs, their streams last, of each what lies behind the id that `low_of` gives."""
        self.seen.about(runs=runs)
        runs = [run for run in runs if run not in self.seen.pruned_runs]
        found = [*self.changed_runs(runs, settled=False), *self._steps_of(runs), *self._entities_of(runs)]
        found += self.events(self._new_events(runs))
        observed = self.finish(found)
        yield observed
        mentioned = (one.name for one in observed if isinstance(one, StreamSeen))
        names = list(dict.fromkeys([*self.streams_of(runs), *mentioned]))
        self.seen.about(streams=names)
        yield from self.chunks.new_of({name: low_of(name) for name in names}, self.seen, self.link_chunk)
        yield [*self.changed_runs(runs, settled=True)]

    def finish(self, found: list[Observation]) -> list[Observation]:
        """With the streams that the values name, and what could or could not be read."""
        links = list(self._links())
        kept = [one for one in found if getattr(one, "run_id", "") not in self.seen.pruned_runs]
        again = [ReadableAgain(where) for where in sorted(self.rows.good & self.seen.unreadable)]
        self.rows.good.clear()
        return [*kept, *links, *self.rows.told(self.seen.unreadable), *again]

    # Runs and steps

    def changed_runs(self, runs: Sequence[str], *, settled: bool) -> Iterator[Observation]:
        """Runs whose version differs from the one recorded. A run that has ended is one version short of
        itself until it is settled: read as a whole a while after its end."""
        changed = []
        for row in self._query(RUNS, self.sql.run_keys.text, list(runs)):
            version = self.version_of_run(row)
            if settled:
                is_new = self.is_settled(row) and self.is_new(("run", row[0]), version)
            else:
                short = SETTLED if row[1] in TERMINAL else 0
                is_new = self.is_new(("run", row[0]), version - short, also=version)
            if is_new:
                changed.append(row[0])
        for row in self._in_parts(RUNS, self.sql.runs.text, changed):
            run = self.rows.run(row, settled=settled)
            if run is not None:
                yield self._lift(("run", run.run_id), run)

    def is_settled(self, key: Row) -> bool:
        ended_ns = self.rows.ended_ns(RUNS, RUN_KEYS, "id", key)
        return key[1] in TERMINAL and (ended_ns is None or ended_ns < now_ns() - SETTLES_NS)

    def version_of_run(self, key: Row) -> int:
        return self.rows.version_of(RUNS, RUN_KEYS, "id", key)

    def is_new(self, key: tuple[str, ...], version: int, also: int | None = None) -> bool:
        recorded = self.seen.rows.get(key)
        if recorded is not None and recorded in (version, also):
            return False
        lifted = self.lifted.get(key)
        return lifted is None or lifted not in ((recorded, version), (recorded, also))

    def _lift(self, key: tuple[str, ...], one: Any) -> Any:
        """A database holds one version of a row: it replaces what was recorded even if a clock says it is older."""
        recorded, version = self.seen.rows.get(key), one.source_ns
        if recorded is None or version >= recorded:
            return one
        if len(self.lifted) > LIFTED_MOST:
            self.lifted.clear()
        self.lifted[key] = (recorded, version)
        return _with_version(one, recorded)

    def _steps_of(self, runs: Sequence[str]) -> Iterator[Observation]:
        changed = []
        for row in self._query(STEPS, self.sql.step_keys.text, list(runs)):
            version = self.rows.version_of(STEPS, STEP_KEYS, "step_id", row)
            if self.is_new(("step", row[0], row[1]), version):
                changed.append(row[1])
        yield from self.steps(changed)

    def steps(self, ids: Sequence[str]) -> Iterator[Observation]:
        for row in self._in_parts(STEPS, self.sql.steps.text, ids):
            step = self.rows.step(row)
            if step is not None and self.is_new(("step", step.run_id, step.step_id), step.source_ns):
                yield self._lift(("step", step.run_id, step.step_id), step)

    def _in_parts(self, table: str, statement: str, ids: Sequence[str]) -> Iterator[Row]:
        for at in range(0, len(ids), AT_ONCE):
            yield from self._query(table, statement, list(ids[at : at + AT_ONCE]))

    # Hooks and waits

    def _entities_of(self, runs: Sequence[str]) -> Iterator[Observation]:
        yield from self._kept(HOOKS, self._query(HOOKS, self.sql.hooks_of.text, list(runs)))
        yield from self._kept(WAITS, self._query(WAITS, self.sql.waits_of.text, list(runs)))

    def entities(self, hooks: Sequence[str], waits: Sequence[tuple[str, str]]) -> Iterator[Observation]:
        """Hooks by their ids, waits by run and id."""
        if hooks:
            yield from self._kept(HOOKS, self._query(HOOKS, self.sql.hooks.text, list(hooks)))
        if waits:
            keys = [f"{run}-{wait}" for run, wait in waits]
            yield from self._kept(WAITS, self._query(WAITS, self.sql.waits.text, keys))

    def _kept(self, table: str, rows: Iterable[Row]) -> Iterator[Observation]:
        for row in rows:
            one: Any = self.rows.hook(row) if table == HOOKS else self.rows.wait(row)
            if one is None:
                continue
            key = ("hook", one.hook_id) if table == HOOKS else ("wait", one.run_id, one.wait_id)
            if self.is_new(key, one.source_ns):
                yield self._lift(key, one)

    # Events

    def _new_events(self, runs: Sequence[str]) -> list[str]:
        keys = self._query(EVENTS, self.sql.event_keys.text, list(runs))
        return [event for event, run in keys if (run, event) not in self.seen.events]

    def events(self, ids: Sequence[str]) -> list[Observation]:
        """Events by their ids, and before them the hooks and waits that are only known from them any more."""
        seen = [self.rows.event(row) for row in self._in_parts(EVENTS, self.sql.events.text, ids)]
        found = [event for event in seen if event is not None]
        return [*self._gone(found), *found]

    def _gone(self, events: Sequence[EventSeen]) -> Iterator[Observation]:
        """The world deletes hooks and waits when their run ends: then their events are what is left of them."""
        hooks = {event.correlation_id for event in events if event.type == "hook_created"}
        waits = {(event.run_id, event.correlation_id) for event in events if event.type in _OF_WAITS}
        there: set[tuple[str, ...]] = set()
        for one in self._still_there(hooks, waits):
            there.add(one)
        yield from hooks_from(event for event in events if ("hook", event.correlation_id) not in there)
        lost = {wait for wait in waits if ("wait", *wait) not in there}
        if lost:
            yield from self._new_waits(waits_from(self._about({wait for _, wait in lost}), lost))

    def _still_there(self, hooks: set[str], waits: set[tuple[str, str]]) -> Iterator[tuple[str, ...]]:
        if hooks:
            rows = self._query(HOOKS, self.sql.hooks.text, sorted(hooks))
            yield from (("hook", str(row[1])) for row in rows)
        if waits:
            keys = {f"{run}-{wait}": ("wait", run, wait) for run, wait in waits}
            rows = self._query(WAITS, self.sql.waits.text, sorted(keys))
            yield from (keys[row[1]] for row in rows if row[1] in keys)

    def _about(self, ids: set[str]) -> list[EventSeen]:
        rows = self._in_parts(EVENTS, self.sql.events_about.text, sorted(ids))
        return [event for row in rows if (event := self.rows.event(row)) is not None]

    def _new_waits(self, waits: Iterable[WaitSeen]) -> Iterator[Observation]:
        for wait in waits:
            key = ("wait", wait.run_id, wait.wait_id)
            if self.is_new(key, wait.source_ns):
                yield self._lift(key, wait)

    # Streams

    def streams_of(self, runs: Sequence[str]) -> list[str]:
        """Those that are called after the runs, then those that only their chunks tell."""
        if not self.schema.has(CHUNKS):
            return []
        lows = [f"strm_{run.removeprefix('wrun_')}" for run in runs]
        highs = [low + "_" + STREAM_END for low in lows]
        named = [row[0] for row in self.link.rows(self.sql.streams_of.text, lows, highs)]
        named = [name for name in named if name.startswith(tuple(lows))]
        others = self.link.rows(self.sql.chunk_keys_of.text, list(runs), named)
        return list(dict.fromkeys([*named, *(row[1] for row in others)]))

    def link_chunk(self, stream: str, run_id: str | None) -> list[Observation]:
        """The run of a stream: its chunks name it, or its own name does."""
        owner, is_proved = owner_of(stream)
        if run_id and usable_id(run_id):
            return self._tell(StreamSeen(run_id, stream, listed=False))
        return self._tell(StreamSeen(owner, stream, listed=False)) if is_proved else []

    def _links(self) -> Iterator[Observation]:
        taken, self.rows.payloads = self.rows.payloads, {}
        for run_id, payloads in taken.items():
            for handle in handles_in(payloads, b""):
                yield from self._tell(StreamSeen(_owner(handle, run_id), handle.name, False, handle.framing))

    def _tell(self, link: StreamSeen) -> list[Observation]:
        before = self.linked.get(link.name)
        if link.run_id in self.seen.pruned_runs or link.name in self.seen.pruned_streams:
            return []
        if before is not None:
            link = StreamSeen(before.run_id, link.name, False, before.framing or link.framing)
        if len(self.linked) > LIFTED_MOST:
            self.linked.clear()
        self.linked[link.name] = link
        return [] if link == before else [link]


_OF_WAITS = ("wait_created", "wait_completed")


def _owner(handle: Handle, run_id: str) -> str:
    owner, is_proved = owner_of(handle.name)
    if is_proved:
        return owner
    return handle.run_id if usable_id(handle.run_id) else run_id


def _with_version(one: Any, version: int) -> Any:
    return replace(one, source_ns=version)
