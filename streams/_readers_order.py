"""In which order readers were told of the writes of a stream, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from streams._readers_facts import SUSPECTED, UNCHECKED, Doubt, ReaderFacts, StoredChunk

COARSE_NS = 1_000_000  # of a clock that counts whole milliseconds
FINE_NS = 50_000  # ends of calls that are closer than this may have been the other way round
LOOK_NS = 100_000_000  # how often a reader of a local world looks at the directory
APART_NS = 10_000_000  # so far apart, the statements that store and tell of two chunks did not cross


class Call(NamedTuple):
    """One call of the world: its chunks, and when it began and came back by the process's clock."""

    chunks: list[StoredChunk]
    called_ns: int
    done_ns: int


def told_order(facts: ReaderFacts, world: str, doubt: Doubt) -> list[StoredChunk]:
    """All chunks in the order in which live readers were told of them. `doubt` may end up hopeless."""
    chunks = facts.stored
    if world == "vercel":
        return chunks
    heard = sum(chunk.notified is not None for chunk in chunks)
    if heard == len(chunks):
        return sorted(chunks, key=lambda chunk: chunk.notified or 0)
    if any(chunk.done_ns is not None for chunk in chunks):
        return _by_ends(chunks, world, doubt)
    if world == "postgres":
        return _by_stored(chunks, heard, doubt)
    doubt.add(UNCHECKED, "when each write came back is not known: that needs the probe")
    return chunks


def _by_ends(chunks: Sequence[StoredChunk], world: str, doubt: Doubt) -> list[StoredChunk]:
    unknown = sum(chunk.done_ns is None or chunk.called_ns is None for chunk in chunks)
    if unknown:
        doubt.add(UNCHECKED, f"of {unknown:,} chunks it is not known when their write came back")
        return list(chunks)
    if len({chunk.process for chunk in chunks}) > 1:
        doubt.add(UNCHECKED, "several processes wrote, and their clocks are not one")
        return list(chunks)
    calls = _calls(chunks)
    _doubt_ends(calls, world, doubt)
    return [chunk for call in calls for chunk in call.chunks]


def _calls(chunks: Sequence[StoredChunk]) -> list[Call]:
    """By their ends. The chunks of one call are told of in the order of their ids."""

    def key(chunk: StoredChunk) -> tuple[int, int]:
        return chunk.done_ns or 0, chunk.call or 0

    calls = []
    for _, group in groupby(sorted(chunks, key=lambda chunk: (*key(chunk), chunk.chunk_id)), key):
        own = list(group)
        calls.append(Call(own, own[0].called_ns or 0, own[0].done_ns or 0))
    return calls


def _doubt_ends(calls: Sequence[Call], world: str, doubt: Doubt) -> None:
    near = COARSE_NS if all(_is_coarse(call.called_ns) for call in calls) else FINE_NS
    for before, after in pairwise(calls):
        together = after.called_ns < before.done_ns
        if together and after.done_ns - before.done_ns < near:
            doubt.add(UNCHECKED, "writes came back too close together to tell which was the first")
        if together and len(after.chunks) > 1:
            doubt.add(UNCHECKED, "a write came back while another one stored several chunks")
    if world == "local":
        _doubt_looks(calls, doubt)


def _is_coarse(time_ns: int) -> bool:
    """A clock of whole milliseconds; times that came as floats are some 100 ns off."""
    return (time_ns + 500) % COARSE_NS < 1000


def _doubt_looks(calls: Sequence[Call], doubt: Doubt) -> None:
    """The chunks of one call are stored at the same time, in any order, and told of in the order of their ids.
    A reader that looks at the directory in between gets what is there already."""
    took = max((call.done_ns - call.called_ns for call in calls if len(call.chunks) > 1), default=None)
    if took is None:
        return
    if took >= LOOK_NS:
        doubt.add(UNCHECKED, "the reader looked at the directory while one write stored several chunks")
    else:
        doubt.add(
            SUSPECTED,
            "if the reader looked at the directory while one write stored several chunks, it differs",
        )


def _by_stored(chunks: Sequence[StoredChunk], heard: int, doubt: Doubt) -> list[StoredChunk]:
    """PostgreSQL tells of a chunk after it was stored, by a second statement on another connection.

    Where even the first statements came in another order than the ids, so did nearly always the second ones
    (25 of 25 recorded streams). Where they did not, but were close together, the second ones may have crossed.
    """
    order = sorted(chunks, key=lambda chunk: (chunk.stored_ns or 0, chunk.chunk_id))
    near = any(_is_near(before, after) for before, after in pairwise(order))
    crossed = any(after.chunk_id < before.chunk_id for before, after in pairwise(order))
    why = _unheard(len(chunks), heard)
    if near and (not crossed or any(chunk.stored_ns is None for chunk in chunks)):
        doubt.add(UNCHECKED, f"{why}, and chunks were stored too close together")
    elif near:
        doubt.add(
            SUSPECTED,
            f"{why}: taken from when chunks were stored, some too close together to be sure of each",
        )
    elif len(order) > 1:
        doubt.add(SUSPECTED, f"{why}: taken from when chunks were stored")
    return order


def _is_near(before: StoredChunk, after: StoredChunk) -> bool:
    return (
        before.stored_ns is None or after.stored_ns is None or after.stored_ns - before.stored_ns < APART_NS
    )


def _unheard(chunks: int, heard: int) -> str:
    if not heard:
        return "the order of notifications was not heard"
    return (
        f"of {chunks - heard:,} of {chunks:,} chunks no notification was heard (nobody listened all the time)"
    )


def doubt_close(order: Sequence[StoredChunk], at: int, doubt: Doubt) -> None:
    """A write that was under way when the stream closed: whether it came in time is a matter of chance."""
    close = next((chunk for chunk in order[at:] if chunk.is_close), None)
    if close is None or close.done_ns is None:
        return
    late = order[order.index(close) + 1 :]
    if any(chunk.called_ns is not None and chunk.called_ns < close.done_ns for chunk in late):
        doubt.add(SUSPECTED, "a write was under way when the stream was closed")
