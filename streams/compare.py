"""Two streams side by side: which chunk of one stands for which of the other.

Pure. A longest common subsequence is found bit by bit: `n` rows of `m` bits, whatever they hold. That is some
milliseconds for two times 2,000 chunks, and the same for 2,000 identical ones; it never finds a longer way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Relations of a row. Those of `DIFFERENT` are differences.
SAME = "same"
ALIKE = "alike"  # the same but for ids and times
RECUT = "recut"  # the same text, cut elsewhere
SEALED = "sealed"  # both encrypted: nothing can be said
CHANGED = "changed"  # same type, other content
MOVED = "moved"  # the other stream has the same at another place
LEFT, RIGHT = "left", "right"  # only there
DIFFERENT = frozenset({RECUT, CHANGED, MOVED, LEFT, RIGHT})
ENCRYPTED = "encrypted"  # the type of an entry that cannot be opened


class Entry(NamedTuple):
    """One chunk as far as it is compared."""

    arrival: int
    type: str
    exact: Hashable  # what it holds
    alike: Hashable  # the same with ids and times taken for one another
    part: Hashable = None  # of a piece of text: what it is a piece of
    text: str | None = None


class Row(NamedTuple):
    """One line of the comparison. `elsewhere`: of a moved chunk, its partner in the other stream."""

    relation: str
    left: Entry | None
    right: Entry | None
    elsewhere: Entry | None = None

    @property
    def is_difference(self) -> bool:
        return self.relation in DIFFERENT


@dataclass(frozen=True, slots=True)
class Alignment:
    """The rows in the order of both streams; `lefts` and `rights` entries of each side are in them."""

    rows: tuple[Row, ...]
    lefts: int
    rights: int

    @property
    def counts(self) -> Counter[str]:
        """By relation; a moved chunk counts once, though it has a row on each side."""
        found = Counter(row.relation for row in self.rows)
        found[MOVED] //= 2
        return +found

    @property
    def is_different(self) -> bool:
        return any(row.is_difference for row in self.rows)


def align(
    left: Sequence[Entry],
    right: Sequence[Entry],
    *,
    has_more_left: bool = False,
    has_more_right: bool = False,
) -> Alignment:
    """The smallest set of chunks that are not the same; among those, the same type stands for one another.

    Where a stream goes on behind its entries, what follows the last common chunk is left for the next call: its
    partner may be there. Each call takes at least half of one side, or all.
    """
    pairs = common([one.alike for one in left], [one.alike for one in right])
    if (has_more_left or has_more_right) and pairs:
        lefts, rights = pairs[-1][0] + 1, pairs[-1][1] + 1
        if 2 * lefts >= len(left) or 2 * rights >= len(right):
            left, right = left[:lefts], right[:rights]
    partners = _moved(left, right, pairs)
    rows = [row for gap in _gaps(left, right, pairs) for row in gap.rows(partners)]
    return Alignment(tuple(_recut(rows)), len(left), len(right))


def common(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[tuple[int, int]]:
    """A longest common subsequence as pairs of places (Hyyrö's bit vectors, 2004).

    Bit i of row j is empty where the first i + 1 of `left` have one more in common with the first j of `right`
    than the first i have. Takes len(right) rows of len(left) bits, and nothing depends on what they hold.
    """
    masks: defaultdict[Hashable, int] = defaultdict(int)
    for at, one in enumerate(left):
        masks[one] |= 1 << at
    full = row = (1 << len(left)) - 1
    rows = [row]
    for one in right:
        hits = row & masks.get(one, 0)
        row = ((row + hits) | (row - hits)) & full
        rows.append(row)
    return _walk_back(rows, len(left), len(right))


def _walk_back(rows: Sequence[int], i: int, j: int) -> list[tuple[int, int]]:
    pairs = []
    while i and j:
        if rows[j] >> (i - 1) & 1:
            i -= 1
        elif not rows[j - 1] >> (i - 1) & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


class _Gap(NamedTuple):
    """What lies between two common chunks, and the second of them."""

    left: Sequence[Entry]
    right: Sequence[Entry]
    pair: tuple[Entry, Entry] | None

    def rows(self, partners: dict[int, Entry]) -> Iterator[Row]:
        """`partners`: of each moved entry, by its identity."""
        lefts = [one for one in self.left if id(one) not in partners]
        rights = [one for one in self.right if id(one) not in partners]
        matched = common([one.type for one in lefts], [one.type for one in rights])
        done = behind = 0
        for one, other in [(lefts[i], rights[j]) for i, j in matched]:
            i, j = self._at(self.left, one, done), self._at(self.right, other, behind)
            yield from self._alone(self.left[done:i], self.right[behind:j], partners)
            yield Row(_relation(one, other), one, other)
            done, behind = i + 1, j + 1
        yield from self._alone(self.left[done:], self.right[behind:], partners)
        if self.pair is not None:
            one, other = self.pair
            yield Row(SAME if one.exact == other.exact else ALIKE, one, other)

    @staticmethod
    def _at(side: Sequence[Entry], wanted: Entry, start: int) -> int:
        return next(at for at in range(start, len(side)) if side[at] is wanted)

    @staticmethod
    def _alone(left: Sequence[Entry], right: Sequence[Entry], partners: dict[int, Entry]) -> Iterator[Row]:
        for one in left:
            partner = partners.get(id(one))
            yield Row(MOVED if partner else LEFT, one, None, partner)
        for one in right:
            partner = partners.get(id(one))
            yield Row(MOVED if partner else RIGHT, None, one, partner)


def _relation(one: Entry, other: Entry) -> str:
    """Of two chunks of one type between common ones."""
    if one.exact == other.exact:  # only the ids before them made them differ
        return SAME
    return SEALED if one.type == ENCRYPTED else CHANGED


def _gaps(left: Sequence[Entry], right: Sequence[Entry], pairs: Iterable[tuple[int, int]]) -> Iterator[_Gap]:
    done = behind = 0
    for i, j in pairs:
        yield _Gap(left[done:i], right[behind:j], (left[i], right[j]))
        done, behind = i + 1, j + 1
    yield _Gap(left[done:], right[behind:], None)


def _moved(
    left: Sequence[Entry], right: Sequence[Entry], pairs: Sequence[tuple[int, int]]
) -> dict[int, Entry]:
    """The same content left over on both sides, as often here as there: it stands at another place."""
    in_left, in_right = {i for i, _ in pairs}, {j for _, j in pairs}
    lefts = _by_content(one for at, one in enumerate(left) if at not in in_left)
    rights = _by_content(one for at, one in enumerate(right) if at not in in_right)
    partners: dict[int, Entry] = {}
    for content, ones in lefts.items():
        others = rights.get(content, [])
        for one, other in zip(ones, others, strict=True) if len(ones) == len(others) else ():
            partners[id(one)], partners[id(other)] = other, one
    return partners


def _by_content(entries: Iterable[Entry]) -> dict[Hashable, list[Entry]]:
    found: defaultdict[Hashable, list[Entry]] = defaultdict(list)
    for one in entries:
        found[one.alike].append(one)
    return found


def _recut(rows: Sequence[Row]) -> list[Row]:
    """Between two other rows, pieces of one part that join to the same text are the same text cut elsewhere."""
    told: list[Row] = []
    run: list[Row] = []
    for row in [*rows, None]:
        part = None if row is None else _part_of(row)
        if run and (part is None or part != _part_of(run[0])):
            told += [Row(RECUT, one.left, one.right) for one in run] if _joins_alike(run) else run
            run = []
        if row is not None:
            (run if part is not None else told).append(row)
    return told


def _part_of(row: Row) -> Hashable:
    """The part of a row whose chunks are all pieces of it; None for any other row."""
    parts = {one.part for one in (row.left, row.right) if one is not None}
    return parts.pop() if row.relation in (CHANGED, LEFT, RIGHT) and len(parts) == 1 else None


def _joins_alike(run: Sequence[Row]) -> bool:
    left, right = (
        "".join(one.text or "" for one in side if one is not None)
        for side in ([row.left for row in run], [row.right for row in run])
    )
    return left == right and bool(left)
