"""The rebuilt message on the stream page: as its writers meant it, and as it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from runs.keys import opener_for
from runs.pages._format import counted
from streams._rebuilt_rows import FirstChunks, first_chunks, told_of, why_unknown
from streams.models import Stream
from streams.pages._rebuilt_cards import Card, cards_of
from streams.pages._rebuilt_text import LARGE, SMALL, Budget, Flow, Halt, flows_of, halts_of
from streams.pages._window import ALL_ROWS
from streams.rebuilt import (
    BYTES,
    MESSAGE,
    SUSPECTED,
    TEXT,
    UNREAD,
    UTF8,
    VALUES,
    Rebuilt,
    WritersOrder,
    rebuild,
    shape_of,
    writers_order,
)
from streams.write_queries import not_stored_count

AT_ONCE, AT_ONCE_BYTES = (
    400,
    200_000,
)  # chunks, bytes: a larger stream is put together when the page is there already
_TITLES = {MESSAGE: "Rebuilt message", VALUES: "Joined values"}
_WHAT = {
    MESSAGE: "AI SDK chunks", TEXT: "strings", UTF8: "bytes, read as UTF-8", VALUES: "values, one a line",
    BYTES: "bytes that are no text are not joined", UNREAD: "no value can be read here",
}  # fmt: skip
_ENDINGS = {"finish": "finished", "abort": "aborted", "error": "ended by an error", "": "not finished"}


@dataclass(frozen=True, slots=True)
class Piece:
    """What the template shows."""

    title: str
    what: str
    flows: list[Flow]
    cards: list[Card]
    cards_left: int
    halts: list[Halt]  # where the SDK's reader stops, where no text tells it
    facts: list[str]
    order: str  # in words: how this is to the writers' order
    certainty: str
    notes: list[str]
    unread_at: int | None
    is_different: bool
    is_cut: bool  # something is left out that `?part=rebuilt&more=1` shows
    is_later: bool = False  # not built yet: the page asks for it


_LATER = Piece("Rebuilt message", "", [], [], 0, [], [], "", "", [], None, False, False, is_later=True)


def rebuilt_context(stream: Stream, request: HttpRequest) -> dict[str, Any]:
    """`rebuilt` for `streams/_rebuilt.html`; of a long stream only the place that asks for `?part=rebuilt`."""
    if not stream.chunk_count or stream.is_system or stream.pruned_ns is not None:
        return {"rebuilt": None}
    if stream.head > AT_ONCE or stream.bytes > AT_ONCE_BYTES:
        return {"rebuilt": _LATER}
    return {"rebuilt": _built(stream, request, SMALL)}


def rebuilt_part(request: HttpRequest, stream: Stream) -> HttpResponse:
    """`?part=rebuilt`, and with `&more=1` more of it."""
    budget = LARGE if request.GET.get("more") == "1" else SMALL
    has_any = stream.chunk_count and not stream.is_system and stream.pruned_ns is None
    piece = _built(stream, request, budget) if has_any else None
    return render(
        request, "streams/_rebuilt.html", {"stream": stream, "rebuilt": piece, "more": budget is LARGE}
    )


def _built(stream: Stream, request: HttpRequest, budget: Budget) -> Piece:
    # The same words as for the rows of a stream that is shown whole: one look, one line in the log.
    what = (
        f"chunks 1–{stream.head} of {stream.name}"
        if stream.head <= ALL_ROWS
        else f"the joined text of {stream.name}"
    )
    with opener_for(request, stream.run).noting(what) as key:
        first = first_chunks(stream, key, budget.chunks)
        return _piece(stream, first, budget)


def _piece(stream: Stream, first: FirstChunks, budget: Budget) -> Piece:
    told = list(told_of(stream, first)) if stream.write_revision else []
    order = writers_order([chunk.arrival for chunk in first.chunks], told)
    shape = shape_of(first.read or first.chunks)
    stored = rebuild(first.read, shape)
    meant = _meant(first, order, shape, stored)
    flows = flows_of(stored, meant, budget)
    cards = cards_of(stored, meant)
    is_same = meant is None or not any(flow.is_different for flow in flows)
    words = _order_words(order, first, is_same, why_unknown(stream, told))
    return Piece(
        _TITLES.get(shape, "Joined text"), _WHAT[shape], flows, cards[: budget.cards],
        max(0, len(cards) - budget.cards), _halts_apart(stored, flows), _facts(stored), words, order.certainty,
        _notes(stream, first, stored, order), stored.unread.arrival, not is_same,
        any(flow.is_cut for flow in flows) or len(cards) > budget.cards or (budget is SMALL and first.left_out > 0),
    )  # fmt: skip


def _meant(first: FirstChunks, order: WritersOrder, shape: str, stored: Rebuilt) -> Rebuilt | None:
    """None: not known, or the same."""
    if not order.arrivals or order.arrivals == stored.order:
        return None
    by_arrival = {chunk.arrival: chunk for chunk in first.chunks}
    return rebuild([by_arrival[arrival] for arrival in order.arrivals], shape)


def _halts_apart(stored: Rebuilt, flows: list[Flow]) -> list[Halt]:
    return [] if any(column.halts for flow in flows for column in flow.columns) else halts_of(stored)


def _order_words(order: WritersOrder, first: FirstChunks, is_same: bool, why_not: str) -> str:
    """How the text is to the writers' order."""
    if not order.arrivals:
        return f"The writer's order is not known: {why_not}."
    total = len(first.chunks)
    part = (
        ""
        if order.known == total
        else f"; its order is known of {order.known:,} of {counted(total, 'chunk')}"
    )
    calls = ", by the order of calls" if order.certainty == SUSPECTED else ""
    if not is_same:
        return f"The writer meant another order{calls}{part}."
    read = {chunk.arrival for chunk in first.read}
    if [arrival for arrival in order.arrivals if arrival in read] == [chunk.arrival for chunk in first.read]:
        return f"In the writer's order too{calls}{part}."
    return f"The same text as in the writer's order, though chunks changed places{calls}{part}."


def _facts(built: Rebuilt) -> list[str]:
    if built.shape != MESSAGE:
        count = len(built.flows.get(TEXT, ()))
        return [counted(count, "value" if built.shape == VALUES else "piece")] if count else []
    reason = f": {built.ending_reason[:200]}" if built.ending_reason else ""
    steps = sum(part.kind == "step" for part in built.parts)
    messages = sum(part.kind == "message" for part in built.parts)
    facts = [f"message {built.message_id[:80]}"] if built.message_id else []
    facts += [f"{messages:,} messages, the last is named here"] if messages > 1 else []
    return [*facts, *([counted(steps, "step")] if steps else []), f"{_ENDINGS[built.ending]}{reason}"]


def _notes(stream: Stream, first: FirstChunks, stored: Rebuilt, order: WritersOrder) -> list[str]:
    notes = []
    if stored.unread.count:
        missing = (
            f"{counted(stored.unread.count, 'chunk')} cannot be read here ({stored.unread.reason[:100]})"
        )
        notes.append(f"{missing}: missing here.")
    left_out = first.left_out + len(first.read) - len(stored.order)
    if left_out:
        notes.append(
            f"Only the first {len(stored.order):,} chunks are put together, {left_out:,} are left out."
        )
    behind = len(first.chunks) - len(first.read)
    if behind:
        where = "only in the writer's text" if order.arrivals else "not in this text"
        notes.append(f"{counted(behind, 'chunk')} behind the end marker: never read, {where}.")
    lost = not_stored_count(stream.pk) if stream.write_revision else 0
    if lost:
        notes.append(f"{counted(lost, 'write')} not stored: what they held is in neither text.")
    return notes
