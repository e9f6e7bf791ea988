"""What of a world is stored already, read from the rows themselves: the seen-set that adapters are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from runs.models import Event, Hook, Run, Step, Unreadable, Wait, World
from runs.observations import (
    ChunkSeen,
    EventSeen,
    HookSeen,
    Observation,
    ReadableAgain,
    RunSeen,
    StepSeen,
    StreamListSeen,
    WaitSeen,
)
from runs.observations import (
    Unreadable as UnreadableSeen,
)
from runs.worlds.base import Seen
from runs.worlds.base import World as Adapter
from streams.models import Chunk, Stream

MOST_KEPT = 300_000  # keys that a seen-set of a large world holds before it begins anew
MOST_ASKED = 500  # runs or streams in one statement


class SeenAsAsked(Seen):
    """Of a large world: only what is stored of the runs and streams that its reader asks about.

    It forgets when it has grown too large: of streams those that were not asked about for longest, since a single
    one may be longer than all that is kept. What is asked about without `about` counts as not seen, which costs a
    reading, since rows are stored once whatever is read twice.
    """

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._runs: set[str] = set()
        self._streams: dict[str, None] = {}  # those last that were asked about last

    def about(self, runs: Iterable[str] = (), streams: Iterable[str] = ()) -> None:
        wanted = set(runs)
        if wanted - self._runs and len(self.rows) + len(self.events) + len(self._runs) > MOST_KEPT:
            self._forget_runs()
        new_runs = sorted(wanted - self._runs)
        for at in range(0, len(new_runs), MOST_ASKED):
            self._ask_runs(new_runs[at : at + MOST_ASKED])
        asked = set(streams)
        self._make_room(asked)
        new_streams = sorted(asked - self._streams.keys())
        for at in range(0, len(new_streams), MOST_ASKED):
            self._ask_streams(new_streams[at : at + MOST_ASKED])

    def forget(self) -> None:
        self._forget_runs()
        for kept in (self.chunks, self._streams, self.pruned_streams):
            kept.clear()

    def _forget_runs(self) -> None:
        for kept in (self.rows, self.events, self._runs, self.pruned_runs):
            kept.clear()

    def _make_room(self, asked: set[str]) -> None:
        for name in asked & self._streams.keys():
            self._streams[name] = self._streams.pop(name)
        kept = len(self._streams) + sum(map(len, self.chunks.values()))
        while kept > MOST_KEPT:
            oldest = next(iter(self._streams), None)
            if oldest is None or oldest in asked:  # so all that are left are
                return
            kept -= 1 + len(self.chunks.pop(oldest, ()))
            del self._streams[oldest]
            self.pruned_streams.discard(oldest)

    def _ask_runs(self, run_ids: list[str]) -> None:
        runs = Run.objects.filter(world=self._world, run_id__in=run_ids)
        known: dict[int, str] = {}
        for pk, run_id, source, pruned in runs.values_list("pk", "run_id", "source_ns", "pruned_ns"):
            known[pk] = run_id
            if source is not None:
                self.rows["run", run_id] = source
            if pruned is not None:
                self.pruned_runs.add(run_id)
        for run, step, source in Step.objects.filter(run__in=known).values_list(
            "run_id", "step_id", "source_ns"
        ):
            self.rows["step", known[run], step] = source
        for run, wait, source in Wait.objects.filter(run__in=known).values_list(
            "run_id", "wait_id", "source_ns"
        ):
            self.rows["wait", known[run], wait] = source
        hooks = Hook.objects.filter(run__in=known).values_list("hook_id", "source_ns")
        self.rows.update({("hook", hook): source for hook, source in hooks})
        events = Event.objects.filter(run__in=known).values_list("run_id", "event_id")
        self.events.update((known[run], event) for run, event in events.iterator(chunk_size=5000))
        self._runs.update(run_ids)

    def _ask_streams(self, names: list[str]) -> None:
        streams = Stream.objects.filter(world=self._world, name__in=names)
        for pk, name, pruned in streams.values_list("pk", "name", "pruned_ns"):
            if pruned is not None:
                self.pruned_streams.add(name)
                continue
            stored = Chunk.objects.filter(stream_id=pk).values_list("chunk_id", flat=True)
            self.chunks.setdefault(name, set()).update(stored.iterator(chunk_size=5000))
        self._streams.update(dict.fromkeys(names))


def seen_by(adapter: Adapter, world: World) -> Seen:
    """An empty seen-set for this adapter: `refresh` fills it."""
    return SeenAsAsked(world) if adapter.is_large else Seen()


def refresh(world: World, seen: Seen) -> None:
    """Bring `seen` up to the database: after a start, or when another process stored something meanwhile."""
    if isinstance(seen, SeenAsAsked):
        seen.forget()
        _refresh_unreadable(world, seen)
        return
    _refresh_rows(world, seen)
    _refresh_chunks(world, seen)
    events = Event.objects.filter(run__world=world).values_list("run__run_id", "event_id")
    seen.events.update(events.iterator(chunk_size=5000))
    _refresh_unreadable(world, seen)
    pruned = Run.objects.filter(world=world, pruned_ns__isnull=False)
    seen.pruned_runs = set(pruned.values_list("run_id", flat=True))


def _refresh_unreadable(world: World, seen: Seen) -> None:
    seen.unreadable = set(Unreadable.objects.filter(world=world).values_list("where", flat=True))


def _refresh_rows(world: World, seen: Seen) -> None:
    for run_id, source, listed in Run.objects.filter(world=world).values_list(
        "run_id", "source_ns", "list_source_ns"
    ):
        if source is not None:
            seen.rows["run", run_id] = source
        if listed is not None:
            seen.rows["list", run_id] = listed
    steps = Step.objects.filter(run__world=world).values_list("run__run_id", "step_id", "source_ns")
    seen.rows.update({("step", run, step): source for run, step, source in steps.iterator(chunk_size=5000)})
    waits = Wait.objects.filter(run__world=world).values_list("run__run_id", "wait_id", "source_ns")
    seen.rows.update({("wait", run, wait): source for run, wait, source in waits})
    hooks = Hook.objects.filter(world=world).values_list("hook_id", "source_ns")
    seen.rows.update({("hook", hook): source for hook, source in hooks})


def _refresh_chunks(world: World, seen: Seen) -> None:
    """Arrivals have no gaps, so the number of known ids of a stream is the arrival up to which they are known."""
    for pk, name, head, pruned in Stream.objects.filter(world=world).values_list(
        "pk", "name", "head", "pruned_ns"
    ):
        if pruned is not None:
            seen.pruned_streams.add(name)
            continue
        known = seen.chunks.setdefault(name, set())
        if len(known) < head:
            newer = Chunk.objects.filter(stream_id=pk, arrival__gt=len(known)).values_list(
                "chunk_id", flat=True
            )
            known.update(newer.iterator(chunk_size=5000))


def remember(seen: Seen, batch: Sequence[Observation]) -> None:
    """Add what has just been committed."""
    for one in batch:
        _REMEMBER.get(type(one), _nothing)(seen, one)


def _chunk(seen: Seen, one: ChunkSeen) -> None:
    known = seen.chunks.get(one.stream)
    if known is None:
        known = seen.chunks[one.stream] = set()
    known.add(one.chunk_id)


def _nothing(seen: Seen, one: object) -> None:
    """A stream's link to its run is found again with what names it."""


def _row(*key: str) -> Callable[[Seen, Any], None]:
    """Remembers the version of a row under its kind and these attributes."""

    def remember_row(seen: Seen, one: Any) -> None:
        seen.rows[(key[0], *(getattr(one, name) for name in key[1:]))] = one.source_ns

    return remember_row


_REMEMBER: dict[type, Callable[[Seen, Any], None]] = {
    ChunkSeen: _chunk,
    EventSeen: lambda seen, one: seen.events.add((one.run_id, one.event_id)),
    UnreadableSeen: lambda seen, one: seen.unreadable.add(one.where),
    ReadableAgain: lambda seen, one: seen.unreadable.discard(one.where),
    RunSeen: _row("run", "run_id"),
    StepSeen: _row("step", "run_id", "step_id"),
    HookSeen: _row("hook", "hook_id"),
    WaitSeen: _row("wait", "run_id", "wait_id"),
    StreamListSeen: _row("list", "run_id"),
}
