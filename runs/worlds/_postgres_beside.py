"""What the watcher and the reader of one PostgreSQL world know together.

They are different instances in different threads, each with its own connection: what the listener heard has to
reach the reader in the order in which it was heard, and what the reader found decides how soon the watcher asks
for the next look.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field

from runs.observations import ChunkTold

NOTES_KEPT = (
    100_000  # heard and not stored yet: beyond, the oldest are dropped, which costs evidence, no chunk
)
LIVELY_S = 3.0  # so long after something happened more is expected at once
SLOW_S = 0.5  # a statement that takes longer says that the database has other work
LONGEST_BACK_OFF = 4.0  # times: a world must not look forgotten, or others are sent to read it


@dataclass(slots=True)
class Beside:
    """One per location in a process."""

    notes: deque[ChunkTold] = field(default_factory=lambda: deque(maxlen=NOTES_KEPT))
    woken: threading.Event = field(default_factory=threading.Event)
    watchers: int = 0
    is_listening: bool = False
    why_not: str = ""  # why there is no listener
    dropped: int = 0  # notes that were lost before they were stored
    is_behind: bool = False  # older runs are still to be read
    lively_until: float = 0.0
    back_off: float = 1.0  # how many times as long as usual is waited between looks
    told_total: int = 0
    sessions: int = 0  # of the listener: each begins deaf to what was told before
    queued: bool = False  # the queue of jobs moved
    failures: int = 0  # looks in a row that failed

    def tell(self, note: ChunkTold) -> None:
        self.dropped += len(self.notes) == NOTES_KEPT
        self.notes.append(note)
        self.told_total += 1
        self.woken.set()

    def something_happened(self) -> None:
        self.lively_until = time.monotonic() + LIVELY_S

    @property
    def is_lively(self) -> bool:
        return time.monotonic() < self.lively_until

    def worked(self, slowest_s: float) -> None:
        """A look came to its end; how long its slowest statement took says how patient to be."""
        self.failures = 0
        if slowest_s > SLOW_S:
            self.back_off = min(LONGEST_BACK_OFF, self.back_off * 2)
        else:
            self.back_off = max(1.0, self.back_off / 2)

    def failed(self) -> None:
        self.failures += 1


_known: dict[str, Beside] = {}
_lock = threading.Lock()


def beside_of(location: str) -> Beside:
    with _lock:
        return _known.setdefault(location, Beside())
