"""Writes that probes and proxies report: stored, and matched with chunks. The only writer of Write and Writer.

A report may come before or after its chunk is seen. Outcomes: `stored`; `rejected` (the world refused it);
`lost` (acknowledged, or written by the step, and not stored although the world was read since);
`unmatched` (not known, or not yet). Called inside one write transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from django.db.models import F, QuerySet

from dashboard.lib.clock import NS_PER_MS, NS_PER_S
from dashboard.lib.database import clean
from runs.models import AppProcess, Run, World
from runs.observations import WriteTried
from runs.record import ID, TEXT
from streams import bulk
from streams.arrivals import ensure_streams
from streams.joining import WIDE_SLACK_NS, Stored, Tried, key_of, match, match_by_time
from streams.ledger import LOST, REJECTED, STORED, UNMATCHED, StepAttempt, WriteFact, WriteLedger
from streams.models import Chunk, Stream, Write, Writer

LOST_AFTER_NS = (
    3 * NS_PER_S
)  # how long before the last look at the whole world a write must have been acknowledged
AT_ONCE = 500
OTHER_BYTES = "stored with other bytes than were written"


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
        stream.save(update_fields=["run", "write_revision", "changes"])
    return list(streams.values())


def _store(stream: Stream, seen: Sequence[WriteTried]) -> None:
    writers = _ensure_writers(stream, seen)
    rows = [_row(stream, writers[_writer_key(one)], one) for one in seen]
    Write.objects.bulk_create(rows, ignore_conflicts=True, batch_size=AT_ONCE)
    _number(stream, {writer for writer in writers.values() if writer.scope})


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
    Writer.objects.bulk_create(wanted.values(), ignore_conflicts=True)
    return {row.key: row for row in Writer.objects.filter(stream=stream, key__in=wanted)}


def _writer(stream: Stream, key: str, one: WriteTried) -> Writer:
    step = one.step
    attempt_of_step = clean(f"{one.process} {step.step_id} {step.attempt or ''}", 400)
    return Writer(
        stream=stream, key=key, known="exact" if one.writable else step.known, process=one.process,
        run_id=clean(one.run_id, ID), step_id=clean(step.step_id, ID), step_name=clean(step.name, TEXT),
        attempt=step.attempt, scope=key if one.is_sdk_writer or not step.step_id else attempt_of_step,
    )  # fmt: skip


def _number(stream: Stream, writers: Iterable[Writer]) -> None:
    """The writer's order of data chunks, from 0 within each scope. Reports come in the order calls end."""
    for scope in {writer.scope for writer in writers}:
        rows = Write.objects.filter(stream=stream, writer__scope=scope, is_close=False, order__isnull=False)
        lowest = rows.filter(sequence=None).order_by("order").values_list("order", flat=True).first()
        if lowest is None:
            continue
        _renumber(stream, rows, lowest)


def _renumber(stream: Stream, rows: QuerySet[Write], lowest: int) -> None:
    number = rows.filter(order__lt=lowest).count()
    changed: list[Write] = []
    columns = ("pk", "sequence", "arrival")
    for row in rows.filter(order__gte=lowest).order_by("order", "number", "place").only(*columns):
        if row.sequence != number:
            row.sequence, row.revision = number, stream.write_revision
            changed.append(row)
        number += 1
    Write.objects.bulk_update(changed, ["sequence", "revision"], batch_size=AT_ONCE)
    joined = [(row.sequence, stream.pk, row.arrival) for row in changed if row.arrival is not None]
    bulk.update_sequences(joined)


def join(stream: Stream) -> bool:
    """Match what came since the last time, and tell what is lost; returns whether anything changed.

    The stream's row is locked, and saved if something did.
    """
    if not stream.write_revision:
        return False
    looked_ns = stream.world.looked_ns or 0
    is_new = stream.joined_head < stream.head or stream.joined_revision < stream.write_revision
    if not is_new and stream.joined_look_ns == looked_ns:
        return False
    before = stream.write_revision
    if is_new:
        _match(stream)
    _tell_lost(stream, looked_ns)
    stream.joined_head, stream.joined_revision = stream.head, stream.write_revision
    stream.joined_look_ns = looked_ns
    stream.save(update_fields=["joined_head", "joined_revision", "joined_look_ns", "write_revision"])
    return stream.write_revision != before


def _match(stream: Stream) -> None:
    open_writes = Write.objects.filter(stream=stream, arrival=None, is_sent=True)
    fresh = open_writes.filter(revision__gt=stream.joined_revision)
    oldest_ns = fresh.order_by("called_ns").values_list("called_ns", flat=True).first()
    chunks = list(_open_chunks(stream, oldest_ns))
    if not chunks:
        return
    found = match(_tried(open_writes), chunks)
    if found:
        stream.write_revision += 1
        _store_matches(stream, found)


def _tried(writes: QuerySet[Write]) -> Iterator[Tried]:
    columns = (
        "pk", "is_close", "digest", "outcome", "called_ns", "took_ns", "order", "number", "place",
    )  # fmt: skip
    for pk, is_close, digest, outcome, called, took, order, number, place in writes.values_list(*columns):
        ends = None if took is None else called + took
        rank = (number if order is None else order, number, place)
        yield Tried(pk, key_of(is_close, digest), outcome in {UNMATCHED, LOST}, called, ends, rank)


def _open_chunks(stream: Stream, oldest_ns: int | None) -> Iterator[Stored]:
    """Chunks without a writer that a write can have become: the newest back to the oldest new write's call."""
    rows = Chunk.objects.filter(stream=stream).order_by("-arrival")
    columns = ("arrival", "chunk_id", "is_close", "digest", "minted_ms", "stored_ns", "writer_id")
    bound_ns = None if oldest_ns is None else oldest_ns - WIDE_SLACK_NS
    for arrival, chunk_id, is_close, digest, minted_ms, stored_ns, writer_id in rows.values_list(
        *columns
    ).iterator(chunk_size=1000):
        at_ns = stored_ns if minted_ms is None else minted_ms * NS_PER_MS
        if arrival <= stream.joined_head and (bound_ns is None or at_ns < bound_ns):
            return
        if writer_id is None:
            minted_ns = None if minted_ms is None else minted_ms * NS_PER_MS
            yield Stored(arrival, chunk_id, key_of(is_close, bytes(digest)), minted_ns)


def _store_matches(stream: Stream, found: Mapping[int, Stored], note: str = "") -> None:
    rows = (
        Write.objects.filter(stream=stream, pk__in=found)
        if len(found) < AT_ONCE
        else (Write.objects.filter(stream=stream, arrival=None))
    )
    changed = [row for row in rows.defer("data") if row.pk in found]
    for row in changed:
        row.outcome, row.revision = STORED, stream.write_revision
        row.arrival, row.chunk_id = found[row.pk].arrival, found[row.pk].chunk_id
        row.error = note or row.error
    Write.objects.bulk_update(
        changed, ["outcome", "revision", "arrival", "chunk_id", "error"], batch_size=AT_ONCE
    )
    bulk.update_writers([(row.writer_id, row.sequence, stream.pk, row.arrival or 0) for row in changed])


def _tell_lost(stream: Stream, looked_ns: int) -> None:
    """Acknowledged writes that a later look at the whole world did not find. `looked_ns` is our clock."""
    if not looked_ns or stream.expired or stream.pruned_ns is not None or stream.world.kind == "probe":
        return
    waiting = Write.objects.filter(stream=stream, outcome=UNMATCHED, took_ns__isnull=False)
    offsets = dict(
        AppProcess.objects.filter(world=stream.world_id, process__in=waiting.values("process")).values_list(
            "process", "clock_offset_ns"
        )
    )
    late: list[Tried] = []
    for process, offset_ns in offsets.items():
        bound_ns = looked_ns - LOST_AFTER_NS - (offset_ns or 0)
        rows = waiting.filter(process=process).annotate(ended=F("called_ns") + F("took_ns"))
        late += _tried(rows.filter(ended__lt=bound_ns))
    if late:
        stream.write_revision += 1
        found = match_by_time(late, list(_open_chunks(stream, min(one.from_ns for one in late))))
        _store_matches(stream, found, OTHER_BYTES)
        _mark_lost(stream, [one.pk for one in late if one.pk not in found])


def _mark_lost(stream: Stream, lost: list[int]) -> None:
    for at in range(0, len(lost), AT_ONCE):
        some = Write.objects.filter(pk__in=lost[at : at + AT_ONCE])
        some.update(outcome=LOST, revision=stream.write_revision)


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


def worlds_with_open_writes() -> list[int]:
    """Worlds with acknowledged writes that are not stored as far as is known."""
    waiting = Write.objects.filter(outcome=UNMATCHED, took_ns__isnull=False, stream__pruned_ns=None)
    found = waiting.exclude(stream__world__kind="probe").values_list("stream__world", flat=True)
    return list(found.distinct())


def facts_since(stream_id: int, revision: int) -> Iterator[WriteFact]:
    """Writes of a stream that became known or changed after `revision`."""
    rows = Write.objects.filter(stream=stream_id, revision__gt=revision)
    for row in rows.values_list(*_FACT_COLUMNS).iterator(chunk_size=1000):
        yield WriteFact(*row)


_FACT_COLUMNS = (
    "pk", "process", "number", "place", "outcome", "is_close", "is_sent", "called_ns", "took_ns", "size", "error",
    "status", "is_overlapping", "acquired", "order", "sequence", "arrival", "chunk_id", "writer_id",
    "writer__known", "writer__run_id", "writer__step_id", "writer__step_name", "writer__attempt", "writer__scope",
)  # fmt: skip
