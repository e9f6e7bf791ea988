"""What pages read of alerts: by keyset in indexes that have the order of the list, never by offset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from dashboard.alerts.models import Alert, AlertChannel, AlertRule, Delivery

PAGE = 50
COUNTED = 1000


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """What of the log is asked for; what is empty asks for everything."""

    channel: int | None = None
    rule: int | None = None
    state: str = ""
    event: str = ""


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    rows: list[Delivery]
    older: int | None  # the id below which the next page begins


@dataclass(frozen=True, slots=True)
class RuleState:
    """How a rule is doing."""

    open: int = 0
    last_ns: int | None = None
    pending: int = 0  # alerts that wait for a digest


@dataclass(frozen=True, slots=True)
class ChannelState:
    waiting: int = 0  # waiting or on its way
    held: int = 0


def open_alerts() -> tuple[list[Alert], int]:
    """The latest, and how many there are, counted up to COUNTED."""
    rows = Alert.objects.filter(recovered_ns=None)
    found = rows.select_related("rule", "world", "anomaly").order_by("-id")[:PAGE]
    return list(found), rows.order_by()[:COUNTED].count()


def told_of(alerts: Iterable[Alert]) -> dict[int, dict[str, str]]:
    """By alert: names of channels and what came of it, of what was told since it was last opened."""
    opened = {alert.pk: alert.opened_ns for alert in alerts}
    rows = Delivery.objects.filter(alert__in=opened, event__in=("anomaly", "absent")).order_by("pk")
    found: dict[int, dict[str, str]] = {pk: {} for pk in opened}
    for pk, name, state, created_ns in rows.values_list("alert", "channel__name", "state", "created_ns"):
        if pk is not None and created_ns >= opened[pk]:
            found[pk][name] = state
    return found


def rules() -> list[AlertRule]:
    return list(AlertRule.objects.prefetch_related("channels", "worlds").order_by("pk"))


def rule_named(pk: int) -> AlertRule | None:
    return AlertRule.objects.prefetch_related("channels", "worlds").filter(pk=pk).first()


def rule_states(ids: Iterable[int]) -> dict[int, RuleState]:
    """Counted up to COUNTED each, by a few looks at an index for each rule."""
    found = {}
    for pk in ids:
        rows = Alert.objects.filter(rule=pk).order_by()
        last = rows.order_by("-last_ns", "-id").values_list("last_ns", flat=True).first()
        found[pk] = RuleState(rows.filter(recovered_ns=None)[:COUNTED].count(), last, untold(pk))
    return found


def rules_with_digest() -> list[AlertRule]:
    """Those that hold something back, the next digest first."""
    return list(AlertRule.objects.filter(digest_due_ns__isnull=False).order_by("digest_due_ns"))


def untold(rule_id: int) -> int:
    """How many alerts of a rule wait for its digest."""
    rows = Alert.objects.filter(rule=rule_id).order_by()
    waiting = (rows.filter(pending__gt=0), rows.filter(is_over_untold=True, pending__lte=0))
    return sum(one[:COUNTED].count() for one in waiting)


def channels() -> list[AlertChannel]:
    return list(AlertChannel.objects.prefetch_related("rules").order_by("pk"))


def channel_named(pk: int) -> AlertChannel | None:
    return AlertChannel.objects.prefetch_related("rules").filter(pk=pk).first()


def channel_states(ids: Iterable[int]) -> dict[int, ChannelState]:
    """Counted up to COUNTED each, by two looks at an index for each channel."""
    found = {}
    for pk in ids:
        rows = Delivery.objects.filter(channel=pk).order_by()
        waiting = rows.filter(state__in=("waiting", "claimed"))[:COUNTED].count()
        found[pk] = ChannelState(waiting, rows.filter(state="held")[:COUNTED].count())
    return found


def disabled_channels() -> list[AlertChannel]:
    """Those that Tailrace itself has switched off: for a notice on every page."""
    return list(AlertChannel.objects.filter(is_on=False).exclude(disabled_reason="").order_by("-disabled_ns"))


def delivery_rows(wanted: DeliveryFilter) -> QuerySet[Delivery]:
    """Each filter has an index in the order of the list: none walks the log."""
    asked = {"channel": wanted.channel, "rule": wanted.rule, "state": wanted.state, "event": wanted.event}
    return Delivery.objects.filter(**{name: value for name, value in asked.items() if value}).order_by("-pk")


def deliveries(wanted: DeliveryFilter, before: int | None = None, limit: int = PAGE) -> DeliveryPage:
    """The log, the newest first, without the messages."""
    rows = delivery_rows(wanted).select_related("channel", "rule").defer("message")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: limit + 1])
    return DeliveryPage(found[:limit], found[limit - 1].pk if len(found) > limit else None)


def delivery_counts(states: Iterable[str]) -> dict[str, int]:
    """Counted up to COUNTED each: so many entries of an index."""
    rows = Delivery.objects.order_by()
    return {state: rows.filter(state=state)[:COUNTED].count() for state in states}


def delivery_named(pk: int) -> Delivery | None:
    return Delivery.objects.select_related("channel", "rule", "alert__anomaly").filter(pk=pk).first()


def deliveries_of_anomaly(anomaly_id: int, limit: int = 20) -> list[Delivery]:
    """Who was told of an anomaly, the latest first: for its page."""
    alerts = list(Alert.objects.filter(anomaly=anomaly_id).values_list("pk", flat=True)[:PAGE])
    rows = Delivery.objects.filter(alert__in=alerts).select_related("channel")
    return list(rows.order_by("-pk")[:limit])


def alerts_of(rule_id: int, limit: int = PAGE) -> list[Alert]:
    """What a rule fired for, the latest first."""
    rows = Alert.objects.filter(rule=rule_id).select_related("anomaly", "world")
    return list(rows.order_by("-last_ns", "-id")[:limit])
