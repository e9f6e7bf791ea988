"""How much a sender may send, and how much may wait to be applied. Counted in this process's memory."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from django.conf import settings
from django.db.models import Count, Sum
from django.db.models.functions import Length

from dashboard.api._batch import MAX_RECORDS
from dashboard.api._refused import Refused
from runs.models import InboxItem

MAX_WAITING = 20_000  # batches of one world, whatever their size
BACKLOG_EVERY = 1.0  # seconds after which the database is asked again how much waits
BACKLOG_RETRY = 5.0


@dataclass(slots=True)
class Bucket:
    """Fills at `rate` a second up to `burst`. A sender may take while there is enough in it."""

    rate: float
    burst: float
    level: float = field(init=False)
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.level, self.at = self.burst, time.monotonic()

    def take(self, count: float) -> float:
        """0 if it was taken, else the seconds until there will be enough."""
        now = time.monotonic()
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if count <= self.level:
            self.level -= count
            return 0.0
        return (count - self.level) / self.rate


@dataclass(slots=True)
class Backlog:
    """What waits in one world's inbox: asked for now and then, and what this process stored since."""

    items: int = 0
    size: int = 0
    asked: float = float("-inf")


_lock = threading.Lock()
_buckets: dict[tuple[str, str], Bucket] = {}  # as many as there are tokens in use, and one for loopback
_backlogs: dict[int, Backlog] = {}


def take_request(sender: str) -> None:
    """Raises Refused with 429."""
    rate = settings.INTAKE_REQUESTS
    _take(("requests", sender), rate, 2 * rate, 1)


def take_records(sender: str, count: int) -> None:
    """Raises Refused with 429. The fullest batch always fits an untouched bucket."""
    rate = settings.INTAKE_RECORDS
    _take(("records", sender), rate, max(2 * rate, MAX_RECORDS), count)


def check_backlog(world_id: int) -> None:
    """Raises Refused with 429 while too much of this world waits to be applied."""
    backlog = _backlogs.setdefault(world_id, Backlog())
    if time.monotonic() - backlog.asked > BACKLOG_EVERY:
        waiting = InboxItem.objects.filter(world_id=world_id, applied_ns=None).order_by()
        found = waiting.aggregate(items=Count("pk"), size=Sum(Length("body")))
        backlog.items, backlog.size = found["items"], found["size"] or 0
        backlog.asked = time.monotonic()
    if backlog.items >= MAX_WAITING or backlog.size >= settings.INTAKE_WAITING_MB * 1e6:
        raise Refused(429, "Too much of this world waits to be applied.", retry_after=BACKLOG_RETRY)


def note_stored(world_id: int, size: int) -> None:
    backlog = _backlogs.setdefault(world_id, Backlog())
    backlog.items += 1  # not exact between threads, and asked for anew every second
    backlog.size += size


def forget_all() -> None:
    """As after a restart."""
    with _lock:
        _buckets.clear()
        _backlogs.clear()


def _take(key: tuple[str, str], rate: float, burst: float, count: float) -> None:
    with _lock:
        bucket = _buckets.get(key)
        if bucket is None or bucket.rate != rate:
            bucket = _buckets[key] = Bucket(rate, burst)
        wait = bucket.take(count)
    if wait:
        raise Refused(429, f"Too many {key[0]} a second: at most {rate:g}.", retry_after=wait)
