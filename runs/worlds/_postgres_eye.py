"""What is kept an eye on of a PostgreSQL world while it is read, and ids as bounds of a time."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dashboard.lib.clock import NS_PER_MS, now_ns
from dashboard.lib.ulid import shift_ulid, ulid_ms
from runs.observations import ChunkSeen, EventSeen, Observation, RunSeen
from runs.worlds.base import TERMINAL

OVERLAP_MS = 60_000  # the overlap of every few seconds
LONGEST_OVERLAP_MS = 900_000
ENDED_LOOKS_S = (2.0, 30.0, 300.0)  # after a run's end: late chunks come behind it
CHANGED_LOOK_S = 1.0  # after an event: a row may be written behind the event that speaks of it
FRESH_MS = 600_000  # what ended less long ago than this when we started is looked at again
OPEN_MOST = 5_000  # runs and streams that are kept an eye on
STREAM_IDLE_S = 120.0  # without a new chunk: such a stream is left to the looks at its run
TOP = "zzzzzzzz"  # above every id of a run, in every collation
ZERO_ULID = "0" * 26


@dataclass(slots=True)
class Eye:
    """What is being watched: kept as long as the instance, bounded, and rebuilt from the world after a start."""

    open_runs: dict[str, float] = field(default_factory=dict)  # to when it was last read as a whole
    streams: dict[str, tuple[str, float]] = field(
        default_factory=dict
    )  # written to: highest id, when it came
    due: list[tuple[float, str]] = field(default_factory=list)  # heap of looks at whole runs
    soon: set[str] = field(default_factory=set)  # runs of which the next of these is near
    ended: set[str] = field(default_factory=set)  # a short while ago
    whole: set[str] = field(default_factory=set)  # read as a whole at least once
    looked_at: float = 0.0  # for events
    wide_at: float = 0.0  # with the wide overlap
    overlap_ms: int = OVERLAP_MS
    full_look_ns: int = 0  # by our clock, which goes on while a machine sleeps
    older_than: str | None = TOP  # runs below this id have not been read; None: all have

    def begin_look(self) -> None:
        """After a long time without a look (it was paused, the machine slept) all is walked through again."""
        now = now_ns()
        if self.full_look_ns and now - self.full_look_ns > LONGEST_OVERLAP_MS * NS_PER_MS:
            self.older_than = TOP
            self.whole.clear()
            self.ended.clear()
        self.full_look_ns = now

    def later(self, run_id: str, seconds: float) -> None:
        if len(self.due) < OPEN_MOST * 4:
            heapq.heappush(self.due, (time.monotonic() + seconds, run_id))

    def changed(self, run_id: str) -> None:
        """Something happened to a run: it is looked at once more in a moment, however much happens till then."""
        if run_id not in self.soon:
            self.soon.add(run_id)
            self.later(run_id, CHANGED_LOOK_S)

    def read_whole(self, runs: Sequence[str]) -> None:
        if len(self.whole) > OPEN_MOST * 4:
            self.whole.clear()
        self.whole.update(runs)
        self.open_runs |= {run: time.monotonic() for run in runs if run in self.open_runs}

    def learn_overlap(self, late: Iterable[EventSeen]) -> None:
        """Events that the overlap has missed, found by a look at their run: it has to reach farther back."""
        now_ms = now_ns() // NS_PER_MS
        for event in late:
            age_ms = now_ms - (ulid_ms(event.event_id) or now_ms)
            if age_ms > self.overlap_ms:
                self.overlap_ms = min(LONGEST_OVERLAP_MS, 2 * age_ms)

    def take_due(self) -> list[str]:
        taken: dict[str, None] = {}
        now = time.monotonic()
        while self.due and self.due[0][0] <= now:
            taken[heapq.heappop(self.due)[1]] = None
        self.soon.difference_update(taken)
        return list(taken)

    def note(self, batch: Sequence[Observation]) -> None:
        """What has just been read says what to watch."""
        now = time.monotonic()
        for one in batch:
            if isinstance(one, ChunkSeen):
                highest, _ = self.streams.pop(one.stream, ("", 0.0))
                self.streams[one.stream] = (max(one.chunk_id, highest), now)
            elif isinstance(one, RunSeen):
                self._run(one)
        while len(self.streams) > OPEN_MOST:
            self.streams.pop(next(iter(self.streams)))
        while len(self.open_runs) > OPEN_MOST:
            self.open_runs.pop(next(iter(self.open_runs)))

    def _run(self, run: RunSeen) -> None:
        if run.status not in TERMINAL:
            self.open_runs.setdefault(run.run_id, time.monotonic())
            return
        self.open_runs.pop(run.run_id, None)
        if (
            run.run_id not in self.ended
            and (run.completed_ns or run.source_ns) > now_ns() - FRESH_MS * NS_PER_MS
        ):
            self.ended.add(run.run_id)
            for seconds in ENDED_LOOKS_S:
                self.later(run.run_id, seconds)
        if len(self.ended) > OPEN_MOST * 4:
            self.ended.clear()

    def lively_streams(self) -> dict[str, str]:
        """To the highest id known of each."""
        since = time.monotonic() - STREAM_IDLE_S
        return {name: highest for name, (highest, at) in self.streams.items() if at > since}


def floor(prefix: str, milliseconds: int) -> str:
    """The lowest id that can have been made at a time."""
    return prefix + shift_ulid(ZERO_ULID, max(0, milliseconds))


def below(chunk_id: str, milliseconds: int) -> str:
    """The lowest id that can have been made so long before this one; "" where the id holds no time."""
    minted = ulid_ms(chunk_id)
    return floor(chunk_id[:-26], minted - milliseconds) if minted is not None else ""
