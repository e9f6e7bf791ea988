"""Two streams side by side: a good and a bad run of the same workflow, aligned by type and content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from dashboard.lib.pages import page
from dashboard.lib.panels import Piece, collect
from runs.keys import opener_for
from streams._compare_rows import Part, is_ended, part_after
from streams._compare_values import entries_of
from streams._rebuilt_rows import first_chunks
from streams.compare import SEALED, Alignment, align
from streams.models import Stream
from streams.pages._badge import verdict_badge
from streams.pages._compare_choice import Choice, candidates, choice_in
from streams.pages._compare_facts import Side, facts_of
from streams.pages._compare_rows import Listed, counts_in_words, listed, side_of
from streams.pages._compare_text import texts_of
from streams.pages._find import find_stream
from streams.pages._glyph import glyph, problems, state_words
from streams.pages._names import title_of

AT_ONCE = 400  # longer streams get their texts when the page is there already
AT_ONCE_BYTES = 200_000
_AFTER = re.compile(r"(\d{1,18})-(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for beside the two streams."""

    other: str
    left_after: int = 0  # arrivals: what is compared follows them in reading order
    right_after: int = 0
    only_differences: bool = False
    row: int = 0

    @property
    def is_first(self) -> bool:
        return not self.left_after and not self.right_after

    def url(self, **changes: Any) -> str:
        """The same with something else; its rows begin anew unless a row is asked for."""
        fields = {"with": self.other, "only": "differences" if self.only_differences else "", "row": ""}
        fields |= {"after": "" if self.is_first else f"{self.left_after}-{self.right_after}"}
        return "?" + urlencode({name: value for name, value in (fields | changes).items() if value != ""})


@dataclass(frozen=True, slots=True)
class Compared:
    """Both sides of the part that is compared."""

    left: Part
    right: Part
    sides: tuple[Side, Side]
    found: Alignment

    @property
    def left_to(self) -> int:
        """The last arrival in reading order that has a row; 0 if none has."""
        return self.sides[0].entries[self.found.lefts - 1].arrival if self.found.lefts else 0

    @property
    def right_to(self) -> int:
        return self.sides[1].entries[self.found.rights - 1].arrival if self.found.rights else 0

    @property
    def has_more(self) -> bool:
        has_left = self.left.has_more or self.found.lefts < len(self.left.lines)
        return has_left or self.right.has_more or self.found.rights < len(self.right.lines)


@page("w/<slug:slug>/streams/<str:name>/compare/", "compare")
def compare(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """`?with=` the other stream; without it, or where it is not known, a page to choose one."""
    left = find_stream(slug, name)
    choice = choice_in(request.GET.get("with", ""))
    if choice.stream is None:
        return _chooser(request, left, choice)
    asked = _asked_in(request, choice.stream)
    if request.GET.get("part") == "text":
        context = _texts(request, left, choice.stream)
        return render(request, "streams/_compare_text.html", context | {"left": left, "right": choice.stream})
    return render(request, "streams/compare.html", _context(request, left, choice.stream, asked))


def _chooser(request: HttpRequest, left: Stream, choice: Choice) -> HttpResponse:
    context = {
        "stream": left,
        "title": title_of(left.name),
        "choice": choice,
        "candidates": candidates(left),
        "has_workflow": bool(left.run and left.run.workflow),
    }
    return render(request, "streams/compare_choose.html", context)


def _asked_in(request: HttpRequest, other: Stream) -> Asked:
    after = _AFTER.fullmatch(request.GET.get("after", ""))
    row = request.GET.get("row", "")
    return Asked(
        f"{other.world.slug}/{other.name}",
        int(after[1]) if after else 0,
        int(after[2]) if after else 0,
        request.GET.get("only") == "differences",
        int(row) if row.isascii() and row.isdecimal() and len(row) < 7 else 0,
    )


def _context(request: HttpRequest, left: Stream, right: Stream, asked: Asked) -> dict[str, Any]:
    ids = [left.pk, right.pk]
    pieces = collect("stream_verdict", ids)
    what = [f"a comparison of {one.name}" for one in (left, right)]
    with (
        opener_for(request, left.run).noting(what[0]) as left_key,
        opener_for(request, right.run).noting(what[1]) as right_key,
    ):
        one, other = (
            part_after(left, asked.left_after, left_key),
            part_after(right, asked.right_after, right_key),
        )
        entries = entries_of(*([(line.fact, line.digest) for line in part.lines] for part in (one, other)))
        mine = Side(left, pieces.get(left.pk, []), one, entries[0])
        theirs = Side(right, pieces.get(right.pk, []), other, entries[1])
        found = align(*entries, has_more_left=one.has_more, has_more_right=other.has_more)
        compared = Compared(one, other, (mine, theirs), found)
        shown_from = side_of(left, one, left_key, "A"), side_of(right, other, right_key, "B")
        rows = listed(found, *shown_from, asked.row, asked.only_differences)
    is_whole = asked.is_first and not compared.has_more
    return {
        "stream": left,
        "left": left,
        "right": right,
        "heads": [_head(left, "A", pieces.get(left.pk, [])), _head(right, "B", pieces.get(right.pk, []))],
        "facts": facts_of(mine, theirs, is_whole),
        "found": found,
        "words": counts_in_words(found),
        "outcome": _outcome(compared, is_whole),
        "asked": asked,
        "compared": compared,
        "rows": rows,
        "is_same_stream": left.pk == right.pk,
        "is_live": not (is_ended(left) and is_ended(right)),
        "is_whole": is_whole,
    } | _links(left, right, asked, compared, rows) | _texts_at_once(request, left, right)  # fmt: skip


def _head(stream: Stream, letter: str, pieces: Sequence[Piece]) -> dict[str, Any]:
    return {
        "letter": letter,
        "stream": stream,
        "title": title_of(stream.name),
        "glyph": glyph(stream),
        "verdict": verdict_badge(stream),
        "findings": [piece for piece in pieces if piece.severity],
        "words": ", ".join(problems(stream)) or state_words(stream),
    }


def _outcome(compared: Compared, is_whole: bool) -> str:
    """`different`, `same`, `sealed` (nothing differs as far as it can be read) or, of a part, `so far`."""
    if compared.found.is_different:
        return "different"
    if compared.found.counts[SEALED]:
        return "sealed"
    return "same" if is_whole else "so far"


def _links(left: Stream, right: Stream, asked: Asked, compared: Compared, rows: Listed) -> dict[str, Any]:
    swapped = reverse("compare", args=[right.world.slug, right.name])
    turned = Asked(
        f"{left.world.slug}/{left.name}", asked.right_after, asked.left_after, asked.only_differences
    )
    # A side of which nothing was taken is asked for from the same place again.
    after = f"{compared.left_to or asked.left_after}-{compared.right_to or asked.right_after}"
    toggled = "" if asked.only_differences else "differences"
    return {
        "swap_url": swapped + turned.url(),
        "toggle_url": asked.url(only=toggled) + "#rows",
        "first_url": asked.url(after="") + "#rows",
        "next_part_url": asked.url(after=after) + "#rows" if compared.has_more else "",
        "earlier_url": _row_url(asked, rows.earlier),
        "later_url": _row_url(asked, rows.later),
        "before_url": _difference_url(asked, rows.difference_before),
        "after_url": _difference_url(asked, rows.difference_after),
        "text_url": asked.url(part="text"),
    }


def _row_url(asked: Asked, number: int | None) -> str:
    return "" if number is None else asked.url(row=number) + "#rows"


def _difference_url(asked: Asked, number: int | None) -> str:
    return "" if number is None else asked.url(row=max(0, number - 5)) + f"#row-{number}"


def _texts_at_once(request: HttpRequest, left: Stream, right: Stream) -> dict[str, Any]:
    is_small = all(one.head <= AT_ONCE and one.bytes <= AT_ONCE_BYTES for one in (left, right))
    return _texts(request, left, right) if is_small else {"texts": None}


def _texts(request: HttpRequest, left: Stream, right: Stream) -> dict[str, Any]:
    with (
        opener_for(request, left.run).noting(f"a comparison of {left.name}") as left_key,
        opener_for(request, right.run).noting(f"a comparison of {right.name}") as right_key,
    ):
        return {"texts": texts_of(first_chunks(left, left_key), first_chunks(right, right_key))}
