"""The queue of a PostgreSQL world (graphile-worker), read where we may: why something does not go on."""

from __future__ import annotations

from dataclasses import dataclass

from runs.worlds._local_look import usable_id
from runs.worlds._postgres_link import Link, Row
from runs.worlds.base import WorldError

MAY_READ = """
SELECT c.oid IS NOT NULL AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_namespace n LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'jobs'
WHERE n.nspname = 'graphile_worker'
"""
# The queue holds what is not done yet: a finished job is deleted. Bounded all the same. The key of a step's job is
# the step's id; that of a workflow's is a message's, and what it is for stands in the payload, which the view lacks.
JOBS = """
SELECT task_identifier::text, attempts::integer, max_attempts::integer, left(last_error::text, 500), run_at,
       locked_at, key::text
FROM graphile_worker.jobs ORDER BY id LIMIT 1000
"""


@dataclass(frozen=True, slots=True)
class Jobs:
    """What waits in the queue. `is_known` is False where there is none that we may read."""

    is_known: bool = False
    is_there: bool = False
    waiting: int = 0
    failing: int = 0  # failed at least once and will be tried again
    dead: int = 0  # tried as often as they may be
    last_error: str = ""
    last_failed: str = ""  # whose error that is: "step step_..., attempt 2 of 3"
    locked: int = 0


def read_jobs(link: Link) -> Jobs:
    """Never raises: the queue is not needed to read the world."""
    try:
        may = link.rows(MAY_READ)
        if not may or not may[0][0]:
            return Jobs(is_there=bool(may))
        rows = link.rows(JOBS)
    except WorldError:
        return Jobs()
    failing = [row for row in rows if row[1] > 0 and row[3]]
    dead = [row for row in failing if row[1] >= row[2]]
    worst = next(iter([*dead, *failing]), None)
    error, whose = ("", "") if worst is None else (str(worst[3]), _whose(worst))
    locked = sum(row[5] is not None for row in rows)
    return Jobs(True, True, len(rows), len(failing) - len(dead), len(dead), error, whose, locked)


def _whose(row: Row) -> str:
    key = str(row[6] or "")
    job = f"step {key}" if key.startswith("step_") and usable_id(key) else f"a job of {row[0]}"
    return f"{job}, attempt {row[1]} of {row[2]}"
