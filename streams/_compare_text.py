"""Two texts compared piece by piece or word by word, whichever leaves less that differs; each piece names its chunk.

Pure, and bounded: of what lies between the common beginning and end, `MOST` pieces of a side are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from streams.compare import common
from streams.rebuilt import Fragment

MOST = 3_000
SAME, LEFT, RIGHT = "same", "out", "in"
_WORD = re.compile(r"\s+|\w+|[^\w\s]")


class Token(NamedTuple):
    """A piece of a text and the chunk in which it begins."""

    text: str
    arrival: int


class Change(NamedTuple):
    """A run of tokens in both texts (with the chunks of the left one), or only in one of them."""

    kind: Literal["same", "out", "in"]
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class TextDifference:
    changes: tuple[Change, ...]
    left: tuple[tuple[Token, bool], ...]  # each token, and whether it differs
    right: tuple[tuple[Token, bool], ...]
    is_cut: bool  # only the beginning of what differs was compared

    @property
    def changed(self) -> int:
        """Characters that are only in one of the texts."""
        return sum(len(one.text) for change in self.changes if change.kind != SAME for one in change.tokens)

    def __bool__(self) -> bool:
        return any(change.kind != SAME for change in self.changes)


def compare_texts(left: Sequence[Fragment], right: Sequence[Fragment]) -> TextDifference:
    """The texts that two flows of fragments join to. Cut elsewhere, the same text is no difference."""
    by_piece = _compared(_pieces(left), _pieces(right))
    if not by_piece:
        return by_piece
    by_word = _compared(list(_words(left)), list(_words(right)))
    return by_word if by_word.changed < by_piece.changed else by_piece


def _pieces(fragments: Iterable[Fragment]) -> list[Token]:
    return [Token(one.text, one.arrival) for one in fragments if one.text]


def _words(fragments: Sequence[Fragment]) -> Iterator[Token]:
    text = "".join(one.text for one in fragments)
    at, end = 0, 0
    for found in _WORD.finditer(text):
        while end <= found.start():
            end += len(fragments[at].text)
            at += 1
        yield Token(found[0], fragments[at - 1].arrival)


def _compared(left: Sequence[Token], right: Sequence[Token]) -> TextDifference:
    one, other = [token.text for token in left], [token.text for token in right]
    head = _shared(one, other)
    tail = _shared(one[head:][::-1], other[head:][::-1])
    inner, across = one[head : len(one) - tail], other[head : len(other) - tail]
    is_cut = len(inner) > MOST or len(across) > MOST
    pairs = [(at, at) for at in range(head)]
    pairs += [(head + i, head + j) for i, j in common(inner[:MOST], across[:MOST])]
    pairs += [(len(one) - at, len(other) - at) for at in range(tail, 0, -1)]
    lefts, rights = {i for i, _ in pairs}, {j for _, j in pairs}
    return TextDifference(
        tuple(_changes(left, right, pairs)),
        tuple((token, at not in lefts) for at, token in enumerate(left)),
        tuple((token, at not in rights) for at, token in enumerate(right)),
        is_cut,
    )


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many both begin with."""
    for at, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return at
    return min(len(one), len(other))


def _changes(
    left: Sequence[Token], right: Sequence[Token], pairs: Sequence[tuple[int, int]]
) -> Iterator[Change]:
    same: list[Token] = []
    done = behind = 0
    for i, j in [*pairs, (len(left), len(right))]:
        if same and (i > done or j > behind or i == len(left)):
            yield Change("same", tuple(same))
            same = []
        if i > done:
            yield Change("out", tuple(left[done:i]))
        if j > behind:
            yield Change("in", tuple(right[behind:j]))
        same += left[i : i + 1]
        done, behind = i + 1, j + 1
