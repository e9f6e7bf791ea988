"""What the pages of runs show of streams, given to them through slots: runs never import streams."""

from __future__ import annotations

from django.urls import reverse

from dashboard.lib.panels import Piece, Severity, provide
from runs.pages._format import counted, size
from streams import queries
from streams.models import Stream
from streams.order import CLOSE2
from streams.pages._badge import verdict_badge
from streams.pages._glyph import glyph, problems, state_words
from streams.pages._names import title_of
from streams.verdicts import Level, ended_open, level_of, level_of_counts

MOMENTS = 200


def register() -> None:
    provide("run_streams", run_streams)
    provide("run_moments", run_moments)


def run_streams(run_ids: list[int]) -> dict[int, list[Piece]]:
    """The streams of runs, without the SDK's own where nothing is wrong with them."""
    pieces: dict[int, list[Piece]] = {run_id: [] for run_id in run_ids}
    for stream in queries.streams_of(run_ids):
        if stream.run_id is not None and (not stream.is_system or problems(stream)):
            pieces[stream.run_id].append(_piece(stream))
    return pieces


def run_moments(run_ids: list[int]) -> dict[int, list[Piece]]:
    """End markers, at their stored time."""
    pieces: dict[int, list[Piece]] = {run_id: [] for run_id in run_ids}
    for run_id, name, marks, stored_ns in queries.closes_of(run_ids, MOMENTS):
        kind = "close2" if marks & CLOSE2 else "close"
        pieces[run_id].append(Piece(f"close of {title_of(name)}", kind=kind, at=stored_ns))
    return pieces


def _piece(stream: Stream) -> Piece:
    url = reverse("stream", args=[stream.world.slug, stream.name])
    wrong = problems(stream)
    chunks, closes = counted(stream.chunk_count, "chunk"), counted(stream.close_count, "end marker")
    counts = f"{chunks}, {closes}, {size(stream.bytes)}"
    words = ", ".join(wrong) or state_words(stream)
    return Piece(
        title_of(stream.name), "", _severity(stream), "", words, url, detail=counts, html=glyph(stream),
        badge=verdict_badge(stream),
    )  # fmt: skip


def _severity(stream: Stream) -> Severity:
    """For the mark of a row: by the verdict that lists sort by, and the counts where it is older."""
    level = max(level_of(stream), level_of_counts(stream))
    if level >= Level.ERROR:
        return "error"
    return "warning" if level >= Level.SUSPECTED or problems(stream) or ended_open(stream) else "ok"
