"""The contract of a detector of runs: a rule that gets the facts of one run. Pure: no database, no clock of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from dashboard.anomalies.detectors.base import Found, NotChecked, Severity
from dashboard.anomalies.run_facts import EventFact, RunFacts
from dashboard.anomalies.thresholds import DEFAULTS, Thresholds
from dashboard.lib.clock import NS_PER_S
from dashboard.lib.registry import Registry

RARELY_NS = 3600 * NS_PER_S
EVENTS_NAMED = 200  # events that one finding names
Reached: TypeAlias = Literal["by the world", "by us", "not yet"]


@dataclass(frozen=True, slots=True)
class Due:
    """Nothing is wrong so far; whether it stays so is to be asked again then, by our clock."""

    kind: str
    due_ns: int


Answer: TypeAlias = Found | NotChecked | Due


class RunDetector(ABC):
    """Judges one run. Its docstring is its documentation page, with the sections of a `Detector`'s.

    `judge` yields at most one `Found`. `now_ns` is our wall clock; what is compared with it is the clock of the
    world (`RunFacts.clock`), never a stored time as it is.
    """

    kind: ClassVar[str]
    severity: ClassVar[Severity]
    version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({"chunks"})  # that someone reads the world's storage
    fix: ClassVar[str] = ""  # one sentence: what to do about it
    upstream: ClassVar[tuple[int, ...]] = ()  # issues of the SDK
    sdk_affected: ClassVar[str] = ""  # versions, in words
    sdk_fixed: ClassVar[str] = ""

    def __init__(self, thresholds: Thresholds = DEFAULTS) -> None:
        self.thresholds = thresholds

    @abstractmethod
    def judge(self, run: RunFacts, now_ns: int) -> Iterator[Answer]:
        """Yield what follows from the facts."""

    def reached(self, run: RunFacts, target_ns: int, now_ns: int) -> Reached:
        """Whether a time has come: by the clock of the world, or only by ours.

        Ours says little: the clocks may differ, or the world may be a copy in which nothing goes on.
        """
        if run.clock.now(now_ns) >= target_ns:
            return "by the world"
        return "by us" if now_ns >= target_ns + _ns(self.thresholds.slack_s) else "not yet"

    def due(self, run: RunFacts, target_ns: int, now_ns: int) -> Due:
        """When a time of the world has come, by our clock; in a cold world, when it has come by ours alone.

        Once that says so as well, only a sign of life can change the answer, and it asks by itself.
        """
        if not run.clock.is_cold:
            return Due(self.kind, now_ns + max(0, target_ns - run.clock.now(now_ns)))
        ours_ns = target_ns + _ns(self.thresholds.slack_s)
        return Due(self.kind, ours_ns if ours_ns > now_ns else now_ns + RARELY_NS)


def _ns(seconds: float) -> int:
    return int(seconds * NS_PER_S)


def after(time_ns: int, seconds: float) -> int:
    return time_ns + _ns(seconds)


def ids_of(events: Iterable[EventFact]) -> tuple[str, ...]:
    return tuple(event.event_id for event in events)[:EVENTS_NAMED]


def count_of(number: int, one: str, several: str) -> str:
    return f"one {one}" if number == 1 else f"{number:,} {several}"


def the_only(ids: Iterable[str]) -> str:
    """The one id, or "" where a finding is about several."""
    found = set(ids)
    return found.pop() if len(found) == 1 else ""


RUN_DETECTORS: Registry[RunDetector] = Registry(RunDetector, "dashboard.anomalies.run_detectors")  # type: ignore[type-abstract]
