"""What people change: rules and channels. The only writer of them beside routing and delivery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dashboard.alerts import health, outbox
from dashboard.alerts.channel_secrets import sealed_of, secrets_of
from dashboard.alerts.channels.base import CHANNELS, FieldError
from dashboard.alerts.models import AlertChannel, AlertRule, Delivery
from dashboard.alerts.report import next_due_ns
from dashboard.alerts.rules import problems_of, zone_of
from dashboard.anomalies.documentation import kinds
from dashboard.lib.clock import now_ns
from dashboard.lib.database import clean, write_transaction
from dashboard.lib.sealing import SealError


class NotSaved(ValueError):
    """What was asked for is not right; `problems` says what, by field."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(problems.values()))
        self.problems = dict(problems)


@dataclass(frozen=True, slots=True)
class ChannelForm:
    """`secrets` that are empty keep what is stored, but for those that are `forgotten`.

    `report_weekday` None: no weekly report.
    """

    kind: str
    name: str
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    forgotten: frozenset[str] = frozenset()
    report_weekday: int | None = None
    report_hour: int = 9
    report_time_zone: str = "UTC"


def save_rule(rule: AlertRule, worlds: Iterable[int], channels: Iterable[int]) -> AlertRule:
    """A new rule, or a known one. Raises NotSaved."""
    rule.name = clean(rule.name.strip(), 200)
    problems = problems_of(rule, kinds())
    if problems:
        raise NotSaved(problems)
    with write_transaction():
        if rule.pk is None:
            rule.created_ns = now_ns()
            rule.save()
        else:  # its window and its digest are routing's
            rule.save(update_fields=_EDITED)
        rule.worlds.set(list(worlds))
        rule.channels.set(list(channels))
    return rule


_EDITED = (
    "name", "is_on", "kinds", "min_severity", "min_certainty", "workflows", "deployments", "triggers", "threshold",
    "period_s", "quiet_from", "quiet_until", "time_zone", "lets_critical", "cooldown_s", "hourly_cap",
    "tells_recovery", "with_payload",
)  # fmt: skip


def switch_rule(rule_id: int, is_on: bool) -> bool:
    with write_transaction():
        return bool(AlertRule.objects.filter(pk=rule_id).update(is_on=is_on))


def delete_rule(rule_id: int) -> None:
    """What has not gone out is dropped, with that reason in the log."""
    with write_transaction():
        outbox.drop_of_rule(rule_id)
        AlertRule.objects.filter(pk=rule_id).delete()


def save_channel(channel_id: int | None, form: ChannelForm) -> AlertChannel:
    """A new channel, or a known one; an edited one begins without failures. Raises NotSaved."""
    row = AlertChannel.objects.filter(pk=channel_id).first() if channel_id is not None else None
    row = row or AlertChannel(kind=form.kind, created_ns=now_ns())
    kept = {name: text for name, text in _secrets(row).items() if name not in form.forgotten}
    secrets = kept | {name: text for name, text in form.secrets.items() if text}
    _check(row.kind, form, secrets)
    row.name = clean(form.name.strip(), 200)
    row.settings = {name: clean(text, 4000) for name, text in form.settings.items()}
    row.report_weekday, row.report_hour = form.report_weekday, form.report_hour
    row.report_time_zone, row.report_due_ns = form.report_time_zone, _report_due(form)
    for name, value in health.fresh().items():
        setattr(row, name, value)
    try:
        with write_transaction():
            row.save()
            row.sealed = sealed_of(row.pk, secrets)
            row.save(update_fields=["sealed"])
    except SealError as error:
        raise NotSaved({"secrets": f"The secrets cannot be kept: {error}."}) from None
    return row


def _secrets(row: AlertChannel) -> dict[str, str]:
    """Those that are stored; none where they cannot be opened: then they have to be given again."""
    try:
        return secrets_of(row)
    except SealError:
        return {}


def _check(kind: str, form: ChannelForm, secrets: Mapping[str, str]) -> None:
    problems = {} if form.name.strip() else {"name": "A channel needs a name."}
    made = CHANNELS.found.get(kind)
    if made is None:
        raise NotSaved({"kind": "There is no such kind of channel."})
    try:
        made.check(form.settings, secrets)
    except FieldError as error:
        problems[error.field] = error.message
    if form.report_weekday is not None and not (
        0 <= form.report_weekday <= 6 and 0 <= form.report_hour <= 23
    ):
        problems["report_weekday"] = "A day of the week, and an hour of the day."
    if zone_of(form.report_time_zone) is None:
        problems["report_time_zone"] = "There is no such time zone; one is called like Europe/Vienna."
    if problems:
        raise NotSaved(problems)


def _report_due(form: ChannelForm) -> int | None:
    if form.report_weekday is None:
        return None
    return next_due_ns(form.report_weekday, form.report_hour, form.report_time_zone, now_ns())


def switch_channel(channel_id: int, is_on: bool) -> bool:
    """Off holds what comes for a day; on lets it go."""
    values = health.fresh() if is_on else {}
    with write_transaction():
        changed = AlertChannel.objects.filter(pk=channel_id).update(is_on=is_on, **values)
        if changed and is_on:
            outbox.let_go(channel_id)
        elif changed:
            outbox.hold_all(channel_id, outbox.HELD_OFF)
    return bool(changed)


def delete_channel(channel_id: int) -> None:
    """With its log."""
    with write_transaction():
        AlertChannel.objects.filter(pk=channel_id).delete()


def can_try_again(row: Delivery) -> bool:
    """A test is not: it says how its channel was then, and another one is a press away."""
    return row.state in _ENDED and row.event != "test"


def try_again(delivery_id: int) -> bool:
    """Send what has failed, or was dropped, once more: with the same key, so that a receiver can tell."""
    rows = Delivery.objects.filter(pk=delivery_id, state__in=_ENDED).exclude(event="test")
    values = {"state": "waiting", "reason": "", "due_ns": now_ns(), "created_ns": now_ns()}
    with write_transaction():
        return bool(rows.update(**values))


_ENDED = ("failed", "dropped")
