"""The AI SDK's reader, leniently: `UIMessageChunk`s to the parts of a `UIMessage`.

As `readUIMessageStream` of AI SDK 7.0.173 builds it (5.0.277 builds the same of the chunks that it knows). Where
it throws this goes on, with a part that nothing began. It keeps what the reader forgets: a start with another
message id begins a further message, and what a reset-step takes away is marked so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streams._rebuilt_drafts import Draft, Value, as_text
from streams._rebuilt_parts import Fragment, Part
from streams._rebuilt_tools import ToolParts
from streams.tool_calls import TOOL_CHUNKS, text_id

_WHOLE = frozenset({"file", "reasoning-file", "source-url", "source-document", "custom", "steering-message"})
_ENDINGS = {"finish": "finishReason", "abort": "reason", "error": "errorText"}
_WITH_METADATA = frozenset({"start", "finish", "message-metadata"})
_FORBIDDEN = frozenset({"__proto__", "constructor", "prototype"})


class MessageBuilder:
    """Takes the values of chunks in any order; a value is an object with a known or unknown `type`."""

    def __init__(self) -> None:
        self.message_id = self.ending = self.ending_reason = ""
        self.metadata: Any = None
        self._parts: list[Draft] = []
        self._at: tuple[int, int | None, int] = (0, None, 0)  # arrival, position, index of the value taken
        self._forget()

    def _forget(self) -> None:
        """What the reader looks parts up by; the parts themselves stay."""
        self._open: dict[tuple[str, str], Draft] = {}
        self._data: dict[tuple[str, str], Draft] = {}
        self._in_step: list[Draft] = []
        self._tools = ToolParts(lambda call, is_stray: self._add("tool", call, is_stray), self._fragment)

    @property
    def parts(self) -> Iterator[Part]:
        return (draft.part() for draft in self._parts)

    def take(self, value: Value, arrival: int, position: int | None, index: int = 0) -> None:
        self._at = arrival, position, index
        kind = value["type"]
        family, _, role = kind.rpartition("-")
        if family in ("text", "reasoning") and role in ("start", "delta", "end"):
            self._text(family, role, value)
        elif kind in TOOL_CHUNKS:
            self._tools.take(value, arrival)
        elif kind.startswith("data-"):
            self._take_data(kind, value)
        elif kind in _WHOLE:
            self._add(kind, text_id(value, "sourceId") if "sourceId" in value else "").value = value
        else:
            self._frame(kind, value)

    def _fragment(self, text: str) -> Fragment:
        return Fragment(text, *self._at)

    def _add(self, kind: str, id: str, is_stray: bool = False) -> Draft:
        arrival, position, _ = self._at
        draft = Draft(kind, id, arrival, position, is_stray=is_stray, value_at=arrival)
        self._parts.append(draft)
        self._in_step.append(draft)
        return draft

    def _text(self, family: str, role: str, value: Value) -> None:
        key = family, text_id(value, "id")
        if role == "start" or key not in self._open:
            self._open[key] = self._add(*key, is_stray=role != "start")
        part = self._open[key]
        part.state = "streaming"
        if role == "delta":
            part.fragments.append(self._fragment(as_text(value, "delta")))
        elif role == "end":
            part.state = "done"
            del self._open[key]

    def _take_data(self, kind: str, value: Value) -> None:
        name = _data_id(value)
        known = self._data.get((kind, name)) if name and not value.get("transient") else None
        if known is not None:
            known.updates += 1
        else:
            known = self._add(kind, text_id(value, "id") if name else "")
            known.is_transient = bool(value.get("transient"))
            if name and not known.is_transient:
                self._data[kind, name] = known
        known.value, known.value_at = value, self._at[0]

    def _frame(self, kind: str, value: Value) -> None:
        if kind == "start":
            self._start(value)
        elif kind == "start-step":
            self._add("step", "")
            self._in_step = []
            self._tools.start_step()
        elif kind == "reset-step":
            self._reset_step()
        elif kind in _ENDINGS:
            reason = _ENDINGS[kind]
            self.ending, self.ending_reason = kind, as_text(value, reason) if reason in value else ""
        if kind in _WITH_METADATA:
            self.metadata = merged(self.metadata, value.get("messageMetadata"))

    def _start(self, value: Value) -> None:
        self.ending = self.ending_reason = ""
        message_id = text_id(value, "messageId") if value.get("messageId") is not None else self.message_id
        if message_id != self.message_id:
            self.message_id, self.metadata = message_id, None
            self._forget()
            self._add("message", message_id)
            self._in_step = []

    def _reset_step(self) -> None:
        for draft in self._in_step:
            draft.is_dropped = not draft.is_transient
            key = draft.kind, _data_id(draft.value)
            if self._data.get(key) is draft:
                del self._data[key]
        self._in_step, self._open = [], {}
        self._tools.reset_step()


def _data_id(value: Any) -> str:
    """Under what a later data chunk replaces an earlier one; 1 and "1" are two ids. Empty: never."""
    if not isinstance(value, dict) or value.get("id") is None:
        return ""
    return f"{value['id'].__class__.__name__} {text_id(value, 'id')}"


def merged(base: Any, over: Any) -> Any:
    """Metadata as the SDK puts it together: objects field by field, all else replaced. `base` is changed."""
    if over is None or not isinstance(over, dict):
        return base if over is None else over
    own = base if isinstance(base, dict) else {}
    for key, item in over.items():
        if key not in _FORBIDDEN:
            own[key] = merged(own.get(key), item) if isinstance(item, dict) else item
    return own
