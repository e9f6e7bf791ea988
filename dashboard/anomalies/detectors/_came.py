"""The order in which a database got the chunks, against the order of their ids, which their writers made."""

from __future__ import annotations

from dashboard.anomalies.detectors.base import ChunkRef
from dashboard.lib.clock import NS_PER_MS
from streams.facts import ChunkFact

TELLS_WHEN = frozenset({"postgres"})  # kinds of worlds whose own time of a chunk is one server's clock
NEAR_NS = NS_PER_MS  # within one millisecond, statements on two connections cross by chance
APART_NS = 500 * NS_PER_MS  # longer than writes of one process wait for a connection: those are two clocks
NAMED = 1000


class CameOrder:
    """Fed in reading order."""

    def __init__(self) -> None:
        self.behind = 0
        self.longest_ns = 0
        self.refs: list[ChunkRef] = []
        self._latest_ns = 0
        self._took: tuple[int, int] | None = None  # the shortest and the longest, from made to stored

    def feed(self, chunk: ChunkFact) -> None:
        if chunk.minted_ms is not None:
            took = chunk.stored_ns - chunk.minted_ms * NS_PER_MS
            low, high = self._took or (took, took)
            self._took = min(low, took), max(high, took)
        late_ns = self._latest_ns - chunk.stored_ns
        if late_ns <= 0:
            self._latest_ns = chunk.stored_ns
        elif late_ns > NEAR_NS and not chunk.is_close:
            self.behind += 1
            self.longest_ns = max(self.longest_ns, late_ns)
            if len(self.refs) < NAMED:
                self.refs.append(ChunkRef(chunk.chunk_id, chunk.position, chunk.arrival))

    @property
    def apart_ns(self) -> int:
        """How much the clocks of writers differ at the most, or how long one waited; never less than what was seen."""
        low, high = self._took or (0, 0)
        return max(high - low, self.longest_ns)
