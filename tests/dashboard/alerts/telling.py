"""Rules and channels made directly, and one pass of everything that a sweep would do."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from dashboard.alerts import deliver
from dashboard.alerts.models import Alert, AlertChannel, AlertRule, Delivery
from dashboard.alerts.route import route
from dashboard.anomalies.models import Anomaly, Finding
from dashboard.lib.clock import now_ns
from runs.models import World

NEVER = threading.Event()


def forget_first_rules() -> None:
    """Those that the migration makes are in the way of a test of one rule."""
    AlertRule.objects.all().delete()
    AlertChannel.objects.all().delete()


def make_channel(name: str = "Ops", **fields: Any) -> AlertChannel:
    defaults = {"kind": "counting", "created_ns": now_ns()}
    return AlertChannel.objects.create(name=name, **(defaults | fields))


def make_rule(*channels: AlertChannel, worlds: tuple[World, ...] = (), **fields: Any) -> AlertRule:
    """The first time and each time it comes back, without a cooldown, of everything."""
    defaults: dict[str, Any] = {
        "name": "A rule", "created_ns": now_ns(), "triggers": ["first_time", "regressed"], "cooldown_s": 0,
        "min_severity": 0,
    }  # fmt: skip
    rule = AlertRule.objects.create(**(defaults | fields))
    rule.channels.set(channels)
    rule.worlds.set(worlds)
    return rule


def seen_once(anomalies: Iterable[Anomaly]) -> None:
    """Many at once, each with one finding that belongs to no run."""
    made = Anomaly.objects.bulk_create(anomalies)
    Finding.objects.bulk_create(
        Finding(
            anomaly=one, kind=one.kind, severity="error", certainty="proved", message="Something is wrong.",
            detector_version=1, found_ns=one.first_seen_ns,
        )
        for one in made
    )  # fmt: skip


def run() -> None:
    """Route, and send what is due, in this thread."""
    route(NEVER)
    send()


def send() -> None:
    for channel_id in deliver.due_channels():
        deliver.work_off(channel_id, NEVER)


def alert() -> Alert:
    return Alert.objects.get()


def delivery() -> Delivery:
    return Delivery.objects.get()
