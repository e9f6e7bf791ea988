"""The orders on the stream page: as the writer meant it, as it became durable, as it is stored; any two of them.

`?part=orders&left=writer&right=stored&near=<arrival>` is the panel, `&as=table` the same chunks as a table. The page
itself takes the same parameters, so that the switch works without script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dashboard.lib.panels import collect
from runs.keys import opener_for
from streams._orders_window import Number, Window, window_of
from streams.models import Stream
from streams.order_queries import Looked, labelled, look, next_moved
from streams.orders import (
    ARRIVAL,
    ORDERS,
    STORED,
    WRITER,
    Comparison,
    Order,
    Pair,
    Unstored,
    compare,
    with_unstored,
)
from streams.pages._orders_rows import Line, Picture, Shown, TableRow
from streams.pages._orders_words import NAMES, notes_of, sentence_of
from streams.pages._window import ALL_ROWS, arrival_in
from streams.rebuilt import PROVED

MOST = 2_000  # chunks of a stream whose orders may be on the page at once


@dataclass(frozen=True, slots=True)
class Choice:
    name: Order
    url: str  # `?left=…&right=…`
    is_on: bool
    title: str


@dataclass(frozen=True, slots=True)
class Orders:
    """What the template shows."""

    query: str
    lefts: list[Choice]
    rights: list[Choice]
    is_later: bool = False  # not built yet: the page asks for it
    names: tuple[str, str] = ("", "")
    sentence: str = ""
    is_bad: bool = False
    notes: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    left: tuple[Shown, ...] = ()
    right: tuple[Shown, ...] = ()
    lines: tuple[Line, ...] = ()
    height: int = 0
    table: tuple[TableRow, ...] = ()
    link: str = "#chunk-"  # to a row of the chunk table, but for its arrival
    earlier: str = ""
    later: str = ""
    next_moved: str = ""


def orders_context(request: HttpRequest, stream: Stream) -> dict[str, Any]:
    """`orders` for `streams/_orders.html`: with the page where chunks moved, or where it is asked for.

    Else, and of a long stream, only the place that asks for `?part=orders` when the page is there.
    """
    if not _has_any(stream):
        return {"orders": None}
    pair, near = _asked(request.GET, stream)
    if pair is not None or (stream.moved_count and stream.head <= MOST):
        return {"orders": _built(request, stream)}
    return {"orders": Orders(_query(pair, near), [], [], is_later=True, link=_query(_usual(stream), near))}


def _usual(stream: Stream) -> Pair:
    return (WRITER, STORED) if stream.write_revision else (ARRIVAL, STORED)


def orders_part(request: HttpRequest, stream: Stream) -> HttpResponse:
    orders = _built(request, stream) if _has_any(stream) else None
    name = "streams/_orders_table.html" if request.GET.get("as") == "table" else "streams/_orders.html"
    return render(request, name, {"stream": stream, "orders": orders})


def _has_any(stream: Stream) -> bool:
    return bool(stream.head or stream.write_revision) and not stream.is_system and stream.pruned_ns is None


def _asked(query: Mapping[str, str], stream: Stream) -> tuple[Pair | None, int]:
    """The pair that is meant, None where nothing or nonsense is asked for, and the chunk around which."""
    names = {order: order for order in ORDERS}
    left, right = names.get(query.get("left", "")), names.get(query.get("right", ""))  # type: ignore[call-overload]
    near = arrival_in(query.get("near", "")) or arrival_in(query.get("at", "")) or 0
    pair = (left, right) if left and right and left != right else None
    return pair, min(near, stream.head)


def _query(pair: Pair | None, near: int) -> str:
    sides = {"left": pair[0], "right": pair[1]} if pair else {}
    return urlencode(sides | ({"near": near} if near else {}))


def _built(request: HttpRequest, stream: Stream) -> Orders:
    asked, near = _asked(request.GET, stream)
    pair = asked or _usual(stream)
    looked = look(stream, pair, near)
    if asked is None and WRITER in pair and not looked.told and stream.head:
        pair = (ARRIVAL, STORED)
        looked = looked if looked.is_whole else look(stream, pair, near)
    judged = not looked.is_whole and stream.moved_count > 0
    found = compare(looked.placed, looked.told, pair, judged=judged)
    if WRITER in pair and not looked.told:
        found = Comparison()
    window = _window(looked, found, pair)
    # The same words as for the rows of a stream that is shown whole: one look, one line in the log.
    what = f"chunks 1–{stream.head}" if stream.head <= ALL_ROWS else f"chunks around {max(1, near)}"
    with opener_for(request, stream.run).noting(f"{what} of {stream.name}") as key:
        rows = labelled(stream, window.shown)
        return _orders(stream, Picture(pair, looked, found, window, rows, key), near)


def _window(looked: Looked, found: Comparison, pair: Pair) -> Window:
    columns: list[list[int | Unstored]] = [
        with_unstored(order, looked.told, looked.unstored) if name == WRITER else list(order)
        for name, order in zip(pair, (found.left, found.right), strict=True)
    ]
    near = looked.near or next((arrival for arrival in found.right if arrival in found.moved), 0)
    return window_of(
        found, (columns[0], columns[1]), near, (_number(looked, pair[0]), _number(looked, pair[1]))
    )


def _number(looked: Looked, order: Order) -> Number:
    if order == ARRIVAL:
        return lambda arrival: arrival
    if order == STORED:
        return lambda arrival: looked.chunks[arrival].position
    return lambda arrival: None


def _orders(stream: Stream, picture: Picture, near: int) -> Orders:
    pair, looked, found, window = picture.pair, picture.looked, picture.found, picture.window
    left, right = picture.columns
    return Orders(
        query=_query(pair, near),
        lefts=_choices(pair, near, 0),
        rights=_choices(pair, near, 1),
        names=(NAMES[pair[0]], NAMES[pair[1]]),
        sentence=sentence_of(stream, looked, found, pair, _agrees(stream, found, pair)),
        is_bad=bool(found.moved) and WRITER in pair,
        notes=tuple(notes_of(stream, looked, found, pair, window.ghosts_left)),
        scopes=tuple(picture.scopes if WRITER in pair else ()),
        left=tuple(left),
        right=tuple(right),
        lines=tuple(picture.lines),
        height=picture.height,
        table=tuple(picture.table),
        link="#chunk-" if stream.head <= ALL_ROWS else "",
        earlier=_near(pair, window.earlier),
        later=_near(pair, window.later),
        next_moved=_near(pair, _next_moved(stream, picture)),
    )


def _agrees(stream: Stream, found: Comparison, pair: Pair) -> bool:
    """Whether judging proved by more than the order of calls that chunks of this stream moved."""
    if set(pair) != {WRITER, STORED} or not found.moved_chunks or found.certainty == PROVED:
        return False
    pieces = collect("stream_verdict", [stream.pk]).get(stream.pk, [])
    return any(piece.kind == "out_of_order" and piece.certainty == PROVED for piece in pieces)


def _near(pair: Pair, arrival: int | None) -> str:
    return _query(pair, arrival) if arrival else ""


def _choices(pair: Pair, near: int, side: int) -> list[Choice]:
    """Choosing the order that the other side shows makes both change sides."""
    choices = []
    for name in ORDERS:
        other = pair[1 - side] if name != pair[1 - side] else pair[side]
        chosen: Pair = (name, other) if side == 0 else (other, name)
        choices.append(Choice(name, _query(chosen, near), name == pair[side], NAMES[name]))
    return choices


def _next_moved(stream: Stream, picture: Picture) -> int | None:
    """The first that moved behind what is shown, in the right order; in a long stream as it was judged."""
    found, last = picture.found, picture.window.later
    if last is None:
        return None
    behind = found.right[found.right.index(last) + 1 :]
    inside = next((arrival for arrival in behind if arrival in found.moved), None)
    if inside is None and not picture.looked.is_whole and set(picture.pair) == {WRITER, STORED}:
        return next_moved(stream, max(picture.window.shown, default=0))
    return inside
