"""What was found out about a PostgreSQL world, for the page of worlds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from dashboard.lib.ulid import ulid_ms
from runs.worlds._postgres_beside import SLOW_S, Beside
from runs.worlds._postgres_clock import Clock
from runs.worlds._postgres_eye import OVERLAP_MS, Eye
from runs.worlds._postgres_jobs import Jobs
from runs.worlds._postgres_link import Link
from runs.worlds._postgres_read import Reading
from runs.worlds._postgres_schema import Schema
from runs.worlds.base import Fact


def facts_of(link: Link, reading: Reading, eye: Eye, beside: Beside, jobs: Jobs | None) -> tuple[Fact, ...]:
    return (
        *_of_schema(reading.schema),
        Fact(
            "Server",
            f"PostgreSQL {_version(link.server_version)}" + (", through a pooler" if link.is_pooled else ""),
        ),
        _of_clock(reading.rows.clock),
        _of_listener(beside),
        *_of_pace(eye, beside),
        *(_of_jobs(jobs) if jobs is not None else ()),
    )


def _of_schema(schema: Schema) -> Iterator[Fact]:
    yield Fact("Schema", f"{schema.name}, of world-postgres {schema.version}")
    if schema.denied:
        yield Fact("Not readable", ", ".join(schema.denied), "Grant SELECT on these tables.", is_warning=True)
    if schema.absent:
        yield Fact("Not there", ", ".join(schema.absent), "Nothing can be shown of these.", is_warning=True)
    if schema.missing:
        hint = "Columns that every known version has: what they hold is shown as empty."
        yield Fact("Missing columns", ", ".join(sorted(schema.missing)), hint, is_warning=True)
    extra = [f"{table}.{column}" for table, columns in schema.extra.items() for column in columns]
    if extra:
        hint = "Those of runs are kept among the run's attributes, as column:name. Those of other tables are not read."
        yield Fact("Columns not known here", ", ".join(extra), hint)


def _of_clock(clock: Clock) -> Fact:
    if clock.is_utc:
        return Fact("Clock of created_at", "UTC")
    hint = (
        "The sessions that write are not in UTC, and the SDK's columns hold no zone: it reads its own created_at"
        " wrong. Here it is corrected by the times in the ids. ALTER DATABASE … SET timezone = 'UTC' mends it."
    )
    return Fact("Clock of created_at", clock.in_words(), hint, is_warning=True)


def _of_listener(beside: Beside) -> Fact:
    if beside.is_listening:
        heard = f"listening, {beside.told_total:,} heard"
        if beside.dropped:
            return Fact(
                "Notifications",
                f"{heard}, {beside.dropped:,} dropped before they were stored",
                is_warning=True,
            )
        return Fact("Notifications", heard)
    why = beside.why_not or "nobody listens yet"
    return Fact(
        "Notifications",
        f"none: {why}",
        "Chunks are found by looking for them.",
        is_warning=bool(beside.why_not),
    )


def _of_pace(eye: Eye, beside: Beside) -> Iterator[Fact]:
    if eye.older_than is not None:
        minted = ulid_ms(eye.older_than)
        read = "nothing yet"
        if minted is not None:
            read = f"back to {datetime.fromtimestamp(minted / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
        yield Fact("Older runs", f"being read, {read}", "Newest first, in the background.")
    if eye.overlap_ms > OVERLAP_MS:
        hint = "Rows appeared so late: a clock that is behind, or transactions that stay open."
        yield Fact("Looks overlap by", f"{eye.overlap_ms / 1000:.0f} s", hint, is_warning=True)
    if beside.back_off > 1:
        yield Fact(
            "Slow database",
            f"looked at {beside.back_off:g} times less often",
            f"A statement took longer than {SLOW_S:g} s.",
            is_warning=True,
        )


def _of_jobs(jobs: Jobs) -> Iterator[Fact]:
    if not jobs.is_known:
        hint = "With USAGE on graphile_worker and SELECT on graphile_worker.jobs it is shown what waits or fails there."
        yield Fact("Queue", "not readable" if jobs.is_there else "none here", hint if jobs.is_there else "")
        return
    words = f"{jobs.waiting:,} {'job' if jobs.waiting == 1 else 'jobs'}, {jobs.locked:,} being worked on"
    if jobs.failing or jobs.dead:
        words += f", {jobs.failing:,} failing, {jobs.dead:,} given up"
    yield Fact(
        "Queue",
        words,
        f"Last error ({jobs.last_failed}): {jobs.last_error}" if jobs.last_error else "",
        bool(jobs.failing or jobs.dead),
    )


def _version(number: int) -> str:
    return f"{number // 10000}.{number % 10000}" if number else "(version not known)"
