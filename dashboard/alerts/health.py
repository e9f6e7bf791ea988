"""How channels are doing: failures in a row, and one that keeps failing is switched off, which another one tells.

Part of delivery: called in the transaction that marks an attempt.
"""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q

from dashboard.alerts import content, outbox
from dashboard.alerts.channels.base import CHANNELS, DeliveryError, Message
from dashboard.alerts.models import AlertChannel, AlertRule, Delivery
from dashboard.alerts.outbox import HELD_OFF, Parcel
from dashboard.lib.clock import NS_PER_S
from dashboard.lib.database import clean
from runs.pages._format import visible

FAILURES = 10  # in a row, over at least
FAILING_NS = 3600 * NS_PER_S
REFUSED = 3  # deliveries in a row whose message was not taken: then it is the channel, and not what they say
_TEXT = 2000


def succeeded(channel_id: int, answer: str, now_ns: int) -> None:
    AlertChannel.objects.filter(pk=channel_id).update(
        failures=0,
        failing_since_ns=None,
        refused=[],
        last_success_ns=now_ns,
        last_answer=clean(answer, _TEXT),
    )


def fresh() -> dict[str, Any]:
    """What a channel begins with once a person has looked after it."""
    return {
        "failures": 0,
        "failing_since_ns": None,
        "refused": [],
        "disabled_reason": "",
        "disabled_ns": None,
    }


def failed(delivery: Delivery, error: DeliveryError, now_ns: int) -> None:
    text = clean(str(error), _TEXT)
    rows = AlertChannel.objects.filter(pk=delivery.channel_id)
    rows.filter(failing_since_ns=None).update(failing_since_ns=now_ns)
    rows.update(failures=F("failures") + 1, last_failure_ns=now_ns, last_failure=text)
    lasting = Q(failures__gte=FAILURES, failing_since_ns__lte=now_ns - FAILING_NS)
    is_for_good = _refused(delivery) >= REFUSED if error.of_message else error.permanent
    if rows.filter(Q() if is_for_good else lasting, is_on=True).update(
        is_on=False, disabled_ns=now_ns, disabled_reason=text
    ):
        outbox.hold_all(delivery.channel_id, HELD_OFF)
        _tell(AlertChannel.objects.get(pk=delivery.channel_id), now_ns)


def _refused(delivery: Delivery) -> int:
    """How many deliveries in a row were not taken for what they say, with this one; the same one again counts once."""
    rows = AlertChannel.objects.filter(pk=delivery.channel_id)
    before = rows.values_list("refused", flat=True).first() or []
    refused = [*(pk for pk in before if pk != delivery.pk), delivery.pk][-REFUSED:]
    rows.update(refused=refused)
    return len(refused)


def _tell(channel: AlertChannel, now_ns: int) -> None:
    """Through the channels that share a rule with it, else through any one that is on."""
    others = AlertChannel.objects.filter(is_on=True).exclude(pk=channel.pk).order_by("pk")
    beside = others.filter(rules__in=AlertRule.objects.filter(channels=channel)).distinct()
    told = tuple(beside) or tuple(others[:1])
    outbox.put([Parcel(_message(channel, now_ns), told)] if told else [])


def _message(channel: AlertChannel, now_ns: int) -> Message:
    name = visible(channel.name)
    title = f"Alerts no longer go to {name}"
    lines = (
        f"The channel {name} was switched off because it keeps failing.",
        "What comes for it is held for a day: switch it on again when it is mended.",
    )
    kind = CHANNELS.found.get(channel.kind)
    facts = (
        ("Channel", name),
        ("Kind", kind.label if kind is not None else channel.kind),
        ("Why", visible(channel.disabled_reason)),
        ("Failures in a row", f"{channel.failures:,}"),
    )
    data = {
        "version": content.VERSION, "event": "notice", "severity": "error", "at": content.iso(now_ns),
        "subject": f"tailrace:channel:{channel.pk}", "url": "",
    }  # fmt: skip
    return Message("notice", "", title, "error", lines, facts, "", "", now_ns, data)
