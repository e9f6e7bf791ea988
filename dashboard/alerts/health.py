"""How channels are doing: failures in a row, and one that keeps failing is switched off, which another one tells.

Part of delivery: called in the transaction that marks an attempt.
"""

from __future__ import annotations

from django.db.models import F, Q

from dashboard.alerts import content, outbox
from dashboard.alerts.channels.base import CHANNELS, Message
from dashboard.alerts.models import AlertChannel, AlertRule
from dashboard.alerts.outbox import HELD_OFF, Parcel
from dashboard.lib.clock import NS_PER_S
from dashboard.lib.database import clean
from runs.pages._format import visible

FAILURES = 10  # in a row, over at least
FAILING_NS = 3600 * NS_PER_S
_TEXT = 2000


def succeeded(channel_id: int, answer: str, now_ns: int) -> None:
    AlertChannel.objects.filter(pk=channel_id).update(
        failures=0, failing_since_ns=None, last_success_ns=now_ns, last_answer=clean(answer, _TEXT)
    )


def failed(channel_id: int, text: str, *, permanent: bool, now_ns: int) -> None:
    rows = AlertChannel.objects.filter(pk=channel_id)
    rows.filter(failing_since_ns=None).update(failing_since_ns=now_ns)
    rows.update(failures=F("failures") + 1, last_failure_ns=now_ns, last_failure=clean(text, _TEXT))
    hopeless = Q() if permanent else Q(failures__gte=FAILURES, failing_since_ns__lte=now_ns - FAILING_NS)
    if rows.filter(hopeless, is_on=True).update(
        is_on=False, disabled_ns=now_ns, disabled_reason=clean(text, _TEXT)
    ):
        outbox.hold_all(channel_id, HELD_OFF)
        _tell(AlertChannel.objects.get(pk=channel_id), now_ns)


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
