"""Who wrote to a stream, and what they wrote that is not stored: known only where a probe reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from streams import write_queries
from streams.models import Stream, Write
from streams.write_queries import WriterRow


@dataclass(frozen=True, slots=True)
class Writers:
    rows: list[WriterRow]
    not_stored: list[Write]
    not_stored_total: int
    dropped: int  # reports that the processes could not deliver

    @property
    def steps(self) -> list[tuple[str, str]]:
        """Ids and names, each step once, as far as they are known."""
        return list({row.step_id: row.step_name for row in self.rows if row.step_id}.items())

    @property
    def is_open(self) -> bool:
        """Whether there is something in it that must be seen at once."""
        return bool(self.not_stored) or any(row.overlapping or row.writables > 1 for row in self.rows)


def writers_context(stream: Stream) -> dict[str, Any]:
    if not stream.write_revision:
        return {"writers": None}
    rows = write_queries.writers_of(stream.pk)
    lossy = write_queries.lossy_processes(stream.world_id, {row.process for row in rows})
    not_stored = write_queries.not_stored(stream.pk)
    full = len(not_stored) == write_queries.SHOWN
    total = write_queries.not_stored_count(stream.pk) if full else len(not_stored)
    return {"writers": Writers(rows, not_stored, total, sum(row.dropped_records for row in lossy))}
