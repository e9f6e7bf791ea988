"""When something that comes and goes is told once, and then not until it is calm. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.lib.clock import NS_PER_S

WITHIN_NS = 3600 * NS_PER_S
OPENED = 3  # that often within the time above
CALM_NS = 1800 * NS_PER_S  # so long nothing may change before the next word


def opened_again(flips: Sequence[int], now_ns: int) -> list[int]:
    """The times it was opened, with this one, without those that are long ago."""
    return [*[at for at in flips if at > now_ns - WITHIN_NS][-OPENED:], now_ns]


def is_flapping(flips: Sequence[int]) -> bool:
    return len(flips) >= OPENED
