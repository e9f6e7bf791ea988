"""The order in which the writers of a stream meant its chunks, and how it differs from the stored one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from streams._rebuilt_parts import Fragment
from streams.sequence import moved_by_sequence

PROVED, SUSPECTED = "proved", "suspected"


class Told(NamedTuple):
    """What the report of a write says of its chunk's place: a number within a scope."""

    arrival: int
    scope: Hashable  # who wrote: across two scopes the numbers say nothing
    number: tuple[int, ...]
    is_exact: bool  # the writer's own order; else the order of calls, which the world may have changed


@dataclass(frozen=True, slots=True)
class WritersOrder:
    arrivals: tuple[int, ...] = ()  # empty: not known
    known: int = 0  # of so many chunks
    certainty: str = ""  # proved where all that is known is exact


def writers_order(stored: Sequence[int], told: Iterable[Told]) -> WritersOrder:
    """`stored`: arrivals in stored order. Chunks of one scope are put in its order, in the places they have together.

    Between scopes no order is known: parallel steps interleave as they like. So each scope keeps its places,
    and so does a chunk that no report tells of.
    """
    rank = {arrival: at for at, arrival in enumerate(stored)}
    scopes: defaultdict[Hashable, list[Told]] = defaultdict(list)
    known: dict[int, Told] = {}
    for one in told:
        if one.arrival in rank and one.arrival not in known:
            known[one.arrival] = one
            scopes[one.scope].append(one)
    meant = list(stored)
    for group in scopes.values():
        places = sorted(rank[one.arrival] for one in group)
        group.sort(key=lambda one: (one.number, rank[one.arrival]))
        for place, one in zip(places, group, strict=True):
            meant[place] = one.arrival
    if not known:
        return WritersOrder()
    is_exact = all(one.is_exact for one in known.values())
    return WritersOrder(tuple(meant), len(known), PROVED if is_exact else SUSPECTED)


class Change(NamedTuple):
    """A run of fragments: in both texts, only in the meant one (out) or only in the stored one (in)."""

    kind: Literal["same", "out", "in"]
    fragments: tuple[Fragment, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    changes: tuple[Change, ...] = ()
    out: frozenset[tuple[int, int]] = frozenset()  # keys of fragments that left their place in the meant text
    into: frozenset[tuple[int, int]] = frozenset()  # and of those that came into the stored text

    def __bool__(self) -> bool:
        return bool(self.out or self.into)


def compare(meant: Sequence[Fragment], stored: Sequence[Fragment]) -> Difference:
    """From the meant text to the stored one, with the fewest fragments that leave their place.

    Both hold the same chunks but for some, so a longest increasing subsequence tells it, in n log n steps. Chunks
    with the same text stand for one another: two that changed places are no difference.
    """
    partners = _partners(meant, stored)
    loose = moved_by_sequence(partners) | {at for at, one in enumerate(partners) if one is None}
    pairs = [(partner, at) for at, partner in enumerate(partners) if partner is not None and at not in loose]
    kept = {partner for partner, _ in pairs}
    return Difference(
        tuple(_changes(meant, stored, pairs)),
        frozenset(one.key for at, one in enumerate(meant) if at not in kept),
        frozenset(stored[at].key for at in loose),
    )


def _partners(meant: Sequence[Fragment], stored: Sequence[Fragment]) -> list[int | None]:
    """For each stored fragment the place of its equal in the meant text."""
    common = {one.key for one in meant} & {one.key for one in stored}
    places: defaultdict[str, list[int]] = defaultdict(list)
    for at in range(len(meant) - 1, -1, -1):
        if meant[at].key in common:
            places[meant[at].text].append(at)
    return [places[one.text].pop() if one.key in common and places[one.text] else None for one in stored]


def _changes(
    meant: Sequence[Fragment], stored: Sequence[Fragment], pairs: Sequence[tuple[int, int]]
) -> Iterable[Change]:
    same: list[Fragment] = []
    done = behind = 0
    for one, other in [*pairs, (len(meant), len(stored))]:
        left, came = tuple(meant[done:one]), tuple(stored[behind:other])
        if same and (left or came or one == len(meant)):
            yield Change("same", tuple(same))
            same = []
        if left:
            yield Change("out", left)
        if came:
            yield Change("in", came)
        same += stored[other : other + 1]
        done, behind = one + 1, other + 1
