"""What is told now, what later, and what never: the memory of one batch of routing.

`Teller` changes rows in memory only; `route` stores all of them, with the messages that follow, in one transaction.
Something that fired is counted at once (`Alert.count`), and stays `pending` until a message or a digest has told it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dashboard.alerts import flapping
from dashboard.alerts.models import Alert, AlertRule, Watched
from dashboard.alerts.rules import CRITICAL, quiet_of
from dashboard.lib.clock import NS_PER_S

HOUR_NS = 3600 * NS_PER_S
FIRST_DIGEST_NS = 300 * NS_PER_S  # after the cap is reached: a burst is over, or known as one
ALERT_FIELDS = (
    "anomaly", "about", "severity", "opened_ns", "recovered_ns", "episodes", "flips", "is_flapping", "count", "pending",
    "told", "told_ns", "is_over_untold", "due_ns", "last_ns",
)  # fmt: skip
WINDOW_FIELDS = ("window_ns", "window_count", "window_digests", "digest_due_ns")


@dataclass(frozen=True, slots=True)
class Telling:
    """One message, whatever the channels. `count`: findings that it tells of."""

    rule: AlertRule
    alert: Alert
    event: str  # anomaly, recovered, absent, present
    why: str  # a trigger, `again`, `flapping`, `calm`, or `over`
    count: int = 0


@dataclass(slots=True)
class Teller:
    now_ns: int
    tellings: list[Telling] = field(default_factory=list)
    alerts: dict[tuple[int, str], Alert] = field(default_factory=dict)  # those that changed
    rules: dict[int, AlertRule] = field(default_factory=dict)  # those whose window changed
    watched: list[Watched] = field(default_factory=list)

    def open(self, rule: AlertRule, subject: str, **values: Any) -> Alert:
        """The first time that a rule fires for something."""
        now = self.now_ns
        return Alert(rule=rule, subject=subject, opened_ns=now, last_ns=now, flips=[now], **values)

    def reopen(self, alert: Alert) -> None:
        alert.opened_ns, alert.recovered_ns = self.now_ns, None
        alert.episodes += 1
        alert.flips = flapping.opened_again(alert.flips, self.now_ns)
        alert.told, alert.is_over_untold = "", False

    def note(self, alert: Alert, count: int) -> None:
        """Seen, but no reason for a word: it is counted."""
        alert.count += count
        alert.last_ns = self.now_ns
        self._changed(alert)

    def fire(self, rule: AlertRule, alert: Alert, why: str, count: int = 1) -> None:
        self.note(alert, count)
        alert.pending += count
        if alert.is_flapping:
            alert.due_ns = self.now_ns + flapping.CALM_NS
        elif flapping.is_flapping(alert.flips):
            alert.is_flapping = True
            self.tell(rule, alert, "flapping")
            alert.due_ns = self.now_ns + flapping.CALM_NS
        elif (until := self._cooldown_of(rule, alert)) is not None:
            alert.due_ns = until
        else:
            self.tell(rule, alert, why)

    def tell(self, rule: AlertRule, alert: Alert, why: str) -> None:
        """Now if there is room for it, else in the next digest."""
        self._changed(alert)
        alert.due_ns = None
        if self._has_to_wait(rule, alert.severity):
            self.hold(rule)
            return
        rule.window_count += 1
        event = "anomaly" if alert.anomaly_id is not None else "absent"
        self.tellings.append(Telling(rule, alert, event, why, alert.pending))
        alert.pending, alert.told, alert.told_ns = 0, "message", self.now_ns

    def recover(self, rule: AlertRule | None, alert: Alert) -> None:
        """It is over. Without a rule nobody is told."""
        alert.recovered_ns = alert.last_ns = self.now_ns
        self._changed(alert)
        if alert.is_flapping:
            alert.due_ns = self.now_ns + flapping.CALM_NS
            return
        alert.due_ns = None
        if rule is not None and alert.told and rule.tells_recovery:
            self.tell_over(rule, alert, "over")

    def settle(self, alert: Alert) -> None:
        """The time it was due for has come."""
        alert.due_ns, alert.is_flapping = None, False
        self._changed(alert)

    def tell_over(self, rule: AlertRule, alert: Alert, why: str) -> None:
        """To those who heard of it in the way they heard of it; not at night."""
        self._changed(alert)
        alert.due_ns = None
        if alert.told == "digest" or self._quiet_until(rule) is not None:
            alert.is_over_untold = True
            self.hold(rule)
            return
        event = "recovered" if alert.anomaly_id is not None else "present"
        self.tellings.append(Telling(rule, alert, event, why, alert.pending))
        alert.pending = 0

    def hold(self, rule: AlertRule) -> None:
        """Something of this rule waits for a digest."""
        self.rules[rule.pk] = rule
        ends_ns = self._quiet_until(rule)
        if ends_ns is not None:
            rule.digest_due_ns = max(ends_ns, rule.digest_due_ns or 0)
        elif rule.digest_due_ns is None:
            self._roll(rule)
            first = self.now_ns + FIRST_DIGEST_NS
            rule.digest_due_ns = max(first, rule.window_ns + HOUR_NS) if rule.window_digests else first

    def _has_to_wait(self, rule: AlertRule, severity: int) -> bool:
        self.rules[rule.pk] = rule
        self._roll(rule)
        if self._quiet_until(rule) is not None and not (rule.lets_critical and severity >= CRITICAL):
            return True
        return rule.window_count >= rule.hourly_cap

    def _quiet_until(self, rule: AlertRule) -> int | None:
        quiet = quiet_of(rule)
        return quiet.ends_ns(self.now_ns) if quiet is not None else None

    def _roll(self, rule: AlertRule) -> None:
        """Into the hour that the cap counts now. A clock that was set back begins a new one."""
        if not 0 <= self.now_ns - rule.window_ns < HOUR_NS:
            rule.window_ns, rule.window_count, rule.window_digests = self.now_ns, 0, 0

    def _cooldown_of(self, rule: AlertRule, alert: Alert) -> int | None:
        until = (alert.told_ns or 0) + rule.cooldown_s * NS_PER_S
        return until if alert.told_ns is not None and until > self.now_ns else None

    def _changed(self, alert: Alert) -> None:
        self.alerts[alert.rule_id, alert.subject] = alert


def save_alerts(alerts: Iterable[Alert]) -> None:
    """New and known ones in a few statements; the new ones have a primary key afterwards."""
    Alert.objects.bulk_create(
        list(alerts), update_conflicts=True, unique_fields=["rule", "subject"], update_fields=ALERT_FIELDS
    )


def save_watched(watched: Iterable[Watched]) -> None:
    Watched.objects.bulk_create(
        list(watched),
        update_conflicts=True,
        unique_fields=["anomaly"],
        update_fields=("total", "revision", "severity", "certainty"),
    )
