"""What an app's probe pushes, and who may push: batches that wait, processes, errors, tokens.

Read by `runs.reports`, noted by `runs.processes`; `runs.tokens` makes the tokens. To be had from `runs.models`.
Times are nanoseconds since 1970 UTC, by our own clock unless said otherwise.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class InboxItem(models.Model):
    """What an app pushed, stored before it is answered and applied later; idempotent by (process, number)."""

    world = models.ForeignKey("runs.World", on_delete=models.CASCADE, related_name="inbox", db_index=False)
    process = models.CharField(max_length=100)
    number = models.BigIntegerField()
    received_ns = models.BigIntegerField()
    body = models.BinaryField()  # as it came; emptied when it has been applied
    applied_ns = models.BigIntegerField(null=True)
    problem = models.TextField(blank=True, default="")  # why it, or some of it, could not be applied

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "process", "number"], name="one_inbox_item_per_number")
        ]
        indexes: ClassVar = [
            models.Index(fields=["world", "id"], condition=models.Q(applied_ns=None), name="inbox_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.process} {self.number}"


class AppProcess(models.Model):
    """A process of an app whose probe reports. Its clock is not ours: see `clock_offset_ns`."""

    world = models.ForeignKey(
        "runs.World", on_delete=models.CASCADE, related_name="processes", db_index=False
    )
    process = models.CharField(max_length=100)
    about = models.JSONField(default=dict)  # the `app` of its latest batch: runtime, sdk, pid, host, …
    sdk_version = models.CharField(max_length=100, blank=True, default="")
    language = models.CharField(max_length=20, blank=True, default="")
    is_exact = models.BooleanField(null=True)  # follows every chunk from the writer; null: not said
    first_seen_ns = models.BigIntegerField()
    last_seen_ns = models.BigIntegerField()
    has_ended = models.BooleanField(default=False)  # it said that this was its last batch
    last_number = models.BigIntegerField(default=0)  # the highest batch number received
    batches = models.BigIntegerField(default=0)  # received; fewer than `last_number`: some are missing
    records = models.BigIntegerField(default=0)
    dropped_batches = models.BigIntegerField(default=0)  # by its own count
    dropped_records = models.BigIntegerField(default=0)
    gaps = models.JSONField(default=list)  # [{"from": ns, "to": ns, "records": n}] by its own clock
    clock_offset_ns = models.BigIntegerField(null=True)  # ours minus its own
    clock_error_ns = models.BigIntegerField(null=True)  # the offset is right to within this

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "process"], name="one_process_per_world")
        ]

    def __str__(self) -> str:
        return self.process


class AppError(models.Model):
    """A failure of a stream that surfaced in the app: an unhandled rejection, a warning, a line of the SDK's log."""

    world = models.ForeignKey(
        "runs.World", on_delete=models.CASCADE, related_name="app_errors", db_index=False
    )
    run = models.ForeignKey("runs.Run", null=True, on_delete=models.CASCADE, related_name="app_errors")
    process = models.CharField(max_length=100)
    number = models.BigIntegerField()  # of the batch that told it
    place = models.IntegerField()  # among that batch's records
    kind = models.CharField(max_length=40)  # unhandled_rejection, warning, log
    at_ns = models.BigIntegerField()  # by the process's clock
    name = models.CharField(max_length=100, blank=True, default="")
    message = models.TextField(blank=True, default="")
    step_id = models.CharField(max_length=255, blank=True, default="")
    write_number = models.BigIntegerField(null=True)  # the call that threw this very error

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["world", "process", "number", "place"], name="one_app_error_per_record"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"

    @property
    def how(self) -> str:
        """How it surfaced, in words."""
        words = {"unhandled_rejection": "unhandled rejection", "log": "line of the SDK's log"}
        return words.get(self.kind, self.kind)


class ProbeToken(models.Model):
    """Lets an app's probe write to one world, and nothing else. Only the token's hash is kept."""

    world = models.ForeignKey(
        "runs.World", on_delete=models.CASCADE, related_name="probe_tokens", db_index=False
    )
    name = models.CharField(max_length=100)
    hash = models.CharField(max_length=64, unique=True)  # SHA-256, hexadecimal
    hint = models.CharField(max_length=20)  # the first characters, to tell tokens apart
    created_ns = models.BigIntegerField()
    created_by = models.CharField(max_length=150, blank=True, default="")
    last_used_ns = models.BigIntegerField(null=True)
    revoked_ns = models.BigIntegerField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["world", "id"], name="probe_tokens_of_world")]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"
