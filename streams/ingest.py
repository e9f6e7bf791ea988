"""The one place where a world is read into the database: adapter, then records, arrivals and the cursor.

Each batch is one transaction that also moves the world's cursor (`World.generation`). What was read already
is known from the rows themselves (`Seen`), so a crash between two batches loses nothing and doubles nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

from django.conf import settings
from django.db import connections
from django.db.models import F, Q

from dashboard.lib import doorbell
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import clean, write_transaction
from runs.models import World
from runs.observations import ChunkSeen, ChunkTold, Observation, StreamSeen
from runs.record import Batch, record
from runs.secrets import adapter_of
from runs.worlds.base import Seen, WorldError, kinds_without
from runs.worlds.base import World as Adapter
from streams import arrivals
from streams.doubt import kinds_read_where_watched, places_in_doubt
from streams.notes import record_notes
from streams.seen import refresh, remember, seen_by
from streams.writes import worlds_with_open_writes

log = logging.getLogger("tailrace.ingest")

CLAIM_NS = 30 * NS_PER_S  # how long a pull may go without a batch before another may take over
LEFT_ALONE_NS = 60 * NS_PER_S  # a world that is read where it is watched, before another process reads it
EVERYTHING = None  # the hint of a pull that has to look at all of a world


_Place = tuple[str, str, bytes | None]  # kind, location, sealed secret: another one is opened anew


class _Paused(Exception):
    """A person has the world left alone since this pull began."""


@dataclass(slots=True)
class _Opened:
    """A world as this process has it open. `lock` keeps two threads from sharing one seen-set."""

    adapter: Adapter
    seen: Seen
    place: _Place
    generation: int = -1
    lock: threading.Lock = field(default_factory=threading.Lock)


_opened: dict[int, _Opened] = {}
_hints: dict[int, set[str] | None] = {}  # what watchers of this process saw change; None: everything
_hints_lock = threading.Lock()
_followed: set[int] = set()  # worlds with a watcher in this process: without a hint there is nothing to see


def hint(world_id: int, places: frozenset[str] | None) -> None:
    """A watcher in this process saw these places change (None: look at everything)."""
    with _hints_lock:
        held = _hints.get(world_id, set())
        _hints[world_id] = None if places is None or held is None else held | places


def _take_hints(world_id: int) -> tuple[bool, frozenset[str] | None]:
    """Whether there is something to look at, and where."""
    with _hints_lock:
        if world_id not in _hints:
            return False, frozenset()
        places = _hints.pop(world_id)
        return True, None if places is None else frozenset(places)


def pull(world_id: int, stop: threading.Event, changed: Callable[[], None] = lambda: None) -> None:
    """Read what a world has until there is nothing new; `changed` is called after each batch that brought something.

    Does nothing if another pull of this world is in flight: that one will see what this one was called for,
    because it looks for new hints again after it has given up its claim.
    """
    if world_id in _followed and world_id not in _hints:
        return
    if World.objects.filter(pk=world_id, paused_ns__isnull=False).exists():
        return
    while not stop.is_set():
        if not _claim(world_id):
            return
        outcome: dict[str, object] = {}
        try:
            outcome = _pull_until_dry(world_id, stop, changed)
        finally:
            _release(world_id, outcome)
        with _hints_lock:
            if world_id not in _hints:
                return


def _claim(world_id: int) -> bool:
    now = now_ns()
    free = World.objects.filter(pk=world_id, claimed_until_ns__lt=now)
    with write_transaction():
        return free.update(claimed_until_ns=now + CLAIM_NS) == 1


def _release(world_id: int, outcome: dict[str, object]) -> None:
    """Give up the claim and say how the pull went; rings if the world became unreadable, or readable again."""
    row = World.objects.filter(pk=world_id)
    with write_transaction():
        turned = bool(outcome) and row.exclude(trouble=outcome["trouble"]).exists()
        row.update(claimed_until_ns=0, **outcome)
    if turned:
        doorbell.ring(doorbell.world_group(world_id), {"type": "world.changed"})


def release_all_claims() -> None:
    """For the one process that owns its database: claims found at start belong to a process that is gone."""
    World.objects.update(claimed_until_ns=0)


def _pull_until_dry(world_id: int, stop: threading.Event, changed: Callable[[], None]) -> dict[str, object]:
    """Read until there are no more hints; returns the columns of the world that say how it went."""
    world = World.objects.get(pk=world_id)
    hinted, places = _take_hints(world_id)
    places = places if hinted else EVERYTHING
    try:
        opened = _open(world)
        with opened.lock:
            if (
                opened.generation != world.generation
            ):  # this process has just started, or another stored something
                refresh(world, opened.seen)
                opened.generation = world.generation
            looked: dict[str, object] = {}
            while not stop.is_set():
                began_ns = now_ns()
                _read(world, opened, places, stop, changed)
                if places is EVERYTHING and _looked_everywhere(world, opened, stop, changed):
                    looked = {"looked_ns": began_ns}
                hinted, places = _take_hints(world_id)
                if not hinted:
                    facts = [asdict(fact) for fact in opened.adapter.facts()]
                    read = {"read_ns": now_ns(), "trouble": "", "trouble_since_ns": None, "facts": facts}
                    return read | looked
    except WorldError as error:
        _close(world_id)
        return _unreadable(world, str(error))
    except _Paused:
        return {}
    except BaseException:
        _close(world_id)  # its seen-set may be ahead of or behind the rows
        raise
    return {}


def _looked_everywhere(
    world: World, opened: _Opened, stop: threading.Event, changed: Callable[[], None]
) -> bool:
    """Whether the look that has just ended would have found what is missing: only then is a write lost."""
    if opened.adapter.is_large and (doubted := places_in_doubt(world.pk)):
        _read(world, opened, doubted, stop, changed)
    return not stop.is_set() and not opened.adapter.is_behind


def _open(world: World) -> _Opened:
    """As this process has it open; anew where it was moved, or its secret replaced, in whichever process."""
    place = _place_of(world)
    opened = _opened.get(world.pk)
    if opened is not None and opened.place != place:
        _close(world.pk)
        opened = None
    if opened is None:
        adapter = adapter_of(world)
        opened = _opened.setdefault(world.pk, _Opened(adapter, seen_by(adapter, world), place))
    return opened


def _place_of(world: World) -> _Place:
    return world.kind, world.location, None if world.sealed is None else bytes(world.sealed)


def _close(world_id: int) -> None:
    opened = _opened.pop(world_id, None)
    if opened is not None:
        opened.adapter.close()


def _read(
    world: World,
    opened: _Opened,
    places: frozenset[str] | None,
    stop: threading.Event,
    changed: Callable[[], None],
) -> None:
    for batch in opened.adapter.read(opened.seen, places):
        advances, something, opened.generation = store(world, batch)
        remember(opened.seen, batch)
        for advance in advances:
            ring_stream(advance)
        if something:
            doorbell.ring(doorbell.world_group(world.pk), {"type": "world.changed"})
            changed()
        if stop.is_set():
            return
        if World.objects.filter(pk=world.pk, paused_ns__isnull=False).exists():
            raise _Paused


def ring_stream(advance: arrivals.Advance) -> None:
    message = {"type": "stream.advanced", "head": advance.head, "revision": advance.revision}
    doorbell.ring(doorbell.stream_group(advance.stream_id), message)


def store(world: World, batch: Sequence[Observation]) -> tuple[list[arrivals.Advance], bool, int]:
    """One batch in one transaction; returns the streams that advanced, whether anything changed, the new cursor."""
    sorted_out = Batch(batch)
    with write_transaction():
        arrivals.lock_world(world.pk)
        recorded = record(world, sorted_out)
        linked = arrivals.record_streams(world, sorted_out.of(StreamSeen), recorded)
        advances = arrivals.record_chunks(world, sorted_out.of(ChunkSeen))
        told = record_notes(world, sorted_out.of(ChunkTold))
        arrivals.touch_streams_of(recorded.restated)
        cursor = {"generation": F("generation") + 1, "claimed_until_ns": now_ns() + CLAIM_NS}
        World.objects.filter(pk=world.pk).update(**cursor)
        generation = World.objects.values_list("generation", flat=True).get(pk=world.pk)
    return linked + advances, recorded.changed or told or bool(advances), generation


def _unreadable(world: World, message: str) -> dict[str, object]:
    if not world.trouble:
        log.warning("%s cannot be read: %s", world.name, message)
    return {
        "trouble": clean(message, 2000),
        "trouble_since_ns": world.trouble_since_ns if world.trouble else now_ns(),
    }


def forget() -> None:
    """Drop what this process has open and was told to look at."""
    for world_id in list(_opened):
        _close(world_id)
    _hints.clear()
    _followed.clear()


def worlds_to_read() -> list[int]:
    """Worlds whose last look is longer ago than a sweep; each is to be looked at as a whole.

    Who watches those that are read where they are watched looks at everything: another process would hold it up.
    """
    overdue = now_ns() - int(settings.SWEEP_SECONDS * NS_PER_S)
    unread = Q(read_ns=None) | Q(read_ns__lt=overdue)
    # A hint can be missed: before a write counts as lost, everything is looked at.
    doubtful = Q(pk__in=worlds_with_open_writes()) & (Q(looked_ns=None) | Q(looked_ns__lt=overdue))
    elsewhere = Q(kind__in=kinds_read_where_watched()) & ~Q(pk__in=_followed)
    left = min(overdue, now_ns() - LEFT_ALONE_NS)
    abandoned = Q(read_ns__lt=left) | Q(read_ns=None, created_ns__lt=left)
    due = World.objects.filter((~elsewhere & (unread | doubtful)) | (elsewhere & abandoned), paused_ns=None)
    found = list(due.exclude(kind__in=kinds_without("chunks")).values_list("pk", flat=True))
    for world_id in found:
        hint(world_id, EVERYTHING)
    return found


def follow(
    world_id: int,
    stop: threading.Event,
    enqueue: Callable[[int], None],
    changed: Callable[[int], None] = lambda world_id: None,
) -> None:
    """Watch a world and ask for a pull whenever something may have changed. Returns when `stop` is set.

    Where the watcher learns what only a reader beside it can store, the pull is made here; `changed` is called
    after each of its batches that brought something.
    """
    adapter = adapter_of(World.objects.get(pk=world_id))
    _followed.add(world_id)
    look = partial(_pull_here, stop=stop, changed=changed) if adapter.is_read_where_watched else enqueue
    try:
        for places in adapter.watch(stop):
            hint(world_id, places)
            look(world_id)
    finally:
        _followed.discard(world_id)
        adapter.close()


def _pull_here(world_id: int, stop: threading.Event, changed: Callable[[int], None]) -> None:
    try:
        pull(world_id, stop, lambda: changed(world_id))
    except Exception:  # the edge of a watcher's loop: our own database may be away for a moment
        log.exception("world %s could not be read", world_id)
        connections.close_all()
        stop.wait(1)
