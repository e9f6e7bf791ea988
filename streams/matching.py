"""Keeps up, in the database, which chunk each reported write became, and tells what is lost.

A report may come before or after its chunk is seen, and both in any order: whatever is new is matched anew together
with all that has the same bytes and about the same time, so that in the end it is the same match. Called inside one
write transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from django.db.models import BigIntegerField, ExpressionWrapper, F, Q, QuerySet

from dashboard.lib.clock import NS_PER_MS, NS_PER_S
from dashboard.lib.ulid import shift_ulid, ulid_ms
from runs.models import AppProcess
from runs.worlds.base import shows_behind, supplies_of
from streams import bulk
from streams.arrivals import batched
from streams.joining import (
    CLOSE_KEY,
    OPEN_NS,
    WIDE_SLACK_NS,
    Key,
    Stored,
    Tried,
    key_of,
    match,
    match_by_time,
)
from streams.ledger import HIDDEN, LOST, REJECTED, STORED, UNMATCHED
from streams.models import Chunk, Stream, Write
from streams.origin import origin_kind

# How long before the last look at the whole world a write must have been acknowledged.
LOST_AFTER_NS = 3 * NS_PER_S
AT_ONCE = 500
OTHER_BYTES = "stored with other bytes than were written"
_ULID = 26


class _Write(NamedTuple):
    """What matching asks of a row of writes."""

    pk: int
    process: str
    number: int
    place: int
    is_close: bool
    size: int | None
    digest: bytes | None
    called_ns: int
    took_ns: int | None
    error: str
    order: int | None
    sequence: int | None
    arrival: int | None
    revision: int
    writer: int
    scope: str

    @property
    def key(self) -> Key:
        return key_of(self.is_close, None if self.digest is None else bytes(self.digest))

    @property
    def is_refused(self) -> bool:
        return self.took_ns is not None and self.error not in {"", OTHER_BYTES}

    def tried(self) -> Tried:
        has_order, came_back = self.order is not None, self.took_ns is not None
        return Tried(
            pk=self.pk,
            key=self.key,
            is_acknowledged=came_back and not self.is_refused,
            from_ns=self.called_ns,
            to_ns=None if self.took_ns is None else self.called_ns + self.took_ns,
            order=(self.number if self.order is None else self.order, self.number, self.place),
            scope=f"{self.scope} {'' if has_order else 'calls'}",
        )


# Django takes a sum for a number of 32 bits: on PostgreSQL it would leave the comparison with a time out.
_ENDED = ExpressionWrapper(F("called_ns") + F("took_ns"), output_field=BigIntegerField())
_COLUMNS = (*_Write._fields[:-2], "writer_id", "writer__scope")


def _read(rows: QuerySet[Write]) -> list[_Write]:
    return [_Write(*row) for row in rows.values_list(*_COLUMNS)]


class _Chunk(NamedTuple):
    stored: Stored
    size: int
    is_taken: bool


def join(stream: Stream) -> bool:
    """Match what came since the last time, and tell what is lost; returns whether anything changed.

    The stream's row is locked, and saved if there was something to look at.
    """
    looked_ns = stream.world.looked_ns or 0
    is_new = stream.joined_head < stream.head or stream.joined_revision < stream.write_revision
    if not stream.write_revision or (not is_new and stream.joined_look_ns == looked_ns):
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
    fresh = _read(_open_writes(stream).filter(revision__gt=stream.joined_revision))
    new = list(_chunks(stream, Q(arrival__gt=stream.joined_head)))
    keys = {one.key for one in fresh} | {one.stored.key for one in new}
    near = {one.stored.arrival: one for one in _chunks_near(stream, fresh, new) if one.stored.key in keys}
    waiting = _waiting(stream, keys & {one.stored.key for one in near.values()})
    keys = {one.key for one in waiting}
    near = {arrival: one for arrival, one in near.items() if one.stored.key in keys}
    holders = _holders(stream, [arrival for arrival, one in near.items() if one.is_taken])
    taking_part = [one for one in (*waiting, *holders) if one.key in keys]
    found = match((one.tried() for one in taking_part), (one.stored for one in near.values()))
    _store(stream, {one.pk: one for one in (*waiting, *holders)}, found, keys)


def _open_writes(stream: Stream) -> QuerySet[Write]:
    return Write.objects.filter(stream=stream, arrival=None, is_sent=True)


def _waiting(stream: Stream, keys: Iterable[Key]) -> list[_Write]:
    """Writes without a chunk that have these bytes."""
    rows = _open_writes(stream)
    digests = [digest for is_close, digest in keys if not is_close]
    found = [
        one
        for some in batched(digests, AT_ONCE)
        for one in _read(rows.filter(is_close=False, digest__in=some))
    ]
    return found + (_read(rows.filter(is_close=True)) if CLOSE_KEY in keys else [])


def _chunks(stream: Stream, condition: Q) -> Iterator[_Chunk]:
    rows = Chunk.objects.filter(condition, stream=stream).order_by("arrival")
    columns = ("arrival", "chunk_id", "is_close", "size", "digest", "minted_ms", "writer_id")
    for arrival, chunk_id, is_close, size, digest, minted_ms, writer_id in rows.values_list(
        *columns
    ).iterator(1000):
        minted_ns = None if minted_ms is None else minted_ms * NS_PER_MS
        key = key_of(is_close, bytes(digest))
        yield _Chunk(Stored(arrival, chunk_id, key, minted_ns), size, writer_id is not None)


def _chunks_near(stream: Stream, writes: Sequence[_Write], new: Sequence[_Chunk]) -> Iterator[_Chunk]:
    """What these writes can have become, and what may have to be given to another write because of new chunks.

    By the time in the chunks' ids: that is the writer's clock, as the calls' times are. Arrivals come by ours.
    """
    yield from new
    times = [one.stored.minted_ns for one in new if one.stored.minted_ns is not None]
    times += [one.called_ns for one in writes]
    times += [one.called_ns + (OPEN_NS if one.took_ns is None else one.took_ns) for one in writes]
    if not times:
        return
    if ulid_ms(stream.last_chunk_id) is None:
        yield from _chunks(stream, Q())  # ids without a time may be anywhere
    else:
        yield from _chunks(stream, _minted_between(stream, min(times), max(times)))


def _minted_between(stream: Stream, from_ns: int, to_ns: int) -> Q:
    prefix, ulid = stream.last_chunk_id[:-_ULID], "0" * _ULID
    first = max(0, (from_ns - WIDE_SLACK_NS) // NS_PER_MS)
    last = max(0, (to_ns + WIDE_SLACK_NS) // NS_PER_MS) + 1
    return Q(chunk_id__gte=prefix + shift_ulid(ulid, first), chunk_id__lt=prefix + shift_ulid(ulid, last))


def _holders(stream: Stream, arrivals: Sequence[int]) -> list[_Write]:
    """The writes that have these chunks."""
    rows = Write.objects.filter(stream=stream)
    return [one for some in batched(arrivals, AT_ONCE) for one in _read(rows.filter(arrival__in=some))]


def _store(
    stream: Stream, writes: Mapping[int, _Write], found: Mapping[int, Stored], keys: Iterable[Key]
) -> None:
    """`found` in the place of what held so far: all matches of `keys`, and whose chunks it gives away."""
    given = {chunk.arrival for chunk in found.values()}
    matched = [writes[pk] for pk, chunk in found.items() if writes[pk].arrival != chunk.arrival]
    held = [one for one in writes.values() if one.arrival is not None and one.pk not in found]
    freed = [one for one in held if one.key in keys or one.arrival in given]
    if not matched and not freed:
        return
    stream.write_revision += 1
    revision = stream.write_revision
    bulk.update_matches(
        [(STORED, found[one.pk].arrival, found[one.pk].chunk_id, revision, one.pk) for one in matched]
        + [(REJECTED if one.is_refused else UNMATCHED, None, "", revision, one.pk) for one in freed]
    )
    alone = [(None, None, stream.pk, one.arrival) for one in freed if one.arrival not in given]
    bulk.update_writers(
        alone + [(one.writer, one.sequence, stream.pk, found[one.pk].arrival) for one in matched]
    )
    noted = [one.pk for one in (*matched, *freed) if one.error == OTHER_BYTES]
    Write.objects.filter(pk__in=noted).update(error="")


def _tell_lost(stream: Stream, looked_ns: int) -> None:
    """Acknowledged writes that a later look at the whole world did not find. `looked_ns` is our clock."""
    if not looked_ns or stream.expired or stream.pruned_ns is not None:
        return
    if "chunks" not in supplies_of(stream.world.kind):
        return  # nobody reads its storage
    waiting = Write.objects.filter(stream=stream, outcome=UNMATCHED, took_ns__isnull=False)
    processes = AppProcess.objects.filter(
        world=stream.world_id, process__in=waiting.values("process"), clock_offset_ns__isnull=False
    )
    late: list[_Write] = []
    for row in processes.only("process", "clock_offset_ns", "clock_error_ns"):
        bound_ns = looked_ns - LOST_AFTER_NS - (row.clock_offset_ns or 0) - (row.clock_error_ns or 0)
        of_process = waiting.filter(process=row.process).annotate(ended=_ENDED)
        late += _read(of_process.filter(ended__lt=bound_ns))
    if late:
        found = _match_otherwise(stream, late)
        _store(stream, {one.pk: one for one in late}, found, ())
        _update(found, error=OTHER_BYTES)
        stream.write_revision += 1
        missing = [one for one in late if one.pk not in found]
        hidden = _hidden_among(stream, missing)
        _update(hidden, outcome=HIDDEN, revision=stream.write_revision)
        lost = [one.pk for one in missing if one.pk not in hidden]
        _update(lost, outcome=LOST, revision=stream.write_revision)


def _hidden_among(stream: Stream, missing: Iterable[_Write]) -> set[int]:
    """Those that may lie behind the end marker, where their world shows nobody what lies.

    Two processes have two clocks: only of writes of the closing process it is known that they came before.
    """
    if not stream.first_close_id or shows_behind(origin_kind(stream.world)):
        return set()
    closes = Write.objects.filter(stream=stream, is_close=True, took_ns__isnull=False).exclude(
        outcome=REJECTED
    )
    first: dict[str, int] = {}
    for process, called_ns in closes.values_list("process", "called_ns"):
        first[process] = min(called_ns, first.get(process, called_ns))
    return {
        one.pk
        for one in missing
        if one.process not in first or one.called_ns + (one.took_ns or 0) >= first[one.process]
    }


def _match_otherwise(stream: Stream, late: list[_Write]) -> dict[int, Stored]:
    """By time and size, or by time alone if no hash of that process ever fits: something changes the bytes below."""
    told = Write.objects.filter(stream=stream, is_close=False, digest__isnull=False, outcome=STORED)
    fitting = set(told.exclude(error=OTHER_BYTES).values_list("process", flat=True).distinct())
    free = [one for one in _chunks_near(stream, late, ()) if not one.is_taken]
    by_size = (one.stored._replace(key=_size_key(one.stored.key, one.size)) for one in free)
    tried = (one.tried()._replace(key=_size_key(one.key, one.size)) for one in late)
    found = match_by_time(tried, by_size)
    given = {chunk.arrival for chunk in found.values()}
    rest = [one for one in late if one.pk not in found and (one.digest is None or one.process not in fitting)]
    left = [one.stored for one in free if one.stored.arrival not in given]
    by_time = (one.tried()._replace(key=_size_key(one.key, 0)) for one in rest)
    return found | match_by_time(by_time, (one._replace(key=_size_key(one.key, 0)) for one in left))


def _size_key(key: Key, size: int | None) -> Key:
    return key[0], str(size).encode()


def _update(pks: Iterable[int], **values: object) -> None:
    for some in batched(list(pks), AT_ONCE):
        Write.objects.filter(pk__in=some).update(**values)
