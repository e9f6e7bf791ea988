"""What a rule says, without the database: its conditions, its quiet hours, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.life_facts import CERTAINTIES
from dashboard.lib.clock import NS_PER_S

if TYPE_CHECKING:
    from dashboard.alerts.models import AlertRule

TRIGGERS: Mapping[str, str] = {
    "first_time": "the first time",
    "regressed": "when it comes back",
    "every": "every time",
    "more_than": "when it is seen more than so often within a time",
    "absent": "when no run of a workflow begins for a time",
    "silent": "when a stream of a running run gets no chunk for a time",
}
ALONE = frozenset(("absent", "silent"))  # what no anomaly tells: each the only trigger of its rule
CRITICAL = SEVERITIES.index("critical")
PERIOD_S = (10, 30 * 86_400)
MORE_THAN_S = 86_400  # so far back findings are counted
_PATTERNS, _PATTERN_CHARS = 50, 300


@dataclass(frozen=True, slots=True)
class Facts:
    """What conditions are asked about."""

    kind: str
    severity: int
    certainty: int
    world_id: int
    workflow: str
    deployments: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Conditions:
    kinds: frozenset[str] = frozenset()
    min_severity: int = 0
    min_certainty: int = 0
    worlds: frozenset[int] = frozenset()
    workflows: tuple[str, ...] = ()
    deployments: tuple[str, ...] = ()

    @classmethod
    def of(cls, rule: AlertRule) -> Conditions:
        return cls(
            frozenset(rule.kinds),
            rule.min_severity,
            rule.min_certainty,
            frozenset(world.pk for world in rule.worlds.all()),
            tuple(rule.workflows),
            tuple(rule.deployments),
        )

    def match(self, facts: Facts) -> bool:
        return (
            (not self.kinds or facts.kind in self.kinds)
            and facts.severity >= self.min_severity
            and facts.certainty >= self.min_certainty
            and self.match_place(facts.world_id, facts.workflow)
            and (not self.deployments or any(_fits(one, self.deployments) for one in facts.deployments))
        )

    def match_place(self, world_id: int, workflow: str) -> bool:
        if self.worlds and world_id not in self.worlds:
            return False
        return not self.workflows or any(_fits(name, self.workflows) for name in names_of(workflow))


def names_of(workflow: str) -> tuple[str, str]:
    """Its whole name, and the one people use: `workflow//./workflows/chat//chatTurn` is chatTurn."""
    return workflow, workflow.rpartition("//")[2]


def _fits(text: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From a time of day until another one, in a time zone; over midnight where the end is not later."""

    start: time
    end: time
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    def ends_ns(self, now_ns: int) -> int | None:
        """When the quiet hours that it is in end; None if it is not quiet. A time that a clock change skips is the
        one after it."""
        local = datetime.fromtimestamp(now_ns / NS_PER_S, UTC).astimezone(self.zone)
        at = local.time().replace(tzinfo=None)
        if self.start < self.end:
            if not self.start <= at < self.end:
                return None
            day = local.date()
        elif at >= self.start:
            day = local.date() + timedelta(days=1)
        elif at < self.end:
            day = local.date()
        else:
            return None
        end = datetime.combine(day, self.end, tzinfo=self.zone)
        return int(end.astimezone(UTC).timestamp()) * NS_PER_S


def quiet_of(rule: AlertRule) -> QuietHours | None:
    """None where it has none, or where what is stored cannot be read: then nothing is withheld."""
    start, end, zone = parse_clock(rule.quiet_from), parse_clock(rule.quiet_until), zone_of(rule.time_zone)
    if start is None or end is None or start == end or zone is None:
        return None
    return QuietHours(start, end, zone)


def parse_clock(text: str) -> time | None:
    """`22:30`."""
    try:
        return time.fromisoformat(text) if len(text) == 5 else None
    except ValueError:
        return None


@lru_cache(maxsize=256)
def zone_of(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def problems_of(rule: AlertRule, kinds: Collection[str]) -> dict[str, str]:
    """What keeps a rule from being saved, by field; `kinds` are those that are detected."""
    found = dict(_trigger_problems(rule)) | dict(_quiet_problems(rule))
    if not rule.name.strip():
        found["name"] = "A rule needs a name."
    if unknown := [kind for kind in rule.kinds if kind not in kinds]:
        found["kinds"] = f"Nothing detects {', '.join(sorted(unknown)[:3])}."
    for name, most in (("min_severity", len(SEVERITIES)), ("min_certainty", len(CERTAINTIES))):
        if not 0 <= getattr(rule, name) < most:
            found[name] = "There is no such level."
    for name in ("workflows", "deployments"):
        patterns = getattr(rule, name)
        if len(patterns) > _PATTERNS or any(not one or len(one) > _PATTERN_CHARS for one in patterns):
            found[name] = f"At most {_PATTERNS} patterns of at most {_PATTERN_CHARS} characters."
    if not 0 <= rule.cooldown_s <= 30 * 86_400:
        found["cooldown_s"] = "From 0 seconds to 30 days."
    if not 1 <= rule.hourly_cap <= 1000:
        found["hourly_cap"] = "From 1 to 1,000 messages an hour."
    return found


def _trigger_problems(rule: AlertRule) -> Iterable[tuple[str, str]]:
    asked = set(rule.triggers)
    if not asked or asked - set(TRIGGERS):
        yield "triggers", "Say when it is told."
    elif asked & ALONE and len(asked) > 1:
        yield "triggers", "An absence is the only trigger of its rule."
    if "absent" in asked and not rule.workflows:
        yield "workflows", "Name the workflow whose runs are expected."
    if "more_than" in asked and not 1 <= rule.threshold <= 100_000:
        yield "threshold", "From 1 to 100,000 times."
    most = MORE_THAN_S if "more_than" in asked else PERIOD_S[1]
    if asked & {"more_than", *ALONE} and not PERIOD_S[0] <= rule.period_s <= most:
        yield "period_s", f"From {PERIOD_S[0]} seconds to {most // 86_400} days."


def _quiet_problems(rule: AlertRule) -> Iterable[tuple[str, str]]:
    if zone_of(rule.time_zone) is None:
        yield "time_zone", "There is no such time zone; one is called like Europe/Vienna."
    ends = (rule.quiet_from, rule.quiet_until)
    if any(ends) and (any(parse_clock(one) is None for one in ends) or ends[0] == ends[1]):
        yield "quiet_from", "Two different times of day, such as 22:00 and 07:00; or none."
