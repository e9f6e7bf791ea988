"""The texts of two streams on the comparison page: joined, with what differs marked, and the parts of the messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from runs.pages._format import counted, visible
from runs.payloads import UNDEFINED, preview
from streams._compare_text import SAME, TextDifference, Token, compare_texts
from streams._rebuilt_rows import FirstChunks
from streams.compare import SAME as SAME_CHUNK
from streams.compare import Entry, align
from streams.pages._rebuilt_text import AROUND, Item, Shown, folded, on_lines
from streams.rebuilt import INPUT, MESSAGE, REASONING, TEXT, VALUES, Part, Rebuilt, rebuild, shape_of

ITEMS = 150  # of a column
CHANGES = 60
PARTS, PARTS_COMPARED = 60, 1_000
CHARACTERS = 1_000  # of a piece
COPIED = 20_000
_NAMES = {TEXT: "Text", REASONING: "Reasoning", INPUT: "Tool input"}
_WORDS = {"same": "same", "changed": "changed", "moved": "moved", "left": "only in A", "right": "only in B"}
_FRAMES = ("step", "message")  # hold nothing
_SHAPES = {
    MESSAGE: "AI SDK chunks", TEXT: "strings", VALUES: "values", "utf-8": "bytes that are text", "bytes": "bytes",
    "unread": "nothing that can be read here",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    letter: str
    items: list[Item]
    whole: str  # to copy; empty where it is too long
    length: int


@dataclass(frozen=True, slots=True)
class Flow:
    """One text of both streams: in two columns where they differ, else in one."""

    name: str
    columns: list[Column]
    changes: list[Shown]
    is_cut: bool

    @property
    def is_different(self) -> bool:
        return len(self.columns) > 1


class PartRow(NamedTuple):
    """One part of the messages: what it is in each of them."""

    kind: str
    left: str
    right: str
    word: str
    is_different: bool


@dataclass(frozen=True, slots=True)
class Texts:
    flows: list[Flow]
    parts: list[PartRow]
    parts_left: int
    notes: list[str]
    is_different: bool


def texts_of(left: FirstChunks, right: FirstChunks) -> Texts:
    """What a later reader of each gets."""
    shapes = [shape_of(first.read or first.chunks) for first in (left, right)]
    one, other = (rebuild(first.read, shape) for first, shape in zip((left, right), shapes, strict=True))
    flows = [flow for name in (TEXT, REASONING, INPUT) if (flow := _flow(name, one, other)) is not None]
    parts = _parts(one, other)
    is_different = any(flow.is_different for flow in flows) or any(part.is_different for part in parts)
    notes = [*_kinds(shapes), *_missing(left, one, "A"), *_missing(right, other, "B")]
    return Texts(flows, parts[:PARTS], max(0, len(parts) - PARTS), notes, is_different)


def shape_words(shape: str) -> str:
    return _SHAPES.get(shape, shape)


def _kinds(shapes: Sequence[str]) -> list[str]:
    one, other = (shape_words(shape) for shape in shapes)
    return [f"A carries {one}, B {other}: they are of different kinds."] if one != other else []


def _missing(first: FirstChunks, built: Rebuilt, letter: str) -> list[str]:
    notes = []
    left_out = first.left_out + len(first.read) - len(built.order)
    if left_out:
        notes.append(f"Of {letter} only the first {len(built.order):,} chunks are put together.")
    if built.unread.count:
        count = counted(built.unread.count, "chunk")
        notes.append(f"{count} of {letter} cannot be read here ({visible(built.unread.reason[:100])}).")
    behind = len(first.chunks) - len(first.read)
    if behind:
        notes.append(f"{counted(behind, 'chunk')} of {letter} behind the end marker: not in its text.")
    return notes


def _flow(name: str, left: Rebuilt, right: Rebuilt) -> Flow | None:
    one, other = left.flows.get(name, ()), right.flows.get(name, ())
    if not one and not other:
        return None
    found = compare_texts(one, other)
    title = "Values" if VALUES in (left.shape, right.shape) and name == TEXT else _NAMES[name]
    columns = [_column("A", found.left, left.text(name))]
    if found:
        columns.append(_column("B", found.right, right.text(name)))
    return Flow(title, columns, _changes(found), found.is_cut)


def _column(letter: str, tokens: Sequence[tuple[Token, bool]], whole: str) -> Column:
    items = folded([_item(token, is_other) for token, is_other in tokens], ITEMS)
    return Column(letter, items, whole if len(whole) <= COPIED else "", len(whole))


def _item(token: Token, is_other: bool = False, characters: int = CHARACTERS) -> Item:
    # `moved` is the look of what the fold keeps in sight.
    return Item(
        "frag",
        on_lines(token.text, characters),
        token.arrival,
        f"arrival {token.arrival}",
        "moved" if is_other else "",
    )


def _changes(found: TextDifference) -> list[Shown]:
    if not found:
        return []
    shown = []
    for kind, tokens in found.changes[:CHANGES]:
        # Runs in both texts are only there to find one's way.
        most = 2 * AROUND if kind == SAME else 6 * AROUND
        shown.append(Shown(kind, folded([_item(one, characters=80) for one in tokens], most)))
    if len(found.changes) > CHANGES:
        shown.append(Shown(SAME, [Item("fold", f"… {len(found.changes) - CHANGES:,} more differences")]))
    return shown


def _parts(left: Rebuilt, right: Rebuilt) -> list[PartRow]:
    """The parts of both messages, aligned by kind and content as chunks are."""
    if left.shape != MESSAGE or right.shape != MESSAGE:
        return []
    told = [dict(enumerate(one.parts)) for one in (left, right)]
    one, other = ([_entry(at, part) for at, part in side.items()] for side in told)
    rows = []
    for row in align(one[:PARTS_COMPARED], other[:PARTS_COMPARED]).rows:
        if row.relation == SAME_CHUNK and row.left is not None and row.left.type in _FRAMES:
            continue
        mine, theirs = (side[e.arrival] if e else None for side, e in zip(told, row[1:3], strict=True))
        kind = next(part.kind for part in (mine, theirs) if part is not None)
        rows.append(
            PartRow(
                visible(kind[:40]),
                _words(mine),
                _words(theirs),
                _WORDS.get(row.relation, row.relation),
                row.relation != SAME_CHUNK,
            )
        )
    return rows


def _entry(at: int, part: Part) -> Entry:
    """A part without its id, which is another in each run."""
    tool = part.tool
    said = (tool.name, _json(tool.input), _json(tool.output), tool.error) if tool is not None else ()
    aside = ("id", "toolCallId", "messageId")
    value = (
        {k: v for k, v in part.value.items() if k not in aside}
        if isinstance(part.value, dict)
        else part.value
    )
    value = _json(value) if not part.fragments and tool is None and part.kind not in _FRAMES else ""
    content = (part.kind, part.state, part.is_stray, "".join(one.text for one in part.fragments), said, value)
    return Entry(at, part.kind, content, content)


def _json(value: object) -> str:
    return "" if value is UNDEFINED else json.dumps(value, sort_keys=True, default=str)


def _words(part: Part | None) -> str:
    if part is None:
        return ""
    state = f"{part.state}: " if part.state else ""
    stray = "nothing began it: " if part.is_stray else ""
    if part.tool is not None:
        tool = part.tool
        values = " → ".join(preview(one, 120) for one in (tool.input, tool.output) if one is not UNDEFINED)
        return visible(f"{stray}{state}{tool.name} {values} {tool.error[:120]}".strip())
    if part.fragments:
        text = "".join(one.text for one in part.fragments)
        return visible(f"{stray}{state}{text[:160]}{'…' if len(text) > 160 else ''}")
    return visible(f"{stray}{state}{'' if part.value is None else preview(part.value, 160)}".strip(": "))
