"""What the pace of a stored stream is made from. A long stream is never read whole: runs of consecutive chunks all
along it, and then those arrivals that can be next to its longest gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.lib.clock import NS_PER_MS
from streams.models import Chunk, Stream
from streams.pace import Pace, Point, Spread, look_closer, pace_of, spread_of

EXACT = 5_000  # chunks that are all read
RUNS, RUN = 100, 21  # of a longer stream: places, and consecutive chunks at each
ROUNDS = 10
ASKED = 500  # arrivals in one question
CLOCKS = {"stored": "stored_ns", "minted": "minted_ms", "observed": "observed_ns"}


@dataclass(frozen=True, slots=True)
class Read:
    pace: Pace | None
    looked: int  # chunks that were read
    is_exact: bool  # that is all of them
    untimed: int  # of those read, how many hold no time by this clock
    lag: Spread | None  # observed minus stored, of chunks stored while Tailrace looked
    earlier: int  # of those read, how many were stored before


def read(stream: Stream, clock: str = "stored") -> Read:
    column = CLOCKS[clock]
    is_exact = stream.head <= EXACT
    rows = _rows(stream.pk, column, None if is_exact else _runs(stream.head))
    points = [Point(arrival, _ns(column, time)) for arrival, time, *_ in rows if time is not None]
    live = [observed - stored for _, _, stored, observed in rows if stored >= stream.seen_ns]
    fair = None if is_exact else {point.arrival for point in points}
    if not is_exact:
        points = look_closer(points, lambda arrivals: _times(stream.pk, column, arrivals), ROUNDS)
    untimed = sum(time is None for _, time, *_ in rows)
    return Read(pace_of(points, fair), len(rows), is_exact, untimed, spread_of(live), len(rows) - len(live))


def _ns(column: str, time: int) -> int:
    return time * NS_PER_MS if column == "minted_ms" else time


def _runs(head: int) -> list[int]:
    starts = {1 + (head - RUN) * at // (RUNS - 1) for at in range(RUNS)}
    return sorted({arrival for start in starts for arrival in range(start, start + RUN)})


def _rows(
    stream_id: int, column: str, arrivals: Sequence[int] | None
) -> list[tuple[int, int | None, int, int]]:
    chunks = Chunk.objects.filter(stream=stream_id).order_by("arrival")
    columns = ("arrival", column, "stored_ns", "observed_ns")
    if arrivals is None:
        return list(chunks.values_list(*columns))
    found: list[tuple[int, int | None, int, int]] = []
    for at in range(0, len(arrivals), ASKED):
        found += chunks.filter(arrival__in=arrivals[at : at + ASKED]).values_list(*columns)
    return found


def _times(stream_id: int, column: str, arrivals: Sequence[int]) -> Mapping[int, int]:
    chunks = Chunk.objects.filter(stream=stream_id, arrival__in=arrivals)
    found = chunks.values_list("arrival", column)
    return {arrival: _ns(column, time) for arrival, time in found if time is not None}
