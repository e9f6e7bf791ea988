"""What pages read of writes: who wrote to a stream, and what did not become a chunk."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Avg, Count, Max, Min, Q

from runs.models import AppProcess
from streams.ledger import HIDDEN, LOST, REJECTED, UNMATCHED
from streams.models import Stream, Write

SHOWN = 100
KNOWN = {
    "exact": "followed from each write of the step",
    "proved": "that there are several writables is certain, which of them wrote what is not",
    "step only": "from the SDK's step context",
    "inferred": "the only step that ran at the time",
}
_DATA = Q(is_close=False)


@dataclass(frozen=True, slots=True)
class WriterRow:
    """One step attempt of one process, all its writables together. Times are that process's clock."""

    process: str
    run_id: str
    step_id: str
    step_name: str
    attempt: int | None
    known: str
    writables: int
    calls: int
    chunks: int
    closes: int
    overlapping: int
    rejected: int
    lost: int
    unmatched: int
    first_ns: int
    last_ns: int
    took_ns: float | None  # mean of its calls

    @property
    def why(self) -> str:
        return KNOWN.get(self.known, "")


_BY = ("process", "writer__run_id", "writer__step_id", "writer__step_name", "writer__attempt")


def writers_of(stream_id: int, limit: int = SHOWN) -> list[WriterRow]:
    """In the order in which they began to write."""
    rows = (
        Write.objects.filter(stream=stream_id)
        .values_list(*_BY)
        .annotate(
            known=Min("writer__known"),
            writables=Count("writer", distinct=True, filter=_DATA),
            calls=Count("number", distinct=True, filter=Q(is_sent=True)),
            chunks=Count("pk", filter=_DATA),
            closes=Count("pk", filter=Q(is_close=True)),
            overlapping=Count("number", distinct=True, filter=Q(is_overlapping=True)),
            rejected=Count("pk", filter=Q(outcome=REJECTED)),
            lost=Count("pk", filter=Q(outcome=LOST)),
            unmatched=Count("pk", filter=Q(outcome__in=[UNMATCHED, HIDDEN])),
            first_ns=Min("called_ns"),
            last_ns=Max("called_ns"),
            took=Avg("took_ns"),
        )
        .order_by("first_ns", "process")
    )
    return [WriterRow(*row) for row in rows[:limit]]


def not_stored(stream_id: int, limit: int = SHOWN) -> list[Write]:
    """Writes that the world refused, or that are not there, in the order of calls."""
    wrong = Write.objects.filter(stream=stream_id, outcome__in=[REJECTED, LOST]).select_related("writer")
    return list(wrong.defer("data").order_by("called_ns", "number", "place")[:limit])


def not_stored_count(stream_id: int) -> int:
    return Write.objects.filter(stream=stream_id, outcome__in=[REJECTED, LOST]).count()


def write_of(stream_id: int, arrival: int) -> Write | None:
    """The write that a chunk came from."""
    rows = Write.objects.filter(stream=stream_id, arrival=arrival).select_related("writer").defer("data")
    return rows.first()


def exact_count(stream_id: int) -> int:
    """Chunks whose place in the writer's own order is known."""
    return Write.objects.filter(stream=stream_id, sequence__isnull=False, arrival__isnull=False).count()


def doubt_of(stream: Stream) -> str:
    """Why it cannot be said that the probe told of every write of a stream; empty if it can."""
    writes = Write.objects.filter(stream=stream)
    known = writes.filter(arrival__isnull=False).count()
    if known < stream.chunk_count + stream.close_count:
        return f"the writes of {stream.chunk_count + stream.close_count - known:,} chunks were not reported"
    lossy = lossy_processes(stream.world_id, set(writes.values_list("process", flat=True).distinct()))
    dropped = sum(row.dropped_records for row in lossy)
    if dropped:
        return f"{dropped:,} reports of the writing processes never got here"
    never_back = writes.filter(outcome__in=[UNMATCHED, HIDDEN]).count()
    return f"of {never_back:,} writes it is not known what became of them" if never_back else ""


def lossy_processes(world_id: int, processes: set[str]) -> list[AppProcess]:
    """Those of these processes that could not deliver all their reports."""
    rows = AppProcess.objects.filter(world=world_id, process__in=processes)
    return list(rows.filter(dropped_records__gt=0))
