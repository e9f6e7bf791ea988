"""Stored order against the order that was meant."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence


def moved_by_sequence(sequences: Sequence[int | None]) -> set[int]:
    """Indexes outside a longest non-decreasing subsequence; unknown sequence numbers take no part."""
    ends: list[int] = []  # lowest last number of a subsequence of each length
    ends_at: list[int] = []
    before: dict[int, int] = {}
    for index, number in enumerate(sequences):
        if number is None:
            continue
        length = bisect_right(ends, number)
        before[index] = ends_at[length - 1] if length else -1
        ends[length : length + 1] = [number]
        ends_at[length : length + 1] = [index]
    kept, at = set(), ends_at[-1] if ends_at else -1
    while at >= 0:
        kept.add(at)
        at = before[at]
    return before.keys() - kept
