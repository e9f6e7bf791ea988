"""The AI SDK's `UIMessageChunk` protocol, judged chunk by chunk.

Grammar: `start? (start-step part* finish-step)* finish|abort`. A text or reasoning part is start, deltas, end
under one id; a tool call is its input, then its outputs, under one toolCallId. Parts may interleave. What the
SDK's reader does with each break of it was measured on its versions 5.0.277 and 7.0.173: it throws, or it
silently shows a wrong message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from streams.chunk_types import (
    BOTH,
    ONLY_5,
    ONLY_7,
    SILENT,
    MessageShape,
    chunk_type,
    is_anywhere,
    required_fields,
    wrong_fields,
)
from streams.facts import ChunkFact
from streams.tool_calls import TOOL_CHUNKS, ToolCalls, text_id

NAMED = 3  # ids that a message spells out before it says "and n more"

_DELTAS: Mapping[Any, str] = {"text-delta": "text", "reasoning-delta": "reasoning"}

Value = Mapping[str, Any]
Key = tuple[str, str]  # "text" or "reasoning", and the part's id
Dropped = tuple[str, str, frozenset[int]]  # by which chunk, where, and which readers do so


@dataclass(frozen=True, slots=True)
class Violation:
    """One break of the grammar at one chunk. `throws_in`: AI SDK majors whose reader throws."""

    chunk_id: str
    position: int | None
    arrival: int
    code: str
    message: str
    throws_in: frozenset[int]


class MessageGrammar:
    """The grammar as a state machine over the chunks that readers get, in reading order.

    Violations only mean something while `is_message` holds. From the first chunk that cannot be read
    (`blind`) only what is wrong with a chunk by itself is told: the missing piece may be in there.
    """

    def __init__(self) -> None:
        self.shape = MessageShape()
        self.blind = False
        self._chunk: ChunkFact | None = None
        self._found: list[Violation] = []
        self._closed = self._in_message = False
        self._erred = False  # after an error the SDK itself ends the message with its parts open
        self._started: str | None = None  # where; likewise below
        self._finished: str | None = None
        self._step: str | None = None
        self._steps = 0  # begun or ended so far: tells an id that is used again in another step
        self._steps_ended = 0  # readers of AI SDK 5 forget open parts at each
        self._open: dict[Key, tuple[str, int]] = {}  # where, and how many steps had ended
        self._ended: dict[Key, tuple[str, int]] = {}
        self._dropped: dict[Key, Dropped] = {}  # open when the reader dropped its parts
        self._message_id = ""
        self._tools = ToolCalls()

    @property
    def is_message(self) -> bool:
        return self.shape.is_message

    @property
    def unfinished(self) -> bool:
        return self.shape.unfinished

    def feed(self, chunk: ChunkFact) -> list[Violation]:
        """The violations that this chunk commits. Behind the first end marker nothing is judged."""
        if self._closed or chunk.is_behind or self.shape.ruled_out:
            return []
        values = None if chunk.is_close else chunk.values
        if values is not None and len(values) == 1 and self._goes_on(values[0]):
            return []
        self._chunk, self._found = chunk, []
        if chunk.is_close:
            self._closed = True
            self._close()
        else:
            self._take(values)
        return self._found

    def _take(self, values: list[Any] | None) -> None:
        if values is None:
            self.blind = True
            self.shape.feed(None)
        for value in values or ():
            self.shape.feed(value)
            self._judge(value)

    def _goes_on(self, value: Any) -> bool:
        """A well-formed delta of a part that is open: nothing changes. Nearly all chunks are this."""
        family = _DELTAS.get(value.get("type")) if value.__class__ is dict else None
        if family is None or self._finished is not None or not self.shape.is_settled:
            return False
        part_id = value.get("id")
        if part_id.__class__ is not str or value.get("delta").__class__ is not str:
            return False
        part = self._open.get((family, part_id))
        return part is not None and part[1] == self._steps_ended and self._in_message

    def _judge(self, value: Any) -> None:
        kind = chunk_type(value)
        fields = required_fields(kind) if kind is not None else None
        if kind is None:
            self._say("not-a-chunk", 'this is no object with a "type"', BOTH)
        elif fields is None:
            self._say("unknown-type", f"the type {kind[:40]!r} is unknown")
        else:
            for name in wrong_fields(value, fields):
                self._say("bad-field", f"{kind} lacks a proper {name!r}")
            self._place(kind, value)

    def _place(self, kind: str, value: Value) -> None:
        anywhere = is_anywhere(kind)
        if self._finished is not None and not anywhere and kind not in ("start", "finish", "abort"):
            self._say_order("after-finish", f"{kind} comes after the end of the message at {self._finished}")
        rule = _RULES.get(kind)
        if rule is not None:
            rule(self, value)
        self._in_message |= not anywhere

    def _say(self, code: str, message: str, throws_in: frozenset[int] = SILENT) -> None:
        at = self._chunk
        assert at is not None
        self._found.append(Violation(at.chunk_id, at.position, at.arrival, code, message, throws_in))

    def _say_order(self, code: str, message: str, throws_in: frozenset[int] = SILENT) -> None:
        if not self.blind:
            self._say(code, message, throws_in)

    def _here(self) -> str:
        return f"position {self._chunk.position}" if self._chunk is not None else ""

    def _close(self) -> None:
        if self._started is not None and self.shape.unfinished:
            self._say_order("no-finish", f"the message begun at {self._started} never finished")

    def _start(self, value: Value) -> None:
        if self._started is not None:
            self._say_order("double-start", f"start comes again, the first is at {self._started}")
        elif self._in_message:
            self._say_order("late-start", "start is not the first chunk")
        self._started = self._started or self._here()
        self._finished, self._erred = None, False
        message_id = value.get("messageId")
        if isinstance(message_id, str) and message_id != self._message_id:
            self._message_id = message_id
            self._new_message()

    def _new_message(self) -> None:
        """Readers forget everything at a start with another message id."""
        self._drop("start", BOTH)
        self._ended.clear()
        self._tools = ToolCalls()
        self._step = None

    def _drop(self, by: str, throws_in: frozenset[int]) -> None:
        self._dropped.update(dict.fromkeys(self._open, (by, self._here(), throws_in)))
        self._open.clear()

    def _end(self, value: Value) -> None:
        if self._finished is not None:
            self._say_order(
                "double-finish", f"{value['type']} comes after the end of the message at {self._finished}"
            )
        self._finished = self._finished or self._here()

    def _finish(self, value: Value) -> None:
        if self._step is not None:
            self._say_order("finish-in-step", f"finish comes while the step begun at {self._step} is open")
        self._none_open("unclosed-part", "finish", self._tools.streaming)
        self._end(value)

    def _none_open(self, code: str, kind: str, tools: Set[str] = frozenset()) -> None:
        count = len(self._open) + len(tools)
        if count and not self._erred:
            names = islice(chain((part for _, part in self._open), tools), NAMED)
            more = f" and {count - NAMED} more" if count > NAMED else ""
            shown = ", ".join(repr(name[:40]) for name in names)
            self._say_order(code, f"{kind} comes while parts are open: {shown}{more}")

    def _error(self, _: Value) -> None:
        self._erred = True

    def _start_step(self, _: Value) -> None:
        if self._step is not None:
            self._say_order("nested-step", f"start-step comes while the step begun at {self._step} is open")
        self._step = self._here()
        self._steps += 1
        self._tools.start_step()

    def _finish_step(self, _: Value) -> None:
        if self._step is None:
            self._say_order("finish-step-without-start", "finish-step comes without a start-step")
        self._none_open("part-open-at-finish-step", "finish-step")
        self._step = None
        self._steps += 1
        self._steps_ended += 1

    def _reset_step(self, _: Value) -> None:
        self._drop("reset-step", ONLY_7)
        self._tools.reset_step()

    def _part_start(self, value: Value) -> None:
        key = _key(value)
        where, step = self._ended.get(key, ("", -1))
        if key in self._open:
            self._say_order(
                "duplicate-start", f"{_about(value)} comes again, it is open since {self._open[key][0]}"
            )
        elif step == self._steps:
            self._say_order("id-reuse", f"{_about(value)} comes again, it ended at {where}")
        self._open[key] = (self._here(), self._steps_ended)
        self._dropped.pop(key, None)

    def _part_delta(self, value: Value) -> None:
        key, op = _key(value), value["type"].rpartition("-")[2]
        if key not in self._open:
            self._stray(key, op, value)
        elif self._open[key][1] < self._steps_ended:
            self._say_order(
                f"{op}-after-finish-step", f"{_about(value)} comes after the step it began in", ONLY_5
            )

    def _stray(self, key: Key, op: str, value: Value) -> None:
        if key in self._dropped:
            by, where, throws_in = self._dropped[key]
            self._say_order(
                f"{op}-after-{by}", f"{_about(value)} comes after the {by} at {where} dropped it", throws_in
            )
        elif key in self._ended:
            where = self._ended[key][0]
            self._say_order(f"{op}-after-end", f"{_about(value)} comes after its end at {where}", BOTH)
        else:
            self._say_order(f"{op}-before-start", f"{_about(value)} comes before its start", BOTH)

    def _part_end(self, value: Value) -> None:
        self._part_delta(value)
        key = _key(value)
        if self._open.pop(key, None) is not None:
            self._ended[key] = (self._here(), self._steps)

    def _tool(self, value: Value) -> None:
        for code, message, throws_in in self._tools.feed(value):
            self._say_order(code, message, throws_in)


def _key(value: Value) -> Key:
    return value["type"].partition("-")[0], text_id(value, "id")


def _about(value: Value) -> str:
    return f"{value['type']} of {text_id(value, 'id')[:40]!r}"


def _rules() -> Iterator[tuple[str, Callable[[MessageGrammar, Value], None]]]:
    for kind in ("text", "reasoning"):
        yield f"{kind}-start", MessageGrammar._part_start
        yield f"{kind}-delta", MessageGrammar._part_delta
        yield f"{kind}-end", MessageGrammar._part_end
    for kind in TOOL_CHUNKS:
        yield kind, MessageGrammar._tool
    yield "start", MessageGrammar._start
    yield "finish", MessageGrammar._finish
    yield "abort", MessageGrammar._end
    yield "error", MessageGrammar._error
    yield "start-step", MessageGrammar._start_step
    yield "finish-step", MessageGrammar._finish_step
    yield "reset-step", MessageGrammar._reset_step


_RULES = dict(_rules())
