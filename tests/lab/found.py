"""What Tailrace found, read from its database from outside, once it has nothing left to do."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

QUIET_FOR = 3.0  # as long must nothing have changed
# A judgement that is due later than this is a grace period of something else (a stream never closed).
SOON_NS = 10 * 10**9
STEP = 0.25


@dataclass(frozen=True)
class Finding:
    kind: str
    severity: str
    certainty: str
    step_id: str
    message: str
    evidence: dict[str, Any]
    chunk_total: int

    @property
    def steps(self) -> set[str]:
        """Every step that it names, be it first among its evidence or not."""
        listed = self.evidence.get("steps", [])
        named = (
            {one["step_id"] for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()
        )
        return {step for step in {self.step_id, *named} if step}


@contextmanager
def database(data: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"file:{data / 'tailrace.sqlite3'}?mode=ro", uri=True, timeout=20)) as found:
        found.row_factory = sqlite3.Row
        yield found


def findings(data: Path) -> dict[str, list[Finding]]:
    """By the stream's name."""
    by_stream: defaultdict[str, list[Finding]] = defaultdict(list)
    with database(data) as connection:
        rows = connection.execute(
            "SELECT s.name, f.* FROM anomalies_finding f JOIN streams_stream s ON s.id = f.stream_id ORDER BY f.kind"
        ).fetchall()
    for row in rows:
        by_stream[row["name"]].append(
            Finding(
                row["kind"], row["severity"], row["certainty"], row["step_id"], row["message"],
                json.loads(row["evidence"]), row["chunk_total"],
            )
        )  # fmt: skip
    return by_stream


def processes(data: Path) -> list[dict[str, Any]]:
    with database(data) as connection:
        return [
            dict(row) for row in connection.execute("SELECT * FROM runs_appprocess ORDER BY first_seen_ns")
        ]


def wait_until_judged(data: Path, within: float = 90) -> None:
    """Until all reports are applied, all streams judged, and nothing changed for a while."""
    until = time.monotonic() + within
    state, since = "", time.monotonic()
    while time.monotonic() < until:
        with database(data) as connection:
            open_work, now = _state(connection)
        if now != state or open_work:
            state, since = now, time.monotonic()
        elif time.monotonic() - since > QUIET_FOR:
            return
        time.sleep(STEP)
    raise TimeoutError(f"Tailrace was not done after {within:.0f} s: {state}")


def _state(connection: sqlite3.Connection) -> tuple[int, str]:
    """How much is still to be done, and all that changes when something is."""
    soon = time.time_ns() + SOON_NS
    counts = {
        "not applied": "SELECT count(*) FROM runs_inboxitem WHERE applied_ns IS NULL",
        "not judged": "SELECT count(*) FROM streams_stream s LEFT JOIN anomalies_checkpoint c ON c.stream_id = s.id"
        " WHERE c.changes IS NULL OR c.changes < s.changes",
        "due": f"SELECT count(*) FROM anomalies_checkpoint WHERE due_ns < {soon}",
    }
    left = {name: connection.execute(query).fetchone()[0] for name, query in counts.items()}
    seen = {
        name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
        for name in ("streams_chunk", "streams_write", "anomalies_finding", "runs_inboxitem")
    }
    return sum(left.values()), json.dumps({**left, **seen})
