"""The weekly report of a channel that asked for it: what was checked, what came of it, what is new, what is worst."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.db.models import Count, Min, Sum
from django.urls import reverse

from dashboard.alerts import claim, content, outbox
from dashboard.alerts.channels.base import Message
from dashboard.alerts.models import AlertChannel, Delivery
from dashboard.alerts.outbox import Parcel
from dashboard.alerts.rules import zone_of
from dashboard.anomalies.life_facts import HOUR_NS
from dashboard.anomalies.models import Anomaly, AnomalyEvent, AnomalyHour
from dashboard.anomalies.states import ATTENTION
from dashboard.lib.clock import NS_PER_S
from streams.models import Stream
from streams.verdicts import Level

WEEK_NS = 7 * 86_400 * NS_PER_S
WORST = 5
NEW = 20
_WORDS = {
    Level.CLEAN: "clean",
    Level.NONE_FOUND: "nothing found, not all could be checked",
    Level.RUNNING: "running",
    Level.UNJUDGED: "not judged",
    Level.INFO: "info",
    Level.SUSPECTED: "suspected",
    Level.WARNING: "warning",
    Level.ERROR: "error",
    Level.CRITICAL: "critical",
}


@dataclass(frozen=True, slots=True)
class Week:
    """The seven days before `until_ns`. Streams are those in which something was stored in that time."""

    until_ns: int
    checked: int
    verdicts: Mapping[str, int]  # in words, the worst first
    opened: int
    resolved: int
    waiting: int  # open or regressed now
    new_kinds: tuple[str, ...]  # never seen before this week
    worst: tuple[tuple[str, int], ...]  # workflows, and how often something was found in them
    sent: int  # messages


def next_due_ns(weekday: int, hour: int, zone: str, now_ns: int) -> int:
    """The next such hour of such a day in a time zone, later than now."""
    local = datetime.fromtimestamp(now_ns / NS_PER_S, UTC).astimezone(zone_of(zone) or UTC)
    day = local.date() + timedelta(days=(weekday - local.weekday()) % 7)
    due = datetime.combine(day, time(hour), tzinfo=local.tzinfo)
    if due <= local:
        due = datetime.combine(day + timedelta(days=7), time(hour), tzinfo=local.tzinfo)
    return int(due.astimezone(UTC).timestamp()) * NS_PER_S


def send_due(held: str, now_ns: int) -> None:
    """Called by routing, under its claim. A report that was missed is sent once, late."""
    due = AlertChannel.objects.filter(report_due_ns__lte=now_ns, report_weekday__isnull=False)
    channels = list(due.order_by("report_due_ns"))
    week = week_before(now_ns) if channels else None
    for channel in channels if week is not None else ():
        following = next_due_ns(
            channel.report_weekday or 0, channel.report_hour, channel.report_time_zone, now_ns
        )
        parcels = [Parcel(message_of(week), (channel,))] if channel.is_on and week is not None else []
        with claim.step(held):
            AlertChannel.objects.filter(pk=channel.pk).update(report_due_ns=following)
            outbox.put(parcels)


def week_before(now_ns: int) -> Week:
    since_ns = now_ns - WEEK_NS
    verdicts = _verdicts(since_ns)
    events = AnomalyEvent.objects.filter(at_ns__gte=since_ns, what="resolved")
    seen = Anomaly.objects.filter(last_seen_ns__gte=since_ns)
    return Week(
        until_ns=now_ns,
        checked=sum(number for level, number in verdicts.items() if level != Level.UNJUDGED),
        verdicts={_WORDS[level]: verdicts[level] for level in sorted(verdicts, reverse=True)},
        opened=seen.filter(first_seen_ns__gte=since_ns).count(),
        resolved=events.filter(anomaly__state="resolved").values("anomaly").distinct().count(),
        waiting=Anomaly.objects.filter(count__gt=0, state__in=ATTENTION).count(),
        new_kinds=tuple(_new_kinds(since_ns)),
        worst=tuple(_worst(since_ns)),
        sent=Delivery.objects.filter(created_ns__gte=since_ns, state="sent").exclude(event="test").count(),
    )


def _verdicts(since_ns: int) -> dict[Level, int]:
    rows = Stream.objects.filter(latest_ns__gte=since_ns, is_system=False, expired=False).order_by()
    known = set(Level)
    counted = rows.values_list("verdict").annotate(n=Count("pk"))
    return {Level(verdict): number for verdict, number in counted if verdict in known}


def _new_kinds(since_ns: int) -> list[str]:
    first = Anomaly.objects.order_by().values_list("kind").annotate(first=Min("first_seen_ns"))
    return sorted(kind for kind, seen in first if seen >= since_ns)[:NEW]


def _worst(since_ns: int) -> list[tuple[str, int]]:
    rows = AnomalyHour.objects.filter(anomaly__last_seen_ns__gte=since_ns, hour__gte=since_ns // HOUR_NS)
    counted = rows.order_by().values_list("anomaly__workflow").annotate(n=Sum("count"))
    return [(content.short_name(name) or "no workflow", n) for name, n in counted.order_by("-n")[:WORST]]


def message_of(week: Week) -> Message:
    lines = [f"{week.checked:,} streams were checked in the week to {content.moment(week.until_ns)}."]
    facts = [(word.capitalize(), f"{number:,}") for word, number in week.verdicts.items()]
    facts += [
        ("New anomalies", f"{week.opened:,}"),
        ("Resolved", f"{week.resolved:,}"),
        ("Waiting", f"{week.waiting:,}"),
    ]
    facts += [("New kinds", ", ".join(week.new_kinds) or "none")]
    facts += [(f"Workflow {name}", f"{number:,} findings") for name, number in week.worst]
    url = content.absolute(reverse("inbox-all"))
    title = f"Weekly report: {week.checked:,} streams checked, {week.opened:,} new anomalies"
    return Message(
        "report", "", title, "info", tuple(lines), tuple(facts), "", url, week.until_ns, _data(week, url)
    )


def _data(week: Week, url: str) -> dict[str, object]:
    return {
        "version": content.VERSION,
        "event": "report",
        "severity": "info",
        "at": content.iso(week.until_ns),
        "subject": "tailrace:report",
        "url": url,
        "report": {
            "since": content.iso(week.until_ns - WEEK_NS),
            "checked": week.checked,
            "verdicts": dict(week.verdicts),
            "opened": week.opened,
            "resolved": week.resolved,
            "waiting": week.waiting,
            "new_kinds": list(week.new_kinds),
            "worst_workflows": [{"workflow": name, "findings": number} for name, number in week.worst],
            "messages": week.sent,
        },
    }
