"""What the task `alert` does: route what is committed, then see that what is due goes out."""

from __future__ import annotations

import threading

from dashboard.alerts import bell, claim, deliver, testing
from dashboard.alerts.route import route

PAUSE_S = 0.1  # what is committed shortly after the first finding of many is routed with it


def work(stop: threading.Event) -> None:
    """Called by the bell, and by every sweep: retries, digests, absences and reports come due by time alone."""
    stop.wait(PAUSE_S)
    bell.begun()
    route(stop, told=lambda: deliver.start(stop))
    deliver.start(stop)
    testing.give_up()


def release_all() -> None:
    """For the one process that owns its database, at its start."""
    claim.release_all()
    deliver.release_claims()
