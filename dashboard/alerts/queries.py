"""What pages read of alerts: by keyset in indexes that have the order of the list, never by offset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dashboard.alerts.models import Alert, AlertChannel, AlertRule, Delivery

PAGE = 50
COUNTED = 1000


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    channel: int | None = None
    state: str = ""


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


def deliveries(wanted: DeliveryFilter, before: int | None = None) -> DeliveryPage:
    """The log, the newest first."""
    rows = Delivery.objects.select_related("channel", "rule", "alert__anomaly")
    if wanted.channel is not None:
        rows = rows.filter(channel=wanted.channel)
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: PAGE + 1])
    return DeliveryPage(found[:PAGE], found[PAGE - 1].pk if len(found) > PAGE else None)


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
