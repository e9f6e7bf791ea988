"""The embedded default: one process with Daphne in the main thread, a Celery worker and the watchers in threads.

Why it is put together by hand: Daphne must own the signals and its import must come first (it installs the
event loop), and Celery's own program would take both.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger("tailrace.embedded")

WORKERS = 2  # threads: one judging, and one to spare; and for each world
TO_COME = 2  # worlds that may be added while it runs: threads come into being when they are needed
MOST_WORKERS = 16
START_SECONDS = 20
STOP_SECONDS = 15


@dataclass(slots=True)
class Background:
    """The threads beside the web server."""

    stop: threading.Event
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, name: str, target: Callable[..., Any], *args: Any) -> None:
        thread = threading.Thread(target=self._guarded, args=(name, target, *args), name=name, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _guarded(self, name: str, target: Callable[..., Any], *args: Any) -> None:
        try:
            target(*args)
        except Exception:  # the edge of a thread: without this its end would go unseen
            log.exception("%s stopped", name)

    def join(self) -> bool:
        """Whether all came to their end in time."""
        for thread in self.threads:
            thread.join(STOP_SECONDS)
        return not any(thread.is_alive() for thread in self.threads)


def workers_for(worlds: int) -> int:
    """A world whose storage hangs holds the thread that reads it: the others must have one each."""
    return min(MOST_WORKERS, WORKERS + worlds + TO_COME)


def serve(
    host: str, port: int, worlds: int, ready: Callable[[], None], beside: list[Callable[..., Any]]
) -> bool:
    """Serve until a signal comes; returns whether everything came to its end in time.

    `worlds` is how many there are now; which of them are followed is for `dashboard.worlds.watch` to know. `ready` is
    called when the port is open; each of `beside` runs in a thread of its own and gets the stop event.
    """
    from daphne.endpoints import build_endpoint_description_strings
    from daphne.server import Server  # isort: skip - installs twisted's asyncio reactor, so before any other use
    from twisted.internet import reactor

    from dashboard.asgi import application
    from dashboard.celery import stopping
    from dashboard.lib import doorbell

    doorbell.use_loop(reactor._asyncioEventloop)
    background = Background(stopping)
    worker = _start_worker(background, workers_for(worlds))
    background.start("watching", _watch, stopping)
    background.start("sweep", _tick, stopping)
    for extra in beside:
        background.start(extra.__name__, extra, stopping)
    endpoints = build_endpoint_description_strings(host=host, port=port)
    server = Server(
        application=application, endpoints=endpoints, signal_handlers=True, application_close_timeout=2,
        websocket_timeout=-1, verbosity=0, ready_callable=ready, server_name="tailrace",
    )  # fmt: skip
    server.run()
    stopping.set()
    _stop_worker(worker)
    return background.join()


def _start_worker(background: Background, threads: int) -> Any:
    """Celery's WorkController without its program: no signal handlers, no banner."""
    from celery.worker import WorkController

    from dashboard.celery import app

    ready = threading.Event()

    class Embedded(WorkController):  # type: ignore[misc]
        def on_consumer_ready(self, consumer: Any) -> None:
            ready.set()

    worker = Embedded(
        app=app, pool_cls="threads", concurrency=threads, hostname="embedded@localhost", loglevel="WARNING",
        without_gossip=True, without_mingle=True, without_heartbeat=True, task_events=False,
    )  # fmt: skip
    background.start("celery", worker.start)
    if not ready.wait(START_SECONDS):
        raise RuntimeError("the embedded worker did not start")
    return worker


def _stop_worker(_worker: Any) -> None:
    """A warm shutdown: tasks under way look at the stop event and end after their batch."""
    from celery.worker import state

    state.should_stop = os.EX_OK


def _watch(stop: threading.Event) -> None:
    from dashboard.celery import pull
    from dashboard.worlds.watch import Watching

    Watching(stop, pull.delay).run()


def _tick(stop: threading.Event) -> None:
    from django.conf import settings

    from dashboard.celery import sweep

    while not stop.wait(settings.SWEEP_SECONDS):
        sweep.delay()
