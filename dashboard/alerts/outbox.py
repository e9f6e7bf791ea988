"""The outbox: messages become rows here, in the transaction of what they tell about, and nowhere else."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dashboard.alerts.channels.base import TITLE_LIMIT, Message
from dashboard.alerts.models import UNFINISHED, Alert, AlertChannel, AlertRule, Delivery
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import clean, write_transaction

DAY_NS = 86_400 * NS_PER_S
KEPT_NS = 30 * DAY_NS  # of the log
FORGOTTEN_AT_ONCE = 1000
HELD_OFF = "its channel is off"
TOO_OLD = "older than a day when its channel came back"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message and where it goes."""

    message: Message
    channels: tuple[AlertChannel, ...]
    rule: AlertRule | None = None
    alert: Alert | None = None


def put(parcels: Iterable[Parcel]) -> list[Delivery]:
    """Must be called in the transaction of what is told. A channel that is off holds what it gets for a day."""
    now = now_ns()
    rows = [_row(parcel, channel, now) for parcel in parcels for channel in parcel.channels]
    return Delivery.objects.bulk_create(rows)


def _row(parcel: Parcel, channel: AlertChannel, now: int) -> Delivery:
    key = uuid.uuid4().hex
    message = replace(parcel.message, key=key, title=clean(parcel.message.title, TITLE_LIMIT))
    return Delivery(
        channel=channel,
        rule=parcel.rule,
        alert=parcel.alert,
        event=message.event,
        title=message.title,
        severity=message.severity,
        message=scrubbed(message.as_json()),
        key=key,
        state="waiting" if channel.is_on else "held",
        reason="" if channel.is_on else HELD_OFF,
        created_ns=now,
        due_ns=now,
    )


def scrubbed(value: object) -> object:
    """JSON with text that both databases can hold."""
    if isinstance(value, str):
        return clean(value, 4000)
    if isinstance(value, dict):
        return {clean(name, 200): scrubbed(one) for name, one in value.items()}
    return [scrubbed(one) for one in value] if isinstance(value, list | tuple) else value


def channels_told(alert: Alert, since_ns: int) -> tuple[AlertChannel, ...]:
    """Those that were told of an alert since then, or will be."""
    told = Delivery.objects.filter(alert=alert.pk, event__in=("anomaly", "absent"), created_ns__gte=since_ns)
    told = told.exclude(state__in=("failed", "dropped"))
    return tuple(AlertChannel.objects.filter(pk__in=told.order_by().values("channel")).order_by("pk"))


def hold_all(channel_id: int, reason: str) -> int:
    """What waits for a channel that was switched off."""
    waiting = Delivery.objects.filter(channel=channel_id, state="waiting")
    return waiting.update(state="held", reason=reason)


def let_go(channel_id: int) -> int:
    """What was held for a channel that is on again: what is not too old goes out now."""
    now, held = now_ns(), Delivery.objects.filter(channel=channel_id, state="held")
    held.filter(created_ns__lt=now - DAY_NS).update(state="dropped", reason=TOO_OLD)
    return held.update(state="waiting", reason="", due_ns=now, attempts=0)


def drop_of_rule(rule_id: int) -> int:
    """What is not yet on its way for a rule that goes."""
    rows = Delivery.objects.filter(rule=rule_id, state__in=("waiting", "held"))
    return rows.update(state="dropped", reason="its rule was deleted")


def forget_old() -> int:
    """Keep the log bounded; called by the sweep."""
    old = Delivery.objects.filter(created_ns__lt=now_ns() - KEPT_NS).exclude(state__in=UNFINISHED)
    ids = list(old.order_by("created_ns").values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE])
    if ids:
        with write_transaction():
            Delivery.objects.filter(pk__in=ids).delete()
    return len(ids)
