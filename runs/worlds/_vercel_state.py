"""What this process knows of a project, shared by the adapter that reads it and the one that watches it.

It only saves requests: what has been recorded is told by `Seen` alone, and a place to go on from is used only where
`Seen` has what lies before it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from runs.observations import StreamSeen, WaitSeen
from runs.worlds._vercel_pacing import Pacer
from runs.worlds._vercel_place import Target
from runs.worlds.base import Seen

NOTES_MAX = 5_000  # runs


@dataclass(slots=True)
class StreamNote:
    """`cursor` gives the page whose first chunk has the index `start`."""

    cursor: str = ""
    start: int = 0
    is_done: bool = False
    limit: int = 0  # chunks in a page, where fewer than usual fit; 0: as usual


@dataclass(slots=True)
class RunNote:
    deployment: str = ""
    events_cursor: str = ""
    events_until: str = ""  # the last event before the cursor
    waits: dict[str, WaitSeen] = field(default_factory=dict)
    has_steps: bool = False  # all that its events spoke of so far
    streams: dict[str, StreamNote] = field(default_factory=dict)


@dataclass(slots=True)
class Said:
    """What was said of runs that go on, by whom it was said in, and recorded: it is not said at each look.

    It belongs to one seen-set. `lists`: streams of a run's list; `streams`: what each run said of streams.
    """

    seen: Seen
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    streams: dict[str, set[StreamSeen]] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    """`open`: streams that may grow, with the number of chunks known. `running`: runs that have not ended."""

    pacer: Pacer
    token: str = ""
    api: str = ""  # the version of the lists of events that this server answered
    live: str = ""  # the path by which a stream was heard
    is_encrypted: bool | None = None
    backlog: int = 0  # runs that are known to be there and not read yet
    runs: dict[str, RunNote] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)  # of streams whose names do not tell their run
    open: dict[tuple[str, str], int] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)  # runs that went on when they were recorded, and are no more
    said: Said = field(default_factory=lambda: Said(Seen()))
    _urgent: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, run_id: str) -> RunNote:
        with self._lock:
            known = self.runs.setdefault(run_id, RunNote())
            while len(self.runs) > NOTES_MAX:
                del self.runs[next(iter(self.runs))]
            return known

    def said_to(self, seen: Seen) -> Said:
        """Who asks with another seen-set has been told nothing."""
        with self._lock:
            if self.said.seen is not seen:
                self.said = Said(seen)
            return self.said

    def hurry(self, hint: str) -> None:
        """A watcher heard something: whoever is reading everything looks at this first."""
        with self._lock:
            self._urgent.add(hint)

    def take_urgent(self) -> frozenset[str]:
        with self._lock:
            found = frozenset(self._urgent)
            self._urgent.clear()
            return found

    def streams_to_hear(self) -> dict[tuple[str, str], int]:
        with self._lock:
            return dict(self.open)

    def set_open(self, run_id: str, name: str, count: int | None) -> None:
        """`count` chunks of a stream that may grow; None: it will not."""
        with self._lock:
            if count is None:
                self.open.pop((run_id, name), None)
            else:
                self.open[run_id, name] = count

    def drop(self, run_id: str) -> None:
        with self._lock:
            self.runs.pop(run_id, None)

    def alive(self, run_id: str) -> None:
        with self._lock:
            self.running.add(run_id)

    def over(self, run_id: str) -> None:
        """Nothing more will come of it."""
        with self._lock:
            self.running.discard(run_id)
            for key in [key for key in self.open if key[0] == run_id]:
                del self.open[key]


_states: dict[str, State] = {}
_lock = threading.Lock()


def state_of(target: Target, token: str) -> State:
    """The one of this project; the newest token is the one that counts."""
    with _lock:
        state = _states.setdefault(target.location, State(Pacer(target.budget)))
        state.token = token or state.token
        return state


def forget() -> None:
    with _lock:
        _states.clear()
