"""Following a local world: notifications of the file system, and a slow sweep because they can be lost."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from threading import Event as StopEvent
from typing import TypeAlias

import watchfiles

from runs.worlds._local_files import printable

log = logging.getLogger(__name__)

Hints: TypeAlias = frozenset[str] | None

DEBOUNCE_MS = 50  # the longest that changes are gathered while more keep coming
STEP_MS = 10  # so long must it be quiet for them to be handed on at once
TICK_MS = 100  # how often the directory itself is looked at
SWEEP_S = 5.0  # between looks at everything, at the least
SWEEP_SHARE = 0.02  # of the time at the most: while everything is looked at, what is written waits
LONGEST_SWEEP_S = 60.0
POLL_S = 1.0  # between sweeps while there are no notifications
POLLS = 60  # of them before notifications are tried again
ABSENT_S = 0.25


_took: dict[str, float] = {}  # seconds of the last look at everything, by real path


def took(root: str, seconds: float) -> None:
    """Says how long it takes to look at all of a world, which depends on how many files it has."""
    _took[root] = seconds


def _pause(root: str) -> float:
    return max(SWEEP_S, min(LONGEST_SWEEP_S, _took.get(root, 0.0) / SWEEP_SHARE))


def follow(location: str, stop: StopEvent) -> Iterator[Hints]:
    """As `World.watch`. The first None is for the state before, the next as soon as notifications are on."""
    yield None
    while not stop.is_set():
        identity = identity_of(location)
        if identity is None:
            stop.wait(ABSENT_S)
            continue
        try:
            yield from _notified(location, identity, stop)
        except (OSError, RuntimeError) as error:
            # No watches left (inotify's limits), a folder without permission, or a file name that is no
            # UTF-8: watchfiles gives up on the whole directory for each of them.
            log.warning("no notifications from %s (%s): looking every second", printable(location), error)
            yield from _polled(location, identity, stop)
        if not stop.is_set():
            yield None


def identity_of(location: str) -> tuple[int, int] | None:
    """Which directory it is, None while there is none: one of the same name may take its place."""
    try:
        status = os.stat(os.path.join(location, "."))
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _notified(location: str, identity: tuple[int, int], stop: StopEvent) -> Iterator[Hints]:
    """Until `stop`, or until the directory is another one."""
    root = os.path.realpath(location)
    swept, fresh = -math.inf, frozenset[str]()
    changes = watchfiles.watch(
        root,
        watch_filter=None,
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        rust_timeout=TICK_MS,
        yield_on_timeout=True,
        stop_event=stop,
    )
    with closing(changes):
        for batch in changes:
            if identity_of(location) != identity:
                return
            hints = hints_of(root, batch)
            if time.monotonic() - swept >= _pause(root):
                swept = time.monotonic()
                yield None
            elif hints or fresh:
                yield hints | fresh
            # Files that are made in a new folder before it is watched go unreported: look into it once more.
            fresh = frozenset(filter(os.path.isdir, hints))


def hints_of(root: str, changes: Iterable[tuple[watchfiles.Change, str]]) -> frozenset[str]:
    """The changed paths that can hold something: no temporary names, no locks of the SDK."""
    start = len(root.rstrip("/")) + 1
    paths = (path for _, path in changes)
    return frozenset(
        path for path in paths if ".tmp." not in path[start:] and not path.startswith(".locks", start)
    )


def _polled(location: str, identity: tuple[int, int], stop: StopEvent) -> Iterator[Hints]:
    for _ in range(POLLS):
        stop.wait(POLL_S)
        if stop.is_set() or identity_of(location) != identity:
            return
        yield None
