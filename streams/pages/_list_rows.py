"""The rows of a list of streams, and how they stay where they are while a reader looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboard.lib.panels import Piece, collect
from runs.models import World
from runs.queries import ids_of
from streams import list_queries
from streams.list_queries import stream_list, streams_kept
from streams.models import Stream
from streams.pages._badge import LOOKS, WORST_FIRST, badge_of, slug_of, verdict_badge
from streams.pages._glyph import glyph, problems, state_words
from streams.pages._list_query import Asked
from streams.pages._names import title_of
from streams.verdicts import Level, level_of

# Told by the counts of a row already.
_COUNTED = frozenset({"write_after_close", "closed_more_than_once", "never_closed", "out_of_order"})


def rows_of(world: World | None, asked: Asked) -> dict[str, Any]:
    """The page that the URL asks for; or, for a reader who is in the middle of it, the same rows as they are now."""
    pk = world.pk if world is not None else None
    found = stream_list(pk, asked.filter, asked.older, newest=asked.newest)
    streams, fresh = found.streams, 0
    if asked.kept:
        streams = streams_kept(pk, asked.kept)
        fresh = len({stream.pk for stream in found.streams} - set(asked.kept))
    elif {(stream.pk, stream.verdict) for stream in streams} == set(asked.shown):
        streams = streams_kept(pk, [row[0] for row in asked.shown])  # streams being written would swap places
    return {"rows": _rows(streams), "older": found.older, "fresh": fresh, "shown": token_of(streams)}


def token_of(streams: Sequence[Stream]) -> str:
    return "-".join(f"{stream.pk}.{stream.verdict}" for stream in streams)


def _rows(streams: Sequence[Stream]) -> list[dict[str, Any]]:
    badges = collect("stream_badges", ids_of(streams))
    return [_row(stream, badges.get(stream.pk, [])) for stream in streams]


def _row(stream: Stream, found: Sequence[Piece]) -> dict[str, Any]:
    wrong = problems(stream)
    return {
        "stream": stream,
        "title": title_of(stream.name),
        "glyph": glyph(stream),
        "badge": verdict_badge(stream),
        "words": ", ".join(wrong) or state_words(stream),
        "wrong": bool(wrong),
        "found": [piece for piece in found if piece.kind not in _COUNTED],
        "bad": level_of(stream) >= Level.ERROR,
    }


def counts_of(world: World | None, asked: Asked) -> list[dict[str, Any]]:
    counts = list_queries.verdict_counts(world.pk if world is not None else None, asked.filter.own)
    return [
        {
            "badge": badge_of(level),
            "title": LOOKS[level].title,
            "count": f"{counts[level]:,}" + ("+" if counts[level] >= list_queries.COUNTED else ""),
            "none": not counts[level],
            "query": asked.query(verdict="" if asked.filter.level == level else slug_of(level)),
            "on": asked.filter.level == level,
        }
        for level in WORST_FIRST
    ]
