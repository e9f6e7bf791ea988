"""When to look at a PostgreSQL world: as soon as a chunk is told of, often while something happens, seldom else.

The listener has a thread and a connection of its own, so that what it hears has the time at which it was heard
even while a look is under way.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event as StopEvent
from typing import TypeAlias
from uuid import uuid4

import psycopg

from dashboard.lib.clock import now_ns
from runs.observations import ChunkTold
from runs.worlds._local_look import usable_id
from runs.worlds._postgres_beside import Beside, beside_of
from runs.worlds._postgres_link import Link, error_of
from runs.worlds._postgres_look import OLDER, RECENT, STREAMS
from runs.worlds._postgres_sql import quoted
from runs.worlds.base import WorldError

log = logging.getLogger(__name__)

Hints: TypeAlias = frozenset[str] | None

CHANNEL, QUEUE = "workflow_event_chunk", "jobs:insert"
GATHER_S = 0.015  # what is told within this is read by one statement
SWEEP_S = 30.0
RECENT_S = (0.25, 2.0)  # between looks for events: while something happens, and else
STREAMS_S = (5.0, 15.0)  # between looks at streams that are told of
POLLED_STREAMS_S = (0.4, 2.0)  # the same where nobody tells
OLDER_S = 1.0
TICK_S = 0.2  # how soon a stop is noticed
RETRY_S, LONGEST_RETRY_S = 0.5, 10.0
NO_LISTENER_S = 60.0  # before LISTEN is tried again where it cannot work
NOTE_MAX = 2_000  # characters of a note


def follow(location: str, secret: str, stop: StopEvent) -> Iterator[Hints]:
    """As `World.watch`."""
    beside = beside_of(location)
    with _listener(location, secret, beside, stop):
        pace = _Pace(beside)
        yield None
        while not stop.is_set():
            if beside.woken.wait(TICK_S):
                stop.wait(GATHER_S)
                beside.woken.clear()
            if beside.failures:
                if _waited_out(beside, stop):
                    yield None
                continue
            if beside.notes or pace.is_due():
                yield pace.hints()


def _waited_out(beside: Beside, stop: StopEvent) -> bool:
    """Whether it is time to try again, after looks that failed. Not exactly, so that not all come back at once."""
    longest = min(LONGEST_RETRY_S, RETRY_S * 2 ** min(beside.failures, 10))
    return not stop.wait(longest * random.uniform(0.5, 1.0))


class _Pace:
    """Which looks are due."""

    def __init__(self, beside: Beside) -> None:
        now = time.monotonic()
        self._beside = beside
        self._last = {None: now, RECENT: now, STREAMS: now, OLDER: now}
        self._listened = beside.sessions

    def _every(self, look: str | None) -> float:
        at = 0 if self._beside.is_lively else 1
        streams = STREAMS_S if self._beside.is_listening else POLLED_STREAMS_S
        every = {None: SWEEP_S, RECENT: RECENT_S[at], STREAMS: streams[at], OLDER: OLDER_S}[look]
        return every * self._beside.back_off

    def _due(self) -> list[str | None]:
        now = time.monotonic()
        due = [look for look, at in self._last.items() if now - at >= self._every(look)]
        if not self._beside.is_behind and OLDER in due:
            due.remove(OLDER)
        if self._beside.queued:
            due.append(RECENT)
        if self._listened != self._beside.sessions:  # what was told between two sessions was missed
            due.append(None)
        return due

    def is_due(self) -> bool:
        return bool(self._due())

    def hints(self) -> Hints:
        due = self._due()
        self._beside.queued = False
        self._listened = self._beside.sessions
        for look in self._last if None in due else due:
            self._last[look] = time.monotonic()
        return None if None in due else frozenset(look for look in due if look is not None)


@contextmanager
def _listener(location: str, secret: str, beside: Beside, stop: StopEvent) -> Iterator[None]:
    ended = threading.Event()
    thread = threading.Thread(
        target=_listen_until,
        args=(location, secret, beside, stop, ended),
        name="postgres-listener",
        daemon=True,
    )
    beside.watchers += 1
    thread.start()
    try:
        yield
    finally:
        ended.set()
        beside.watchers -= 1
        thread.join(TICK_S * 2)  # one that waits for a dead host ends by itself


def _listen_until(
    location: str, secret: str, beside: Beside, stop: StopEvent, ended: threading.Event
) -> None:
    tries = 0
    while not stop.is_set() and not ended.is_set():
        link = Link(location, secret)
        try:
            _listen(link, beside, stop, ended)
            tries = 0
        except (psycopg.Error, WorldError) as error:
            said = error_of(error, secret) if isinstance(error, psycopg.Error) else error
            tries = 0 if beside.is_listening else tries + 1
            beside.is_listening, beside.why_not = False, str(said)
            pause = (
                NO_LISTENER_S
                if isinstance(error, Unheard)
                else min(LONGEST_RETRY_S, RETRY_S * 2 ** min(tries, 10))
            )
            ended.wait(pause * random.uniform(0.5, 1.0))
        finally:
            beside.is_listening = False
            link.close()


class Unheard(WorldError):
    """A connection on which nothing will ever be heard."""


def _listen(link: Link, beside: Beside, stop: StopEvent, ended: threading.Event) -> None:
    """One session. Raises psycopg's errors and WorldError."""
    connection = link.connection()
    if link.is_pooled:
        raise Unheard("a pooler is in between, which gives us no session of our own")
    standby = connection.execute(b"SELECT pg_is_in_recovery()").fetchone()
    if standby is not None and standby[0]:
        raise Unheard("this is a standby, which passes no notifications on")
    for channel in (CHANNEL, QUEUE):
        connection.execute(f"LISTEN {quoted(channel)}".encode())
    session, place = uuid4().hex, 0
    beside.is_listening, beside.why_not = True, ""
    beside.sessions += 1
    beside.woken.set()
    while not stop.is_set() and not ended.is_set():
        for note in connection.notifies(timeout=TICK_S * 2):
            if note.channel == QUEUE:
                beside.queued = True
                beside.woken.set()
            elif (told := told_by(note.payload, session, place)) is not None:
                place += 1
                beside.tell(told)
            if stop.is_set() or ended.is_set():
                return


def told_by(payload: str, session: str, place: int) -> ChunkTold | None:
    """What a note says, None where it says nothing that the SDK would: anyone may send notes."""
    try:
        said = json.loads(payload) if len(payload) <= NOTE_MAX else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    stream, chunk_id = said.get("streamId"), said.get("chunkId")
    if not isinstance(stream, str) or not isinstance(chunk_id, str):
        return None
    if not usable_id(stream) or not usable_id(chunk_id):
        return None
    return ChunkTold(stream, chunk_id, place, now_ns(), session)
