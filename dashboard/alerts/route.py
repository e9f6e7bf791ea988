"""Routing: from what is committed about anomalies to messages in the outbox, with a cursor of its own.

Never inside the transaction that judges. One process at a time does it (`claim`); each batch is decided in memory and
rendered outside of any transaction, then stored in one: what was seen, what fired, and the messages that follow.

An anomaly that is muted or acknowledged makes no message: someone has said that it is known. What happens to it in the
meantime is not told later either.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError

from dashboard.alerts import absence, candidates, claim, content, digest, outbox, report
from dashboard.alerts.candidates import Changed
from dashboard.alerts.models import Alert, AlertChannel, AlertRule, Routing
from dashboard.alerts.outbox import Parcel
from dashboard.alerts.rules import ALONE, Conditions
from dashboard.alerts.teller import WINDOW_FIELDS, Teller, Telling, save_alerts, save_watched
from dashboard.anomalies.life_facts import seen_since
from dashboard.anomalies.states import ATTENTION
from dashboard.lib.clock import NS_PER_S, now_ns
from dashboard.lib.database import write_transaction

log = logging.getLogger("tailrace.alerts")

KNOWN = ("muted", "acknowledged")  # a person has said so
BATCHES = 100  # of one look: what changes all the time must not keep digests waiting


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule as a pass uses it."""

    row: AlertRule
    conditions: Conditions
    triggers: frozenset[str]


def rules_on() -> list[Ready]:
    rows = AlertRule.objects.filter(is_on=True).prefetch_related("worlds", "channels").order_by("pk")
    return [Ready(row, Conditions.of(row), frozenset(row.triggers)) for row in rows]


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at everything, under a claim. `told` is called after each transaction that has put messages out."""

    held: str
    stop: threading.Event
    told: Callable[[], object]
    ready: Sequence[Ready]
    cursor: Routing

    def rule(self, alert: Alert) -> AlertRule | None:
        """None where it is off."""
        return next((one.row for one in self.ready if one.row.pk == alert.rule_id), None)


def route(stop: threading.Event, told: Callable[[], object] = lambda: None) -> None:
    """Look until nothing is left; returns at once if another process is at it, which will find the same."""
    while not stop.is_set() and (held := claim.take()) is not None:
        try:
            _look(_Look(held, stop, told, rules_on(), claim.cursor()))
        except (claim.LostClaim, IntegrityError) as error:
            # A rule, an anomaly or a world has gone in the meantime: what is left is found by the next look.
            log.warning("routing stopped, and begins anew with the next sweep: %s", error)
            return
        finally:
            claim.release(held)
        # What was committed while the claim was held found it taken, and is nobody else's to route.
        if not candidates.are_left(claim.cursor(), now_ns()):
            return


def _look(look: _Look) -> None:
    now = now_ns()
    since_ns = candidates.begin(look.cursor, now)
    _recover(look)
    _route_changed(look, since_ns)
    if look.stop.is_set():
        return
    _due(look)
    looked = {"seen_ns": now} | ({"whole_ns": now} if since_ns == 0 else {})
    if abs(now - look.cursor.absence_ns) >= settings.SWEEP_SECONDS * NS_PER_S:
        looked["absence_ns"] = now
        teller = Teller(now)
        absence.look([(one.row, one.conditions) for one in look.ready if one.triggers & ALONE], teller)
        _keep(look, teller)
    digest.send_due(look.held, now_ns())
    report.send_due(look.held, now_ns())
    with claim.step(look.held, **looked):
        pass  # the cursor moves when all of it has been done


def _route_changed(look: _Look, since_ns: int) -> None:
    with_deployments = any(one.conditions.deployments for one in look.ready)
    for _ in range(BATCHES):
        found = candidates.batch(since_ns, look.cursor, with_deployments)
        if look.stop.is_set() or not found.changed:
            return
        teller = Teller(now_ns())
        _take_over(found.moves, teller.now_ns)
        _decide(look.ready, found.changed, look.cursor, teller)
        teller.watched = found.watched
        _keep(look, teller)


def _decide(ready: Sequence[Ready], changed: list[Changed], cursor: Routing, teller: Teller) -> None:
    listening = [one for one in ready if not one.triggers & ALONE]
    known = candidates.alerts_of([one.row.pk for one in listening], (one.pk for one in changed))
    for anomaly in changed:
        if anomaly.state in ATTENTION:
            for one in listening:
                if one.conditions.match(anomaly.facts):
                    _consider(one, anomaly, known.get((one.row.pk, anomaly.pk)), cursor, teller)


def _consider(rule: Ready, anomaly: Changed, alert: Alert | None, cursor: Routing, teller: Teller) -> None:
    why = _reason(rule, anomaly, alert, cursor, teller.now_ns)
    if alert is None:
        if not why:
            return
        alert = teller.open(rule.row, anomaly.subject, anomaly_id=anomaly.pk, world_id=anomaly.facts.world_id)
    elif alert.recovered_ns is not None and why:
        teller.reopen(alert)
    alert.severity = anomaly.facts.severity
    if why:
        teller.fire(rule.row, alert, why, max(1, anomaly.fresh))
    elif alert.recovered_ns is None and anomaly.fresh:
        teller.note(alert, anomaly.fresh)


def _reason(rule: Ready, anomaly: Changed, alert: Alert | None, cursor: Routing, now: int) -> str:
    """The trigger that fires; "" for none."""
    asked = rule.triggers
    came_back = alert is not None and alert.recovered_ns is not None and anomaly.fresh > 0
    if "regressed" in asked and (anomaly.has_regressed or came_back):
        return "regressed"
    begins_ns = max(cursor.since_ns, rule.row.created_ns)
    is_first = alert is None and not anomaly.is_history and anomaly.first_seen_ns >= begins_ns
    if "first_time" in asked and is_first:
        return "first_time"
    if "every" in asked and anomaly.fresh:
        return "every"
    if "more_than" in asked and anomaly.fresh and anomaly.total > rule.row.threshold:
        since_ns = now - rule.row.period_s * NS_PER_S
        if seen_since(anomaly.pk, since_ns, rule.row.threshold + 1) > rule.row.threshold:
            return "more_than"
    return ""


def _take_over(moves: dict[int, int], now: int) -> None:
    """An anomaly whose step became known goes on under another number: it was told already."""
    rows = Alert.objects.filter(anomaly__in=moves, recovered_ns=None) if moves else ()
    for alert in rows:
        into = moves[alert.anomaly_id or 0]
        subject = f"anomaly:{into}"
        is_there = Alert.objects.filter(rule=alert.rule_id, subject=subject).exists()
        values = {"recovered_ns": now, "pending": 0} if is_there else {"subject": subject, "anomaly": into}
        with write_transaction():
            Alert.objects.filter(pk=alert.pk).update(**values)


def _recover(look: _Look) -> None:
    while not look.stop.is_set() and (found := candidates.over()):
        teller = Teller(now_ns())
        for alert in found:
            is_muted = alert.anomaly is not None and alert.anomaly.state == "muted"
            teller.recover(None if is_muted else look.rule(alert), alert)
        _keep(look, teller)


def _due(look: _Look) -> None:
    """Cooldowns that have ended with something untold, and what may have become calm."""
    rows = Alert.objects.filter(due_ns__lte=now_ns()).select_related("anomaly").order_by("due_ns")
    teller = Teller(now_ns())
    for alert in rows[: candidates.AT_ONCE]:
        rule, was_flapping = look.rule(alert), alert.is_flapping
        teller.settle(alert)
        if rule is None or (alert.anomaly is not None and alert.anomaly.state in KNOWN):
            continue
        if alert.recovered_ns is None and (was_flapping or alert.pending):
            teller.tell(rule, alert, "calm" if was_flapping else "again")
        elif alert.recovered_ns is not None and was_flapping:
            teller.tell_over(rule, alert, "calm")
    _keep(look, teller)


def _keep(look: _Look, teller: Teller) -> None:
    """All that a look has decided, at once. Messages are made before, outside of the transaction."""
    parcels = list(_parcels(teller.tellings))
    if not (parcels or teller.alerts or teller.rules or teller.watched):
        return
    with claim.step(look.held):
        save_alerts(teller.alerts.values())
        save_watched(teller.watched)
        for rule in teller.rules.values():
            values = {name: getattr(rule, name) for name in WINDOW_FIELDS}
            AlertRule.objects.filter(pk=rule.pk).update(**values)
        outbox.put(parcels)
    if parcels:
        look.told()


def _parcels(tellings: Iterable[Telling]) -> Iterable[Parcel]:
    """A channel hears of one thing once, however many rules would tell it."""
    told: set[tuple[int, str, str]] = set()
    for one in tellings:
        channels = [
            channel for channel in _channels(one) if (channel.pk, one.event, one.alert.subject) not in told
        ]
        told |= {(channel.pk, one.event, one.alert.subject) for channel in channels}
        message = content.message_of(one) if channels else None
        if message is not None:
            yield Parcel(message, tuple(channels), one.rule, one.alert)


def _channels(telling: Telling) -> Sequence[AlertChannel]:
    if telling.event in ("recovered", "present"):
        since_ns = 0 if telling.why == "calm" else telling.alert.opened_ns  # its last episodes went untold
        return outbox.channels_told(telling.alert, since_ns)
    return list(telling.rule.channels.all())
