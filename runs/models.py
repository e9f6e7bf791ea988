"""Worlds, runs, steps, events, hooks and waits as they were seen. Only `runs.record` writes them.

`WorldKey` and `Decryption` are the exception: people cause them, and `runs.keys` writes them. What an app's
probe pushes is in `runs.report_models`.

Times are nanoseconds since 1970 UTC (`dashboard.lib.clock`). Payload columns hold the stored form of
`runs.worlds.base.stored_bytes`. A row that a world rewrites keeps the `source_ns` of the version recorded.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from runs.report_models import AppError, AppProcess, InboxItem, ProbeToken
from runs.worlds.base import WORLDS

__all__ = [
    "AppError",
    "AppProcess",
    "Decryption",
    "Event",
    "Hook",
    "InboxItem",
    "ProbeToken",
    "Run",
    "Step",
    "Unreadable",
    "Wait",
    "World",
    "WorldKey",
]


def world_kinds() -> list[tuple[str, str]]:
    return [(kind, world.label) for kind, world in WORLDS.found.items()]


class World(models.Model):
    slug = models.SlugField(max_length=80, unique=True)
    kind = models.CharField(max_length=40, choices=world_kinds)
    location = models.TextField()  # of a local world: its real path
    name = models.CharField(max_length=200)
    created_ns = models.BigIntegerField()
    # The cursor: one more with every batch, in the transaction that holds the batch's rows.
    generation = models.BigIntegerField(default=0)
    read_ns = models.BigIntegerField(null=True)  # when it was last read to its end
    looked_ns = models.BigIntegerField(
        null=True
    )  # when the last look at all of it that came to its end began
    trouble = models.TextField(blank=True, default="")  # why it cannot be read; empty while it can
    trouble_since_ns = models.BigIntegerField(null=True)
    claimed_until_ns = models.BigIntegerField(default=0)  # one pull in flight per world
    paused_ns = models.BigIntegerField(null=True)  # since when a person has it left alone
    archived_ns = models.BigIntegerField(null=True)  # since when it is only what was read before, for good
    removing_ns = models.BigIntegerField(null=True)  # since when its rows are being deleted
    sealed = models.BinaryField(null=True)  # its password or token (`runs.secrets`)
    facts = models.JSONField(default=list)  # what its adapter found out about it: `runs.worlds.base.Fact`

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "location"],
                condition=models.Q(archived_ns=None, removing_ns=None),
                name="one_world_per_location",
            ),
            models.CheckConstraint(
                condition=models.Q(archived_ns=None, removing_ns=None) | models.Q(paused_ns__isnull=False),
                name="what_ends_is_paused",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Run(models.Model):
    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="runs", db_index=False)
    run_id = models.CharField(max_length=255)
    status = models.CharField(max_length=40, blank=True, default="")  # "" until the run itself was seen
    workflow = models.TextField(blank=True, default="")
    deployment = models.TextField(blank=True, default="")
    sdk_version = models.CharField(max_length=100, blank=True, default="")
    language = models.CharField(max_length=20, blank=True, default="")
    spec_version = models.IntegerField(null=True)
    created_ns = models.BigIntegerField()  # from the run, else from its id, else when first seen
    started_ns = models.BigIntegerField(null=True)
    completed_ns = models.BigIntegerField(null=True)
    expired_ns = models.BigIntegerField(null=True)
    input = models.BinaryField(null=True)
    output = models.BinaryField(null=True)
    error = models.BinaryField(null=True)
    error_code = models.CharField(max_length=100, blank=True, default="")
    attributes = models.JSONField(default=dict)
    source_ns = models.BigIntegerField(null=True)
    list_source_ns = models.BigIntegerField(null=True)  # version of the run's stream list
    listed_streams = models.JSONField(null=True)  # names in that list; null where none was seen
    pruned_ns = models.BigIntegerField(null=True)
    changes = models.BigIntegerField(default=0)  # one more with every batch that says something of it
    judged = models.BigIntegerField(default=-1)  # the `changes` that the detectors have looked at

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "run_id"], name="one_run_per_world")
        ]
        indexes: ClassVar = [
            # Of very many runs few wait to be judged: finding them must not read the others.
            models.Index(
                fields=["world"], condition=~models.Q(judged=models.F("changes")), name="runs_to_judge"
            ),
            models.Index("world", models.F("created_ns").desc(), models.F("id").desc(), name="runs_newest"),
            models.Index(
                "world", "status", models.F("created_ns").desc(), models.F("id").desc(), name="runs_by_status"
            ),
            models.Index(
                "world",
                "workflow",
                models.F("created_ns").desc(),
                models.F("id").desc(),
                name="runs_by_workflow",
            ),
        ]

    def __str__(self) -> str:
        return self.run_id


class Step(models.Model):
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps", db_index=False)
    step_id = models.CharField(max_length=255)
    name = models.TextField(blank=True, default="")
    status = models.CharField(max_length=40, blank=True, default="")
    attempt = models.IntegerField(null=True)
    created_ns = models.BigIntegerField(null=True)
    started_ns = models.BigIntegerField(null=True)
    completed_ns = models.BigIntegerField(null=True)
    retry_after_ns = models.BigIntegerField(null=True)
    input = models.BinaryField(null=True)
    output = models.BinaryField(null=True)
    error = models.BinaryField(null=True)
    source_ns = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "step_id"], name="one_step_per_run")]

    def __str__(self) -> str:
        return self.step_id


class Event(models.Model):
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events", db_index=False)
    event_id = models.CharField(max_length=255)  # repeats between runs in 5.x
    type = models.CharField(max_length=60)
    correlation_id = models.CharField(max_length=255, blank=True, default="")
    created_ns = models.BigIntegerField(null=True)
    source_ns = models.BigIntegerField()
    data = models.BinaryField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "event_id"], name="one_event_per_run")
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class Hook(models.Model):
    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="hooks", db_index=False)
    hook_id = models.CharField(max_length=255)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="hooks")
    token = models.TextField(blank=True, default="")
    is_webhook = models.BooleanField(default=False)
    is_system = models.BooleanField(default=False)
    metadata = models.BinaryField(null=True)
    created_ns = models.BigIntegerField(null=True)
    source_ns = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "hook_id"], name="one_hook_per_world")
        ]

    def __str__(self) -> str:
        return self.hook_id


class Wait(models.Model):
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="waits", db_index=False)
    wait_id = models.CharField(max_length=255)
    status = models.CharField(max_length=40, blank=True, default="")
    created_ns = models.BigIntegerField(null=True)
    resume_ns = models.BigIntegerField(null=True)
    completed_ns = models.BigIntegerField(null=True)
    source_ns = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "wait_id"], name="one_wait_per_run")]

    def __str__(self) -> str:
        return self.wait_id


class Unreadable(models.Model):
    """Something in a world that could not be read, shown raw with the reason until it can."""

    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="unreadable", db_index=False)
    where = models.CharField(max_length=500)
    reason = models.TextField()
    head = models.BinaryField(default=b"")
    since_ns = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "where"], name="one_unreadable_per_place")
        ]

    def __str__(self) -> str:
        return self.where


class WorldKey(models.Model):
    """What opens a world's encrypted values, and whether people may: off until someone switches it on."""

    world = models.OneToOneField(World, on_delete=models.CASCADE, related_name="key")
    sealed = models.BinaryField(
        null=True
    )  # the deployment key (`dashboard.lib.sealing`); null: ask the adapter
    fingerprint = models.CharField(max_length=8, blank=True, default="")  # of the key, SHA-256
    project_id = models.CharField(max_length=100, blank=True, default="")
    created_ns = models.BigIntegerField()
    is_on = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.world_id} {self.fingerprint}"


class Decryption(models.Model):
    """Who was shown which decrypted value, when."""

    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="decryptions", db_index=False)
    run_id = models.CharField(max_length=255)
    what = models.CharField(max_length=300)  # `run.input`, `chunk 12 of strm_…`
    who = models.CharField(max_length=150)  # the user's name, or `local` where nobody signs in
    at_ns = models.BigIntegerField()
    address = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        indexes: ClassVar = [
            models.Index("world", models.F("at_ns").desc(), models.F("id").desc(), name="decryptions_newest")
        ]

    def __str__(self) -> str:
        return f"{self.who} {self.what}"
