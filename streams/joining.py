"""Which stored chunk a reported write became. Pure: the same writes and chunks give the same answer in any order.

A chunk's id was minted in the process that wrote it, while the world was being called: so its time lies within
the call, by one and the same clock. Together with the bytes' hash that tells them apart; equal bytes written
at the same time are told apart by the writer's order, in favour of the order in which they are stored.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from dashboard.lib.clock import NS_PER_MS, NS_PER_S

Key = tuple[bool, bytes]  # end marker or not, the first 8 bytes of the hash
CLOSE_KEY: Key = (True, b"")
SLACK_NS = 5 * NS_PER_MS  # ids know milliseconds only, and a call is timed just outside of it
WIDE_SLACK_NS = 2 * NS_PER_S  # a clock that was set while the call was under way
OPEN_NS = 120 * NS_PER_S  # how long a call that never came back may have gone on
CHAINED = 10_000  # writes times chunks, up to which the best order is searched for
NEIGHBOURS, PASSES = 50, 10
_DIGEST = 8


class Tried(NamedTuple):
    """A write that can have become a chunk. `from_ns` and `to_ns` (None: never came back) are the process's clock."""

    pk: int
    key: Key
    is_acknowledged: bool
    from_ns: int
    to_ns: int | None
    order: tuple[int, int, int]  # the writer's order, else the order of calls
    scope: str  # within which `order` counts: across two of them it says nothing


class Stored(NamedTuple):
    """A chunk, and its id's time by the writer's clock, if it has one."""

    arrival: int
    chunk_id: str
    key: Key
    minted_ns: int | None


def key_of(is_close: bool, digest: bytes | None) -> Key:
    return CLOSE_KEY if is_close else (False, (digest or b"")[:_DIGEST])


def match(writes: Iterable[Tried], chunks: Iterable[Stored]) -> dict[int, Stored]:
    """Primary key of a write to the chunk it became. Acknowledged writes come first, then all others."""
    matched: dict[int, Stored] = {}
    for some_writes, some_chunks in _by_key(writes, chunks):
        matched |= _match_equal(some_writes, some_chunks)
    return matched


def _by_key(writes: Iterable[Tried], chunks: Iterable[Stored]) -> Iterable[tuple[list[Tried], list[Stored]]]:
    by_key: defaultdict[Key, tuple[list[Tried], list[Stored]]] = defaultdict(lambda: ([], []))
    for write in writes:
        by_key[write.key][0].append(write)
    for chunk in chunks:
        if chunk.key in by_key:
            by_key[chunk.key][1].append(chunk)
    return by_key.values()


def match_by_time(writes: Iterable[Tried], chunks: Iterable[Stored]) -> dict[int, Stored]:
    """For what no hash could match: a chunk minted while the call was under way, its bytes stored otherwise.

    Only for writes whose chunk should be there by now, and chunks whose write should have been reported. Keys say
    what is alike all the same, the size or nothing.
    """
    timed = [one for one in chunks if one.minted_ns is not None]
    found: dict[int, Stored] = {}
    for some_writes, some_chunks in _by_key(writes, timed):
        found |= _assign(some_writes, some_chunks, SLACK_NS)
    return found


def _match_equal(writes: list[Tried], chunks: list[Stored]) -> dict[int, Stored]:
    """Among writes and chunks with the same bytes."""
    found: dict[int, Stored] = {}
    for slack_ns in (SLACK_NS, WIDE_SLACK_NS):
        for acknowledged in (True, False):
            taken = {chunk.arrival for chunk in found.values()}
            free = [one for one in chunks if one.arrival not in taken]
            waiting = [one for one in writes if one.pk not in found and one.is_acknowledged is acknowledged]
            found |= _assign(waiting, free, slack_ns)
    return found if _is_in_order(writes, found) else _untangled(_calls(writes, SLACK_NS), found)


def _assign(writes: list[Tried], chunks: list[Stored], slack_ns: int) -> dict[int, Stored]:
    """As many pairs as there can be, by time where a chunk has one; then the rest in the writers' order."""
    timed = [one for one in chunks if one.minted_ns is not None]
    found = _timed(writes, timed, slack_ns) if writes and timed else {}
    untimed = sorted((one for one in chunks if one.minted_ns is None), key=lambda one: one.chunk_id)
    rest = sorted((one for one in writes if one.pk not in found), key=lambda one: one.order)
    return found | {write.pk: chunk for write, chunk in zip(rest, untimed, strict=False)}


def _timed(writes: list[Tried], chunks: list[Stored], slack_ns: int) -> dict[int, Stored]:
    """The most pairs by time; among these, one in which each writer's chunks are stored in its order, if any is."""
    chunks = sorted(chunks, key=lambda one: (one.minted_ns or 0, one.chunk_id))
    calls = _calls(writes, slack_ns)
    found = _sweep(calls, chunks)
    if _is_in_order(writes, found):
        return found
    in_order = _sweep(_in_turn(calls), chunks)
    if len(in_order) == len(found):
        return in_order
    if len(calls) * len(chunks) <= CHAINED and len({one.scope for one in writes}) == 1:
        in_order = _chain(calls, chunks)
    return in_order if len(in_order) == len(found) else _untangled(calls, found)


class _Call(NamedTuple):
    """A write, and when its chunk can have been minted."""

    from_ns: int
    to_ns: int
    write: Tried

    def fits(self, chunk: Stored) -> bool:
        return chunk.minted_ns is None or self.from_ns <= chunk.minted_ns <= self.to_ns


def _calls(writes: Iterable[Tried], slack_ns: int) -> list[_Call]:
    return [_Call(one.from_ns - slack_ns, _end(one) + slack_ns, one) for one in writes]


def _end(write: Tried) -> int:
    return write.from_ns + OPEN_NS if write.to_ns is None else write.to_ns


def _sweep(calls: Iterable[_Call], chunks: Sequence[Stored]) -> dict[int, Stored]:
    """Each chunk, in the order of time, takes of the calls under way the first to end: the most pairs there can be."""
    coming = sorted(calls, key=lambda one: one.from_ns, reverse=True)
    under_way: list[tuple[int, tuple[int, int, int], str, int]] = []
    found: dict[int, Stored] = {}
    for chunk in chunks:
        at_ns = chunk.minted_ns or 0
        while coming and coming[-1].from_ns <= at_ns:
            call = coming.pop()
            heapq.heappush(under_way, (call.to_ns, call.write.order, call.write.scope, call.write.pk))
        while under_way and under_way[0][0] < at_ns:
            heapq.heappop(under_way)
        if under_way:
            found[heapq.heappop(under_way)[-1]] = chunk
    return found


def _by_scope(calls: Iterable[_Call]) -> Iterable[list[_Call]]:
    scopes: defaultdict[str, list[_Call]] = defaultdict(list)
    for call in calls:
        scopes[call.write.scope].append(call)
    for some in scopes.values():
        some.sort(key=lambda one: one.write.order)
    return scopes.values()


def _is_in_order(writes: list[Tried], found: dict[int, Stored]) -> bool:
    pairs = [_Call(0, 0, one) for one in writes if one.pk in found]
    return all(
        found[first.write.pk].chunk_id < found[second.write.pk].chunk_id
        for some in _by_scope(pairs)
        for first, second in pairwise(some)
    )


def _in_turn(calls: list[_Call]) -> list[_Call]:
    """Windows cut down to what is left if every chunk of a writer is stored, and in its order.

    They begin and end in the writer's order then, and the sweep that takes the first to end keeps that order.
    """
    narrowed: list[_Call] = []
    for some in _by_scope(calls):
        starts = accumulate((one.from_ns for one in some), max)
        ends = reversed(list(accumulate((one.to_ns for one in reversed(some)), min)))
        windows = zip(starts, ends, some, strict=True)
        narrowed += [_Call(from_ns, to_ns, one.write) for from_ns, to_ns, one in windows]
    return narrowed


def _chain(calls: list[_Call], chunks: Sequence[Stored]) -> dict[int, Stored]:
    """The most pairs that cross nowhere, of one writer: some of its chunks may be missing. Slow: for few."""
    (ranked,) = _by_scope(calls)
    stored = sorted(chunks, key=lambda one: one.chunk_id)
    most = [[0] * (len(stored) + 1) for _ in range(len(ranked) + 1)]  # pairs from here on
    for at in reversed(range(len(ranked))):
        for place in reversed(range(len(stored))):
            pair = 1 + most[at + 1][place + 1] if ranked[at].fits(stored[place]) else 0
            most[at][place] = max(pair, most[at + 1][place], most[at][place + 1])
    found: dict[int, Stored] = {}
    at = place = 0
    while most[at][place]:
        if ranked[at].fits(stored[place]) and most[at][place] == 1 + most[at + 1][place + 1]:
            found[ranked[at].write.pk] = stored[place]
            at, place = at + 1, place + 1
        elif most[at][place] == most[at + 1][place]:
            at += 1
        else:
            place += 1
    return found


def _untangled(calls: list[_Call], found: dict[int, Stored]) -> dict[int, Stored]:
    """Swap equal chunks between two calls of a writer where both fit and the order is the writer's then.

    Each swap takes away an inversion, and so does not bring another; calls far apart are not compared.
    """
    for some in _by_scope(call for call in calls if call.write.pk in found):
        for _ in range(PASSES):
            if not sum(_swap(some, at, found) for at in range(len(some))):
                break
    return found


def _swap(ranked: list[_Call], at: int, found: dict[int, Stored]) -> bool:
    first, swapped = ranked[at], False
    for second in ranked[at + 1 : at + 1 + NEIGHBOURS]:
        its, other = found[first.write.pk], found[second.write.pk]
        if its.chunk_id > other.chunk_id and first.fits(other) and second.fits(its):
            found[first.write.pk], found[second.write.pk] = other, its
            swapped = True
    return swapped
