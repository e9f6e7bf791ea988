"""Streams, their chunks, and who wrote them. Only `streams.arrivals` writes these rows.

Times are nanoseconds since 1970 UTC, except `minted_ms`. The bits of `marks` are named in `streams.order`.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Coalesce

from runs.models import Run, World
from streams.order import PROBLEM_FROM

_NEWEST = (models.F("latest_ns").desc(), models.F("id").desc())


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
    write_revision = models.BigIntegerField(default=0)  # one more when writes of it became known or changed
    joined_head = models.BigIntegerField(default=0)  # chunks up to this arrival were matched with writes
    joined_revision = models.BigIntegerField(default=0)  # and writes up to this `write_revision`
    joined_look_ns = models.BigIntegerField(default=0)  # the world's `looked_ns` when losses were last told
    verdict = models.SmallIntegerField(default=30)  # `streams.verdicts.Level`; by default not judged yet
    judged = models.BigIntegerField(default=-1)  # `changes` that the verdict was given for
    looked = models.JSONField(default=dict, blank=True)  # `streams.repeats.Looked`
    latest_ns = models.GeneratedField(  # what lists are ordered by: NULLs lie elsewhere in each database
        expression=Coalesce("last_stored_ns", 0), output_field=models.BigIntegerField(), db_persist=True
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["world", "name"], name="one_stream_per_world")
        ]
        indexes: ClassVar = [
            models.Index("world", *_NEWEST, name="streams_newest_of_world"),
            models.Index("world", models.F("verdict").desc(), *_NEWEST, name="streams_worst_of_world"),
            models.Index(*_NEWEST, name="streams_newest_of_all"),
            models.Index(models.F("verdict").desc(), *_NEWEST, name="streams_worst_of_all"),
        ]

    def __str__(self) -> str:
        return self.name


class Writer(models.Model):
    """One in-memory writable of one step attempt of one process; `known` says how we know."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="writers", db_index=False)
    key = models.CharField(max_length=400)  # process, step, attempt, and the writable where it is known
    known = models.CharField(max_length=20)  # exact, proved, step only, inferred, unknown
    process = models.CharField(max_length=100, blank=True, default="")
    run_id = models.CharField(max_length=255, blank=True, default="")  # as its process says
    step_id = models.CharField(max_length=255, blank=True, default="")
    step_name = models.TextField(blank=True, default="")
    attempt = models.IntegerField(null=True)
    scope = models.CharField(max_length=400, blank=True, default="")  # writers of one scope share one order

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["stream", "key"], name="one_writer_per_key")]

    def __str__(self) -> str:
        return self.key


class Write(models.Model):
    """One chunk of one call of a writer to the world (or the close), known only from a probe or a proxy.

    A call that hands over several chunks is several rows with one `number`. Times are the process's own clock.
    """

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="writes", db_index=False)
    writer = models.ForeignKey(Writer, on_delete=models.CASCADE, related_name="writes", db_index=False)
    process = models.CharField(max_length=100)
    number = models.BigIntegerField()  # of the call within its process
    place = models.IntegerField()  # of the chunk within the call, from 0
    outcome = models.CharField(max_length=20)  # as `streams.ledger.Outcome`
    is_close = models.BooleanField(default=False)
    is_sent = models.BooleanField(default=True)  # False: written to the writable, never reached the world
    called_ns = models.BigIntegerField()
    took_ns = models.BigIntegerField(null=True)  # null: the call never came back
    size = models.BigIntegerField(null=True)
    digest = models.BinaryField(null=True)  # the first 8 bytes of SHA-256
    data = models.BinaryField(null=True)  # where the probe was asked to send payloads
    error = models.TextField(blank=True, default="")
    status = models.IntegerField(null=True)  # HTTP status of the rejection
    is_overlapping = models.BooleanField(default=False)  # another call of the same step attempt was in flight
    acquired = models.IntegerField(null=True)  # writables that the step had acquired so far, of all streams
    order = models.BigIntegerField(null=True)  # the writer's order as the process counts it
    sequence = models.BigIntegerField(null=True)  # the same from 0 within stream, process, step attempt
    arrival = models.BigIntegerField(null=True)  # of the chunk it became
    chunk_id = models.CharField(max_length=255, blank=True, default="")
    revision = models.BigIntegerField()  # the stream's `write_revision` in which this row last changed

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["stream", "process", "number", "place"], name="one_write_per_place"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["stream", "revision"], name="write_revisions"),
            models.Index(fields=["stream", "arrival", "digest"], name="write_arrivals"),
            models.Index(fields=["writer", "order"], name="write_orders"),
            models.Index(fields=["stream"], condition=models.Q(outcome="unmatched"), name="writes_unmatched"),
        ]

    def __str__(self) -> str:
        return f"{self.process} {self.number}.{self.place}"


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


class Note(models.Model):
    """Heard by our own listener: the world told its readers of a chunk, which may not be stored here yet."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="notes", db_index=False)
    listener = models.CharField(max_length=100)  # the session that heard it
    chunk_id = models.CharField(max_length=255)
    place = models.BigIntegerField()  # among all that the session heard
    told_ns = models.BigIntegerField()  # our clock

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stream", "listener", "chunk_id"], name="one_note_per_listener")
        ]

    def __str__(self) -> str:
        return f"{self.listener} {self.place}"
