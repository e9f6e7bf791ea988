"""Spans of time and lists, as sentences write them."""

from __future__ import annotations

from collections.abc import Sequence

UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
NAMED = 4  # of a list, before the rest is counted


def span_parts(seconds: int) -> tuple[int, str]:
    """In the largest unit of which it is a whole number: (90, "minutes")."""
    for unit, length in reversed(UNITS.items()):
        if seconds and seconds % length == 0:
            return seconds // length, unit
    return seconds, "seconds"


def span(seconds: int) -> str:
    """`1 hour`, `90 minutes`."""
    number, unit = span_parts(seconds)
    return f"{number:,} {unit.removesuffix('s') if number == 1 else unit}"


def listed(words: Sequence[str], joint: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; of many the first, and how many more."""
    if len(words) > NAMED + 1:
        words = [*words[:NAMED], f"{len(words) - NAMED} more"]
    return f" {joint} ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
