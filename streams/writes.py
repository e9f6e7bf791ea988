"""Writes that probes and proxies report. With `streams.matching` the only writer of Write and Writer.

Outcomes: `stored`; `rejected` (the world refused it);
`lost` (acknowledged, or written by the step, and not stored although the world was read since);
`hidden` (acknowledged behind the end marker, in a world that shows nobody what lies there);
`unmatched` (not known, or not yet). Called inside one write transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from sys import intern
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from dashboard.lib.database import clean
from runs.models import Run, World
from runs.observations import WriteTried
from runs.record import ID, TEXT
from runs.worlds.base import kinds_without
from streams import bulk, verdicts
from streams.arrivals import batched, ensure_streams
from streams.ledger import LOST, REJECTED, UNMATCHED, StepAttempt, WriteFact, WriteLedger
from streams.models import Stream, Write, Writer

AT_ONCE = 500


def record_writes(world: World, seen: Sequence[WriteTried], runs: Mapping[str, Run]) -> list[Stream]:
    """Store reported writes, those known already excepted; returns their streams, locked and changed."""
    if not seen:
        return []
    by_name: defaultdict[str, list[WriteTried]] = defaultdict(list)
    for one in seen:
        by_name[clean(one.stream, ID)].append(one)
    streams = ensure_streams(world, by_name)
    for name, some in by_name.items():
        stream = streams[name]
        run = next((runs[key] for one in some if (key := clean(one.run_id, ID)) in runs), None)
        stream.run = stream.run or run
        stream.write_revision += 1
        stream.changes += 1
        _store(stream, some)
        verdicts.note_counts(stream)
        stream.save(update_fields=["run", "write_revision", "changes", "verdict"])
    return list(streams.values())


def _store(stream: Stream, seen: Sequence[WriteTried]) -> None:
    unique: dict[tuple[str, int, int], WriteTried] = {}
    for one in seen:
        unique.setdefault((one.process, one.number, one.place), one)
    writers = _ensure_writers(stream, unique.values())
    rows = [_row(stream, writers[_writer_key(one)], one) for one in unique.values()]
    behind = _number(stream, rows)
    Write.objects.bulk_create(rows, ignore_conflicts=True, batch_size=AT_ONCE)
    for scope, lowest in behind.items():
        _renumber(stream, scope, lowest)


def _row(stream: Stream, writer: Writer, one: WriteTried) -> Write:
    return Write(
        stream=stream, writer=writer, process=one.process, number=one.number, place=one.place,
        outcome=_first_outcome(one), is_close=one.is_close, is_sent=one.is_sent, called_ns=one.called_ns,
        took_ns=one.took_ns, size=one.size, digest=one.digest, data=one.data, error=clean(one.error, TEXT),
        status=one.status, is_overlapping=one.is_overlapping, acquired=one.acquired, order=one.order,
        revision=stream.write_revision,
    )  # fmt: skip


def _first_outcome(one: WriteTried) -> str:
    if not one.is_sent:
        return LOST
    return REJECTED if one.ok is False else UNMATCHED


def _writer_key(one: WriteTried) -> str:
    step = one.step
    return clean(f"{one.process} {step.step_id} {step.attempt or ''} {one.writable}", 400)


def _ensure_writers(stream: Stream, seen: Iterable[WriteTried]) -> dict[str, Writer]:
    wanted: dict[str, Writer] = {}
    for one in seen:
        key = _writer_key(one)
        if key not in wanted:
            wanted[key] = _writer(stream, key, one)
    rows = Writer.objects.filter(stream=stream)
    found = {row.key: row for some in batched(list(wanted), AT_ONCE) for row in rows.filter(key__in=some)}
    missing = [key for key in wanted if key not in found]
    if missing:
        Writer.objects.bulk_create([wanted[key] for key in missing], ignore_conflicts=True)
        found |= {row.key: row for some in batched(missing, AT_ONCE) for row in rows.filter(key__in=some)}
    return found


def _writer(stream: Stream, key: str, one: WriteTried) -> Writer:
    step = one.step
    attempt_of_step = clean(f"{one.process} {step.step_id} {step.attempt or ''}", 400)
    return Writer(
        stream=stream, key=key, known="exact" if one.writable else step.known, process=one.process,
        run_id=clean(one.run_id, ID), step_id=clean(step.step_id, ID), step_name=clean(step.name, TEXT),
        attempt=step.attempt, scope=key if one.is_sdk_writer or not step.step_id else attempt_of_step,
    )  # fmt: skip


def _number(stream: Stream, rows: Sequence[Write]) -> dict[str, int]:
    """The writers' order of data chunks that follow all that is known of their scope, from 0 within each.

    Reports come in the order in which calls end: scopes with a chunk that belongs before others are returned, each
    with the lowest order that came.
    """
    scopes: defaultdict[str, list[Write]] = defaultdict(list)
    for row in rows:
        if row.order is not None and not row.is_close:
            scopes[row.writer.scope].append(row)
    lasts = _last_orders(stream, scopes)
    behind: dict[str, int] = {}
    for scope, some in scopes.items():
        some.sort(key=lambda row: (row.order or 0, row.number, row.place))
        lowest = some[0].order or 0
        last, number = lasts.get(scope, (lowest - 1, -1))
        if lowest <= last:
            behind[scope] = lowest
        else:
            for row in some:
                number += 1
                row.sequence = number
    return behind


def _last_orders(
    stream: Stream, scopes: Iterable[str], below: int | None = None
) -> dict[str, tuple[int, int]]:
    """The highest order of each scope that is numbered (and is `below` another), and its number."""
    numbered = Write.objects.filter(writer=OuterRef("pk"), is_close=False, sequence__isnull=False)
    if below is not None:
        numbered = numbered.filter(order__lt=below)
    last = numbered.order_by("-order", "-number", "-place")
    columns = ("scope", Subquery(last.values("order")[:1]), Subquery(last.values("sequence")[:1]))
    found: dict[str, tuple[int, int]] = {}
    for some in batched(list(scopes), AT_ONCE):
        writers = Writer.objects.filter(stream=stream, scope__in=some)
        for scope, order, number in writers.values_list(*columns):
            if order is not None:
                found[scope] = max(found.get(scope, (order, number)), (order, number))
    return found


def _renumber(stream: Stream, scope: str, lowest: int) -> None:
    number = _last_orders(stream, [scope], below=lowest).get(scope, (0, -1))[1] + 1
    rows = Write.objects.filter(
        stream=stream, writer__stream=stream, writer__scope=scope, is_close=False, order__gte=lowest
    )
    changed: list[Write] = []
    columns = ("pk", "sequence", "arrival")
    for row in rows.order_by("order", "number", "place").only(*columns):
        if row.sequence != number:
            row.sequence, row.revision = number, stream.write_revision
            changed.append(row)
        number += 1
    Write.objects.bulk_update(changed, ["sequence", "revision"], batch_size=AT_ONCE)
    joined = [(row.sequence, stream.pk, row.arrival) for row in changed if row.arrival is not None]
    bulk.update_sequences(joined)


def streams_of_steps(world_id: int, ledger: WriteLedger) -> dict[StepAttempt, int]:
    """To how many streams those step attempts wrote that say how many writables they acquired."""
    asked = {fact.by for fact in ledger.facts if (fact.acquired or 0) > 1 and fact.known != "exact"}
    if not asked:
        return {}
    rows = Writer.objects.filter(stream__world=world_id, step_id__in={by.step_id for by in asked})
    streams: defaultdict[StepAttempt, set[int]] = defaultdict(set)
    columns = ("process", "run_id", "step_id", "attempt", "stream_id")
    for process, run_id, step_id, attempt, stream_id in rows.values_list(*columns):
        streams[StepAttempt(process, run_id, step_id, attempt)].add(stream_id)
    return {by: len(found) for by, found in streams.items() if by in asked}


def open_writes() -> QuerySet[Write]:
    """Acknowledged writes that are not stored as far as is known, of streams that are still whole."""
    return Write.objects.filter(
        outcome=UNMATCHED, took_ns__isnull=False, stream__pruned_ns=None, stream__expired=False
    )


def worlds_with_open_writes() -> list[int]:
    read = open_writes().exclude(stream__world__kind__in=kinds_without("chunks"))
    return list(read.values_list("stream__world", flat=True).distinct())


def facts_since(stream_id: int, revision: int) -> Iterator[WriteFact]:
    """Writes of a stream that became known or changed after `revision`."""
    rows = Write.objects.filter(stream=stream_id, revision__gt=revision)
    for row in rows.values_list(*_FACT_COLUMNS).iterator(chunk_size=1000):
        # A long stream has the same few names on every row, and all of them stay in memory while it is judged.
        values: Iterator[Any] = (intern(value) if type(value) is str else value for value in row)
        yield WriteFact(*values)


_FACT_COLUMNS = (
    "pk", "process", "number", "place", "outcome", "is_close", "is_sent", "called_ns", "took_ns", "size", "error",
    "status", "is_overlapping", "acquired", "order", "sequence", "arrival", "chunk_id", "writer_id",
    "writer__known", "writer__run_id", "writer__step_id", "writer__step_name", "writer__attempt", "writer__scope",
)  # fmt: skip
