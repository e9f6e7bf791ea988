"""Hints that ask for one stream: for worlds too large for a look that goes everywhere."""

from __future__ import annotations

from collections.abc import Iterable

_STREAM = "stream"


def stream_place(name: str, since_ms: int) -> str:
    """A stream, from what its writers can have minted at that time on, by their clock."""
    return f"{_STREAM} {max(0, since_ms)} {name}"


def streams_in(hints: Iterable[str]) -> dict[str, int]:
    """The streams among hints, to the earliest time that each is asked from. Other hints are others' affair."""
    found: dict[str, int] = {}
    for hint in hints:
        kind, _, rest = hint.partition(" ")
        since, _, name = rest.partition(" ")
        if kind == _STREAM and name and since.isdecimal():
            found[name] = min(int(since), found.get(name, int(since)))
    return found
