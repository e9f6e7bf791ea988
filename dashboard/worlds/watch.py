"""Which worlds are followed, and by whom: one thread for each that is known, can be read, and is not paused.

The database says which those are; it is asked every second, so that what a person does in any process takes effect
within that time. A watcher that fails is started again and disturbs no other. Worlds that are being removed are
removed here, in a thread of their own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import DatabaseError, close_old_connections, connections

from dashboard.worlds.remove import remove_waiting
from runs.managed import CURRENT, KNOWN
from runs.models import World
from runs.worlds.base import WorldError, kinds_without
from streams import ingest

log = logging.getLogger("tailrace.watch")

LOOK_SECONDS = 1.0
AGAIN_SECONDS = 10.0  # until a watcher that failed is started again
END_SECONDS = 5.0  # that watchers get to end
_changed = threading.Event()


def look_now() -> None:
    """Somebody in this process changed which worlds are to be followed."""
    _changed.set()


@dataclass(frozen=True, slots=True)
class Target:
    """What a watcher was started with: with anything else it has to be started anew."""

    kind: str
    location: str
    sealed: bytes | None


@dataclass(slots=True)
class _Watcher:
    target: Target
    thread: threading.Thread
    stop: threading.Event = field(default_factory=threading.Event)


class Watching:
    """Starts and stops watchers until `stop` is set. `enqueue` asks for a pull of a world."""

    def __init__(
        self,
        stop: threading.Event,
        enqueue: Callable[[int], None],
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.stop, self.enqueue = stop, enqueue
        self.say = say or (lambda line: log.debug("%s", line))
        self.watchers: dict[int, _Watcher] = {}
        self._ending: list[threading.Thread] = []
        self._again: dict[int, float] = {}  # a world whose watcher failed: not before, by the monotonic clock
        self._remover: threading.Thread | None = None

    def run(self) -> None:
        is_away = False
        while not self.stop.is_set():
            _changed.clear()
            try:
                self.look()
                is_away = False
            except DatabaseError as error:  # away for a moment: those who watch go on
                if not is_away:
                    log.warning("cannot ask which worlds to follow: %s", type(error).__name__)
                is_away = True
            close_old_connections()
            _changed.wait(LOOK_SECONDS)
        self.end()

    def look(self) -> None:
        """Compare what is followed with what is to be."""
        wanted, has_removed = _wanted()
        for world_id, watcher in list(self.watchers.items()):
            if wanted.get(world_id) != watcher.target or not watcher.thread.is_alive():
                self._end(world_id)
        self._ending = [thread for thread in self._ending if thread.is_alive()]
        now = time.monotonic()
        for world_id, target in wanted.items():
            if world_id not in self.watchers and self._again.get(world_id, 0) <= now:
                self._begin(world_id, target)
        if has_removed and not (self._remover and self._remover.is_alive()):
            self._remover = _thread("remove", _remove, self.stop)

    def end(self) -> None:
        for world_id in list(self.watchers):
            self._end(world_id)
        until = time.monotonic() + END_SECONDS
        for thread in (*self._ending, *([self._remover] if self._remover else [])):
            thread.join(max(0.0, until - time.monotonic()))

    def _begin(self, world_id: int, target: Target) -> None:
        stop = threading.Event()
        thread = _thread(f"watch-{world_id}", self._follow, world_id, stop)
        self.watchers[world_id] = _Watcher(target, thread, stop)
        self.say(f"following {target.kind} world {world_id}")

    def _end(self, world_id: int) -> None:
        watcher = self.watchers.pop(world_id)
        watcher.stop.set()
        self._ending.append(watcher.thread)
        self.say(f"no longer following {watcher.target.kind} world {world_id}")

    def _follow(self, world_id: int, stop: threading.Event) -> None:
        """One watcher. What a broken world raises ends here."""
        from dashboard.celery import ask_for_judging

        try:
            ingest.follow(world_id, stop, self.enqueue, ask_for_judging)
        except (WorldError, World.DoesNotExist):
            pass  # the next pull stores on the world why it cannot be read
        except Exception:  # the edge of a thread: one broken adapter must not end the others
            log.exception("the watcher of world %s failed", world_id)
        finally:
            if not stop.is_set():
                self._again[world_id] = time.monotonic() + AGAIN_SECONDS
            connections.close_all()


def _wanted() -> tuple[dict[int, Target], bool]:
    """The worlds to follow, and whether any waits to be removed."""
    read = World.objects.filter(CURRENT, paused_ns=None).exclude(kind__in=kinds_without("chunks"))
    found = {
        pk: Target(kind, location, None if sealed is None else bytes(sealed))
        for pk, kind, location, sealed in read.order_by("pk").values_list("pk", "kind", "location", "sealed")
    }
    return found, World.objects.exclude(KNOWN).exists()


def _thread(name: str, target: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, name=name, daemon=True)
    thread.start()
    return thread


def _remove(stop: threading.Event) -> None:
    try:
        remove_waiting(stop)
    except Exception:  # the edge of a thread: it is begun again with the next look
        log.exception("a world could not be removed")
        stop.wait(AGAIN_SECONDS)
    finally:
        connections.close_all()
