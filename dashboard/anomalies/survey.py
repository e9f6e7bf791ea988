"""One read of a world into facts in memory: no database, no Django settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from dashboard.anomalies.run_facts import RunFacts as WholeRun
from dashboard.anomalies.run_history import RunHistory
from dashboard.lib.clock import now_ns
from runs.observations import (
    ChunkSeen,
    EventSeen,
    Observation,
    RunSeen,
    StepSeen,
    StreamListSeen,
    StreamSeen,
    Unreadable,
)
from runs.worlds.base import TERMINAL, Seen, World, WorldError
from streams.facts import ChunkFact, RunFacts, StepFacts, StreamFacts, attempts_of, is_system
from streams.order import BEHIND, PURGED, positions

PAYLOADS_KEPT = 64 * 2**20  # bytes of payloads in memory; the others are read from the world again
PAYLOAD_KEPT = 16 * 1024  # bytes: a larger one is not kept
PAYLOAD_READ = 16 * 2**20  # bytes: a larger one is not read again, it counts as a chunk that cannot be read

_ENDS = {"run_completed": "completed", "run_failed": "failed", "run_cancelled": "cancelled"}
_OF_STEPS = frozenset({"step_started", "step_retrying"})


@dataclass(slots=True)
class _Chunk:
    chunk_id: str
    is_close: bool
    size: int
    stored_ns: int
    minted_ms: int | None
    data: bytes | None  # None: to be read again


@dataclass(slots=True)
class Survey:
    """What one read of a world gave. Filled by `survey_of`."""

    world: World
    began_ns: int
    ended_ns: int = 0
    runs: dict[str, RunSeen] = field(default_factory=dict)
    steps: set[tuple[str, str]] = field(default_factory=set)
    events: set[tuple[str, str]] = field(default_factory=set)
    chunks: dict[str, dict[str, _Chunk]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    _steps_of_run: dict[str, dict[str, StepSeen]] = field(default_factory=dict)
    _step_events: dict[tuple[str, str], list[tuple[str, str, int]]] = field(default_factory=dict)
    history: RunHistory = field(default_factory=RunHistory)
    _run_ends: dict[str, EventSeen] = field(default_factory=dict)
    _listed_by: dict[str, str] = field(default_factory=dict)  # stream to run
    _has_lists: bool = False
    _links: dict[str, StreamSeen] = field(default_factory=dict)
    _kept: int = 0

    def take(self, seen: Observation) -> None:
        self.history.take(seen)
        taker = _TAKERS.get(type(seen))
        if taker is not None:
            taker(self, seen)

    @property
    def sdk_versions(self) -> list[str]:
        return sorted({run.sdk_version for run in self.runs.values() if run.sdk_version})

    def stream_names(self) -> list[str]:
        """Streams that have a chunk or an entry in a list: a name in a payload alone is no stream yet."""
        return sorted({*self.chunks, *self._listed_by})

    def counts(self) -> dict[str, int]:
        data = sum(not chunk.is_close for chunks in self.chunks.values() for chunk in chunks.values())
        rows = {"runs": self.runs, "steps": self.steps, "events": self.events, "streams": self.stream_names()}
        return {name: len(found) for name, found in rows.items()} | {"chunks": data}

    def run_facts(self) -> list[WholeRun]:
        """Of all runs, with the time in the world: what came after the look began was not seen whole."""
        last: dict[str, int] = {}
        for name, chunks in self.chunks.items():
            owner = self._owner(name)
            last[owner] = max(last.get(owner, 0), *(chunk.stored_ns for chunk in chunks.values()))
        return self.history.facts(last, max(last.values(), default=0), self.began_ns)

    def stream_facts(self, name: str) -> StreamFacts:
        link = self._links.get(name)
        run = self._run_facts(self._owner(name))
        run_seen = self.runs.get(run.run_id) if run else None
        expired_ns = run_seen.expired_ns if run_seen else None
        purged = any(
            chunk.is_close and chunk.chunk_id == PURGED for chunk in self.chunks.get(name, {}).values()
        )
        expired = purged or (expired_ns is not None and expired_ns <= self.ended_ns)
        listed, framing = self._listed(name, run), link.framing if link else ""
        return StreamFacts(name, run, listed, is_system(name), expired, framing, world=self.world.kind)

    def chunk_facts(self, name: str, framing: str) -> Iterator[ChunkFact]:
        """In reading order. Arrival: stored time, then chunk id."""
        chunks = sorted(self.chunks.get(name, {}).values(), key=lambda chunk: chunk.chunk_id)
        by_arrival = sorted(chunks, key=lambda chunk: (chunk.stored_ns, chunk.chunk_id))
        arrivals = {chunk.chunk_id: arrival for arrival, chunk in enumerate(by_arrival, 1)}
        places = positions(chunk.is_close for chunk in chunks)
        for chunk, (position, mark) in zip(chunks, places, strict=True):
            yield ChunkFact(
                chunk.chunk_id,
                arrivals[chunk.chunk_id],
                position,
                chunk.is_close,
                bool(mark & BEHIND),
                chunk.size,
                chunk.stored_ns,
                chunk.minted_ms,
                partial(self._payload, name, chunk),
                framing,
            )

    def _payload(self, stream: str, chunk: _Chunk) -> bytes:
        if chunk.data is not None:
            return chunk.data
        if chunk.size > PAYLOAD_READ:
            return b""
        try:
            return self.world.fetch_chunk(stream, chunk.chunk_id)
        except WorldError as error:
            self.unreadable[f"{stream} {chunk.chunk_id}"] = str(error)
            return b""

    def _owner(self, name: str) -> str:
        """The run of its name, else of the list it is in, else of a payload that speaks of it."""
        link = self._links.get(name)
        named = link.run_id if link is not None else ""
        own_name = bool(named) and named.removeprefix("wrun_") in name
        return named if own_name else self._listed_by.get(name, named)

    def _run_facts(self, run_id: str) -> RunFacts | None:
        if not run_id:
            return None
        run = self.runs.get(run_id)
        if run is not None:
            ended_ns = run.completed_ns or self._event_ns(run_id) or run.source_ns
            facts = RunFacts(run_id, run.workflow, run.status, run.sdk_version, ended_ns, self._steps(run_id))
            return self._facts_of(replace(facts, language=run.language))
        event = self._run_ends.get(run_id)  # the run's own record is missing or unreadable
        status, steps = _ENDS[event.type] if event else "", self._steps(run_id)
        return self._facts_of(RunFacts(run_id, status=status, ended_ns=self._event_ns(run_id), steps=steps))

    def _steps(self, run_id: str) -> tuple[StepFacts, ...]:
        steps = self._steps_of_run.get(run_id, {}).values()
        return tuple(self._step(step) for step in sorted(steps, key=lambda one: one.started_ns or 0))

    def _step(self, step: StepSeen) -> StepFacts:
        events = sorted(self._step_events.get((step.run_id, step.step_id), ()))
        attempts = attempts_of((kind, time_ns) for _, kind, time_ns in events)
        return StepFacts(step.step_id, step.name, step.started_ns, step.completed_ns, attempts)

    def _event_ns(self, run_id: str) -> int | None:
        event = self._run_ends.get(run_id)
        return (event.created_ns or event.source_ns) if event else None

    def _facts_of(self, facts: RunFacts) -> RunFacts:
        if facts.status not in TERMINAL:
            return replace(facts, ended_ns=None)
        if facts.ended_ns is not None and self.began_ns < facts.ended_ns <= self.ended_ns:
            # It may have ended after its chunks were listed: its grace counts from the look.
            return replace(facts, ended_ns=self.began_ns)
        return facts

    def _listed(self, name: str, run: RunFacts | None) -> bool | None:
        """None where there is nothing to be listed in: no list at all, or this run's cannot be read."""
        if name in self._listed_by:
            return True
        list_of_run = f"streams/runs/{run.run_id}." if run else ""
        broken = run is not None and any(where.startswith(list_of_run) for where in self.unreadable)
        return None if broken or not self._has_lists else False

    def _take_run(self, run: RunSeen) -> None:
        known = self.runs.get(run.run_id)
        if known is None or known.source_ns <= run.source_ns:
            self.runs[run.run_id] = run

    def _take_step(self, step: StepSeen) -> None:
        self.steps.add((step.run_id, step.step_id))
        steps = self._steps_of_run.setdefault(step.run_id, {})
        known = steps.get(step.step_id)
        if known is None or known.source_ns <= step.source_ns:
            steps[step.step_id] = replace(step, input=None, output=None, error=None)

    def _take_event(self, event: EventSeen) -> None:
        self.events.add((event.run_id, event.event_id))
        if event.type in _ENDS:
            self._run_ends.setdefault(event.run_id, event)
        if event.type in _OF_STEPS:
            time_ns = event.created_ns or event.source_ns
            events = self._step_events.setdefault((event.run_id, event.correlation_id), [])
            events.append((event.event_id, event.type, time_ns))

    def _take_list(self, seen: StreamListSeen) -> None:
        self._has_lists = True
        self._listed_by |= dict.fromkeys(seen.names, seen.run_id)

    def _take_link(self, link: StreamSeen) -> None:
        if link.listed:
            self._listed_by[link.name] = link.run_id
        known = self._links.setdefault(link.name, link)
        if link.framing and not known.framing:
            self._links[link.name] = replace(known, framing=link.framing)

    def _take_chunk(self, seen: ChunkSeen) -> None:
        keep = len(seen.data) == seen.size <= PAYLOAD_KEPT and self._kept + seen.size <= PAYLOADS_KEPT
        self._kept += seen.size if keep else 0
        chunk = _Chunk(
            seen.chunk_id,
            seen.is_close,
            seen.size,
            seen.stored_ns,
            seen.minted_ms,
            seen.data if keep else None,
        )
        self.chunks.setdefault(seen.stream, {})[seen.chunk_id] = chunk
        if seen.problem:
            self.unreadable[f"{seen.stream} {seen.chunk_id}"] = seen.problem

    def _take_unreadable(self, seen: Unreadable) -> None:
        self.unreadable[seen.where] = seen.reason


_TAKERS: Mapping[type, Callable[[Survey, Any], None]] = {
    RunSeen: Survey._take_run,
    StepSeen: Survey._take_step,
    EventSeen: Survey._take_event,
    StreamListSeen: Survey._take_list,
    StreamSeen: Survey._take_link,
    ChunkSeen: Survey._take_chunk,
    Unreadable: Survey._take_unreadable,
}


def survey_of(world: World) -> Survey:
    """Read the world once. Raises WorldError if the world itself cannot be read."""
    survey = Survey(world, now_ns())
    for batch in world.read(Seen()):
        for seen in batch:
            survey.take(seen)
    survey.ended_ns = now_ns()
    return survey


def _first(*times: int | None) -> int | None:
    return next((time for time in times if time is not None), None)
