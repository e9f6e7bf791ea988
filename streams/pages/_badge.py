"""The verdict of a stream as a badge: one renderer for every list. Icon and word, never a colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString, mark_safe

from streams.models import Stream
from streams.verdicts import Level, level_of


@dataclass(frozen=True, slots=True)
class Look:
    word: str
    style: str
    icon: str
    title: str


LOOKS = {
    Level.CRITICAL: Look("critical", "err", "fail", "The worst finding is critical, and proved."),
    Level.ERROR: Look("error", "err", "x", "The worst finding is an error, and proved."),
    Level.WARNING: Look("warning", "warn", "warn", "The worst finding is a warning, and proved."),
    Level.SUSPECTED: Look("suspected", "warn", "sure2", "Something looks wrong; it is not proved."),
    Level.INFO: Look("info", "info", "dash", "Worth knowing; nothing is broken."),
    Level.UNJUDGED: Look("not judged", "idle", "pend", "Not judged yet as it is now."),
    Level.RUNNING: Look("running", "info", "run", "Nothing was found so far; it is still being written."),
    Level.NONE_FOUND: Look(
        "none found", "idle", "dash", "Nothing was found, but not everything could be checked here."
    ),
    Level.CLEAN: Look("clean", "ok", "ok", "Everything was checked, and nothing was found."),
}
WORST_FIRST = tuple(sorted(Level, reverse=True))


def slug_of(level: Level) -> str:
    """As URLs write it."""
    return LOOKS[level].word.replace(" ", "-")


LEVELS = {slug_of(level): level for level in WORST_FIRST}


def verdict_badge(stream: Stream) -> SafeString:
    return badge_of(level_of(stream))


def badge_of(level: Level) -> SafeString:
    look = LOOKS[level]
    return mark_safe(  # constants alone
        f'<span class="badge verdict-{slug_of(level)} {look.style}" title="{escape(look.title)}">'
        f'<svg class="ic" aria-hidden="true"><use href="#i-{look.icon}"/></svg>{look.word}</span>'
    )
