"""What a change of a threshold would do, tried on the latest runs before it is made. Nothing is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from django.db.models import QuerySet

from dashboard.anomalies.detect import chunk_facts, stream_facts
from dashboard.anomalies.detectors.base import DETECTORS, Found
from dashboard.anomalies.due import time_in
from dashboard.anomalies.judge import StreamJudge
from dashboard.anomalies.judge_run import judge_run
from dashboard.anomalies.models import WorldTime
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS
from dashboard.anomalies.run_facts import RunFacts, WorldClock
from dashboard.anomalies.run_rows import facts_of, groups_of
from dashboard.anomalies.threshold_values import WorldThresholds, thresholds_of
from dashboard.anomalies.thresholds import ABOUT, Thresholds
from dashboard.lib.clock import now_ns
from runs.models import Run, World
from runs.worlds.base import supplies_of
from streams.models import Stream

COUNTED = 10_000  # runs are counted up to here
RUNS, STREAMS, CHUNKS = 100, 100, 5_000  # tried at the most
_PAYLOADS = ("input", "output", "error", "attributes", "listed_streams")

_Pair: TypeAlias = tuple[WorldThresholds, WorldThresholds]  # before a change and with it


@dataclass(frozen=True, slots=True)
class Tried:
    """Findings of one kind among what was tried: with the thresholds of now, and with the other value."""

    kind: str
    now: int
    then: int


@dataclass(frozen=True, slots=True)
class Preview:
    subject: str
    runs: int  # concerned, counted up to COUNTED
    looked: int  # runs or streams tried, the latest
    tried: tuple[Tried, ...]


def preview(world: World, workflow: str, name: str, value: float | None) -> Preview:
    """`value` None: with the threshold reset. Reads at most RUNS runs, or streams with CHUNKS chunks in all."""
    rows = Run.objects.filter(world=world, **({"workflow": workflow} if workflow else {}))
    newest = rows.defer(*_PAYLOADS).order_by("-created_ns", "-id")[:RUNS]
    latest = [run for run in newest if run.pruned_ns is None]
    resolved = thresholds_of(world.pk)
    both = (resolved, resolved.with_value(workflow, name, value))
    about = ABOUT[name]
    found = (_of_streams if about.subject == "stream" else _of_runs)(world, latest, about.kinds, both)
    counts: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    looked = 0
    for now, then in found:
        looked += 1
        counts[0].update(one.kind for one in now)
        counts[1].update(one.kind for one in then)
    tried = tuple(Tried(kind, counts[0][kind], counts[1][kind]) for kind in about.kinds)
    return Preview(about.subject, rows[:COUNTED].count(), looked, tried)


_Both = Iterator[tuple[list[Found], list[Found]]]


def _of_runs(world: World, runs: list[Run], kinds: Iterable[str], both: _Pair) -> _Both:
    """Of as many of the runs as can be read together: one with a long log is read alone."""
    now, supplies = time_in(world, now_ns()), supplies_of(world.kind)
    row = WorldTime.objects.filter(world=world).values_list("newest_ns", "observed_ns").first()
    clock = WorldClock(*row) if row is not None else WorldClock(0, now)
    detectors = [RUN_DETECTORS.found[kind] for kind in kinds]
    group = [run for run, _ in next(groups_of(runs), [])]

    def found(facts: RunFacts, thresholds: Thresholds) -> list[Found]:
        return judge_run(facts, now, supplies, thresholds, detectors).found

    for run, facts in facts_of(group, clock, now):
        before, after = (found(facts, resolved.of(run.workflow)) for resolved in both)
        yield before, after


def _of_streams(world: World, runs: list[Run], kinds: Iterable[str], both: _Pair) -> _Both:
    streams = Stream.objects.filter(run__in=[run.pk for run in runs], pruned_ns=None)
    detectors = [DETECTORS.found[kind] for kind in kinds]
    for stream in _small_enough(streams.select_related("run", "world").order_by("-latest_ns", "-id")):
        workflow = stream.run.workflow if stream.run else ""
        judges = [StreamJudge(detectors, resolved.of(workflow)) for resolved in both]
        for chunk in chunk_facts(stream):
            for judge in judges:
                judge.feed(chunk)
        facts, supplies = stream_facts(stream), supplies_of(world.kind)
        before, after = (judge.judge(facts, time_in(world, now_ns()), supplies).found for judge in judges)
        yield before, after


def _small_enough(streams: QuerySet[Stream]) -> Iterator[Stream]:
    left = CHUNKS
    for stream in streams[:STREAMS]:
        left -= stream.head
        if left >= 0:
            yield stream
