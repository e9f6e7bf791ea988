"""One message of what was held back: because of the hourly cap, or because it was night. None is lost, each counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Max, Min, QuerySet, Sum
from django.urls import reverse

from dashboard.alerts import claim, content, outbox
from dashboard.alerts.channels.base import Message
from dashboard.alerts.models import Alert, AlertRule
from dashboard.alerts.outbox import Parcel
from dashboard.alerts.rules import quiet_of
from dashboard.anomalies.inbox_queries import severity_word
from runs.pages._format import visible

GROUPS = 10  # told one by one; of more, the number


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts of one kind in one workflow of one world."""

    name: str
    alerts: int
    count: int


@dataclass(frozen=True, slots=True)
class Held:
    """What a digest tells: `alerts` were held back, seen `count` times; `over` were told in one, and are over."""

    alerts: int
    count: int
    over: int
    severity: int
    since_ns: int
    groups: tuple[Group, ...]
    groups_total: int


def send_due(held: str, now_ns: int) -> None:
    """Called by routing, under its claim: nobody else changes what is counted here."""
    due = AlertRule.objects.filter(digest_due_ns__lte=now_ns).prefetch_related("channels")
    for rule in due.order_by("digest_due_ns"):
        quiet = quiet_of(rule)
        ends_ns = quiet.ends_ns(now_ns) if quiet is not None else None
        if ends_ns is not None:
            with claim.step(held):
                AlertRule.objects.filter(pk=rule.pk).update(digest_due_ns=ends_ns)
        else:
            _send(held, rule, now_ns)


def _send(held: str, rule: AlertRule, now_ns: int) -> None:
    found = held_back(rule.pk) if rule.is_on else None
    message = _message(rule, found, now_ns) if found is not None else None
    values = {"digest_due_ns": None, "window_digests": rule.window_digests + (message is not None)}
    with claim.step(held):
        AlertRule.objects.filter(pk=rule.pk).update(**values)
        if message is not None:
            _mark_told(rule.pk, now_ns)
            outbox.put([Parcel(message, tuple(rule.channels.all()), rule)])


def _mark_told(rule_id: int, now_ns: int) -> None:
    rows = Alert.objects.filter(rule=rule_id, is_flapping=False)
    rows.filter(pending__gt=0, told="").update(told="digest")
    rows.filter(pending__gt=0).update(pending=0, told_ns=now_ns, due_ns=None)
    rows.filter(is_over_untold=True).update(is_over_untold=False)


def held_back(rule_id: int) -> Held | None:
    """What the next digest of a rule would tell; None for nothing."""
    rows = Alert.objects.filter(rule=rule_id, is_flapping=False)
    waiting, over = rows.filter(pending__gt=0), rows.filter(is_over_untold=True).count()
    sums = waiting.aggregate(
        alerts=Count("pk"), count=Sum("pending"), severity=Max("severity"), since=Min("opened_ns")
    )
    if not sums["alerts"] and not over:
        return None
    groups = list(_groups(waiting))
    return Held(
        sums["alerts"],
        sums["count"] or 0,
        over,
        sums["severity"] or 0,
        sums["since"] or 0,
        tuple(groups[:GROUPS]),
        len(groups),
    )


def _groups(rows: QuerySet[Alert]) -> Iterable[Group]:
    """As many as there are kinds in workflows, whatever the number of alerts."""
    keys = ("anomaly__kind", "anomaly__workflow", "world__name")
    grouped = rows.order_by().values_list(*keys).annotate(n=Count("pk"), total=Sum("pending"))
    for kind, workflow, world, number, total in grouped.order_by("-total", *keys):
        where = content.short_name(workflow) if workflow else visible(world)
        yield Group(f"{kind or 'absence'} in {where}", number, total)


def _message(rule: AlertRule, found: Held, now_ns: int) -> Message:
    lines = [f"{one.count:,} × {one.name} ({_alerts(one.alerts)})" for one in found.groups]
    if found.groups_total > len(found.groups):
        lines.append(f"… and {found.groups_total - len(found.groups):,} more groups.")
    if found.over:
        lines.append(
            f"{_alerts(found.over)} told in an earlier digest {'is' if found.over == 1 else 'are'} over."
        )
    title = f"{_alerts(found.alerts)} held back" if found.alerts else f"{_alerts(found.over)} over"
    facts = [
        ("Alerts", f"{found.alerts:,}"),
        ("Seen", f"{found.count:,} times"),
        ("Rule", visible(rule.name)),
    ]
    facts += [("Since", content.moment(found.since_ns))] if found.since_ns else []
    severity = severity_word(found.severity) if found.alerts else "info"
    url = content.absolute(reverse("inbox-all"))
    return Message(
        "digest", "", title, severity, tuple(lines), tuple(facts), "", url, now_ns,
        _data(rule, found, severity, url, now_ns),
    )  # fmt: skip


def _data(rule: AlertRule, found: Held, severity: str, url: str, now_ns: int) -> dict[str, object]:
    return {
        "version": content.VERSION,
        "event": "digest",
        "severity": severity,
        "at": content.iso(now_ns),
        "rule": {"id": rule.pk, "name": rule.name},
        "subject": f"tailrace:digest:{rule.pk}",
        "why": "held back",
        "count": found.count,
        "url": url,
        "digest": {
            "alerts": found.alerts,
            "count": found.count,
            "over": found.over,
            "groups": [{"name": one.name, "alerts": one.alerts, "count": one.count} for one in found.groups],
        },
    }


def _alerts(number: int) -> str:
    return "1 alert" if number == 1 else f"{number:,} alerts"
