"""What the finished runs of a workflow teach about its thresholds: medians, within bounds. Pure.

Only runs that completed count, so a run that was stuck teaches nothing; and a median does not follow the few that took
long and completed in the end. `tailrace scan` learns by the same rule from what it has read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from dashboard.anomalies.run_facts import FILLER, RunFacts
from dashboard.anomalies.thresholds import ABOUT, Thresholds
from dashboard.lib.clock import NS_PER_S

LEAST_RUNS = 20  # fewer teach nothing
MOST_RUNS = 200  # the latest ones of a workflow
ALIKE = 0.25  # what was learned stays while what would be learned now differs by no more than this part of it
LEARNED = "learned"
_OPENS = frozenset(("step_started", "wait_created", "hook_created"))
_OF_STEPS = frozenset(("step_completed", "step_failed", "step_retrying"))
_CLOSES = _OF_STEPS | {"wait_completed", "hook_disposed", "hook_conflict"}
_Log = Iterable[tuple[str, str, int]]  # type, id of what it is about, time; in the order of the log


@dataclass(frozen=True, slots=True)
class Sample:
    """Facts of one run that completed, in seconds; None where its log does not say."""

    pending_s: float | None = None
    quiet_s: float | None = None
    step_s: float | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    value: float
    median_s: float


@dataclass(frozen=True, slots=True)
class Learned:
    """By the name of the threshold."""

    lessons: Mapping[str, Lesson] = field(default_factory=dict)
    runs: int = 0  # that it rests on

    @property
    def values(self) -> dict[str, float]:
        return {name: lesson.value for name, lesson in self.lessons.items()}


@dataclass(slots=True)
class _Reading:
    """A log, event by event. Quiet is the time in which nothing was open and nothing happened."""

    created_ns: int | None = None
    started_ns: int | None = None
    last_ns: int = 0
    quiet_ns: int = 0
    step_ns: int = -1
    open: dict[str, int] = field(default_factory=dict)

    def take(self, kind: str, about: str, time_ns: int) -> None:
        if self.started_ns is not None and not self.open:
            self.quiet_ns = max(self.quiet_ns, time_ns - self.last_ns)
        self.last_ns = max(self.last_ns, time_ns)
        if kind == "run_created":
            self.created_ns = time_ns
        elif kind == "run_started" and self.started_ns is None:
            self.started_ns = time_ns
        elif kind in _OPENS:
            self.open[about] = time_ns
        elif kind in _CLOSES:
            began_ns = self.open.pop(about, None)
            if kind in _OF_STEPS and began_ns is not None:
                self.step_ns = max(self.step_ns, time_ns - began_ns)

    def sample(self) -> Sample:
        if self.started_ns is None:
            return Sample()
        pending_ns = None if self.created_ns is None else max(0, self.started_ns - self.created_ns)
        return Sample(
            None if pending_ns is None else pending_ns / NS_PER_S,
            self.quiet_ns / NS_PER_S,
            self.step_ns / NS_PER_S if self.step_ns >= 0 else None,
        )


def sample_of(log: _Log) -> Sample:
    reading = _Reading()
    for kind, about, time_ns in log:
        if kind != FILLER:
            reading.take(kind, about, time_ns)
    return reading.sample()


def learned_from(samples: Sequence[Sample]) -> Learned:
    """Nothing from fewer than LEAST_RUNS runs, nor of a fact that fewer of them have."""
    lessons = {}
    for name, about in ABOUT.items():
        if about.learning is None:
            continue
        facts = [fact for one in samples if (fact := getattr(one, about.learning.fact)) is not None]
        if len(facts) >= LEAST_RUNS:
            middle = median(facts)
            lessons[name] = Lesson(about.learning.value(middle), round(middle, 3))
    return Learned(lessons, len(samples))


def settled(before: Learned, now: Learned) -> Learned:
    """What was learned stays while it is about the same: a change lets runs be judged anew."""
    lessons = dict(before.lessons)
    for name, lesson in now.lessons.items():
        old = lessons.get(name)
        if old is None or abs(lesson.value - old.value) > ALIKE * old.value:
            lessons[name] = lesson
        else:
            lessons[name] = Lesson(old.value, lesson.median_s)
    return Learned(lessons, now.runs or before.runs)


def thresholds_with(values: Mapping[str, float], origins: Mapping[str, str]) -> Thresholds:
    """Thresholds with some values of their own, in the type of each field."""
    typed = {name: int(value) if ABOUT[name].is_whole else value for name, value in values.items()}
    return Thresholds(**typed, origins=dict(origins))  # type: ignore[arg-type]


def learned_by_workflow(runs: Iterable[RunFacts]) -> dict[str, Thresholds]:
    """For `tailrace scan`: thresholds by workflow, where there is something to learn."""
    samples: dict[str, list[tuple[int, Sample]]] = {}
    for run in runs:
        if run.outcome == "completed":
            log = ((event.type, event.about, event.time_ns) for event in run.events)
            samples.setdefault(run.workflow, []).append((run.created_ns or 0, sample_of(log)))
    found = {}
    for workflow, of_workflow in samples.items():
        latest = sorted(of_workflow, key=lambda one: one[0], reverse=True)[:MOST_RUNS]
        values = learned_from([sample for _, sample in latest]).values
        if values:
            found[workflow] = thresholds_with(values, dict.fromkeys(values, LEARNED))
    return found
