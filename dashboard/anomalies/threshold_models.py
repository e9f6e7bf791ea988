"""Thresholds that are not the default: set by people, learned from runs; their history, and what follows from it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from runs.models import World


class ThresholdValue(models.Model):
    """A threshold as a person set it, for one workflow or (with an empty one) all of a world. Written by
    `threshold_changes` alone, as are the two below."""

    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="thresholds", db_index=False)
    workflow = models.TextField(blank=True, default="")
    name = models.CharField(max_length=40)  # of a field of `thresholds.Thresholds`
    value = models.FloatField()
    who = models.CharField(max_length=150)
    set_ns = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "workflow", "name"], name="one_value_per_threshold")
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


class LearnedThresholds(models.Model):
    """What the finished runs of a workflow taught (`threshold_medians.Learned`), and when."""

    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="learned", db_index=False)
    workflow = models.TextField(blank=True, default="")
    lessons = models.JSONField(default=dict)  # name: [value, median]
    runs = models.IntegerField(default=0)
    latest_run = models.BigIntegerField(default=0)  # the newest of them: without a newer one there is no news
    learned_ns = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "workflow"], name="learned_once_per_workflow")
        ]

    def __str__(self) -> str:
        return f"{self.workflow} from {self.runs} runs"


class ThresholdChange(models.Model):
    """The history of thresholds: what was set, reset or learned. The newest id of a world tells that something is
    other than it was read; null is the value from elsewhere (learned, of the world, the default)."""

    world = models.ForeignKey(
        World, on_delete=models.CASCADE, related_name="threshold_changes", db_index=False
    )
    workflow = models.TextField(blank=True, default="")
    name = models.CharField(max_length=40)
    before = models.FloatField(null=True)
    after = models.FloatField(null=True)
    who = models.CharField(max_length=150)
    note = models.CharField(max_length=200, blank=True, default="")
    at_ns = models.BigIntegerField()

    class Meta:
        indexes: ClassVar = [models.Index("world", models.F("id").desc(), name="threshold_history")]

    def __str__(self) -> str:
        return f"{self.name} by {self.who}"


class Reevaluation(models.Model):
    """Runs, or the streams of runs, that are judged anew since a threshold of theirs was changed: newest first."""

    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="reevaluations", db_index=False)
    workflow = models.TextField(blank=True, default="")  # "" for all
    subject = models.CharField(max_length=10)  # run or stream
    is_learned = models.BooleanField(default=False)  # then only what can be told otherwise: `reevaluate`
    next_created_ns = models.BigIntegerField(
        null=True
    )  # both: the run that was set back last; null: none yet
    next_id = models.BigIntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["world", "workflow", "subject"], name="one_reevaluation_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject}s of {self.workflow or 'all workflows'}"
