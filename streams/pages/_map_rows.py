"""Where a stream's problems are, by equal parts of it: counted while they are few, else estimated from a sample."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F

from streams.models import Chunk, Stream
from streams.order import BEHIND, CLOSE2, MOVED, PROBLEM_FROM

COUNTED = 20_000  # problems: of more, each part is judged by a sample
SAMPLE = 25  # chunks of each part
ASKED = 500  # arrivals in one question
CLOSES = 20  # end markers that are drawn
Kinds = dict[int, int]  # marks, and how many chunks have them


@dataclass(frozen=True, slots=True)
class Problems:
    totals: Kinds  # of the whole stream; never estimated
    by_bin: dict[int, Kinds]
    closes: list[tuple[int, bool]]  # arrivals of end markers, and whether the stream was closed before
    is_sampled: bool

    @property
    def total(self) -> int:
        return sum(self.totals.values())


def problems_of(stream: Stream, bins: int) -> Problems:
    """The stream's own counts say beforehand whether counting by parts is worth it."""
    kept = {MOVED: stream.moved_count, BEHIND: stream.behind_count, CLOSE2: max(0, stream.close_count - 1)}
    totals = {marks: count for marks, count in kept.items() if count}
    if sum(totals.values()) > COUNTED:
        return Problems(totals, _sampled(stream, bins), _closes(stream, True), True)
    by_bin = _counted(stream, bins)
    return Problems(_sums(by_bin), by_bin, _closes(stream, False), False)


def _sums(by_bin: dict[int, Kinds]) -> Kinds:
    sums: Kinds = {}
    for kinds in by_bin.values():
        for marks, count in kinds.items():
            sums[marks] = sums.get(marks, 0) + count
    return sums


def _counted(stream: Stream, bins: int) -> dict[int, Kinds]:
    part = (F("arrival") - 1) * bins / stream.head
    rows = Chunk.objects.filter(stream=stream, marks__gte=PROBLEM_FROM).annotate(part=part)
    found: dict[int, Kinds] = {}
    for number, marks, count in rows.values_list("part", "marks").annotate(count=Count("arrival")):
        found.setdefault(number, {})[marks] = count
    return found


def _sampled(stream: Stream, bins: int) -> dict[int, Kinds]:
    head, wanted = stream.head, bins * SAMPLE
    arrivals = [1 + head * at // wanted for at in range(wanted)]
    each = head / wanted
    found: dict[int, Kinds] = {}
    for at in range(0, wanted, ASKED):
        rows = Chunk.objects.filter(
            stream=stream, arrival__in=arrivals[at : at + ASKED], marks__gte=PROBLEM_FROM
        )
        for arrival, marks in rows.values_list("arrival", "marks"):
            kinds = found.setdefault((arrival - 1) * bins // head, {})
            kinds[marks] = kinds.get(marks, 0) + max(1, round(each))
    return found


def _closes(stream: Stream, is_sampled: bool) -> list[tuple[int, bool]]:
    """The first one always; further ones are found among the problems while those are few."""
    if not stream.close_count:
        return []
    first = Chunk.objects.filter(stream=stream, chunk_id=stream.first_close_id)
    found = [(arrival, False) for arrival in first.values_list("arrival", flat=True)]
    if stream.close_count > 1 and not is_sampled:
        again = Chunk.objects.filter(stream=stream, marks__gte=PROBLEM_FROM, is_close=True).order_by(
            "arrival"
        )
        found += [(arrival, True) for arrival in again.values_list("arrival", flat=True)[:CLOSES]]
    return found
