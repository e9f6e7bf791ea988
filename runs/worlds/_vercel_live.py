"""Following a Vercel project: live reads of open streams say when something arrived, and a paced look says the rest.

A live read has no chunk boundaries, so nothing is taken from it: it only says that there is something to read.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Event as StopEvent
from typing import TypeAlias
from urllib.parse import quote

import httpx

from runs.worlds._vercel_client import Client
from runs.worlds._vercel_read import RUNS
from runs.worlds._vercel_state import State

Hints: TypeAlias = frozenset[str] | None
Key: TypeAlias = tuple[str, str]  # a run's id and a stream's name

HEARD = frozenset(
    {"heard"}
)  # what was heard itself is in the state: who reads everything takes it from there
EARS = 8  # streams that are heard at once
SILENCE_S = 30.0  # a live read in which nothing comes for so long is made again
AGAIN_S = 2.0  # between two live reads of one stream
JOIN_S = 1.0  # for a thread to see that its connection is cut
DEBOUNCE_S = 0.05
LOOK_S, LONGEST_LOOK_S = 1.0, 30.0  # between looks while a run goes on
IDLE_LOOK_S = 5.0
EVERYTHING_S = 60.0
PER_RUN = 3  # requests that a look at a run takes: its streams, the chunks of one, its events
_PATHS = ("/v3/runs/{run}/stream/{name}", "/v2/runs/{run}/stream/{name}", "/v2/stream/{name}")


def follow(client: Client, state: State, stop: StopEvent) -> Iterator[Hints]:
    """As `World.watch`."""
    ears = Ears(client, state)
    try:
        yield from _hints(ears, state, stop)
    finally:
        ears.close()


def _hints(ears: Ears, state: State, stop: StopEvent) -> Iterator[Hints]:
    yield None
    whole = looked = heard = time.monotonic()
    while not stop.is_set():
        ears.keep_listening()
        is_heard = ears.wait(_tick(state))
        now = time.monotonic()
        if state.pacer.paused_s() > 0:
            continue
        if now - whole >= EVERYTHING_S:
            whole = looked = now
            yield None
        elif now - looked >= _look_s(state):
            looked = now
            yield frozenset({RUNS}) | HEARD
        elif is_heard and now - heard >= _live_s(state):
            heard = now
            yield HEARD
        elif is_heard:
            ears.heard.set()  # too soon: it is not forgotten


def _per_request_s(state: State) -> float:
    """So far apart may requests be without ever waiting for the budget."""
    return 80 / state.pacer.budget


def _look_s(state: State) -> float:
    if not state.running:
        return max(IDLE_LOOK_S, 2 * _per_request_s(state))
    cost = 1 + PER_RUN * len(state.running)
    return min(LONGEST_LOOK_S, max(LOOK_S, cost * _per_request_s(state)))


def _live_s(state: State) -> float:
    return max(2 * _per_request_s(state), DEBOUNCE_S)


def _tick(state: State) -> float:
    return min(0.5, _live_s(state))


class Ears:
    """Threads with one live read each."""

    def __init__(self, client: Client, state: State) -> None:
        self._client, self._state = client, state
        self._closed = threading.Event()
        self._threads: dict[Key, threading.Thread] = {}
        self._open: dict[Key, httpx.Response] = {}
        self._since: dict[Key, float] = {}
        self.heard = threading.Event()

    def wait(self, seconds: float) -> bool:
        is_heard = self.heard.wait(seconds)
        if is_heard:
            self._closed.wait(DEBOUNCE_S)
            self.heard.clear()
        return is_heard

    def close(self) -> None:
        """Ends all live reads. To close the connection is not enough: who waits for it would go on waiting."""
        self._closed.set()
        for answer in list(self._open.values()):
            stream = answer.extensions.get("network_stream")
            connection = stream.get_extra_info("socket") if stream is not None else None
            with suppress(OSError):
                if connection is not None:
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads.values():
            thread.join(JOIN_S)

    def keep_listening(self) -> None:
        """Starts what is missing; the newest runs are heard where there are too many."""
        self._threads = {key: thread for key, thread in self._threads.items() if thread.is_alive()}
        wanted = self._state.streams_to_hear()
        self._since = {key: at for key, at in self._since.items() if key in wanted}
        for key in sorted(wanted, reverse=True):
            if len(self._threads) >= EARS:
                return
            is_soon = time.monotonic() - self._since.get(key, float("-inf")) < AGAIN_S
            if key not in self._threads and not is_soon and self._state.pacer.try_take():
                self._since[key] = time.monotonic()
                name = f"hear-{key[1]}"
                thread = threading.Thread(
                    target=self._listen, args=(key, wanted[key]), name=name, daemon=True
                )
                self._threads[key] = thread
                thread.start()

    def _listen(self, key: Key, start: int) -> None:
        """Ends with its stream, or when the server ends it; errors are those of the reader to tell."""
        for number, path in enumerate([self._state.live] if self._state.live else _PATHS):
            if self._closed.is_set() or (number and not self._state.pacer.try_take()):
                return
            try:
                if self._hear(path, key, start):
                    return
            except (httpx.HTTPError, httpx.StreamError, RuntimeError, OSError):
                return  # cut off, silent, or closed by us: it is made again while the stream is open
            finally:
                self._open.pop(key, None)

    def _hear(self, path: str, key: Key, start: int) -> bool:
        """Whether the server has such a path."""
        run_id, name = key
        place = path.format(run=quote(run_id, safe=""), name=quote(name, safe=""))
        with self._client.live(place, {"startIndex": str(start)}, SILENCE_S) as answer:
            self._open[key] = answer
            if self._closed.is_set():
                return True
            if answer.status_code in (404, 405):
                return False
            if answer.status_code == 429:
                self._state.pacer.throttled(
                    answer.headers.get("retry-after", ""),
                    f"{self._client.host} asked for fewer requests (429)",
                )
            if answer.status_code == 200:
                self._state.live = path
                for _piece in answer.iter_raw():
                    if self._closed.is_set():
                        return True
                    self._note(key)
                self._note(key)
            return True

    def _note(self, key: Key) -> None:
        self._state.hurry(f"stream:{key[0]}/{key[1]}")
        self.heard.set()
