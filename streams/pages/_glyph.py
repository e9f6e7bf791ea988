"""The integrity glyph: a stream as a channel with ticks and a gate, at 34 x 14 px, from stored counts alone.

Ticks are chunks, crossing lines are moved chunks, the gate is the end marker. What is drawn past the gate no
reader gets. A dashed gate means never closed. Nothing here claims an order that was not checked.
"""

from __future__ import annotations

from html import escape

from django.utils.safestring import SafeString, mark_safe

from runs.pages._format import counted
from streams.models import Stream
from streams.verdicts import ended_open

_RAILS = '<path class="rail" d="M1 2.5h24M1 11.5h24"/>'
_SHORT_RAILS = '<path class="rail" d="M1 2.5h20M1 11.5h20"/>'
_TICKS = '<path class="tick" d="M5 5v4M10 5v4M15 5v4M20 5v4"/>'
_OPEN_TICKS = '<path class="tick" d="M5 5v4M10 5v4M15 5v4"/>'
_WRITING = '<path class="tick" d="M5 5v4M10 5v4"/><path class="fresh" d="M15 5v4"/>'
_CROSSING = '<path class="tick" d="M4 5v4M21 5v4"/><path class="cross" d="M9 4.5l8 5M9 9.5l8-5"/>'
_GATE = '<path class="gate" d="M25 .5v13"/>'
_GATE_2 = '<path class="gate2" d="M28 1v12"/>'
_NO_GATE = '<path class="nogate" d="M25 1v12"/>'
_BEHIND = '<path class="past" d="M29 5v4M32.5 5v4"/>'


def problems(stream: Stream) -> list[str]:
    """What is wrong by the stored counts, in words; empty says nothing about what was not checked."""
    found = []
    if stream.behind_count:
        found.append(f"{counted(stream.behind_count, 'chunk')} behind the end marker")
    if stream.close_count > 1:
        found.append(f"{stream.close_count} end markers")
    if stream.moved_count:
        found.append(f"{counted(stream.moved_count, 'chunk')} moved")
    return found


def state_words(stream: Stream) -> str:
    if stream.expired:
        return "expired: the world removed its chunks"
    if stream.close_count:
        return "closed"
    if ended_open(stream):
        return "never closed"
    return "open" if stream.chunk_count else "no chunk yet"


def glyph(stream: Stream) -> SafeString:
    words = ", ".join(
        [*problems(stream), state_words(stream)] if stream.close_count < 2 else problems(stream)
    )
    parts = (_SHORT_RAILS if ended_open(stream) else _RAILS) + _chunks(stream) + _gates(stream)
    return mark_safe(  # constants and escaped words
        f'<svg class="glyph" viewBox="0 0 34 14" role="img" aria-label="{escape(words)}">'
        f"<title>{escape(words)}</title>{parts}</svg>"
    )


def _chunks(stream: Stream) -> str:
    if stream.moved_count:
        return _CROSSING
    if not stream.chunk_count:
        return ""
    if ended_open(stream):
        return _OPEN_TICKS
    return _TICKS if stream.close_count else _WRITING


def _gates(stream: Stream) -> str:
    if ended_open(stream):
        return _NO_GATE
    if not stream.close_count:
        return ""
    if stream.behind_count:
        return _GATE + _BEHIND
    return _GATE + (_GATE_2 if stream.close_count > 1 else "")
