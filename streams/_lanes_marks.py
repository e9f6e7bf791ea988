"""Rows of chunks and writes as marks, on the clocks they are drawn by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dashboard.lib.clock import NS_PER_MS
from runs.models import AppProcess
from streams._lanes_clocks import ProcessClock
from streams.lanes import LaneWriter, Mark
from streams.ledger import STORED

SINCE_MS, UNTIL_MS = 1_577_836_800_000, 4_102_444_800_000  # 2020 to 2100: else an id's time is made up


class ChunkRow(NamedTuple):
    arrival: int
    position: int | None
    is_close: bool
    marks: int
    minted_ms: int | None
    stored_ns: int
    size: int
    writer_id: int | None

    @property
    def has_time(self) -> bool:
        return self.minted_ms is not None and SINCE_MS <= self.minted_ms < UNTIL_MS


class WriteRow(NamedTuple):
    arrival: int | None
    writer_id: int
    process: str
    number: int
    called_ns: int
    took_ns: int | None
    outcome: str
    is_close: bool
    size: int | None
    status: int | None


class Clocks:
    """Times of processes, each set right by what is known of its clock."""

    def __init__(self, world_id: int, writers: Mapping[int, LaneWriter]) -> None:
        self._process = {pk: writer.by.process for pk, writer in writers.items()}
        wanted = set(self._process.values())
        rows = AppProcess.objects.filter(world=world_id, process__in=wanted)  # asks nothing if there is none
        self.by_process = {
            row.process: ProcessClock(row.clock_offset_ns, row.clock_error_ns)
            for row in rows.only("process", "clock_offset_ns", "clock_error_ns")
        }

    def shift(self, writer: int | None) -> int:
        clock = self.by_process.get(self._process.get(writer or 0, ""))
        return clock.shift_ns if clock is not None else 0

    def at(self, row: ChunkRow, writer: int | None) -> int:
        if not row.has_time:
            return row.stored_ns
        return (row.minted_ms or 0) * NS_PER_MS + self.shift(writer)


def mark_of(row: ChunkRow, write: WriteRow | None, clocks: Clocks) -> Mark:
    writer = write.writer_id if write is not None else row.writer_id or 0
    at_ns = clocks.at(row, writer)
    if write is None:
        return Mark(
            writer, None, None, at_ns, row.arrival, row.position, row.is_close, row.marks, STORED, row.size
        )
    called, back, call = _called(write, clocks)
    return Mark(
        writer,
        called,
        back,
        at_ns,
        row.arrival,
        row.position,
        row.is_close,
        row.marks,
        write.outcome,
        row.size,
        call,
    )


def unstored_mark(write: WriteRow, clocks: Clocks) -> Mark:
    called, back, call = _called(write, clocks)
    return Mark(
        write.writer_id, called, back, None, None, None, write.is_close, 0, write.outcome, write.size, call,
        write.status,
    )  # fmt: skip


def _called(write: WriteRow, clocks: Clocks) -> tuple[int, int | None, tuple[str, int]]:
    called = write.called_ns + clocks.shift(write.writer_id)
    back = None if write.took_ns is None else called + write.took_ns
    return called, back, (write.process, write.number)
