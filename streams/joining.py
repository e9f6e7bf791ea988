"""Which stored chunk a reported write became. Pure.

A chunk's id was minted in the process that wrote it, while the world was being called: so its time lies within
the call, by one and the same clock. Together with the bytes' hash that tells them apart; equal bytes written
at the same time are told apart by the writer's order, in favour of the order in which they are stored.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from dashboard.lib.clock import NS_PER_MS, NS_PER_S

Key = tuple[bool, bytes]  # end marker or not, the first 8 bytes of the hash
CLOSE_KEY: Key = (True, b"")
SLACK_NS = 5 * NS_PER_MS  # ids know milliseconds only, and a call is timed just outside of it
WIDE_SLACK_NS = 2 * NS_PER_S  # a clock that was set while the call was under way
OPEN_NS = 120 * NS_PER_S  # how long a call that never came back may have gone on
_DIGEST = 8


class Tried(NamedTuple):
    """A write without a chunk so far. `from_ns` and `to_ns` (None: never came back) are the process's clock."""

    pk: int
    key: Key
    is_acknowledged: bool
    from_ns: int
    to_ns: int | None
    order: tuple[int, int, int]  # the writer's order, else the order of calls


class Stored(NamedTuple):
    """A chunk without a write so far, and its id's time by the writer's clock, if it has one."""

    arrival: int
    chunk_id: str
    key: Key
    minted_ns: int | None


def key_of(is_close: bool, digest: bytes | None) -> Key:
    return CLOSE_KEY if is_close else (False, (digest or b"")[:_DIGEST])


def match(writes: Iterable[Tried], chunks: Iterable[Stored]) -> dict[int, Stored]:
    """Primary key of a write to the chunk it became. Acknowledged writes come first, then all others."""
    by_key: defaultdict[Key, tuple[list[Tried], list[Stored]]] = defaultdict(lambda: ([], []))
    for write in writes:
        by_key[write.key][0].append(write)
    for chunk in chunks:
        if chunk.key in by_key:
            by_key[chunk.key][1].append(chunk)
    matched: dict[int, Stored] = {}
    for some_writes, some_chunks in by_key.values():
        matched |= _match_equal(some_writes, some_chunks)
    return matched


def match_by_time(writes: Iterable[Tried], chunks: Iterable[Stored]) -> dict[int, Stored]:
    """For what no hash could match: a chunk minted while the call was under way, its bytes stored otherwise.

    Only for writes whose chunk should be there by now, and chunks whose write should have been reported.
    """
    timed = [one for one in chunks if one.minted_ns is not None]
    found: dict[int, Stored] = {}
    for is_close in (False, True):
        some = [one for one in writes if one.key[0] is is_close]
        alike = [one for one in timed if one.key[0] is is_close]
        found |= _untangled(some, _assign(some, alike, SLACK_NS), SLACK_NS)
    return found


def _match_equal(writes: list[Tried], chunks: list[Stored]) -> dict[int, Stored]:
    """Among writes and chunks with the same bytes."""
    found: dict[int, Stored] = {}
    for slack_ns in (SLACK_NS, WIDE_SLACK_NS):
        for acknowledged in (True, False):
            taken = {chunk.arrival for chunk in found.values()}
            free = [one for one in chunks if one.arrival not in taken]
            open_writes = [
                one for one in writes if one.pk not in found and one.is_acknowledged is acknowledged
            ]
            found |= _assign(open_writes, free, slack_ns)
    return _untangled(writes, found, SLACK_NS)


def _assign(writes: list[Tried], chunks: list[Stored], slack_ns: int) -> dict[int, Stored]:
    """As many pairs as there can be: each chunk takes, of the calls under way at its time, the first to end."""
    timed = sorted(
        (one for one in chunks if one.minted_ns is not None), key=lambda one: (one.minted_ns, one.chunk_id)
    )
    found = dict(_sweep(sorted(writes, key=lambda one: one.from_ns), timed, slack_ns))
    untimed = sorted((one for one in chunks if one.minted_ns is None), key=lambda one: one.chunk_id)
    rest = sorted((one for one in writes if one.pk not in found), key=lambda one: one.order)
    return found | {write.pk: chunk for write, chunk in zip(rest, untimed, strict=False)}


def _sweep(writes: Sequence[Tried], chunks: Sequence[Stored], slack_ns: int) -> Iterator[tuple[int, Stored]]:
    under_way: list[tuple[int, tuple[int, int, int], int]] = []
    started = 0
    for chunk in chunks:
        at_ns = chunk.minted_ns or 0
        while started < len(writes) and writes[started].from_ns - slack_ns <= at_ns:
            write = writes[started]
            heapq.heappush(under_way, (_end(write) + slack_ns, write.order, write.pk))
            started += 1
        while under_way and under_way[0][0] < at_ns:
            heapq.heappop(under_way)
        if under_way:
            yield heapq.heappop(under_way)[2], chunk


def _end(write: Tried) -> int:
    return write.from_ns + OPEN_NS if write.to_ns is None else write.to_ns


def _untangled(writes: list[Tried], found: dict[int, Stored], slack_ns: int) -> dict[int, Stored]:
    """Swap equal chunks between two writes where both fit and the stored order is the writer's then."""
    pairs = sorted(
        ((one, found[one.pk]) for one in writes if one.pk in found), key=lambda pair: pair[0].order
    )
    swapped = len(pairs) > 1
    while swapped:
        swapped = False
        for at in range(len(pairs) - 1):
            (first, its), (second, other) = pairs[at], pairs[at + 1]
            if (
                its.chunk_id > other.chunk_id
                and _fits(first, other, slack_ns)
                and _fits(second, its, slack_ns)
            ):
                pairs[at], pairs[at + 1] = (first, other), (second, its)
                swapped = True
    return {write.pk: chunk for write, chunk in pairs}


def _fits(write: Tried, chunk: Stored, slack_ns: int) -> bool:
    if chunk.minted_ns is None:
        return True
    return write.from_ns - slack_ns <= chunk.minted_ns <= _end(write) + slack_ns
