"""Findings (one detector's result, recomputable) and anomalies (groups of findings with a life)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from dashboard.anomalies.detectors.base import DETECTORS
from runs.models import Run, World
from streams.models import Stream


def kinds() -> list[tuple[str, str]]:
    return [(kind, kind) for kind in DETECTORS.found]


class Anomaly(models.Model):
    """Findings with one fingerprint: world, kind, workflow, step name (or none), namespace."""

    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="anomalies")
    kind = models.CharField(max_length=60, choices=kinds)
    workflow = models.TextField(blank=True, default="")
    step_name = models.TextField(blank=True, default="")
    namespace = models.TextField(blank=True, default="")
    fingerprint = models.CharField(max_length=64)
    first_seen_ns = models.BigIntegerField()
    last_seen_ns = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "anomalies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "fingerprint"], name="one_anomaly_per_fingerprint")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.workflow}"


class Finding(models.Model):
    anomaly = models.ForeignKey(Anomaly, on_delete=models.CASCADE, related_name="findings")
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
            models.UniqueConstraint(fields=["stream", "kind"], name="one_finding_per_stream_and_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


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
