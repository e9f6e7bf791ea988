"""The text inside the innermost envelope, with the way back from its characters to stored bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runs.payloads.model import AROUND, LayerError, Problem, problem_at

LAYER = "devl"
TAG = b"devl"
PIECE = 2**16
WEIGH_FROM = 2**20
HEAVIEST = 160 * 2**20

_widest = re.compile(rb"[\xf0-\xf4]")


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes that are not UTF-8 are lone surrogates here, so that every character leads to its bytes.

    `note` is the problem of the first such byte. `surrogates` tells that some may be in it, from there
    or from escapes; values never show them.
    """

    chars: str
    surrogates: bool
    note: Problem | None

    def offset(self, at: int) -> int:
        """The byte at which a character starts, the tag counted in."""
        pieces = range(0, at, PIECE)
        return len(TAG) + sum(len(_bytes(self.chars[start : min(at, start + PIECE)])) for start in pieces)

    def problem(self, at: int, reason: str) -> Problem:
        before = _bytes(self.chars[max(0, at - AROUND) : at])
        if at < AROUND:
            before = TAG + before
        window = before[-AROUND:] + _bytes(self.chars[at : at + AROUND])[:AROUND]
        return Problem(LAYER, self.offset(at), reason, window.hex(" "))


def _bytes(chars: str) -> bytes:
    return chars.encode("utf-8", "surrogateescape")


def text_of(body: bytes) -> Text:
    """The text of `body` (tag included). LayerError when parsing it would take too much memory."""
    surrogates = b"\\ud" in body or b"\\uD" in body
    _weigh(body, surrogates)
    try:
        return Text(str(memoryview(body)[len(TAG) :], "utf-8"), surrogates, None)
    except UnicodeDecodeError as error:
        at = error.start
    note = problem_at(LAYER, body, len(TAG) + at, "not UTF-8, shown as U+FFFD")
    return Text(str(memoryview(body)[len(TAG) :], "utf-8", "surrogateescape"), True, note)


def _weigh(body: bytes, surrogates: bool) -> None:
    """Keeps text from taking many times its size in memory, as `[],[],[],...` or one emoji would do.

    Python stores a text with the width of its widest character, here twice: as JSON and parsed.
    """
    if len(body) < WEIGH_FROM:
        return
    width = 1 if body.isascii() else 2
    if surrogates or (width == 2 and _widest.search(body)):
        width = 4
    parts = 60 * body.count(b",") + 72 * body.count(b"[") + 232 * body.count(b"{")
    if 2 * width * len(body) + parts > HEAVIEST:
        reason = "too large to be shown: it would take more than 160 MiB of memory"
        raise LayerError("truncated", problem_at(LAYER, body, 0, reason))
