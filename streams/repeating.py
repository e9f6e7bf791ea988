"""What counts as a repeat: a chunk that equals the one before it, or that ends a batch that equals the batch before it.

One chunk at a time and without a database; `streams.repeats` counts stored chunks by it. Kept are the hashes of one
batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

BATCH = 64  # chunks of the longest batch that is recognised


class Repeats:
    """Fed with the hashes of payloads; says how many of the last chunks repeat the same number before them."""

    def __init__(self) -> None:
        self._number = -1
        self._window: deque[Hashable] = deque(maxlen=BATCH + 1)
        self._places: dict[Hashable, list[int]] = {}  # hash to the numbers of its chunks in the last batch
        self._runs: dict[int, int] = {}  # distance to how many chunks on end equal the one that far before

    def feed(self, digest: Hashable) -> int:
        """0, or the length of the batch that this chunk ends."""
        self._number += 1
        if len(self._window) > BATCH:
            self._forget(self._window[0])
        self._window.append(digest)
        same = self._places.get(digest)
        if same is None:
            self._places[digest] = [self._number]
            if self._runs:
                self._runs = {}
            return 0
        number, runs = self._number, self._runs
        self._runs = {number - at: runs.get(number - at, 0) + 1 for at in reversed(same)}
        same.append(number)
        return next((far for far, run in self._runs.items() if run % far == 0), 0)

    def last(self, length: int) -> list[Hashable]:
        """The hashes of the last chunks."""
        return list(self._window)[-length:]

    def _forget(self, digest: Hashable) -> None:
        numbers = self._places[digest]
        del numbers[0]
        if not numbers:
            del self._places[digest]
