"""A stream put together: the message, the text or the values that its chunks make in a given order.

Lenient where the AI SDK's reader throws: the place is told (`Rebuilt.stops`), and what would follow is built.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from runs.payloads import TypedBytes, preview
from streams._rebuilt_message import MessageBuilder
from streams._rebuilt_order import (
    PROVED,
    SUSPECTED,
    Change,
    Difference,
    Told,
    WritersOrder,
    compare,
    writers_order,
)
from streams._rebuilt_parts import (
    BYTES,
    INPUT,
    MESSAGE,
    REASONING,
    TEXT,
    UNREAD,
    UTF8,
    VALUES,
    Fragment,
    Part,
    Rebuilt,
    Stop,
    Tool,
    Unread,
)
from streams.chunk_types import BOTH, MessageShape, chunk_type, chunk_values
from streams.facts import ChunkFact
from streams.messages import MessageGrammar

__all__ = [
    "BYTES",
    "INPUT",
    "MESSAGE",
    "PROVED",
    "REASONING",
    "SUSPECTED",
    "TEXT",
    "UNREAD",
    "UTF8",
    "VALUES",
    "Change",
    "Difference",
    "Fragment",
    "Part",
    "Rebuilt",
    "Stop",
    "Told",
    "Tool",
    "Unread",
    "WritersOrder",
    "compare",
    "rebuild",
    "shape_of",
    "writers_order",
]

MOST = 20_000  # values that are put together; of a longer stream the first
VALUE_CHARS = 200
_BYTE_KINDS = frozenset({"raw-bytes", "framed-bytes"})


def shape_of(chunks: Iterable[ChunkFact]) -> str:
    """What a stream carries. Bytes in a stream of values are taken for values that cannot be read."""
    shape, kinds = MessageShape(), set[str]()
    utf8 = codecs.getincrementaldecoder("utf-8")()
    for chunk in chunks:
        values = chunk_values(chunk)
        for value in [None] if values is None else values:
            shape.feed(value)
        kinds |= _kinds(chunk, values, utf8)
    if shape.is_message:
        return MESSAGE
    return next((one for one in (VALUES, TEXT, BYTES, UTF8) if one in kinds), UNREAD)


def _kinds(chunk: ChunkFact, values: list[Any] | None, utf8: codecs.IncrementalDecoder) -> set[str]:
    if values is not None:
        return {TEXT if isinstance(value, str) else VALUES for value in values}
    if chunk.value.kind not in _BYTE_KINDS:
        return {UNREAD}
    try:
        return {BYTES if "\0" in utf8.decode(_bytes(chunk)) else UTF8}
    except UnicodeDecodeError:
        return {BYTES}


def _bytes(chunk: ChunkFact) -> bytes:
    return b"".join(one.value.data for one in chunk.value.values if isinstance(one.value, TypedBytes))


def rebuild(chunks: Sequence[ChunkFact], shape: str) -> Rebuilt:
    """The chunks in the order given, as a stream of that shape. Takes at most `MOST` values.

    A chunk whose `is_behind` is set is not taken into account by the message's grammar.
    """
    if shape == MESSAGE:
        return _Message().of(chunks)
    joined = list(_joined(chunks, shape))
    order = tuple(dict.fromkeys(one.arrival for one, _ in joined))
    fragments = tuple(one for one, is_read in joined if is_read)
    unread = _unread(chunk for chunk in chunks[: len(order)] if _is_unread(chunk, shape))
    return Rebuilt(shape, order, {TEXT: fragments} if fragments else {}, unread=unread)


def _joined(chunks: Iterable[ChunkFact], shape: str) -> Iterator[tuple[Fragment, bool]]:
    """The fragments, and for each chunk without any one that is not to be read."""
    utf8 = codecs.getincrementaldecoder("utf-8")("replace")
    taken = 0
    for chunk in chunks:
        if taken >= MOST:
            return
        texts = _texts(chunk, shape, utf8)
        for index, text in enumerate(texts[: MOST - taken]):
            yield Fragment(text, chunk.arrival, chunk.position, index), True
        if not texts:
            yield Fragment("", chunk.arrival, chunk.position), False
        taken += len(texts) or 1


def _texts(chunk: ChunkFact, shape: str, utf8: codecs.IncrementalDecoder) -> list[str]:
    values = chunk_values(chunk)
    if values is not None:
        return [
            one if shape == TEXT and isinstance(one, str) else preview(one, VALUE_CHARS) for one in values
        ]
    return [utf8.decode(_bytes(chunk))] if shape == UTF8 and chunk.value.kind in _BYTE_KINDS else []


def _is_unread(chunk: ChunkFact, shape: str) -> bool:
    return chunk_values(chunk) is None and not (shape == UTF8 and chunk.value.kind in _BYTE_KINDS)


def _unread(chunks: Iterable[ChunkFact]) -> Unread:
    told = Unread()
    for chunk in chunks:
        told = replace(told, count=told.count + 1) if told.count else _first_unread(chunk)
    return told


def _first_unread(chunk: ChunkFact) -> Unread:
    whole = chunk.value
    if any(one.status == "encrypted" for one in whole.values):
        return Unread(1, chunk.arrival, "encrypted")
    problem = whole.problem or next((one.problem for one in whole.values if one.problem is not None), None)
    return Unread(1, chunk.arrival, problem.reason if problem is not None else "no value in it")


class _Message:
    """Feeds the lenient reader and, for where the SDK's own stops, the grammar."""

    def __init__(self) -> None:
        self._builder = MessageBuilder()
        self._grammar = MessageGrammar()
        self._stops: list[Stop] = []
        self._running = BOTH  # AI SDK majors whose reader has not stopped so far

    def of(self, chunks: Iterable[ChunkFact]) -> Rebuilt:
        order: list[int] = []
        unread: list[ChunkFact] = []
        taken = 0
        for chunk in chunks:
            if taken >= MOST:
                break
            values = chunk_values(chunk)
            order.append(chunk.arrival)
            if values is None:
                unread.append(chunk)
            taken += max(1, self._take(chunk, values or []))
        built, parts = self._builder, tuple(self._builder.parts)
        return Rebuilt(
            MESSAGE, tuple(order), _flows(parts), parts, tuple(self._stops), built.message_id,
            built.metadata, built.ending, built.ending_reason, _unread(unread),
        )  # fmt: skip

    def _take(self, chunk: ChunkFact, values: Sequence[Any]) -> int:
        for found in self._grammar.feed(chunk):
            self._stop(chunk, found.throws_in, found.message)
        for index, value in enumerate(values[:MOST]):
            if chunk_type(value) is None:
                continue
            if value["type"] == "error":
                self._stop(chunk, BOTH, f"the error {str(value.get('errorText'))[:VALUE_CHARS]!r}")
            self._builder.take(value, chunk.arrival, chunk.position, index)
        return len(values)

    def _stop(self, chunk: ChunkFact, majors: frozenset[int], error: str) -> None:
        if majors := majors & self._running:
            self._running -= majors
            self._stops.append(Stop(chunk.arrival, chunk.position, majors, error))


def _flows(parts: Iterable[Part]) -> dict[str, tuple[Fragment, ...]]:
    """The fragments of the message's parts, joined by what they are."""
    flows: dict[str, list[Fragment]] = {}
    for part in parts:
        if part.fragments:
            flows.setdefault(INPUT if part.kind == "tool" else part.kind, []).extend(part.fragments)
    return {name: tuple(fragments) for name, fragments in flows.items()}
