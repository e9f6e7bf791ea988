"""A test message: sent for real, once, in a thread of its own, and kept in the log of its channel.

It counts neither for nor against the channel. Should this process end while it is sent, it has failed: whoever wanted
to know presses again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connection

from dashboard.alerts import outbox
from dashboard.alerts.channel_secrets import channel_of
from dashboard.alerts.channels.base import DeliveryError, Message
from dashboard.alerts.content import VERSION, absolute, iso
from dashboard.alerts.deliver import CLAIM_NS
from dashboard.alerts.models import AlertChannel, Delivery
from dashboard.alerts.outbox import Parcel
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import clean, write_transaction

log = logging.getLogger("tailrace.alerts")

LOOKED_FOR_NS = 45 * NS_PER_S  # so long a page waits for the answer
LOST = "Tailrace ended while this was sent, or no answer came for two minutes."
_TEXT = 2000


def start(channel: AlertChannel) -> Delivery:
    """One at a time of a channel: a second press gets the one that is on its way."""
    now = now_ns()
    on_its_way = Delivery.objects.filter(
        channel=channel, event="test", state="claimed", claimed_until_ns__gt=now
    )
    with write_transaction():
        if (running := on_its_way.first()) is not None:
            return running
        (row,) = outbox.put([Parcel(_message(channel, now), (channel,))])
        row.state, row.reason, row.attempts, row.claimed_until_ns = "claimed", "", 1, now + CLAIM_NS
        row.save(update_fields=["state", "reason", "attempts", "claimed_until_ns"])
    in_background(lambda: send(row.pk))
    return row


def in_background(work: Callable[[], object]) -> None:
    threading.Thread(target=_run, args=(work,), name="alert-test", daemon=True).start()


def _run(work: Callable[[], object]) -> None:
    try:
        work()
    finally:
        connection.close()


def send(pk: int) -> None:
    """What was started, outside of any transaction; the answer or the error is put on its row."""
    row = Delivery.objects.select_related("channel").get(pk=pk)
    values: dict[str, object]
    try:
        answer = channel_of(row.channel).send(Message.from_json(row.message))
        values = {"state": "sent", "answer": clean(answer, _TEXT), "sent_ns": now_ns()}
    except DeliveryError as error:
        values = {"state": "failed", "error": clean(error, _TEXT)}
    except Exception as error:  # a channel's bug, at a thread's edge; its text may hold a secret
        log.warning("the test of channel %s failed in a way it should not", row.channel_id)
        values = {
            "state": "failed",
            "error": f"This channel failed in a way it should not: {type(error).__name__}.",
        }
    with write_transaction():
        Delivery.objects.filter(pk=pk, state="claimed").update(**values)


def give_up() -> None:
    """Tests whose process is gone. Called with every look at what is due; nearly always there are none."""
    lost = Delivery.objects.filter(event="test", state="claimed", claimed_until_ns__lt=now_ns())
    if lost.exists():
        with write_transaction():
            lost.update(state="failed", error=LOST)


def is_looked_for(row: Delivery) -> bool:
    """Whether its answer is still to come, and soon."""
    return row.state == "claimed" and now_ns() < row.created_ns + LOOKED_FOR_NS


def _message(channel: AlertChannel, now: int) -> Message:
    url = absolute("/")
    data = {
        "version": VERSION,
        "event": "test",
        "severity": "info",
        "at": iso(now),
        "subject": "tailrace:test",
        "url": url,
    }
    lines = ("This is a test. Alerts of this channel will look like this.",)
    return Message(
        "test", "", "Test from Tailrace", "info", lines, (("Channel", channel.name),), "", url, now, data
    )
