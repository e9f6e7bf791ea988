"""What of a world is stored already, read from the rows themselves: the seen-set that adapters are given."""

from __future__ import annotations

from collections.abc import Sequence

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
    Unreadable as UnreadableSeen,
    WaitSeen,
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
    for run_id, source, listed in Run.objects.filter(world=world).values_list("run_id", "source_ns", "list_source_ns"):
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
    for pk, name, head, pruned in Stream.objects.filter(world=world).values_list("pk", "name", "head", "pruned_ns"):
        if pruned is not None:
            seen.pruned_streams.add(name)
            continue
        known = seen.chunks.setdefault(name, set())
        if len(known) < head:
            newer = Chunk.objects.filter(stream_id=pk, arrival__gt=len(known)).values_list("chunk_id", flat=True)
            known.update(newer.iterator(chunk_size=5000))


def remember(seen: Seen, batch: Sequence[Observation]) -> None:
    """Add what has just been committed."""
    for one in batch:
        if isinstance(one, ChunkSeen):
            seen.chunks.setdefault(one.stream, set()).add(one.chunk_id)
        elif isinstance(one, EventSeen):
            seen.events.add((one.run_id, one.event_id))
        elif isinstance(one, UnreadableSeen):
            seen.unreadable.add(one.where)
        elif isinstance(one, ReadableAgain):
            seen.unreadable.discard(one.where)
        else:
            _remember_row(seen, one)


def _remember_row(seen: Seen, one: Observation) -> None:
    if isinstance(one, RunSeen):
        seen.rows["run", one.run_id] = one.source_ns
    elif isinstance(one, StepSeen):
        seen.rows["step", one.run_id, one.step_id] = one.source_ns
    elif isinstance(one, HookSeen):
        seen.rows["hook", one.hook_id] = one.source_ns
    elif isinstance(one, WaitSeen):
        seen.rows["wait", one.run_id, one.wait_id] = one.source_ns
    elif isinstance(one, StreamListSeen):
        seen.rows["list", one.run_id] = one.source_ns
