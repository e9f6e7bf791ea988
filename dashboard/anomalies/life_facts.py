"""The facts of an anomaly, kept as its findings come and go. Part of `life`; nothing else writes them.

All of it is called inside the transaction that stores the finding, under the `lock` of the anomaly.
"""

from __future__ import annotations

from django.db.models import F, QuerySet
from django.db.models.functions import Greatest

from dashboard.anomalies.detectors.base import SEVERITIES
from dashboard.anomalies.known_issues import parse_version
from dashboard.anomalies.models import Anomaly, AnomalyHour, AnomalySeenIn, Finding
from dashboard.lib.clock import NS_PER_S
from runs.models import Run

CERTAINTIES = ("at_risk", "suspected", "proved")
HOUR_NS = 3600 * NS_PER_S
HOURS_KEPT = 14 * 24
COMPARED = 500  # versions; an app has few, an attacker's world may name many


def severity_rank(word: str) -> int:
    return next((rank for rank, one in enumerate(SEVERITIES) if one == word), 0)


def certainty_rank(word: str) -> int:
    return CERTAINTIES.index(word) if word in CERTAINTIES else 0


def lock(*anomaly_ids: int) -> None:
    """Until the transaction ends nobody else changes these. PostgreSQL alone needs it: two workers that find the same
    thing in one run would each count that run, since neither sees the other's finding yet."""
    list(Anomaly.objects.select_for_update().filter(pk__in=anomaly_ids).order_by("pk").values_list("pk"))


def put(finding: Finding, now: int) -> bool:
    """Count a finding that is stored with its anomaly; returns whether it is in a newer deployment or version."""
    run = _is_only_of_run(finding)
    Anomaly.objects.filter(pk=finding.anomaly_id).update(
        count=F("count") + 1,
        total=F("total") + 1,
        runs=F("runs") + run,
        streams=F("streams") + int(finding.stream_id is not None),
        severity=Greatest(F("severity"), severity_rank(finding.severity)),
        certainty=Greatest(F("certainty"), certainty_rank(finding.certainty)),
        last_seen_ns=Greatest(F("last_seen_ns"), now),
        message=finding.message,
        moved_to=None,
    )
    _count_hour(finding.anomaly_id, now)
    newer = [_see_in(finding.anomaly_id, what, value, now) for what, value in _places(finding.run_id)]
    return any(newer)


def take(finding: Finding) -> None:
    """Uncount a finding, as it was when it was counted; its row has gone, or is elsewhere by now."""
    Anomaly.objects.filter(pk=finding.anomaly_id).update(
        count=F("count") - 1,
        runs=F("runs") - _is_only_of_run(finding),
        streams=F("streams") - int(finding.stream_id is not None),
    )
    for what, value in _places(finding.run_id):
        facts = AnomalySeenIn.objects.filter(anomaly=finding.anomaly_id, what=what, value=value)
        facts.update(count=F("count") - 1)
    ranks = {"severity": severity_rank(finding.severity), "certainty": certainty_rank(finding.certainty)}
    if any(
        Anomaly.objects.filter(pk=finding.anomaly_id, **{name: rank}).exists() for name, rank in ranks.items()
    ):
        settle(finding.anomaly_id)


def change(finding: Finding, before: Finding, now: int) -> None:
    """The finding says something else than before, of the same thing."""
    severity, certainty = severity_rank(finding.severity), certainty_rank(finding.certainty)
    Anomaly.objects.filter(pk=finding.anomaly_id).update(
        severity=Greatest(F("severity"), severity),
        certainty=Greatest(F("certainty"), certainty),
        last_seen_ns=Greatest(F("last_seen_ns"), now),
        message=finding.message,
    )
    if severity < severity_rank(before.severity) or certainty < certainty_rank(before.certainty):
        settle(finding.anomaly_id)


def settle(anomaly_id: int) -> None:
    """The worst severity and the best certainty there is: a few looks at an index, whatever the count."""
    rows = Finding.objects.filter(anomaly=anomaly_id)
    severity = _highest(rows, "severity", SEVERITIES)
    found = [
        certainty_rank(word)
        for word in CERTAINTIES
        if any(rows.filter(severity=one, certainty=word).exists() for one in SEVERITIES)
    ]
    if severity is not None and found:
        Anomaly.objects.filter(pk=anomaly_id).update(severity=severity, certainty=max(found))


def recount(anomaly_ids: set[int]) -> None:
    """All that can be told from the findings that are left, after many have gone at once."""
    lock(*anomaly_ids)
    for pk in sorted(anomaly_ids):
        rows = Finding.objects.filter(anomaly=pk)
        Anomaly.objects.filter(pk=pk).update(
            count=rows.count(),
            runs=rows.filter(run__isnull=False).values("run").distinct().count(),
            streams=rows.filter(stream__isnull=False).count(),
        )
        for fact in AnomalySeenIn.objects.filter(anomaly=pk):
            column = "run__sdk_version" if fact.what == "sdk" else "run__deployment"
            AnomalySeenIn.objects.filter(pk=fact.pk).update(count=rows.filter(**{column: fact.value}).count())
        settle(pk)


def seen_since(anomaly_id: int, since_ns: int, limit: int) -> int:
    """Findings found since then, counted up to a limit."""
    found = Finding.objects.filter(anomaly=anomaly_id, found_ns__gt=since_ns)
    return found.order_by("-found_ns", "-id")[:limit].count()


def _highest(rows: QuerySet[Finding], column: str, words: tuple[str, ...]) -> int | None:
    ranks = range(len(words) - 1, -1, -1)
    return next((rank for rank in ranks if rows.filter(**{column: words[rank]}).exists()), None)


def _is_only_of_run(finding: Finding) -> int:
    if finding.run_id is None:
        return 0
    same = Finding.objects.filter(anomaly=finding.anomaly_id, run=finding.run_id)
    return int(not same.exclude(pk=finding.pk).exists())


def _places(run_id: int | None) -> list[tuple[str, str]]:
    """Where a run took place, without its payloads."""
    row = Run.objects.filter(pk=run_id or 0).values_list("sdk_version", "deployment").first()
    return [(what, value) for what, value in zip(("sdk", "deployment"), row or (), strict=False) if value]


def _count_hour(anomaly_id: int, now: int) -> None:
    hour = now // HOUR_NS
    row, new = AnomalyHour.objects.get_or_create(anomaly_id=anomaly_id, hour=hour)
    AnomalyHour.objects.filter(pk=row.pk).update(count=F("count") + 1)
    if new:
        AnomalyHour.objects.filter(anomaly=anomaly_id, hour__lte=hour - HOURS_KEPT).delete()


def _see_in(anomaly_id: int, what: str, value: str, now: int) -> bool:
    """Whether it is newer than all there were: of versions that can be compared the higher one, else one not seen."""
    rows = AnomalySeenIn.objects.filter(anomaly=anomaly_id, what=what)
    known = rows.filter(value=value)
    if known.update(count=F("count") + 1, last_ns=now):
        return False
    others = list(rows.values_list("value", flat=True)[:COMPARED])
    values = {"count": 1, "first_ns": now, "last_ns": now}
    AnomalySeenIn.objects.get_or_create(anomaly_id=anomaly_id, what=what, value=value, defaults=values)
    version = parse_version(value) if what == "sdk" else None
    earlier = [parse_version(one) for one in others] if version else []
    return bool(others) and (not version or all(one is None or one < version for one in earlier))
