"""Streams, their chunks, and who wrote them. Only `streams.arrivals` writes these rows.

Times are nanoseconds since 1970 UTC, except `minted_ms`. The bits of `marks` are named in `streams.order`.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from runs.models import Run, World
from streams.order import PROBLEM_FROM


class Stream(models.Model):
    world = models.ForeignKey(World, on_delete=models.CASCADE, related_name="streams", db_index=False)
    name = models.CharField(max_length=255)
    run = models.ForeignKey(Run, null=True, on_delete=models.CASCADE, related_name="streams")
    listed = models.BooleanField(null=True)  # in its run's stream list; null where there is no such list
    framing = models.CharField(max_length=40, blank=True, default="")
    is_system = models.BooleanField(default=False)  # the SDK's own, e.g. abort signals
    expired = models.BooleanField(default=False)  # purged by retention
    head = models.BigIntegerField(default=0)  # the last arrival
    chunk_count = models.BigIntegerField(default=0)  # data chunks
    close_count = models.IntegerField(default=0)
    behind_count = models.BigIntegerField(default=0)
    moved_count = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    last_chunk_id = models.CharField(max_length=255, blank=True, default="")  # the highest so far
    first_close_id = models.CharField(max_length=255, blank=True, default="")
    first_stored_ns = models.BigIntegerField(null=True)
    last_stored_ns = models.BigIntegerField(null=True)
    seen_ns = models.BigIntegerField()
    changes = models.BigIntegerField(default=0)  # one more with every change of what there is to judge
    revision = models.BigIntegerField(default=0)  # one more when rows already numbered changed
    renumbered = models.BigIntegerField(default=0)  # one more when positions given before changed
    pruned_ns = models.BigIntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "name"], name="one_stream_per_world")
        ]
        indexes: ClassVar = [
            models.Index(
                "world", models.F("last_stored_ns").desc(), models.F("id").desc(), name="streams_newest"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Writer(models.Model):
    """One in-memory writable of one step attempt of one process; `known` says how we know."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="writers", db_index=False)
    key = models.CharField(max_length=120)
    known = models.CharField(max_length=20)  # exact, proved, step only, inferred, unknown
    process = models.CharField(max_length=100, blank=True, default="")
    step_id = models.CharField(max_length=255, blank=True, default="")
    step_name = models.TextField(blank=True, default="")
    attempt = models.IntegerField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["stream", "key"], name="one_writer_per_key")]

    def __str__(self) -> str:
        return self.key


class Write(models.Model):
    """One call of a writer to the world, known only from a probe or a proxy."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="writes", db_index=False)
    writer = models.ForeignKey(Writer, null=True, on_delete=models.CASCADE, related_name="writes")
    process = models.CharField(max_length=100)
    number = models.BigIntegerField()  # of the call within its process
    outcome = models.CharField(max_length=20)  # stored, rejected, lost, unmatched
    is_close = models.BooleanField(default=False)
    called_ns = models.BigIntegerField()
    ended_ns = models.BigIntegerField(null=True)
    size = models.BigIntegerField(null=True)
    digest = models.BinaryField(null=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "process", "number"], name="one_write_per_number")
        ]

    def __str__(self) -> str:
        return f"{self.process} {self.number}"


class Chunk(models.Model):
    pk = models.CompositePrimaryKey("stream_id", "arrival")
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="chunks", db_index=False)
    arrival = models.BigIntegerField()
    chunk_id = models.CharField(max_length=255)
    position = models.BigIntegerField(null=True)
    sequence = models.BigIntegerField(null=True)
    writer = models.ForeignKey(
        Writer, null=True, on_delete=models.SET_NULL, related_name="chunks", db_index=False
    )
    is_close = models.BooleanField()
    marks = models.SmallIntegerField()
    revision = models.BigIntegerField()  # the stream's revision in which this row last changed; 0: never
    size = models.BigIntegerField()
    data = models.BinaryField()  # the payload; only its head where it is shorter than `size`
    digest = models.BinaryField()
    minted_ms = models.BigIntegerField(null=True)
    stored_ns = models.BigIntegerField()
    observed_ns = models.BigIntegerField()
    problem = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "chunk_id"], name="one_chunk_per_id")
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["stream", "arrival"],
                condition=models.Q(marks__gte=PROBLEM_FROM),
                name="chunk_problems",
            ),
            models.Index(
                fields=["stream", "revision"], condition=models.Q(revision__gt=0), name="chunk_revisions"
            ),
        ]

    def __str__(self) -> str:
        return self.chunk_id
