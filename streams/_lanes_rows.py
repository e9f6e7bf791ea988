"""What the lanes of a stored stream are drawn from. A long stream is never read whole.

Up to `SINGLE` chunks are drawn one by one. Of more, `SAMPLES` are read by their arrivals and each stands for those
before it, so that a million costs what a thousand does; end markers, what is not stored, and problems while they
are few are still single marks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import NamedTuple

from django.db.models import Count, F, Q, QuerySet

from streams._lanes_clocks import clock_words
from streams._lanes_marks import ChunkRow, Clocks, WriteRow, mark_of, unstored_mark
from streams._lanes_steps import steps_of
from streams.lanes import Block, LaneWriter, Mark, Source
from streams.ledger import StepAttempt
from streams.models import Chunk, Stream, Write, Writer
from streams.order import CLOSE, PROBLEM_FROM

SINGLE = 2_000
SAMPLES = 400
PROBLEMS = 300  # of more, bars say how many
UNSTORED = 1_000
WRITERS = 60  # of a long stream, looked at even if no sample is theirs
Window = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Read:
    """`stride`: how many chunks one block stands for, 0 where every chunk is a mark of its own."""

    source: Source
    stride: int
    clocks: tuple[str, ...]
    unstored_left: int  # writes not stored beyond the limit


def read(stream: Stream, window: Window = None) -> Read:
    is_long = stream.head > SINGLE
    samples = _samples(stream.pk, 0, stream.head) if is_long else []
    few = _writers(stream.pk, samples, [], is_long)
    part = _narrowed(stream, samples, window, Clocks(stream.world_id, few))
    problems = _problems(stream, part)
    rows = problems.single + _other_rows(stream, part, few, {row.writer_id for row in samples})
    writes = _writes(stream, [row.arrival for row in rows])
    unstored, unstored_left = _unstored(stream, window if is_long else None)
    writers = few | _writers(stream.pk, [*rows, *part.blocks], [*writes.values(), *unstored], False)
    clocks = Clocks(stream.world_id, writers)
    marks = [mark_of(row, writes.get(row.arrival), clocks) for row in rows]
    marks += [unstored_mark(row, clocks) for row in unstored]
    untimed = sum(not row.has_time for row in [*rows, *part.blocks])
    words = clock_words(clocks.by_process.values(), untimed, any(mark.call for mark in marks))
    first_ns = min((clocks.at(row, row.writer_id) for row in samples), default=None)
    blocks = _blocks(part, clocks, problems.counts)
    source = replace(_source(stream, marks, writers, clocks), blocks=blocks, first_ns=first_ns)
    return Read(source, part.stride, tuple(words), unstored_left)


def _source(stream: Stream, marks: list[Mark], writers: dict[int, LaneWriter], clocks: Clocks) -> Source:
    run, steps = stream.run, steps_of(stream, {writer.by.step_id for writer in writers.values()})
    return Source(
        marks,
        writers,
        steps.windows,
        created_ns=run.created_ns if run is not None else None,
        run_ended_ns=run.completed_ns if run is not None else None,
        close_ns=_close_ns(stream, marks, clocks),
        steps_end_ns=steps.end_ns,
        is_long=stream.head > SINGLE,
    )


def _chunk_rows(chunks: QuerySet[Chunk]) -> list[ChunkRow]:
    rows = chunks if chunks.query.is_sliced else chunks.order_by("arrival")
    return [ChunkRow._make(row) for row in rows.values_list(*ChunkRow._fields)]


def _samples(stream_id: int, first: int, last: int) -> list[ChunkRow]:
    """About `SAMPLES` chunks with arrivals after `first` up to `last`, both ends among them."""
    wanted = {first + (last - first) * at // SAMPLES for at in range(1, SAMPLES + 1)} | {first + 1}
    return _chunk_rows(Chunk.objects.filter(stream=stream_id, arrival__in=wanted))


@dataclass(frozen=True, slots=True)
class _Part:
    """Arrivals after `first` up to `last`; `blocks`: what stands for them where they are too many to draw."""

    first: int
    last: int
    blocks: list[ChunkRow]

    @property
    def stride(self) -> int:
        return -(-(self.last - self.first) // SAMPLES) if self.blocks else 0


def _narrowed(stream: Stream, samples: list[ChunkRow], window: Window, clocks: Clocks) -> _Part:
    """What lies within a window of time, and somewhat more: chunks come nearly in the order of their times."""
    first, last = 0, stream.head
    while window is not None and samples and last - first > SINGLE:
        times = [clocks.at(row, row.writer_id) for row in samples]
        low = bisect_left(list(accumulate(times, max)), window[0])
        high = bisect_right(list(accumulate(reversed(times), min))[::-1], window[1])
        begin = samples[low - 1].arrival if low else first
        end = samples[high].arrival if high < len(samples) else last
        if end - begin >= (last - first) * 9 // 10 or end <= begin:
            break
        first, last = begin, end
        samples = _samples(stream.pk, first, last)
    return _Part(first, last, samples if last - first > SINGLE else [])


class _Problems(NamedTuple):
    single: list[ChunkRow]
    counts: dict[int, int]  # where they are too many: by the arrival of the sample at or after them


def _problems(stream: Stream, part: _Part) -> _Problems:
    if not part.blocks:
        return _Problems([], {})
    chunks = _inside(stream, part).filter(marks__gte=PROBLEM_FROM)
    found = _chunk_rows(chunks.order_by("arrival")[: PROBLEMS + 1])
    if len(found) <= PROBLEMS:
        return _Problems(found, {})
    length = part.last - part.first
    number = ((F("arrival") - part.first) * SAMPLES - 1) / length  # of the sample, from 0
    counts = chunks.annotate(number=number).values_list("number").annotate(count=Count("arrival"))
    return _Problems([], {part.first + length * (at + 1) // SAMPLES: count for at, count in counts})


def _inside(stream: Stream, part: _Part) -> QuerySet[Chunk]:
    return Chunk.objects.filter(stream=stream, arrival__gt=part.first, arrival__lte=part.last)


def _other_rows(
    stream: Stream, part: _Part, writers: Mapping[int, LaneWriter], sampled: set[int | None]
) -> list[ChunkRow]:
    """All chunks of a part that is short enough; else the first end marker, and one of each writer not sampled."""
    chunks = _inside(stream, part)
    if not part.blocks:
        return _chunk_rows(chunks)
    rare = [arrival for pk in writers if pk not in sampled and (arrival := _first_arrival(pk)) is not None]
    return _chunk_rows(
        chunks.filter(Q(arrival__in=rare) | Q(chunk_id=stream.first_close_id), marks__lt=PROBLEM_FROM)
    )


def _first_arrival(writer: int) -> int | None:
    rows = Write.objects.filter(writer=writer, arrival__isnull=False)
    return rows.order_by("order").values_list("arrival", flat=True).first()


def _writes(stream: Stream, arrivals: Sequence[int]) -> dict[int, WriteRow]:
    found: dict[int, WriteRow] = {}
    if not stream.write_revision:
        return found
    for at in range(0, len(arrivals), 500):
        rows = Write.objects.filter(stream=stream, arrival__in=arrivals[at : at + 500])
        found |= {row[0]: WriteRow._make(row) for row in rows.values_list(*WriteRow._fields)}
    return found


def _unstored(stream: Stream, window: Window) -> tuple[list[WriteRow], int]:
    if not stream.write_revision:
        return [], 0
    rows = Write.objects.filter(stream=stream, arrival=None)
    if window is not None:
        rows = rows.filter(called_ns__gte=window[0], called_ns__lte=window[1])
    found = rows.order_by("called_ns", "number", "place").values_list(*WriteRow._fields)[: UNSTORED + 1]
    shown = [WriteRow._make(row) for row in found]
    return shown[:UNSTORED], rows.count() - UNSTORED if len(shown) > UNSTORED else 0


def _writers(
    stream_id: int, chunks: Iterable[ChunkRow], writes: Iterable[WriteRow], is_long: bool
) -> dict[int, LaneWriter]:
    pks = {row.writer_id for row in chunks if row.writer_id} | {row.writer_id for row in writes}
    if is_long:
        some = Writer.objects.filter(stream=stream_id).order_by("pk").values_list("pk", flat=True)
        pks |= set(some[:WRITERS])
    if not pks:
        return {}
    fields = ("pk", "known", "process", "run_id", "step_id", "attempt", "step_name")
    found: dict[int, LaneWriter] = {}
    for pk, known, process, run_id, step_id, attempt, name in Writer.objects.filter(pk__in=pks).values_list(
        *fields
    ):
        found[pk] = LaneWriter(pk, known, StepAttempt(process, run_id, step_id, attempt), name)
    return found


def _blocks(part: _Part, clocks: Clocks, problems: Mapping[int, int]) -> list[Block]:
    blocks: list[Block] = []
    for row in part.blocks:
        first, at_ns = blocks[-1].last if blocks else part.first, clocks.at(row, row.writer_id)
        from_ns = blocks[-1].at_ns if blocks else at_ns
        count, bad = row.arrival - first, problems.get(row.arrival, 0)
        blocks.append(Block(row.writer_id or 0, from_ns, at_ns, count, first + 1, row.arrival, bad))
    return blocks


def _close_ns(stream: Stream, marks: Iterable[Mark], clocks: Clocks) -> int | None:
    if not stream.first_close_id:
        return None
    here = next((mark.at_ns for mark in marks if mark.marks & CLOSE), None)
    if here is not None:
        return here
    rows = _chunk_rows(Chunk.objects.filter(stream=stream, chunk_id=stream.first_close_id))
    return clocks.at(rows[0], rows[0].writer_id) if rows else None
