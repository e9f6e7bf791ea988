"""The part of two orders that is shown at once: some chunks around one of them, the same ones in both orders. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from streams.orders import Comparison, Unstored

SHOWN = 40  # chunks; a stream of no more is shown whole
RIGHT, LEFT = 26, 14  # of a longer one: around the goal in the right order, and in the left one
GHOSTS = 10


class Gap(NamedTuple):
    """Chunks that stand between two of those shown."""

    chunks: int


Cell = int | Unstored | Gap
Row = tuple[Cell | None, Cell | None]
Number = Callable[[int], int | None]  # of an arrival in an order; consecutive where nothing is between


@dataclass(frozen=True, slots=True)
class Window:
    rows: list[Row]
    shown: frozenset[int] = frozenset()
    earlier: int | None = None  # the arrival around which the part before is; None at the beginning
    later: int | None = None
    ghosts_left: int = 0


def window_of(
    found: Comparison, columns: tuple[Sequence[int | Unstored], ...], near: int, numbers: tuple[Number, ...]
) -> Window:
    """`columns` are both orders, with what is not stored in its place; `numbers` tell where chunks are left out."""
    if len(found.right) <= SHOWN:
        shown, first, last = frozenset(found.right), 0, len(found.right)
    else:
        at = found.right.index(near) if near in found.right else 0
        first, last = _around(at, RIGHT, len(found.right))
        begin, end = _around(found.left.index(found.right[at]), LEFT, len(found.left))
        shown = frozenset(found.right[first:last]) | frozenset(found.left[begin:end])
    cells = [_cells(column, shown, number) for column, number in zip(columns, numbers, strict=True)]
    total = sum(isinstance(one, Unstored) for column in columns for one in column)
    drawn = sum(isinstance(one, Unstored) for column in cells for one in column)
    return Window(
        _rows(*cells),
        shown,
        found.right[first] if first else None,
        found.right[last - 1] if last < len(found.right) else None,
        total - drawn,
    )


def _around(at: int, count: int, total: int) -> tuple[int, int]:
    first = max(0, min(at - count // 2, total - count))
    return first, min(total, first + count)


def _cells(column: Sequence[int | Unstored], shown: frozenset[int], number: Number) -> list[Cell]:
    cells: list[Cell] = []
    last: int | None = None
    skipped = ghosts = 0
    is_near = True  # what is shown stands just before: writes that became nothing are shown beside it
    for one in column:
        if isinstance(one, Unstored):
            if is_near and ghosts < GHOSTS:
                cells.append(one)
                ghosts += 1
        elif one not in shown:
            skipped, is_near = skipped + 1, False
        else:
            gap = _gap(last, one, skipped, number)
            if gap is not None:
                cells.append(gap)
            cells.append(one)
            last, skipped, is_near = one, 0, True
    return cells


def _gap(last: int | None, one: int, skipped: int, number: Number) -> Gap | None:
    if last is None:
        return None
    before, after = number(last), number(one)
    if before is not None and after is not None:
        return Gap(after - before - 1) if after - before > 1 else None
    return Gap(skipped) if skipped else None


def _rows(left: Sequence[Cell], right: Sequence[Cell]) -> list[Row]:
    """What only one side has takes a row of its own, so that chunks in their place stay level."""
    rows: list[Row] = []
    at = place = 0
    while at < len(left) or place < len(right):
        one = left[at] if at < len(left) else None
        other = right[place] if place < len(right) else None
        alone = [cell is not None and not isinstance(cell, int) for cell in (one, other)]
        if alone[0] != alone[1] and one is not None and other is not None:
            one, other = (one, None) if alone[0] else (None, other)
        rows.append((one, other))
        at, place = at + (one is not None), place + (other is not None)
    return rows
