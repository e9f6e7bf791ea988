"""How often a rule would have fired in the last week, told from history. Nothing is stored.

History knows when an anomaly was first seen, when it came back, and how often it was seen in each hour: what a rule
counts within less than an hour is an estimate from that, which the answer says. What had ended before its world was
added is not counted: no rule tells it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from dashboard.alerts.absence_queries import workflows_of
from dashboard.alerts.candidates import with_news
from dashboard.alerts.models import AlertRule
from dashboard.alerts.rules import Conditions, Facts
from dashboard.anomalies.life_facts import HOUR_NS
from dashboard.anomalies.models import Anomaly, AnomalyEvent, AnomalyHour, AnomalySeenIn
from dashboard.lib.clock import NS_PER_S
from runs.managed import CURRENT
from runs.models import Run, World

DAYS = 7
WEEK_NS = DAYS * 24 * HOUR_NS
MOST = 2_000  # anomalies, and runs of one workflow, that are looked at, the newest first
SHOWN = 5
_COLUMNS = ("kind", "severity", "certainty", "world", "workflow", "first_seen_ns", "last_seen_ns")


@dataclass(frozen=True, slots=True)
class Preview:
    """`fires`: times it would have fired; `messages`: with its cooldown and hourly cap, digests included. `by_day`: the
    oldest first. `anomalies`: some of those that it would have fired for. `why_not`: it cannot be told."""

    fires: int = 0
    messages: int = 0
    by_day: tuple[int, ...] = (0,) * DAYS
    anomalies: tuple[int, ...] = ()
    is_estimate: bool = False
    is_partial: bool = False  # only the newest were looked at
    why_not: str = ""


def preview(rule: AlertRule, worlds: Iterable[int], now_ns: int) -> Preview:
    """Of a rule that may not be saved yet, so its worlds are given apart (none: all)."""
    given = frozenset(worlds)
    conditions = Conditions(
        frozenset(rule.kinds), rule.min_severity, rule.min_certainty, given, tuple(rule.workflows),
        tuple(rule.deployments),
    )  # fmt: skip
    if "silent" in rule.triggers:
        return Preview(why_not="Silence leaves no trace in history, so this cannot be told beforehand.")
    if "absent" in rule.triggers:
        return _of_absence(rule, conditions, now_ns)
    return _of_anomalies(rule, conditions, now_ns)


def _of_anomalies(rule: AlertRule, conditions: Conditions, now_ns: int) -> Preview:
    since_ns = now_ns - WEEK_NS
    rows = Anomaly.objects.filter(last_seen_ns__gte=since_ns, total__gt=0).order_by("-last_seen_ns", "-id")
    looked = list(rows.only(*_COLUMNS)[: MOST + 1])
    fitting = _matching(looked[:MOST], conditions)
    news = with_news(one.pk for one in fitting)
    found = [one for one in fitting if one.pk in news]
    hours = _hours([one.pk for one in found], since_ns)
    regressed = _regressed([one.pk for one in found], since_ns)
    fired = {
        one.pk: _times(rule, one, hours.get(one.pk, {}), regressed.get(one.pk, []), since_ns) for one in found
    }
    times = [at for ats in fired.values() for at in ats]
    return Preview(
        fires=len(times),
        messages=_capped(rule, times),
        by_day=_by_day(times, since_ns),
        anomalies=tuple(pk for pk, ats in fired.items() if ats)[:SHOWN],
        is_estimate=bool({"every", "more_than"} & set(rule.triggers)),
        is_partial=len(looked) > MOST,
    )


def _matching(rows: list[Anomaly], conditions: Conditions) -> list[Anomaly]:
    places: dict[int, set[str]] = defaultdict(set)
    if conditions.deployments:
        seen = AnomalySeenIn.objects.filter(anomaly__in=[one.pk for one in rows], what="deployment")
        for pk, value in seen.values_list("anomaly", "value"):
            places[pk].add(value)
    return [one for one in rows if conditions.match(_facts(one, frozenset(places.get(one.pk, ()))))]


def _facts(row: Anomaly, places: frozenset[str]) -> Facts:
    return Facts(row.kind, row.severity, row.certainty, row.world_id, row.workflow, places)


def _hours(ids: list[int], since_ns: int) -> dict[int, dict[int, int]]:
    rows = AnomalyHour.objects.filter(anomaly__in=ids, hour__gte=since_ns // HOUR_NS)
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for pk, hour, count in rows.values_list("anomaly", "hour", "count"):
        found[pk][hour] = count
    return found


def _regressed(ids: list[int], since_ns: int) -> dict[int, list[int]]:
    rows = AnomalyEvent.objects.filter(anomaly__in=ids, what="regressed", at_ns__gte=since_ns)
    found: dict[int, list[int]] = defaultdict(list)
    for pk, at_ns in rows.values_list("anomaly", "at_ns"):
        found[pk].append(at_ns)
    return found


def _times(
    rule: AlertRule, anomaly: Anomaly, hours: Mapping[int, int], regressed: list[int], since_ns: int
) -> list[int]:
    """When it would have fired for one anomaly, with its cooldown."""
    asked, times = set(rule.triggers), list(regressed) if "regressed" in rule.triggers else []
    if "first_time" in asked and anomaly.first_seen_ns >= since_ns:
        times.append(anomaly.first_seen_ns)
    if "every" in asked:
        times += [
            hour * HOUR_NS + at * HOUR_NS // n for hour, n in hours.items() for at in range(min(n, MOST))
        ]
    if "more_than" in asked:
        span = max(1, -(-rule.period_s * NS_PER_S // HOUR_NS))
        sums = {hour: sum(hours.get(hour - back, 0) for back in range(span)) for hour in hours}
        times += [hour * HOUR_NS for hour, number in sums.items() if number > rule.threshold]
    return _cooled(sorted(times), rule.cooldown_s * NS_PER_S)


def _cooled(times: list[int], cooldown_ns: int) -> list[int]:
    kept: list[int] = []
    for at in times:
        if not kept or at - kept[-1] >= cooldown_ns:
            kept.append(at)
    return kept


def _capped(rule: AlertRule, times: list[int]) -> int:
    """Messages of each hour up to the cap, and one digest where there were more."""
    hours = Counter(at // HOUR_NS for at in times)
    return sum(min(number, rule.hourly_cap) + (number > rule.hourly_cap) for number in hours.values())


def _by_day(times: Iterable[int], since_ns: int) -> tuple[int, ...]:
    days = Counter(min(DAYS - 1, max(0, (at - since_ns) // (24 * HOUR_NS))) for at in times)
    return tuple(days[day] for day in range(DAYS))


def _of_absence(rule: AlertRule, conditions: Conditions, now_ns: int) -> Preview:
    """Gaps between the beginnings of runs, by the worlds' own clocks."""
    since_ns, period_ns = now_ns - WEEK_NS, rule.period_s * NS_PER_S
    times: list[int] = []
    is_partial = False
    for world_id in World.objects.filter(CURRENT).order_by("pk").values_list("pk", flat=True):
        for workflow in workflows_of(world_id):
            if conditions.match_place(world_id, workflow):
                began = _began(world_id, workflow, since_ns)
                is_partial |= len(began) > MOST
                pairs = pairwise([*sorted(began), now_ns])
                times += [first + period_ns for first, second in pairs if second - first > period_ns]
    fits = [at for at in times if at >= since_ns]
    return Preview(len(fits), _capped(rule, fits), _by_day(fits, since_ns), is_partial=is_partial)


def _began(world_id: int, workflow: str, since_ns: int) -> list[int]:
    """The runs of the week, the newest first, and the last one before it: a gap may begin earlier."""
    rows = Run.objects.filter(world=world_id, workflow=workflow).order_by("-created_ns", "-id")
    times = rows.values_list("created_ns", flat=True)
    before = times.filter(created_ns__lt=since_ns).first()
    found = list(times.filter(created_ns__gte=since_ns)[: MOST + 1])
    return [*found, before] if before is not None and len(found) <= MOST else found
