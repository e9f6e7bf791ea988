"""What the inbox reads of anomalies: by keyset in indexes that have the order of the list, never by offset.

A list is merged from ranges: one for each state asked for, and within it, worst first, one for each severity. What has
no index (text, kind, certainty, workflow, versions) is looked at in this order until the page is full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.life_facts import CERTAINTIES, certainty_rank, severity_rank
from dashboard.anomalies.models import Anomaly, AnomalyEvent, AnomalyHour, AnomalySeenIn, Finding
from dashboard.anomalies.states import ATTENTION, STATES, State
from runs.managed import removing
from runs.queries import Key

PAGE = 50
COUNTED = 1000  # anomalies of one state are counted up to here
FINDINGS_PAGE = 20
HISTORY_SHOWN = 50
SEEN_IN_SHOWN = 20
VALUES_SHOWN = 100  # versions and deployments to choose from
HOPS = 10
_KEY = re.compile(r"(\d)\.(-?\d{1,19})\.(\d{1,18})$", re.ASCII)
_HEAVY = ("run__input", "run__output", "run__error", "run__attributes", "run__listed_streams")


@dataclass(frozen=True, slots=True)
class InboxFilter:
    states: tuple[State, ...] = ATTENTION
    world: int | None = None
    kind: str = ""
    severity: str = ""
    certainty: str = ""
    workflow: str = ""
    sdk: str = ""
    deployment: str = ""
    text: str = ""
    since_ns: int | None = None  # last seen


@dataclass(frozen=True, slots=True)
class InboxKey:
    """A place in the list; the severity counts only where the worst come first."""

    severity: int
    last_seen_ns: int
    id: int

    def __str__(self) -> str:
        return f"{self.severity}.{self.last_seen_ns}.{self.id}"


@dataclass(frozen=True, slots=True)
class InboxPage:
    rows: list[Anomaly]
    older: InboxKey | None


def parse_inbox_key(text: str) -> InboxKey | None:
    """None for anything that is no key: a URL may hold any text."""
    match = _KEY.match(text)
    if match is None or abs(int(match[2])) >= 2**63:
        return None
    return InboxKey(int(match[1]), int(match[2]), int(match[3]))


def inbox(wanted: InboxFilter, after: InboxKey | None = None, *, newest: bool = False) -> InboxPage:
    found: list[Anomaly] = []
    for state in wanted.states:
        rows = _filtered(wanted).filter(state=state)
        found += _newest(rows, after, PAGE + 1) if newest else _worst(rows, wanted, after)
    # States and severities are asked one by one: what changed its own in between is met twice, and later is truer.
    found = list({one.pk: one for one in found}.values())
    found.sort(key=lambda one: (0 if newest else -one.severity, -one.last_seen_ns, -one.pk))
    last = found[PAGE - 1] if len(found) > PAGE else None
    older = InboxKey(last.severity, last.last_seen_ns, last.pk) if last is not None else None
    return InboxPage(found[:PAGE], older)


def _worst(rows: QuerySet[Anomaly], wanted: InboxFilter, after: InboxKey | None) -> list[Anomaly]:
    found: list[Anomaly] = []
    for rank in range(len(SEVERITIES) - 1, -1, -1):
        is_asked = not wanted.severity or severity_rank(wanted.severity) == rank
        if is_asked and len(found) <= PAGE and (after is None or rank <= after.severity):
            place = after if after is not None and after.severity == rank else None
            found += _newest(rows.filter(severity=rank), place, PAGE + 1 - len(found))
    return found


def _newest(rows: QuerySet[Anomaly], after: InboxKey | None, limit: int) -> list[Anomaly]:
    if after is not None:
        rows = rows.filter(Key(after.last_seen_ns, after.id).below("last_seen_ns"))
    return list(rows.order_by("-last_seen_ns", "-id")[:limit])


def _filtered(wanted: InboxFilter) -> QuerySet[Anomaly]:
    rows = _of_worlds(Anomaly.objects.filter(count__gt=0), wanted.world).prefetch_related("world")
    if wanted.severity:
        rows = rows.filter(severity=severity_rank(wanted.severity))
    if wanted.certainty:
        rows = rows.filter(certainty=certainty_rank(wanted.certainty))
    if wanted.since_ns is not None:
        rows = rows.filter(last_seen_ns__gte=wanted.since_ns)
    for what, value in (("sdk", wanted.sdk), ("deployment", wanted.deployment)):
        if value:
            seen = AnomalySeenIn.objects.filter(what=what, value=value, anomaly=OuterRef("pk"), count__gt=0)
            rows = rows.filter(Exists(seen))
    equal = {name: value for name in ("kind", "workflow") if (value := getattr(wanted, name))}
    return rows.filter(_contains(wanted.text), **equal) if wanted.text else rows.filter(**equal)


def _contains(text: str) -> Q:
    columns = ("kind", "workflow", "step_name", "namespace", "message")
    found = Q()
    for column in columns:
        found |= Q(**{f"{column}__icontains": text})
    return found


def kept(ids: Sequence[int]) -> list[Anomaly]:
    """Those that a reader has open, in the order in which they are shown."""
    found = {one.pk: one for one in Anomaly.objects.filter(pk__in=ids, count__gt=0).prefetch_related("world")}
    return [found[pk] for pk in ids if pk in found]


def state_counts(world_id: int | None) -> dict[State, int]:
    """Anomalies in each state, counted up to COUNTED: a look at so many entries of an index each."""
    rows = _listed(world_id)
    return {state: rows.filter(state=state).order_by()[:COUNTED].count() for state in STATES}


def waiting_count(world_id: int | None) -> int:
    """For the header of every page: one question."""
    return _listed(world_id).filter(state__in=ATTENTION).order_by()[:COUNTED].count()


def _listed(world_id: int | None) -> QuerySet[Anomaly]:
    return _of_worlds(Anomaly.objects.filter(count__gt=0), world_id)


def _of_worlds(rows: QuerySet[Anomaly], world_id: int | None) -> QuerySet[Anomaly]:
    """Of one world, else of all that are not being removed."""
    return rows.exclude(world__in=removing()) if world_id is None else rows.filter(world=world_id)


def values_seen(what: str, world_id: int | None) -> list[str]:
    """Versions or deployments in which something was seen, to choose from."""
    rows = AnomalySeenIn.objects.filter(what=what, count__gt=0)
    if world_id is not None:
        rows = rows.filter(anomaly__world=world_id)
    return sorted(rows.order_by("value").values_list("value", flat=True).distinct()[:VALUES_SHOWN])


def anomaly_named(pk: int) -> Anomaly | None:
    return Anomaly.objects.select_related("world", "moved_to").filter(pk=pk).first()


def end_of_moves(anomaly: Anomaly) -> Anomaly:
    """Where its findings are now."""
    for _ in range(HOPS):
        if anomaly.moved_to is None:
            break
        anomaly = anomaly.moved_to
    return anomaly


def hours_of(ids: Iterable[int], since_hour: int) -> dict[int, dict[int, int]]:
    """How often each was seen in each hour from then on. One query."""
    rows = AnomalyHour.objects.filter(anomaly__in=list(ids), hour__gte=since_hour)
    found: dict[int, dict[int, int]] = {}
    for pk, hour, count in rows.values_list("anomaly_id", "hour", "count"):
        found.setdefault(pk, {})[hour] = count
    return found


def seen_in(anomaly_id: int, what: str) -> list[AnomalySeenIn]:
    rows = AnomalySeenIn.objects.filter(anomaly=anomaly_id, what=what, count__gt=0)
    return list(rows.order_by("-last_ns", "-id")[:SEEN_IN_SHOWN])


def history_of(anomaly_id: int) -> list[AnomalyEvent]:
    return list(AnomalyEvent.objects.filter(anomaly=anomaly_id).order_by("-id")[:HISTORY_SHOWN])


def batch_of(batch: str) -> list[AnomalyEvent]:
    """What one action did; nothing for a token that is none."""
    return list(AnomalyEvent.objects.filter(batch=batch).order_by("id")) if batch else []


def findings_of(anomaly_id: int, after: Key | None = None) -> tuple[list[Finding], Key | None]:
    """A page of its findings, the newest first, with their runs and streams, and where the next page begins."""
    rows = _findings(anomaly_id)
    if after is not None:
        rows = rows.filter(after.below("found_ns"))
    found = list(rows.order_by("-found_ns", "-id")[: FINDINGS_PAGE + 1])
    more = len(found) > FINDINGS_PAGE
    last = found[FINDINGS_PAGE - 1] if more else None
    return found[:FINDINGS_PAGE], Key(last.found_ns, last.pk) if last is not None else None


def finding_of(anomaly_id: int, pk: int | None) -> Finding | None:
    """The one that is asked for, else the newest."""
    rows = _findings(anomaly_id)
    asked = rows.filter(pk=pk).first() if pk is not None else None
    return asked or rows.order_by("-found_ns", "-id").first()


def neighbours(finding: Finding) -> tuple[int | None, int | None]:
    """Findings of the next affected run, older, and of the previous one, newer; None at an end."""
    rows = Finding.objects.filter(anomaly=finding.anomaly_id)
    if finding.run_id is not None:
        rows = rows.filter(~Q(run=finding.run_id) | Q(run=None))
    here = Key(finding.found_ns, finding.pk)
    older = rows.filter(here.below("found_ns")).order_by("-found_ns", "-id")
    newer = rows.filter(here.above("found_ns"), found_ns__gte=here.time_ns).order_by("found_ns", "id")
    return older.values_list("pk", flat=True).first(), newer.values_list("pk", flat=True).first()


def _findings(anomaly_id: int) -> QuerySet[Finding]:
    rows = Finding.objects.filter(anomaly=anomaly_id)
    return rows.select_related("run__world", "stream__world", "stream__run").defer(
        *_HEAVY, *(f"stream__{column}" for column in _HEAVY)
    )


def related(anomaly: Anomaly, limit: int) -> list[Anomaly]:
    """Other kinds that were found in the same runs of the same group, the worst first."""
    rows = Anomaly.objects.filter(world=anomaly.world_id, workflow=anomaly.workflow, count__gt=0)
    same = rows.exclude(pk=anomaly.pk).filter(
        Exists(
            Finding.objects.filter(
                anomaly=OuterRef("pk"),
                run__in=Finding.objects.filter(anomaly=anomaly.pk).order_by().values("run")[:PAGE],
            )
        )
    )
    return list(same.order_by("-severity", "-last_seen_ns")[:limit])


def certainty_word(rank: int) -> str:
    return CERTAINTIES[rank] if 0 <= rank < len(CERTAINTIES) else ""


def severity_word(rank: int) -> str:
    return SEVERITIES[rank] if 0 <= rank < len(SEVERITIES) else ""
