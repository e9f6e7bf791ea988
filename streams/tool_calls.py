"""The part of the AI SDK's chunk grammar that is about tool calls: each call is a small state machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from streams.chunk_types import BOTH, ONLY_7, SILENT

Problem = tuple[str, str, frozenset[int]]  # code, complaint, AI SDK majors whose reader throws

_ORPHAN = "has no call to belong to"
_AGAIN = ("tool-restart", "begins a second time", SILENT)
_TWICE = ("tool-output-twice", "is a second result", SILENT)
_TOO_LATE = ("tool-input-after-output", "comes after its output", SILENT)
_INPUT = dict.fromkeys(("output", "error", "denied"), _TOO_LATE)
_OUTPUT = {
    "": ("tool-output-without-input", _ORPHAN, BOTH),
    "streaming": ("tool-output-before-input", "comes while its input is still streaming", SILENT),
    "output": _TWICE,
    "error": _TWICE,
}
# What a chunk does to its call: the next state (None: unchanged), and the states it must not meet. "" is the
# state of a call that was never seen.
_RULES: Mapping[str, tuple[str | None, Mapping[str, Problem]]] = {
    "tool-input-start": (
        "streaming",
        dict.fromkeys(
            ("streaming", "available", "invalid", "preliminary", "output", "error", "denied"), _AGAIN
        ),
    ),
    "tool-input-available": ("available", _INPUT),
    "tool-input-error": ("invalid", _INPUT),  # the SDK itself answers an invalid input by an output error
    "tool-output-available": ("output", _OUTPUT),
    "tool-output-error": ("error", _OUTPUT),
    "tool-output-denied": ("denied", {"": ("tool-denied-without-input", _ORPHAN, ONLY_7)}),
    "tool-approval-request": (None, {"": ("approval-without-tool", _ORPHAN, ONLY_7)}),
}
TOOL_CHUNKS = (*_RULES, "tool-input-delta", "tool-approval-response")


class ToolCalls:
    """The tool calls of one message."""

    def __init__(self) -> None:
        self._state: dict[str, str] = {}
        self._streaming: dict[str, None] = {}  # in order
        self._streamed: set[str] = set()  # calls that had a tool-input-start: only these take deltas
        self._asked: set[str] = set()
        self._in_step: set[str] = set()
        self._dropped: set[str] = set()  # by a reset-step, which only the newer readers know

    @property
    def streaming(self) -> Set[str]:
        """Calls whose input is not complete, oldest first."""
        return self._streaming.keys()

    def start_step(self) -> None:
        self._in_step.clear()

    def reset_step(self) -> None:
        """Readers drop the calls of the step."""
        for call in self._in_step:
            self._state.pop(call, None)
            self._streaming.pop(call, None)
            self._streamed.discard(call)
        self._dropped |= self._in_step
        self._in_step.clear()

    def feed(self, value: Mapping[str, Any]) -> Iterator[Problem]:
        """Take the next chunk of TOOL_CHUNKS; yield what is wrong with its place."""
        kind = value["type"]
        if kind == "tool-input-delta":
            yield from self._delta(text_id(value, "toolCallId"))
        elif kind == "tool-approval-response":
            yield from self._answer(text_id(value, "approvalId"))
        else:
            yield from self._change(kind, text_id(value, "toolCallId"), value)

    def _delta(self, call: str) -> Iterator[Problem]:
        if call not in self._streamed:
            throws_in = ONLY_7 if call in self._dropped else BOTH
            yield (
                "tool-delta-before-start",
                f"tool-input-delta of {call[:40]!r} comes before its start",
                throws_in,
            )
        elif self._state.get(call) != "streaming":
            yield (
                "tool-delta-after-input",
                f"tool-input-delta of {call[:40]!r} comes after its whole input",
                SILENT,
            )

    def _answer(self, asked: str) -> Iterator[Problem]:
        if asked not in self._asked:
            yield "approval-response-unknown", f"nobody asked for the approval {asked[:40]!r}", ONLY_7

    def _change(self, kind: str, call: str, value: Mapping[str, Any]) -> Iterator[Problem]:
        state = self._state.get(call, "")
        following, problems = _RULES[kind]
        if state in problems:
            code, complaint, throws_in = problems[state]
            only = ONLY_7 if call in self._dropped and not state else BOTH
            yield code, f"{kind} of {call[:40]!r} {complaint}", throws_in & only
        if kind == "tool-input-start":
            self._streamed.add(call)
        elif kind == "tool-approval-request":
            self._asked.add(text_id(value, "approvalId"))
        elif kind == "tool-output-available" and value.get("preliminary") is True:
            following = "preliminary"
        if following is not None and (state or kind.startswith("tool-input")):
            self._state[call] = following
            self._in_step.add(call)
            if following == "streaming":
                self._streaming[call] = None
            else:
                self._streaming.pop(call, None)


def text_id(value: Mapping[str, Any], field: str) -> str:
    """An id as text, whatever was stored in its place."""
    found = value.get(field)
    return found if isinstance(found, str) else repr(found)[:80]
