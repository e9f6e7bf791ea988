"""What was found in all stored streams and runs, by workflow, deployment, SDK version and day. Pure: sums only.

`dashboard.anomalies.audit_queries` fills a `Cube`; pages and exports ask it. Never "0 of M" where nothing was
checked: a `Count` says how many could be checked of how many there are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Literal, NamedTuple, TypeAlias

from dashboard.anomalies.detectors.base import SEVERITIES

Subject: TypeAlias = Literal["stream", "run"]
Dimension: TypeAlias = Literal["workflow", "deployment", "sdk", "day"]
DIMENSIONS: tuple[Dimension, ...] = ("workflow", "deployment", "sdk", "day")
HEADLINE = ("write_after_close", "closed_more_than_once", "never_closed")
_Pick: TypeAlias = "Callable[[Cube], Counter[Group]]"
NO_DAY = 0  # a stream without a stored chunk


class Group(NamedTuple):
    """What is counted together. `day`: of the last chunk, or of the run's begin; days since 1970 in UTC."""

    workflow: str = ""
    deployment: str = ""
    sdk: str = ""
    day: int = NO_DAY


class Kind(NamedTuple):
    """A kind of finding; streams and runs may both have one of the same name."""

    subject: Subject
    name: str


@dataclass(frozen=True, slots=True)
class Count:
    """Of one kind: in how many it was found, how many could be checked, and how many there are."""

    found: int
    checked: int
    total: int

    @property
    def unchecked(self) -> int:
        return self.total - self.checked

    @property
    def words(self) -> str:
        """`3 of 20`, or why there is no such number."""
        if not self.total:
            return "none there"
        return f"{self.found:,} of {self.checked:,}" if self.checked else "not checked"


@dataclass(slots=True)
class Cube:
    """Counts by group. `found` may hold streams that have changed since: they count as checked."""

    totals: dict[Subject, Counter[Group]] = field(
        default_factory=lambda: {"stream": Counter(), "run": Counter()}
    )
    judged: dict[Subject, Counter[Group]] = field(
        default_factory=lambda: {"stream": Counter(), "run": Counter()}
    )
    bad: Counter[Group] = field(default_factory=Counter)  # streams whose verdict is a problem
    found: defaultdict[Kind, Counter[Group]] = field(default_factory=lambda: defaultdict(Counter))
    unchecked: defaultdict[Kind, Counter[Group]] = field(default_factory=lambda: defaultdict(Counter))
    worst: dict[Kind, str] = field(default_factory=dict)  # severity
    left_out: int = 0  # streams that the SDK keeps for itself, or that retention purged

    def see(self, kind: Kind, severity: str, group: Group, number: int) -> None:
        self.found[kind][group] += number
        known = self.worst.get(kind, severity)
        self.worst[kind] = max(known, severity, key=SEVERITIES.index)

    def count(self, kind: Kind) -> Count:
        total, judged = self.totals[kind.subject].total(), self.judged[kind.subject].total()
        found = self.found[kind].total() if kind in self.found else 0
        unchecked = self.unchecked[kind].total() if kind in self.unchecked else 0
        checked = min(total, max(judged - unchecked, found))
        return Count(found, checked, max(total, found))

    def kinds(self) -> list[Kind]:
        """Those that were found, the worst and most frequent first."""
        there = [kind for kind, groups in self.found.items() if groups.total()]
        return sorted(
            there, key=lambda kind: (-SEVERITIES.index(self.worst[kind]), -self.found[kind].total(), kind)
        )

    def values(self, dimension: Dimension) -> list[str | int]:
        """The values of a dimension: days from the first, others the most frequent first."""
        numbers: Counter[str | int] = Counter()
        for groups in self.totals.values():
            for group, number in groups.items():
                numbers[getattr(group, dimension)] += number
        if dimension == "day":
            return sorted(numbers)
        return [value for value, _ in sorted(numbers.items(), key=lambda one: (-one[1], one[0]))]

    def split(self, dimension: Dimension) -> dict[str | int, Cube]:
        """A cube for each value, in one pass."""
        parts: defaultdict[str | int, Cube] = defaultdict(lambda: Cube(worst=self.worst))
        for pick, groups in self._counters():
            for group, number in groups.items():
                pick(parts[getattr(group, dimension)])[group] += number
        return {value: parts[value] for value in self.values(dimension)}

    def _counters(self) -> Iterator[tuple[_Pick, Counter[Group]]]:
        for subject in self.totals:
            yield partial(_of_subject, "totals", subject), self.totals[subject]
            yield partial(_of_subject, "judged", subject), self.judged[subject]
        yield attrgetter("bad"), self.bad
        for name in ("found", "unchecked"):
            for kind, groups in getattr(self, name).items():
                yield partial(_of_subject, name, kind), groups

    def only(self, wanted: Mapping[Dimension, str | int]) -> Cube:
        """What has these values."""
        cube = self
        for dimension, value in wanted.items():
            cube = cube.split(dimension).get(value, Cube())
        return cube


def _of_subject(name: str, key: object, cube: Cube) -> Counter[Group]:
    picked: Counter[Group] = getattr(cube, name)[key]
    return picked


def date_of(day: int) -> str:
    """`2026-11-21`; a calendar ends, a file's time may not."""
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
    except OverflowError:
        return f"day {day}"
