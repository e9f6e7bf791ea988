"""Texts of the rebuilt message as the template shows them: bounded, each fragment a link to its chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from runs.pages._format import visible
from streams.rebuilt import (
    INPUT,
    MESSAGE,
    MOST,
    REASONING,
    TEXT,
    VALUES,
    Difference,
    Fragment,
    Part,
    Rebuilt,
    Stop,
    compare,
)

AROUND = 6  # fragments that stay on both sides of one that is marked
COPIED = 20_000
_NAMES = {TEXT: "Text", REASONING: "Reasoning", INPUT: "Tool input"}
_KINDS = {TEXT: "text", REASONING: "reasoning", INPUT: "tool"}  # of the parts that a flow is made of


class Budget(NamedTuple):
    """How much of it a page holds: chunks that are put together, fragments of a column, changes of the difference,
    characters, cards. The small one is asked for by every page that opens, so it may not cost much."""

    chunks: int
    fragments: int
    changes: int
    characters: int
    cards: int


SMALL, LARGE = Budget(3_000, 120, 60, 1_000, 12), Budget(MOST, 2_000, 1_000, 20_000, 200)


class Item(NamedTuple):
    """One thing in a text. `kind`: frag, stop, start (of a further message), break, fold."""

    kind: str
    text: str = ""
    arrival: int = 0
    title: str = ""
    look: str = ""


class Shown(NamedTuple):
    """One run of the difference: `same`, `out` or `in`."""

    kind: str
    items: list[Item]


class Halt(NamedTuple):
    """Where the SDK's reader stops, in words."""

    who: str
    where: str
    error: str
    arrival: int


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    items: list[Item]
    whole: str  # to copy; empty where it is too long
    halts: list[Halt]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """One text of the message: in one column where both orders agree."""

    name: str
    columns: list[Column]
    changes: list[Shown]
    is_lines: bool

    @property
    def is_different(self) -> bool:
        return len(self.columns) > 1

    @property
    def is_cut(self) -> bool:
        return any(column.is_cut for column in self.columns)


def flows_of(stored: Rebuilt, meant: Rebuilt | None, budget: Budget) -> list[Flow]:
    """The text always, if there is any; a tool's input only where its order differs, else its card has it."""
    flows = []
    for flow in (TEXT, REASONING, INPUT):
        difference = Difference()
        if meant is not None:
            difference = compare(meant.flows.get(flow, ()), stored.flows.get(flow, ()))
        if difference or (flow in stored.flows and flow != INPUT):
            flows.append(_flow(flow, stored, meant if difference else None, difference, budget))
    return flows


def _flow(flow: str, stored: Rebuilt, meant: Rebuilt | None, difference: Difference, budget: Budget) -> Flow:
    name = "Values" if stored.shape == VALUES else _NAMES[flow]
    columns = [_column("As stored, what readers get", flow, stored, difference.into, budget)]
    if meant is not None:
        columns.insert(0, _column("As the writer meant it", flow, meant, difference.out, budget))
    return Flow(name, columns, _changes(difference, budget), stored.shape == VALUES)


def halts_of(built: Rebuilt) -> list[Halt]:
    return [_halt(stop) for stop in built.stops]


def _halt(stop: Stop) -> Halt:
    who = "AI SDK " + " and ".join(str(major) for major in sorted(stop.majors))
    where = "behind the end marker" if stop.position is None else f"at position {stop.position}"
    return Halt(who, where, stop.error.replace("position None", "behind the end marker"), stop.arrival)


def _column(
    title: str, flow: str, built: Rebuilt, moved: frozenset[tuple[int, int]], budget: Budget
) -> Column:
    items = list(_items(flow, built, moved, budget.characters))
    shown = folded(items, budget.fragments)
    longest = max((len(one.text) for one in built.flows.get(flow, ())), default=0)
    is_cut = len(shown) < len(items) or longest > budget.characters
    whole = built.text(flow)
    halts = halts_of(built) if flow == TEXT else []
    return Column(title, shown, whole if len(whole) <= COPIED else "", halts, is_cut)


def _items(flow: str, built: Rebuilt, moved: frozenset[tuple[int, int]], characters: int) -> Iterator[Item]:
    ranks = {arrival: at for at, arrival in enumerate(built.order)}
    stop_at = min((ranks[stop.arrival] for stop in built.stops), default=None)
    has_stopped = False
    for fragment, part, is_first in _pieces(flow, built):
        if is_first is not None:
            yield is_first
        after = stop_at is not None and ranks[fragment.arrival] >= stop_at
        if after and not has_stopped:
            has_stopped = True
            halt = _halt(min(built.stops, key=lambda stop: ranks[stop.arrival]))
            yield Item("stop", f"{halt.who} stops here", halt.arrival, f"{halt.where}: {halt.error}")
        yield _item(fragment, part, characters, fragment.key in moved, after)


def _pieces(flow: str, built: Rebuilt) -> Iterator[tuple[Fragment, Part | None, Item | None]]:
    """Each fragment with its part, and what stands before it: a new part, a new message."""
    if built.shape != MESSAGE:
        for fragment in built.flows.get(flow, ()):
            yield fragment, None, None
        return
    before: Part | None = None
    begun: Item | None = None
    for part in built.parts:
        if part.kind == "message" and before is not None:
            begun = Item(
                "start", f"message {visible(part.id[:40])}", part.arrival, "a further message begins"
            )
        elif part.kind == _KINDS[flow] and part.fragments:
            is_apart = before is not None and not part.is_stray and not before.is_stray
            between = begun or (Item("break") if is_apart else None)
            for fragment in part.fragments:
                yield fragment, part, between
                between = None
            before, begun = part, None


def _item(fragment: Fragment, part: Part | None, characters: int, is_moved: bool, is_after: bool) -> Item:
    place = "behind the end marker" if fragment.position is None else f"position {fragment.position}"
    told = [("moved", "moved", is_moved), ("stray", "nothing began this part", part is not None and part.is_stray),
            ("dropped", "taken away by a reset-step", part is not None and part.is_dropped),
            ("after", "after the SDK's reader stopped", is_after),
            ("behind", "no reader gets it", fragment.position is None)]  # fmt: skip
    looks = " ".join(look for look, _, is_so in told if is_so)
    title = ", ".join([f"{place}, arrival {fragment.arrival}", *(why for _, why, is_so in told if is_so)])
    return Item("frag", on_lines(fragment.text, characters), fragment.arrival, title, looks)


def on_lines(text: str, characters: int) -> str:
    """Untrusted text that keeps its lines, each end of a line made visible."""
    cut = text[:characters]
    shown = "⏎\n".join(visible(line) for line in cut.split("\n"))
    return shown + "…" if len(text) > characters else shown


def folded(items: Sequence[Item], most: int) -> list[Item]:
    """About `most` of them: the first, the last, those around what is marked; folds say what is left out."""
    if len(items) <= most:
        return list(items)
    head, tail = most // 3, most // 6
    kept = set(range(head)) | set(range(len(items) - tail, len(items)))
    room = most - len(kept)
    for at in _marked(items):
        near = set(range(max(0, at - AROUND), min(len(items), at + AROUND + 1))) - kept
        if len(near) > room:
            break
        kept |= near
        room -= len(near)
    return list(_with_folds(items, sorted(kept)))


def _marked(items: Sequence[Item]) -> Iterable[int]:
    return (at for at, one in enumerate(items) if one.kind in ("stop", "start") or "moved" in one.look)


def _with_folds(items: Sequence[Item], kept: Sequence[int]) -> Iterator[Item]:
    before = -1
    for at in kept:
        if at > before + 1:
            gone = items[before + 1]
            yield Item("fold", f"… {at - before - 1:,} more …", gone.arrival, "left out here")
        yield items[at]
        before = at


def _changes(difference: Difference, budget: Budget) -> list[Shown]:
    """The runs of the difference; long ones folded, and no more than the budget."""
    if not difference:
        return []
    shown = []
    for kind, fragments in difference.changes[: budget.changes]:
        items = [
            Item("frag", on_lines(one.text, 80), one.arrival, f"arrival {one.arrival}") for one in fragments
        ]
        shown.append(Shown(kind, folded(items, 2 * AROUND)))
    if len(difference.changes) > budget.changes:
        more = f"… {len(difference.changes) - budget.changes:,} more differences"
        shown.append(Shown("same", [Item("fold", more)]))
    return shown
