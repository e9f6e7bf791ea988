"""What of a world is stored already, read from the rows themselves: the seen-set that adapters are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from streams.models import Chunk, Stream


def refresh(world: World, seen: Seen) -> None:
    """Bring `seen` up to the database: after a start, or when another process stored something meanwhile."""
    _refresh_rows(world, seen)
    _refresh_chunks(world, seen)
    events = Event.objects.filter(run__world=world).values_list("run__run_id", "event_id")
    seen.events.update(events.iterator(chunk_size=5000))
    seen.unreadable = set(Unreadable.objects.filter(world=world).values_list("where", flat=True))
    pruned = Run.objects.filter(world=world, pruned_ns__isnull=False)
    seen.pruned_runs = set(pruned.values_list("run_id", flat=True))


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
