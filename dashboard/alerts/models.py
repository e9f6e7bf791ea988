"""Alert rules, the channels they tell, what they fired for, and the outbox of what is told.

Times are nanoseconds since 1970 UTC by our own clock. `route` alone changes `Alert`, `Watched` and the window of a
rule; `deliver` alone changes a `Delivery` once it is there; people change rules and channels by `editing`.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from dashboard.alerts.channels.base import CHANNELS
from dashboard.anomalies.models import Anomaly
from runs.models import World

UNFINISHED = ("waiting", "claimed")
STATES = (*UNFINISHED, "sent", "failed", "held", "dropped")


def channel_kinds() -> list[tuple[str, str]]:
    return [(kind, channel.label) for kind, channel in CHANNELS.found.items()]


def delivery_states() -> list[tuple[str, str]]:
    return [(state, state) for state in STATES]


class AlertChannel(models.Model):
    """A way to tell people. Its secrets are sealed and never shown again."""

    kind = models.CharField(max_length=60, choices=channel_kinds)
    name = models.CharField(max_length=200)
    settings = models.JSONField(default=dict)  # text by field
    sealed = models.BinaryField(null=True)  # the secrets as JSON (`dashboard.lib.sealing`); null: it has none
    is_on = models.BooleanField(default=True)
    created_ns = models.BigIntegerField()
    failures = models.IntegerField(default=0)  # in a row
    failing_since_ns = models.BigIntegerField(null=True)
    refused = models.JSONField(default=list)  # deliveries in a row whose message it did not take
    disabled_ns = models.BigIntegerField(null=True)
    disabled_reason = models.TextField(blank=True, default="")  # why Tailrace itself has switched it off
    last_failure_ns = models.BigIntegerField(null=True)
    last_failure = models.TextField(blank=True, default="")
    last_success_ns = models.BigIntegerField(null=True)
    last_answer = models.TextField(blank=True, default="")
    report_weekday = models.SmallIntegerField(null=True)  # of the weekly report, 0 is Monday; null: none
    report_hour = models.SmallIntegerField(default=9)
    report_time_zone = models.CharField(max_length=64, default="UTC")
    report_due_ns = models.BigIntegerField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["report_due_ns"],
                condition=models.Q(report_due_ns__isnull=False),
                name="channels_to_report",
            )
        ]

    def __str__(self) -> str:
        return self.name


class AlertRule(models.Model):
    """What is told to whom, when and how often. Empty lists stand for everything."""

    name = models.CharField(max_length=200)
    is_on = models.BooleanField(default=True)
    created_ns = models.BigIntegerField()  # nothing that began earlier is a first time for it
    kinds = models.JSONField(default=list, blank=True)
    min_severity = models.SmallIntegerField(default=1)  # a place in SEVERITIES
    min_certainty = models.SmallIntegerField(default=0)  # a place in CERTAINTIES
    worlds = models.ManyToManyField(World, blank=True, related_name="+")
    workflows = models.JSONField(
        default=list, blank=True
    )  # patterns (`chat*`), of the whole or the short name
    deployments = models.JSONField(default=list, blank=True)  # patterns
    triggers = models.JSONField(default=list)  # of `rules.TRIGGERS`; absent and silent stand alone
    threshold = models.IntegerField(default=10)  # of more_than
    period_s = models.IntegerField(default=3600)  # of more_than, absent, silent
    channels = models.ManyToManyField(AlertChannel, blank=True, related_name="rules")
    quiet_from = models.CharField(max_length=5, blank=True, default="")  # HH:MM; empty: never quiet
    quiet_until = models.CharField(max_length=5, blank=True, default="")
    time_zone = models.CharField(max_length=64, default="UTC")
    lets_critical = models.BooleanField(default=True)  # through quiet hours
    cooldown_s = models.IntegerField(default=3600)  # of one anomaly, between two messages
    hourly_cap = models.IntegerField(default=5)  # messages; what is beyond them is held for a digest
    tells_recovery = models.BooleanField(default=True)
    with_payload = models.BooleanField(default=False)
    window_ns = models.BigIntegerField(default=0)  # when the hour that the cap counts began
    window_count = models.IntegerField(default=0)
    window_digests = models.IntegerField(default=0)
    digest_due_ns = models.BigIntegerField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["digest_due_ns"],
                condition=models.Q(digest_due_ns__isnull=False),
                name="rules_to_digest",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """What a rule has fired for: an anomaly, or something that is absent. One row, however often it comes back."""

    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="alerts", db_index=False)
    subject = models.CharField(max_length=100)  # `anomaly:12`, `absent:<world>:<hash>`, ...
    anomaly = models.ForeignKey(Anomaly, null=True, on_delete=models.CASCADE, related_name="alerts")
    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="alerts")
    about = models.JSONField(default=dict)  # of an absence: what `absence` knew when it fired
    severity = models.SmallIntegerField(default=0)
    opened_ns = models.BigIntegerField()
    recovered_ns = models.BigIntegerField(null=True)
    episodes = models.IntegerField(default=1)  # how often it was opened
    flips = models.JSONField(default=list)  # when it was opened, within `flapping.WITHIN_NS`
    is_flapping = models.BooleanField(default=False)
    count = models.BigIntegerField(default=0)  # times it was counted
    pending = models.BigIntegerField(default=0)  # of these not told yet
    told = models.CharField(max_length=10, blank=True, default="")  # in this episode: message, digest
    told_ns = models.BigIntegerField(null=True)
    is_over_untold = models.BooleanField(default=False)  # was told by a digest, and is over since
    due_ns = models.BigIntegerField(null=True)  # a cooldown ends, or it may have become calm
    last_ns = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rule", "subject"], name="one_alert_per_subject")
        ]
        indexes: ClassVar = [
            models.Index(fields=["rule", "id"], condition=models.Q(recovered_ns=None), name="alerts_open"),
            models.Index(fields=["due_ns"], condition=models.Q(due_ns__isnull=False), name="alerts_due"),
            models.Index(fields=["rule", "id"], condition=models.Q(pending__gt=0), name="alerts_untold"),
            models.Index(
                fields=["rule", "id"], condition=models.Q(is_over_untold=True), name="alerts_over_untold"
            ),
            models.Index("rule", models.F("last_ns").desc(), models.F("id").desc(), name="alerts_of_rule"),
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.subject}"


class Delivery(models.Model):
    """The outbox and its log: one message to one channel, with the same key for all attempts."""

    channel = models.ForeignKey(
        AlertChannel, on_delete=models.CASCADE, related_name="deliveries", db_index=False
    )
    rule = models.ForeignKey(
        AlertRule, null=True, on_delete=models.SET_NULL, related_name="deliveries", db_index=False
    )
    alert = models.ForeignKey(
        Alert, null=True, on_delete=models.SET_NULL, related_name="deliveries", db_index=False
    )
    event = models.CharField(max_length=20)
    title = models.CharField(max_length=200)
    severity = models.CharField(max_length=10)
    message = models.JSONField()  # `Message.as_json`
    key = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=10, choices=delivery_states, default="waiting")
    reason = models.TextField(blank=True, default="")  # why it is held, or was dropped
    attempts = models.IntegerField(default=0)
    created_ns = models.BigIntegerField()
    due_ns = models.BigIntegerField()
    claimed_until_ns = models.BigIntegerField(default=0)
    answer = models.TextField(blank=True, default="")
    error = models.TextField(blank=True, default="")  # of the last attempt that failed
    sent_ns = models.BigIntegerField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes: ClassVar = [
            models.Index(
                fields=["channel", "due_ns", "id"],
                condition=models.Q(state__in=UNFINISHED),
                name="deliveries_due",
            ),
            models.Index("channel", models.F("id").desc(), name="deliveries_of_channel"),
            models.Index("state", models.F("id").desc(), name="deliveries_by_state"),
            models.Index("event", models.F("id").desc(), name="deliveries_by_event"),
            models.Index("rule", models.F("id").desc(), name="deliveries_of_rule"),
            models.Index(fields=["alert", "channel"], name="deliveries_of_alert"),
            models.Index(fields=["created_ns"], name="deliveries_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.event}: {self.title}"


class Watched(models.Model):
    """What routing has seen of an anomaly: it looks at those that differ."""

    anomaly = models.OneToOneField(
        Anomaly, on_delete=models.CASCADE, primary_key=True, related_name="watched"
    )
    total = models.BigIntegerField()
    revision = models.BigIntegerField()
    severity = models.SmallIntegerField()
    certainty = models.SmallIntegerField()

    def __str__(self) -> str:
        return f"anomaly {self.anomaly_id} at {self.total}"


class Routing(models.Model):
    """The one row of the cursor of routing, and its claim: one process routes at a time."""

    since_ns = models.BigIntegerField()  # what was first seen before was never news
    seen_ns = models.BigIntegerField(default=0)  # anomalies last seen earlier have been looked at
    whole_ns = models.BigIntegerField(default=0)  # when all of them were last looked at
    absence_ns = models.BigIntegerField(default=0)  # when absences were last looked for
    claimed_until_ns = models.BigIntegerField(default=0)
    claim = models.CharField(max_length=32, blank=True, default="")

    def __str__(self) -> str:
        return f"routed up to {self.seen_ns}"
