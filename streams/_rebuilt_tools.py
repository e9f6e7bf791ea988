"""The tool calls of a message: which part a chunk belongs to, and what it makes of it.

A call's input is looked for in the current step only, its output in all steps, the current one first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from runs.payloads import UNDEFINED
from streams._rebuilt_drafts import Draft, Value, as_text
from streams._rebuilt_parts import Fragment, Tool
from streams.tool_calls import text_id

_CLEARED: dict[str, Any] = {"output": UNDEFINED, "error": "", "is_preliminary": False}


class _Streaming(NamedTuple):
    """A call whose input streams: what its first chunk said."""

    name: str
    is_dynamic: bool


class ToolParts:
    """`add` makes a new part of a call, stray or not; `fragment` makes a text that links to the current chunk."""

    def __init__(self, add: Callable[[str, bool], Draft], fragment: Callable[[str], Fragment]) -> None:
        self._add = add
        self._fragment = fragment
        self._in_step: defaultdict[str, list[Draft]] = defaultdict(list)
        self._all: defaultdict[str, list[Draft]] = defaultdict(list)
        self._streaming: dict[str, _Streaming] = {}
        self._asked: dict[str, Draft] = {}

    def start_step(self) -> None:
        self._in_step.clear()

    def reset_step(self) -> None:
        """The parts of the step are gone."""
        for call, dropped in self._in_step.items():
            del self._all[call][-len(dropped) :]
            for draft in dropped:
                if draft.tool is not None:
                    self._asked.pop(draft.tool.approval_id, None)
        self._in_step.clear()
        self._streaming.clear()

    def take(self, value: Value, arrival: int) -> None:
        """The next of `TOOL_CHUNKS`."""
        _TAKE[value["type"]](self, value, arrival)

    def _new(self, call: str, tool: Tool, *, is_stray: bool = False) -> Draft:
        draft = self._add(call, is_stray)
        draft.tool = tool
        self._in_step[call].append(draft)
        self._all[call].append(draft)
        return draft

    def _with_input(self, call: str, name: str, is_dynamic: bool) -> Draft:
        for draft in self._in_step[call]:
            if draft.tool is not None and draft.tool.is_dynamic == is_dynamic:
                return draft
        return self._new(call, Tool(name, is_dynamic))

    def _called(self, value: Value) -> Draft:
        call = text_id(value, "toolCallId")
        found = self._in_step[call][:1] or self._all[call][-1:]
        return found[0] if found else self._new(call, Tool(""), is_stray=True)

    def _input_start(self, value: Value, arrival: int) -> None:
        call, name, is_dynamic = _said(value)
        self._streaming[call] = _Streaming(name, is_dynamic)
        draft = self._with_input(call, name, is_dynamic)
        draft.set_tool("input-streaming", name=name, input=UNDEFINED, input_at=arrival, **_CLEARED)

    def _input_delta(self, value: Value, arrival: int) -> None:
        call = text_id(value, "toolCallId")
        known = self._streaming.get(call)
        draft = self._with_input(call, *known) if known is not None else self._called(value)
        if draft.state != "input-streaming":
            draft.set_tool("input-streaming", input=UNDEFINED, input_at=arrival, **_CLEARED)
        draft.fragments.append(self._fragment(as_text(value, "inputTextDelta")))

    def _input_available(self, value: Value, arrival: int) -> None:
        call, name, is_dynamic = _said(value)
        draft, given = self._with_input(call, name, is_dynamic), value.get("input", UNDEFINED)
        draft.set_tool("input-available", name=name, input=given, input_at=arrival, **_CLEARED)

    def _input_error(self, value: Value, arrival: int) -> None:
        call, name, is_dynamic = _said(value)
        known = self._in_step[call]
        draft = known[0] if known else self._new(call, Tool(name, is_dynamic))
        told = {"name": name, "input": value.get("input", UNDEFINED), "error": as_text(value, "errorText")}
        draft.set_tool("output-error", **_CLEARED | told | {"input_at": arrival})

    def _output(self, value: Value, arrival: int) -> None:
        output, preliminary = value.get("output", UNDEFINED), value.get("preliminary") is True
        self._called(value).set_tool(
            "output-available", output=output, error="", is_preliminary=preliminary, output_at=arrival
        )

    def _output_error(self, value: Value, arrival: int) -> None:
        error = as_text(value, "errorText")
        self._called(value).set_tool("output-error", **_CLEARED | {"error": error, "output_at": arrival})

    def _denied(self, value: Value, arrival: int) -> None:
        self._called(value).set_tool("output-denied", output_at=arrival)

    def _ask(self, value: Value, arrival: int) -> None:
        draft, asked = self._called(value), text_id(value, "approvalId")
        self._asked[asked] = draft
        fields: dict[str, Any] = {"approval_id": asked, "approved": None, "reason": ""}
        draft.set_tool("approval-requested", approval_at=arrival, **fields)

    def _answer(self, value: Value, arrival: int) -> None:
        asked = text_id(value, "approvalId")
        draft = self._asked.get(asked)
        if draft is None or draft.tool is None or draft.tool.approval_id != asked:
            draft = self._new("", Tool("", approval_id=asked), is_stray=True)
        reason = as_text(value, "reason") if "reason" in value else ""
        approved = value.get("approved") is True
        draft.set_tool("approval-responded", approved=approved, reason=reason, approval_at=arrival)


def _said(value: Value) -> tuple[str, str, bool]:
    return text_id(value, "toolCallId"), text_id(value, "toolName"), bool(value.get("dynamic"))


_TAKE: Mapping[str, Callable[[ToolParts, Value, int], None]] = {
    "tool-input-start": ToolParts._input_start,
    "tool-input-delta": ToolParts._input_delta,
    "tool-input-available": ToolParts._input_available,
    "tool-input-error": ToolParts._input_error,
    "tool-output-available": ToolParts._output,
    "tool-output-error": ToolParts._output_error,
    "tool-output-denied": ToolParts._denied,
    "tool-approval-request": ToolParts._ask,
    "tool-approval-response": ToolParts._answer,
}
