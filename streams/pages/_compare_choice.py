"""Which stream another one is compared with: what `?with=` means, and the streams that are worth choosing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from django.utils.safestring import SafeString

from dashboard.lib.database import clean
from runs.pages._find import NAME_CHARS
from runs.pages._format import visible
from streams._compare_rows import stream_meant, streams_like
from streams.models import Stream
from streams.pages._badge import verdict_badge
from streams.pages._glyph import glyph, problems, state_words
from streams.pages._names import title_of
from streams.verdicts import CLEARED, Level, ended_open, level_of, level_of_counts

LOOKED_AT = 100  # streams of the newest runs
SHOWN = 20
WITH_CHARS = 600
_PATH = re.compile(r"(?:^|/)w/([^/?#]+)/(?:streams|runs)/([^/?#]+)")


@dataclass(frozen=True, slots=True)
class Candidate:
    stream: Stream
    title: str
    glyph: SafeString
    verdict: SafeString
    words: str

    @property
    def meant(self) -> str:
        return f"{self.stream.world.slug}/{self.stream.name}"


@dataclass(frozen=True, slots=True)
class Choice:
    """`stream`: the one that is meant. Else `trouble` says why there is none, unless nothing was asked for."""

    asked: str
    stream: Stream | None = None
    trouble: str = ""


def choice_in(asked: str) -> Choice:
    """`<world>/<stream or run>`, a name or id alone, or the address of a stream or run page."""
    asked = asked.strip()[:WITH_CHARS]
    slug, name = _named(asked)
    if not name:
        return Choice(asked, None, "" if not asked else _nothing(asked))
    found = stream_meant(clean(slug, NAME_CHARS), clean(name, NAME_CHARS))
    return Choice(asked, found, "" if found is not None else _nothing(asked))


def _named(asked: str) -> tuple[str, str]:
    """The world's slug (empty: any) and the name."""
    match = _PATH.search(asked)
    if match is not None:
        return unquote(match[1]), unquote(match[2])
    slug, slash, name = asked.partition("/")
    return (slug, name.strip("/")) if slash else ("", slug)


def _nothing(asked: str) -> str:
    return (
        f"No stream is known here by {visible(asked[:120])}. It may not have been read yet, be no longer kept, or"
        " be one of several of its run: then give the stream's own name."
    )


def candidates(stream: Stream) -> list[Candidate]:
    """Streams of the same name in other runs of the workflow: those without a problem first, then the newest."""
    found = sorted(streams_like(stream, title_of, LOOKED_AT), key=_rank)
    return [_candidate(one) for one in found[:SHOWN]]


def _rank(stream: Stream) -> int:
    """0: judged, and nothing was found; 1: nothing was found so far; 2: something is wrong."""
    level = max(level_of(stream), level_of_counts(stream))
    if level >= Level.INFO or ended_open(stream):
        return 2
    return 0 if level in CLEARED else 1


def _candidate(stream: Stream) -> Candidate:
    words = ", ".join(problems(stream)) or state_words(stream)
    return Candidate(stream, title_of(stream.name), glyph(stream), verdict_badge(stream), words)
