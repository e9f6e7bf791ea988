"""Findings (one detector's result, recomputable) and anomalies (groups of findings with a life)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from dashboard.anomalies import threshold_models  # noqa: F401 - Django looks for models here
from dashboard.anomalies.detectors.base import DETECTORS
from dashboard.anomalies.run_detectors.base import RUN_DETECTORS
from dashboard.anomalies.states import STATES
from runs.models import Run, World
from streams.models import Stream

_NEWEST = (models.F("last_seen_ns").desc(), models.F("id").desc())
_WORST = (models.F("severity").desc(), *_NEWEST)
_LISTED = models.Q(count__gt=0)


def kinds() -> list[tuple[str, str]]:
    return [(kind, kind) for kind in (*DETECTORS.found, *RUN_DETECTORS.found)]


def states() -> list[tuple[str, str]]:
    return [(state, state) for state in STATES]


class Anomaly(models.Model):
    """Findings with one fingerprint: world, kind, workflow, step name (or none), namespace.

    Only `life` writes it. Facts are kept as findings come and go; times are our own clock.
    """

    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="anomalies")
    kind = models.CharField(max_length=60, choices=kinds)
    workflow = models.TextField(blank=True, default="")
    step_name = models.TextField(blank=True, default="")
    namespace = models.TextField(blank=True, default="")
    fingerprint = models.CharField(max_length=64)
    first_seen_ns = models.BigIntegerField()
    last_seen_ns = models.BigIntegerField()
    count = models.BigIntegerField(default=0)  # findings it has now; without any it is in no list
    total = models.BigIntegerField(default=0)  # findings it ever had
    runs = models.BigIntegerField(default=0)  # different runs among its findings
    streams = models.BigIntegerField(default=0)
    severity = models.SmallIntegerField(default=0)  # the worst, as a place in SEVERITIES
    certainty = models.SmallIntegerField(default=0)  # the best, as a place in CERTAINTIES
    message = models.TextField(blank=True, default="")  # of the finding that came last
    moved_to = models.ForeignKey(
        "self", null=True, on_delete=models.SET_NULL, related_name="moved_from"
    )  # all of it belongs there, since its step became known
    state = models.CharField(max_length=12, choices=states, default="open")
    state_ns = models.BigIntegerField(default=0)
    revision = models.BigIntegerField(default=0)  # one more with every change of the state
    by_next = models.BooleanField(default=False)  # `states.Life.by_next`
    mute_until_ns = models.BigIntegerField(null=True)  # these four: `states.Mute`
    mute_left = models.BigIntegerField(null=True)
    mute_rate = models.IntegerField(null=True)
    mute_per_ns = models.BigIntegerField(null=True)

    class Meta:
        verbose_name_plural = "anomalies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "fingerprint"], name="one_anomaly_per_fingerprint")
        ]
        indexes: ClassVar = [
            models.Index("state", *_WORST, name="anomalies_worst_of_all", condition=_LISTED),
            models.Index("world", "state", *_WORST, name="anomalies_worst_of_world", condition=_LISTED),
            models.Index("state", *_NEWEST, name="anomalies_newest_of_all", condition=_LISTED),
            models.Index("world", "state", *_NEWEST, name="anomalies_newest_of_world", condition=_LISTED),
            models.Index(
                fields=["mute_until_ns"],
                condition=models.Q(mute_until_ns__isnull=False),
                name="anomalies_to_wake",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.workflow}"


class Finding(models.Model):
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="findings", db_index=False)
    kind = models.CharField(max_length=60, choices=kinds)
    run = models.ForeignKey(Run, null=True, on_delete=models.CASCADE, related_name="findings")
    stream = models.ForeignKey(Stream, null=True, on_delete=models.CASCADE, related_name="findings")
    step_id = models.CharField(max_length=255, blank=True, default="")
    severity = models.CharField(max_length=10)
    certainty = models.CharField(max_length=10)
    message = models.TextField()
    chunks = models.JSONField(default=list)  # [{chunk_id, position, arrival}], at most CHUNKS_KEPT
    chunk_total = models.BigIntegerField(default=0)
    events = models.JSONField(default=list)
    evidence = models.JSONField(default=dict)
    missing = models.JSONField(default=list)
    detector_version = models.IntegerField()
    found_ns = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "kind"], name="one_finding_per_stream_and_kind"),
            models.UniqueConstraint(
                fields=["run", "kind"], condition=models.Q(stream=None), name="one_finding_per_run_and_kind"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                "anomaly", models.F("found_ns").desc(), models.F("id").desc(), name="findings_newest"
            ),
            models.Index(fields=["anomaly", "severity", "certainty"], name="findings_worst"),
            models.Index(fields=["anomaly", "run"], name="findings_of_runs"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class AnomalySeenIn(models.Model):
    """A deployment or an SDK version in which an anomaly was seen: a fact, no part of its fingerprint."""

    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="seen_in", db_index=False)
    what = models.CharField(max_length=10)  # sdk, deployment
    value = models.TextField()
    count = models.BigIntegerField(default=0)  # findings it has there now
    first_ns = models.BigIntegerField()
    last_ns = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["anomaly", "what", "value"], name="one_fact_per_anomaly")
        ]
        indexes: ClassVar = [models.Index(fields=["what", "value", "anomaly"], name="anomalies_seen_in")]

    def __str__(self) -> str:
        return f"{self.what} {self.value}"


class AnomalyHour(models.Model):
    """How often an anomaly was seen in one hour of our clock; only the latest hours are kept."""

    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="hours", db_index=False)
    hour = models.BigIntegerField()  # whole hours since 1970 UTC
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["anomaly", "hour"], name="one_count_per_hour")
        ]

    def __str__(self) -> str:
        return f"{self.count} in hour {self.hour}"


class AnomalyEvent(models.Model):
    """What happened to an anomaly, and who did it. The same thing again and again is one row with `times`."""

    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="history", db_index=False)
    at_ns = models.BigIntegerField()
    who = models.CharField(max_length=150)
    what = models.CharField(max_length=20)
    before = models.CharField(max_length=40, blank=True, default="")
    after = models.CharField(max_length=40, blank=True, default="")
    note = models.TextField(blank=True, default="")
    times = models.BigIntegerField(default=1)
    batch = models.CharField(
        max_length=40, blank=True, default=""
    )  # of one action on several: its undo token
    was = models.JSONField(null=True)  # the columns of the state before, for undo
    revision = models.BigIntegerField(null=True)  # of the anomaly, after the change

    class Meta:
        indexes: ClassVar = [
            models.Index("anomaly", models.F("id").desc(), name="history_of_anomaly"),
            models.Index(fields=["batch"], condition=~models.Q(batch=""), name="history_of_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.what} by {self.who}"


class Checkpoint(models.Model):
    """How far a stream has been judged: the detection's own cursor, apart from the world's."""

    stream = models.OneToOneField(
        Stream, on_delete=models.CASCADE, primary_key=True, related_name="checkpoint"
    )
    changes = models.BigIntegerField()  # `Stream.changes` that was judged
    due_ns = models.BigIntegerField(null=True)  # judge again then, even if nothing changed
    unchecked = models.JSONField(default=list)  # [{kind, reason}]: what could not be answered

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_ns"], condition=models.Q(due_ns__isnull=False), name="judge_again")
        ]

    def __str__(self) -> str:
        return f"stream {self.stream_id} at {self.changes}"


class RunCheckpoint(models.Model):
    """What is left to ask of a run; none where nothing is. How far it has been judged is `Run.judged`."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, primary_key=True, related_name="checkpoint")
    due_ns = models.BigIntegerField(null=True)  # judge again then, by our clock, even if nothing changed
    unchecked = models.JSONField(default=list)  # [{kind, reason}]

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_ns"], condition=models.Q(due_ns__isnull=False), name="judge_run_again")
        ]

    def __str__(self) -> str:
        return f"run {self.run_id}"


class WorldTime(models.Model):
    """The newest time that a world itself has given, and when we saw it (`run_facts.WorldClock`)."""

    world = models.OneToOneField(World, on_delete=models.CASCADE, primary_key=True, related_name="time")
    newest_ns = models.BigIntegerField()
    observed_ns = models.BigIntegerField()

    def __str__(self) -> str:
        return f"world {self.world_id} at {self.newest_ns}"


class Redetection(models.Model):
    """With which versions of the detectors all streams, or all runs, are judged (`dashboard.anomalies.redetect`)."""

    subject = models.CharField(max_length=10, primary_key=True)  # stream or run
    versions = models.JSONField(default=dict)  # by kind
    next_id = models.BigIntegerField(null=True)  # those with a higher id are still to come; null: none are

    def __str__(self) -> str:
        return self.subject
