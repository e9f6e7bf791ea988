"""Judging stored streams: a task of its own with its own cursor (`Checkpoint`), apart from reading worlds.

Facts are fed in reading order and kept between calls, so that a live stream costs only its new chunks; a
renumbered stream is judged from its beginning.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

from django.db.models import F, Q, QuerySet

from dashboard.anomalies import life, threshold_values
from dashboard.anomalies.detectors.base import DETECTORS, Found, NotChecked
from dashboard.anomalies.detectors.live_reader_diverges import longest_read
from dashboard.anomalies.due import is_due, time_in
from dashboard.anomalies.groups import group_of_stream
from dashboard.anomalies.judge import StreamJudge, Verdict
from dashboard.anomalies.models import Anomaly, Checkpoint, Finding
from dashboard.anomalies.reevaluate import NEVER, SET_BACK
from dashboard.anomalies.threshold_changes import reason_for
from dashboard.anomalies.threshold_values import thresholds_of, version_of
from dashboard.anomalies.thresholds import Thresholds
from dashboard.lib import doorbell
from dashboard.lib.clock import now_ns
from dashboard.lib.database import clean, write_transaction
from runs.models import Run
from runs.worlds.base import TERMINAL, supplies_of
from streams import repeats, verdicts
from streams.answers import are_all_good
from streams.arrivals import mark_moved
from streams.facts import ChunkFact, RunFacts, StepFacts, StreamFacts, attempts_of
from streams.ingest import ring_stream
from streams.ledger import WriteLedger
from streams.matching import join
from streams.models import Chunk, Stream
from streams.notes import told_of
from streams.order import BEHIND
from streams.origin import origin_kind
from streams.write_queries import lossy_processes
from streams.writes import facts_since, streams_of_steps

log = logging.getLogger("tailrace.detect")

CHUNKS_KEPT = 1000  # chunks named by one stored finding; their number is kept whole
JUDGES_KEPT = 256  # streams whose facts stay in memory between calls


@dataclass(slots=True)
class _Fed:
    """A judge and how far it has been fed."""

    renumbered: int
    thresholds: Thresholds
    judge: StreamJudge
    last_chunk_id: str = ""
    writes: WriteLedger = field(default_factory=WriteLedger)
    write_revision: int = 0


_judges: OrderedDict[int, _Fed] = OrderedDict()
_locks: dict[int, threading.Lock] = {}


def _dirty() -> QuerySet[Stream]:
    never = Q(checkpoint=None)
    due = is_due("checkpoint__due_ns", "world", now_ns()) | Q(checkpoint__due_ns=SET_BACK)
    waits = never | ~Q(checkpoint__changes=F("changes")) | due
    return Stream.objects.filter(waits, pruned_ns=None, world__removing_ns=None)


def worlds_to_judge() -> list[int]:
    return list(_dirty().values_list("world_id", flat=True).distinct())


def judge_world(world_id: int, stop: threading.Event) -> None:
    """Judge what has changed in a world until nothing is left; returns at once if another thread is at it.

    The other thread asks once more after it has let go of the lock, so a change is never left unjudged.
    """
    lock = _locks.setdefault(world_id, threading.Lock())
    dirty = _dirty().filter(world_id=world_id)
    while not stop.is_set() and dirty.exists():
        if not lock.acquire(blocking=False):
            return
        try:
            for stream_id in list(dirty.order_by("pk").values_list("pk", flat=True)[:500]):
                _judge_stream(stream_id)
                if stop.is_set():
                    return
        finally:
            lock.release()


def _judge_stream(stream_id: int) -> None:
    stream = _joined(stream_id)
    repeats.look(stream)
    counting = thresholds_of(stream.world_id)
    fed = _feed(stream, counting.of(stream.run.workflow if stream.run else ""))
    told = told_of(stream, longest_read(is_closed=stream.close_count > 0))
    facts = replace(stream_facts(stream), writes=_read_writes(stream, fed), told=told)
    verdict = fed.judge.judge(facts, time_in(stream.world, now_ns()), supplies_of(stream.world.kind))
    if Stream.objects.values_list("renumbered", flat=True).get(pk=stream_id) != fed.renumbered:
        _judges.pop(stream_id, None)  # renumbered while it was read: what was fed was no one order
        return
    with write_transaction():
        if version_of(stream.world_id) != counting.version:
            return  # a threshold was changed since; the stream is still to be judged
        advance = mark_moved(stream_id, verdict.moved)
        changed = _store(stream, verdict)
        changed |= _settle(stream, verdict)
    if advance:
        ring_stream(advance)
    if changed or advance:
        doorbell.ring(doorbell.world_group(stream.world_id), {"type": "world.changed"})
        doorbell.ring(doorbell.stream_group(stream_id), {"type": "stream.judged"})


def _joined(stream_id: int) -> Stream:
    """A stream, its writes matched with its chunks as far as both are known."""
    rows = Stream.objects.select_related("run", "world")
    stream = rows.get(pk=stream_id)
    if stream.write_revision:
        with write_transaction():
            stream = rows.select_for_update(of=("self",)).get(pk=stream_id)
            join(stream)
    return stream


def _feed(stream: Stream, thresholds: Thresholds) -> _Fed:
    fed = _judges.pop(stream.pk, None)
    if fed is None or fed.renumbered != stream.renumbered or fed.thresholds != thresholds:
        fed = _Fed(stream.renumbered, thresholds, StreamJudge(thresholds=thresholds))
    for chunk in chunk_facts(stream, fed.last_chunk_id):
        fed.judge.feed(chunk)
        fed.last_chunk_id = chunk.chunk_id
    _judges[stream.pk] = fed
    while len(_judges) > JUDGES_KEPT:
        _judges.popitem(last=False)
    return fed


def chunk_facts(stream: Stream, after: str = "") -> Iterator[ChunkFact]:
    """In reading order, those behind a chunk id."""
    rows = Chunk.objects.filter(stream=stream, chunk_id__gt=after).order_by("chunk_id")
    columns = (
        "chunk_id", "arrival", "position", "is_close", "marks", "size", "stored_ns", "minted_ms", "data",
    )  # fmt: skip
    for chunk_id, arrival, position, is_close, marks, size, stored, minted, data in rows.values_list(
        *columns
    ).iterator(chunk_size=1000):
        load, is_behind = _Payload(bytes(data)).load, bool(marks & BEHIND)
        yield ChunkFact(
            chunk_id, arrival, position, is_close, is_behind, size, stored, minted, load, stream.framing
        )


def _read_writes(stream: Stream, fed: _Fed) -> WriteLedger | None:
    """What probes reported of a stream's writes, up to now; None where none did."""
    if not stream.write_revision:
        return None
    fed.writes.put(facts_since(stream.pk, fed.write_revision))
    fed.write_revision = stream.write_revision
    fed.writes.streams_of_step = streams_of_steps(stream.world_id, fed.writes)
    fed.writes.is_lossy = bool(lossy_processes(stream.world_id, {one.process for one in fed.writes.facts}))
    return fed.writes if len(fed.writes) else None


@dataclass(frozen=True, slots=True)
class _Payload:
    data: bytes

    def load(self) -> bytes:
        return self.data


def stream_facts(stream: Stream) -> StreamFacts:
    run = stream.run
    ended = (run.completed_ns or run.source_ns) if run is not None and run.status in TERMINAL else None
    steps = _steps(run) if run is not None else ()
    facts = run and RunFacts(
        run.run_id, run.workflow, run.status, run.sdk_version, ended, steps, run.language
    )
    has_lists = run is not None and "stream_list" in supplies_of(stream.world.kind)
    listed = bool(stream.listed) if has_lists else None
    return StreamFacts(
        stream.name,
        facts or None,
        listed,
        stream.is_system,
        stream.expired,
        stream.framing,
        world=origin_kind(stream.world),
    )


def _steps(run: Run) -> tuple[StepFacts, ...]:
    log = run.events.filter(type__in=("step_started", "step_retrying")).order_by("event_id")
    of_step: dict[str, list[tuple[str, int]]] = {}
    for step_id, kind, created, source in log.values_list(
        "correlation_id", "type", "created_ns", "source_ns"
    ):
        of_step.setdefault(step_id, []).append((kind, created or source))
    rows = run.steps.order_by("started_ns", "pk")
    return tuple(
        StepFacts(step_id, name, started, completed, attempts_of(of_step.get(step_id, ())))
        for step_id, name, started, completed in rows.values_list(
            "step_id", "name", "started_ns", "completed_ns"
        )
    )


def _store(stream: Stream, verdict: Verdict) -> bool:
    """Findings in the place of earlier ones of the same kind; returns whether any is new, gone or other."""
    known = Finding.objects.filter(stream=stream).select_related("anomaly")
    before = {finding.kind: finding for finding in known}
    changed = False
    groups = [group_of_stream(stream, found.kind, found.step_id) for found in verdict.found]
    anomalies = life.prepare(stream.world, groups, {one.anomaly_id for one in before.values()})
    for found, group in zip(verdict.found, groups, strict=True):
        changed |= _store_finding(stream, found, anomalies[group], before.pop(found.kind, None))
    for gone in before.values():
        Finding.objects.filter(pk=gone.pk).delete()
        life.withdrawn(gone, _why(stream, gone))
        changed = True
    due = [one.due_ns for one in verdict.unchecked if one.due_ns is not None]
    values = {
        "changes": stream.changes,
        "due_ns": min(due, default=None),
        "unchecked": _shown(verdict.unchecked),
    }
    Checkpoint.objects.update_or_create(stream=stream, defaults=values)
    return changed


def _why(stream: Stream, gone: Finding) -> str:
    """The threshold that was changed, where nothing else has since it was judged."""
    set_back = Checkpoint.objects.filter(Q(due_ns=SET_BACK) | Q(changes=NEVER), stream=stream)
    if stream.judged != stream.changes or not set_back.exists():
        return ""
    return reason_for(stream.world_id, stream.run.workflow if stream.run else "", gone)


def _settle(stream: Stream, verdict: Verdict) -> bool:
    """The stream's one verdict, from what has just been stored; returns whether lists look different."""
    found = [verdicts.level_of_finding(one.severity, one.certainty) for one in verdict.found]
    found += [verdicts.Level.ERROR] * any(verdict.moved.values())
    fault = repeats.FAULTS.get(repeats.doubt_of_repeats(stream))
    found += [verdicts.level_of_finding(*fault)] if fault else []
    clear = not verdict.found and not verdict.unchecked and are_all_good(stream)
    return verdicts.settle(stream, found, clear)


def _shown(unchecked: list[NotChecked]) -> list[dict[str, str]]:
    return [{"kind": one.kind, "reason": clean(one.reason, 500)} for one in unchecked]


def _store_finding(stream: Stream, found: Found, anomaly: Anomaly, before: Finding | None) -> bool:
    values = {
        "severity": found.severity,
        "certainty": found.certainty,
        "message": clean(found.message, 2000),
        "step_id": clean(found.step_id, 255),
        "chunks": [asdict(chunk) for chunk in found.chunks[:CHUNKS_KEPT]],
        "chunk_total": len(found.chunks),
        "events": list(found.events),
        "evidence": found.evidence,
        "missing": list(found.missing),
        "detector_version": DETECTORS.found[found.kind].version,
    }
    same = before is not None and before.anomaly_id == anomaly.pk
    if same and all(getattr(before, name) == value for name, value in values.items()):
        return False
    defaults = values | {
        "anomaly": anomaly,
        "run": stream.run,
        "found_ns": before.found_ns if before else now_ns(),
    }
    finding, _ = Finding.objects.update_or_create(stream=stream, kind=found.kind, defaults=defaults)
    life.stored(finding, before)
    return True


def forget() -> None:
    """Drop the facts kept in memory: after pruning, rows they stand for are gone."""
    _judges.clear()
    threshold_values.forget()
