"""Deleting all that was read of a world, in small transactions, so that others read and write meanwhile.

A world that is being removed is marked (`World.removing_ns`): whoever is killed leaves the rest to the next one.
The large tables go in pieces of bounded size; what is left of a stream, a run and in the end of the world goes with
its row. The world's own storage is never touched.
"""

from __future__ import annotations

import threading
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from dashboard.anomalies import detect
from dashboard.lib import doorbell
from dashboard.lib.clock import now_ns
from dashboard.lib.database import write_transaction
from runs.managed import KNOWN
from runs.models import Event, InboxItem, Run, Step, World
from streams.models import Chunk, Stream, Write, Writer

ROWS = 2_000  # of one transaction: some 20 ms
SUBJECTS = 50  # streams or runs of one transaction, when nothing large hangs on them
BREATH = 0.01  # seconds between two, for those who wait


def remove_waiting(stop: threading.Event) -> None:
    """Remove what waits to be removed until nothing does, or `stop` is set."""
    while not stop.is_set():
        now = now_ns()
        free = World.objects.exclude(KNOWN).filter(claimed_until_ns__lt=now)  # a pull may still be under way
        world = free.order_by("pk").first()
        if world is None:
            return
        _Removal(world.pk, stop).run()


class _Removal:
    def __init__(self, world_id: int, stop: threading.Event) -> None:
        self.world_id, self.stop = world_id, stop

    def run(self) -> None:
        while ids := self._some(Stream.objects.all()):
            self._streams(ids)
            if self.stop.is_set():
                return
        while ids := self._some(Run.objects.all()):
            self._runs(ids)
            if self.stop.is_set():
                return
        self._drain(InboxItem.objects.filter(world=self.world_id))
        if not self.stop.is_set():
            with write_transaction():
                World.objects.exclude(KNOWN).filter(pk=self.world_id).delete()
            detect.forget()
            doorbell.ring(doorbell.world_group(self.world_id), {"type": "world.changed"})

    def _some(self, rows: QuerySet[Any]) -> list[int]:
        return list(rows.filter(world=self.world_id).order_by("pk").values_list("pk", flat=True)[:SUBJECTS])

    def _streams(self, ids: list[int]) -> None:
        for stream_id in ids:
            self._chunks(stream_id)
            self._drain(Write.objects.filter(stream=stream_id))
            self._drain(Writer.objects.filter(stream=stream_id))
        self._delete(Stream.objects.filter(pk__in=ids))

    def _runs(self, ids: list[int]) -> None:
        for run_id in ids:
            self._drain(Event.objects.filter(run=run_id))
            self._drain(Step.objects.filter(run=run_id))
        self._delete(Run.objects.filter(pk__in=ids))

    def _chunks(self, stream_id: int) -> None:
        """By arrival, the second half of its key, which has no gaps."""
        chunks = Chunk.objects.filter(stream=stream_id)
        while not self.stop.is_set():
            first = chunks.order_by("arrival").values_list("arrival", flat=True).first()
            if first is None:
                return
            with write_transaction(), connection.cursor() as cursor:
                cursor.execute(
                    "DELETE FROM streams_chunk WHERE stream_id = %s AND arrival < %s",
                    (stream_id, first + ROWS),
                )
            self.stop.wait(BREATH)

    def _drain(self, rows: QuerySet[Any]) -> None:
        while not self.stop.is_set():
            ids = list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS])
            if not ids:
                return
            self._delete(rows.filter(pk__in=ids))

    def _delete(self, rows: QuerySet[Any]) -> None:
        """With all that hangs on them, whichever part of the product stored it."""
        if self.stop.is_set():
            return
        with write_transaction():
            rows.delete()
        self.stop.wait(BREATH)
