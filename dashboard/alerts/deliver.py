"""Delivery: from the outbox to the channels, at least once, with the same key for every attempt.

A delivery is claimed by a conditional update, sent outside of any transaction, and marked if the claim is still ours.
Whoever dies between sending and marking leaves a claim that runs out: then it is sent once more. Each channel is served
by a thread of its own, one at a time, so that a slow one keeps no other waiting.
"""

from __future__ import annotations

import logging
import random
import threading
import time

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from dashboard.alerts import health
from dashboard.alerts.channel_secrets import channel_of
from dashboard.alerts.channels.base import DeliveryError, Message
from dashboard.alerts.models import UNFINISHED, Delivery
from dashboard.alerts.outbox import HELD_OFF
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import clean, write_transaction

log = logging.getLogger("tailrace.alerts")

CLAIM_NS = 120 * NS_PER_S  # longer than any channel may take to send
MOST = 8  # channels served at the same time by one process
AT_ONCE, AT_ONCE_S = 20, 20.0  # deliveries and time of one turn of a channel
STOP_AFTER = 3  # failures in a row end the turn: the others would fail too
FIRST_RETRY_S, LONGEST_RETRY_S, SHORTEST_RETRY_S = 15.0, 3600.0, 2.0
GIVE_UP_NS = 24 * 3600 * NS_PER_S
_TEXT = 2000

_guard = threading.Lock()
_busy: set[int] = set()
_served: dict[int, float] = {}  # when each channel's last turn ended: whoever waits longest is next


def start(stop: threading.Event) -> list[threading.Thread]:
    """Give every channel with something due a turn, in threads of this process; returns those that were started."""
    started = []
    for channel_id in sorted(due_channels(), key=lambda pk: _served.get(pk, 0.0)):
        with _guard:
            if stop.is_set() or channel_id in _busy or len(_busy) >= MOST:
                continue
            _busy.add(channel_id)
        # A daemon: the process may end in the middle, which is what claims are for.
        thread = threading.Thread(
            target=_serve, args=(channel_id, stop), name=f"alert-{channel_id}", daemon=True
        )
        started.append(thread)
        thread.start()
    return started


def _serve(channel_id: int, stop: threading.Event) -> None:
    try:
        work_off(channel_id, stop)
    except Exception:  # the edge of a thread: what is due stays due
        log.exception("delivery to channel %s stopped", channel_id)
    finally:
        with _guard:
            _busy.discard(channel_id)
            _served[channel_id] = time.monotonic()
    try:
        start(stop)  # what became due for it, and who has waited for a free place
    except Exception:  # the same edge: the sweep asks again
        log.exception("deliveries could not be looked for")
    finally:
        connection.close()


def _due() -> QuerySet[Delivery]:
    """Waiting ones whose time has come, and claims that ran out. A recovery waits for what it is the end of.

    No tests: those are sent where they are asked for, once (`testing`)."""
    now = now_ns()
    before = Delivery.objects.filter(
        alert=OuterRef("alert"), channel=OuterRef("channel"), state__in=UNFINISHED, pk__lt=OuterRef("pk")
    )
    free = Q(state="waiting") | Q(state="claimed", claimed_until_ns__lt=now)
    due = Delivery.objects.filter(free, state__in=UNFINISHED, due_ns__lte=now)
    return due.exclude(event="test").exclude(Q(event__in=("recovered", "present")) & Exists(before))


def due_channels() -> list[int]:
    return list(_due().order_by().values_list("channel", flat=True).distinct())


def work_off(channel_id: int, stop: threading.Event) -> None:
    """One turn of a channel."""
    until, in_a_row = time.monotonic() + AT_ONCE_S, 0
    due = _due().filter(channel=channel_id).order_by("due_ns", "pk")
    for pk in due.values_list("pk", flat=True)[:AT_ONCE]:
        if stop.is_set() or time.monotonic() > until or in_a_row >= STOP_AFTER:
            return
        delivery = claim(pk)
        if delivery is not None:
            in_a_row = 0 if _deliver(delivery) else in_a_row + 1


def claim(pk: int) -> Delivery | None:
    """The delivery, if nobody else has it and its channel is on."""
    row = Delivery.objects.select_related("channel").filter(pk=pk).first()
    if row is None:
        return None
    free = _due().filter(pk=pk, attempts=row.attempts)
    with write_transaction():
        if not row.channel.is_on:
            free.update(state="held", reason=HELD_OFF)
            return None
        until = now_ns() + CLAIM_NS
        if not free.update(state="claimed", claimed_until_ns=until, attempts=F("attempts") + 1):
            return None
    row.attempts += 1
    return row


def _deliver(delivery: Delivery) -> bool:
    """Send what was claimed, and mark it; whether it went out."""
    try:
        answer = channel_of(delivery.channel).send(Message.from_json(delivery.message))
    except DeliveryError as error:
        _failed(delivery, error)
        return False
    except Exception as error:  # a channel's bug must not stop the others; its text may hold a secret
        log.warning("channel %s failed in a way it should not: %s", delivery.channel_id, type(error).__name__)
        _failed(
            delivery, DeliveryError(f"This channel failed in a way it should not: {type(error).__name__}.")
        )
        return False
    now = now_ns()
    with write_transaction():
        values = {"answer": clean(answer, _TEXT), "sent_ns": now, "reason": "", "error": ""}
        if _ours(delivery).update(state="sent", **values):
            health.succeeded(delivery.channel_id, answer, now)
    return True


def _ours(delivery: Delivery) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk=delivery.pk, state="claimed", attempts=delivery.attempts)


def _failed(delivery: Delivery, error: DeliveryError) -> None:
    now, text = now_ns(), clean(str(error), _TEXT)
    is_over = error.permanent or now - delivery.created_ns > GIVE_UP_NS
    due_ns = now + int(wait_s(delivery.attempts, error.retry_after_s) * NS_PER_S)
    values = {"state": "failed"} if is_over else {"state": "waiting", "due_ns": due_ns}
    with write_transaction():
        if _ours(delivery).update(error=text, **values):
            health.failed(delivery, error, now)


def wait_s(attempts: int, retry_after_s: float | None) -> float:
    """Exponential with full jitter, and never sooner than the receiver asked for."""
    most = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(attempts - 1, 20))
    asked = min(max(0.0, retry_after_s or 0.0), GIVE_UP_NS / NS_PER_S)
    return max(SHORTEST_RETRY_S, asked + random.uniform(0, most))


def release_claims() -> None:
    """For the one process that owns its database: claims found at start belong to a process that is gone."""
    Delivery.objects.filter(state="claimed").update(claimed_until_ns=0)
