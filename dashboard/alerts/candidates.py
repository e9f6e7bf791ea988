"""What has changed about anomalies since routing last looked, read in a fixed number of queries a batch.

The source is the committed row of each anomaly, compared with what was seen of it (`Watched`): that way no order of
commits loses anything. The time cursor only bounds what is compared; every hour all of them are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import F, Q

from dashboard.alerts.models import Alert, Routing, Watched
from dashboard.alerts.rules import Facts
from dashboard.anomalies.models import Anomaly, AnomalySeenIn, Finding
from dashboard.anomalies.states import STATES
from dashboard.lib.clock import NS_PER_S

AT_ONCE = 500
SLACK_NS = 300 * NS_PER_S  # an anomaly's time is given before its transaction is committed
WHOLE_NS = 3600 * NS_PER_S
COPY = "bundle"  # the kind of worlds in which nothing will ever happen again
HISTORY_NS = 3600 * NS_PER_S  # what ended so long before a world was added made nobody wait for it
_SEEN = ("total", "revision", "severity", "certainty")
_COLUMNS = (*_SEEN, "kind", "workflow", "world", "state", "first_seen_ns")


@dataclass(frozen=True, slots=True)
class Changed:
    """An anomaly, and what is new about it."""

    pk: int
    facts: Facts
    state: str
    first_seen_ns: int
    total: int
    fresh: int  # findings since routing last looked
    has_regressed: bool
    is_history: bool  # all of it had ended before its world was added: see `with_news`

    @property
    def subject(self) -> str:
        return f"anomaly:{self.pk}"


@dataclass(frozen=True, slots=True)
class Batch:
    changed: list[Changed]
    watched: list[Watched]  # as they are to be stored
    moves: dict[int, int]  # anomalies that went into another one, and which


def begin(cursor: Routing, now_ns: int) -> int:
    """From which time on anomalies are compared."""
    if not 0 <= now_ns - cursor.whole_ns < WHOLE_NS:
        return 0
    return min(cursor.seen_ns, now_ns) - SLACK_NS


def batch(since_ns: int, cursor: Routing, with_deployments: bool) -> Batch:
    """The next ones, the worst first; empty when there are no more."""
    same = Q(**{f"watched__{name}": F(name) for name in _SEEN})
    rows = Anomaly.objects.filter(count__gt=0, state__in=STATES, last_seen_ns__gte=since_ns).exclude(same)
    found = list(rows.order_by("-severity", "pk").only(*_COLUMNS)[:AT_ONCE])
    before = {one.pk: one for one in Watched.objects.filter(pk__in=[one.pk for one in found])}
    places = _deployments(one.pk for one in found) if with_deployments else {}
    moved = Anomaly.objects.filter(moved_to__in=[one.pk for one in found]).values_list("pk", "moved_to")
    moves = {old: into for old, into in moved if into is not None}
    told_of = with_news(one.pk for one in found)
    for pk in set(moves.values()) - set(before):  # not new: it goes on under another number
        before[pk] = _watch(next(one for one in found if one.pk == pk))
    return Batch(
        [
            _changed(one, before.get(one.pk), cursor, places.get(one.pk, frozenset()), one.pk in told_of)
            for one in found
        ],
        [_watch(one) for one in found],
        moves,
    )


def are_left(cursor: Routing, now_ns: int) -> bool:
    return bool(batch(begin(cursor, now_ns), cursor, False).changed)


def _watch(row: Anomaly) -> Watched:
    return Watched(anomaly_id=row.pk, **{name: getattr(row, name) for name in _SEEN})


def with_news(ids: Iterable[int]) -> frozenset[int]:
    """Those seen in a run, or a stream, that went on after its world was added.

    What lies in a world when it is added is history, for the inbox and the audit: it may be years of it.
    """
    since = F("anomaly__world__created_ns") - HISTORY_NS
    is_going = Q(run__created_ns__gte=since) | Q(stream__last_stored_ns__gte=since) | Q(run=None, stream=None)
    is_news = Q(run__completed_ns__gte=since) | (Q(run__completed_ns=None) & is_going)
    found = Finding.objects.filter(is_news, anomaly__in=list(ids)).exclude(anomaly__world__kind=COPY)
    return frozenset(found.values_list("anomaly", flat=True).distinct())


def _changed(
    row: Anomaly, before: Watched | None, cursor: Routing, places: frozenset[str], has_news: bool
) -> Changed:
    facts = Facts(row.kind, row.severity, row.certainty, row.world_id, row.workflow, places)
    if before is not None:
        fresh, was = row.total - before.total, before.revision
    else:  # what was there before alerts began is known, as if it had been looked at then
        fresh, was = (row.total, 0) if row.first_seen_ns >= cursor.since_ns else (0, row.revision)
    has_regressed = row.state == "regressed" and row.revision != was and has_news
    fresh = max(0, fresh) if has_news else 0
    return Changed(
        row.pk, facts, row.state, row.first_seen_ns, row.total, fresh, has_regressed, is_history=not has_news
    )


def _deployments(ids: Iterable[int]) -> dict[int, frozenset[str]]:
    rows = AnomalySeenIn.objects.filter(anomaly__in=list(ids), what="deployment", count__gt=0)
    found: dict[int, set[str]] = defaultdict(set)
    for pk, value in rows.values_list("anomaly", "value"):
        found[pk].add(value)
    return {pk: frozenset(values) for pk, values in found.items()}


def alerts_of(rule_ids: Collection[int], ids: Iterable[int]) -> dict[tuple[int, int], Alert]:
    """What rules have fired for already, by rule and anomaly."""
    rows = Alert.objects.filter(rule__in=rule_ids, anomaly__in=list(ids))
    return {(one.rule_id, one.anomaly_id or 0): one for one in rows}


def over(at_once: int = AT_ONCE) -> list[Alert]:
    """Open alerts whose anomaly is resolved, or has no findings any more. What moved elsewhere is not over."""
    gone = Q(anomaly__count__lte=0, anomaly__moved_to=None) | Q(anomaly__state="resolved")
    rows = Alert.objects.filter(gone, recovered_ns=None, anomaly__isnull=False).select_related("anomaly")
    return list(rows.order_by("pk")[:at_once])
