"""Tool calls, data, files and sources of a rebuilt message as compact cards."""

from __future__ import annotations

from typing import Any, NamedTuple

from runs.pages._format import counted
from runs.payloads import UNDEFINED, preview
from streams.rebuilt import Part, Rebuilt, Tool

VALUE_CHARS = 300
_TEXTS = frozenset({"text", "reasoning", "step", "message"})
_ASIDE = frozenset({"type", "id", "transient", "providerMetadata"})
_BAD = frozenset({"output-error", "output-denied"})
_GOOD = frozenset({"output-available", "approval-responded"})


class CardRow(NamedTuple):
    label: str
    text: str
    arrival: int | None


class Card(NamedTuple):
    title: str
    id: str
    state: str
    look: str  # err, ok or idle
    arrival: int
    rows: list[CardRow]
    notes: list[str]


def cards_of(stored: Rebuilt, meant: Rebuilt | None) -> list[Card]:
    """In stored order; a call that ends otherwise in the writer's order says so."""
    others = {part.id: part for part in (meant.parts if meant is not None else ()) if part.tool is not None}
    return [_card(part, others.get(part.id)) for part in stored.parts if part.kind not in _TEXTS]


def _card(part: Part, other: Part | None) -> Card:
    notes = ["nothing began it: the SDK's reader stops here"] if part.is_stray else []
    notes += ["taken away by a reset-step"] if part.is_dropped else []
    notes += ["transient: not part of the message"] if part.is_transient else []
    notes += [f"replaced {counted(part.updates, 'time')}"] if part.updates else []
    if part.tool is None:
        return Card(part.kind[:80], part.id[:80], "", "idle", part.arrival, _value_rows(part), notes)
    if other is not None and other.state != part.state:
        notes.append(f"in the writer's order: {other.state}")
    look = "err" if part.state in _BAD or part.is_stray else "ok" if part.state in _GOOD else "idle"
    state = f"{part.state}, preliminary" if part.tool.is_preliminary else part.state
    name = part.tool.name[:80] or "tool call"
    return Card(name, part.id[:80], state, look, part.arrival, _tool_rows(part, part.tool), notes)


def _tool_rows(part: Part, tool: Tool) -> list[CardRow]:
    streamed = "".join(fragment.text for fragment in part.fragments)
    rows = []
    if tool.input is not UNDEFINED:
        rows.append(CardRow("input", preview(tool.input, VALUE_CHARS), tool.input_at))
    elif streamed:
        rows.append(CardRow("input so far", streamed[:VALUE_CHARS], part.fragments[-1].arrival))
    if tool.approval_id:
        answer = {None: "asked for", True: "given", False: "refused"}[tool.approved]
        reason = f": {tool.reason[:VALUE_CHARS]}" if tool.reason else ""
        rows.append(CardRow("approval", answer + reason, tool.approval_at))
    if tool.output is not UNDEFINED:
        rows.append(CardRow("output", preview(tool.output, VALUE_CHARS), tool.output_at))
    if tool.error:
        rows.append(CardRow("error", tool.error[:VALUE_CHARS], tool.output_at or tool.input_at))
    return rows


def _value_rows(part: Part) -> list[CardRow]:
    value: Any = part.value
    if part.kind.startswith("data-"):
        return [CardRow("data", preview(value.get("data", UNDEFINED), VALUE_CHARS), part.value_at)]
    # Addresses are shown, never followed: they come from the stream.
    return [
        CardRow(
            str(name)[:40], item[:VALUE_CHARS] if isinstance(item, str) else preview(item, VALUE_CHARS), None
        )
        for name, item in list(value.items())[:8]
        if name not in _ASIDE
    ]
