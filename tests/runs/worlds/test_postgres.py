"""The PostgreSQL adapter: versions, values, clocks, rows that cannot be read, places and rights."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest

from dashboard.lib.clock import NS_PER_S
from runs.observations import (
    ChunkSeen,
    ChunkTold,
    EventSeen,
    HookSeen,
    RunSeen,
    StepSeen,
    StreamSeen,
    Unreadable,
    WaitSeen,
)
from runs.worlds._places import stream_place
from runs.worlds._postgres_link import Link
from runs.worlds._postgres_schema import read_schema
from runs.worlds.base import Check, Seen, WorldError
from runs.worlds.postgres import PostgresWorld, grants_sql
from tests.postgres_worlds import (
    EMPTY,
    VERSIONS,
    Writer,
    empty_world,
    restore,
    restored,
    rows_of,
    stream_of,
    ulid,
)
from tests.runs.worlds.conformance import all_of
from tests.runs.worlds.read_postgres import of, read

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres_database: str) -> str:
    empty_world(postgres_database)
    return postgres_database


@pytest.fixture
def writer(url: str) -> Iterator[Writer]:
    with Writer(url) as one:
        yield one


@pytest.mark.parametrize("name", VERSIONS)
def test_it_reads_every_row_of_a_real_world(postgres_url, name):
    with restored(postgres_url, name) as url:
        found = read(url)
        tables = {RunSeen: "runs", StepSeen: "steps", EventSeen: "events", ChunkSeen: "stream_chunks"}
        for kind, table in tables.items():
            assert (
                len(of(kind, found)) == rows_of(url, f"SELECT count(*) FROM workflow.workflow_{table}")[0][0]
            )
        assert of(Unreadable, found) == {}
        runs = of(RunSeen, found)
        assert {run.language for run in runs.values()} == {"js"}
        sdk = {"postgres-4.3.7": "4.3.7", "postgres-4.3.7-realapp": "4.8.9"}.get(name, "5.0.0-beta.29")
        assert {run.sdk_version for run in runs.values() if run.sdk_version} == {sdk}
        assert all(run.input[:4] == b"devl" for run in runs.values() if run.input)
        assert {one.run_id for one in of(StreamSeen, found).values()} <= runs.keys()


def test_an_empty_world_of_the_oldest_version_is_known_by_its_columns(postgres_database):
    restore(postgres_database, EMPTY)
    assert read(postgres_database) == []
    assert read_schema(Link(postgres_database, ""), "workflow").version == "4.1"


@pytest.mark.parametrize(
    ("name", "version"), [("postgres-4.3.7", "4.3"), ("postgres-5.0.0-beta.29", "5.0 beta")]
)
def test_a_version_is_known_by_its_columns(postgres_database, name, version):
    restore(postgres_database, name)
    schema = read_schema(Link(postgres_database, ""), "workflow")
    assert (schema.version, schema.missing, schema.extra, schema.denied) == (version, (), {}, ())


def test_hooks_and_waits_that_the_world_has_deleted_are_kept_from_events(url, writer):
    run = writer.run()
    writer.event(run, "hook_created", "hook_1", {"token": "tok", "isWebhook": True, "metadata": b"devl[1]"})
    writer.event(run, "wait_created", "wait_1", {"resumeAt": "2026-11-21T22:31:44.035Z"})
    writer.event(run, "wait_created", "wait_2", {"resumeAt": "2026-11-21T22:31:44.035Z"})
    writer.event(run, "wait_completed", "wait_1")
    writer.end(run)
    found = read(url)
    hook = of(HookSeen, found)["hook_1"]
    assert (hook.token, hook.is_webhook, hook.metadata, hook.run_id) == ("tok", True, b"devl[1]", run)
    waits = of(WaitSeen, found)
    assert (waits["wait_1"].status, waits["wait_2"].status) == ("completed", "waiting")
    assert waits["wait_1"].completed_ns and waits["wait_2"].resume_ns


def test_a_wait_whose_row_is_there_is_read_from_it(url, writer):
    run = writer.run()
    writer.event(run, "wait_created", "wait_1", {})
    insert = "INSERT INTO workflow.workflow_waits (run_id, wait_id, status) VALUES (%s, %s, 'completed')"
    writer.connection.execute(insert.encode(), (run, f"{run}-wait_1"))
    assert {one.wait_id: one.status for one in of(WaitSeen, read(url)).values()} == {"wait_1": "completed"}


def test_a_row_that_changed_replaces_what_was_read_even_if_its_clock_is_behind(url, writer):
    run, seen = writer.run(), Seen()
    world = PostgresWorld(url)
    first = of(RunSeen, all_of(world, seen))[run]
    past = "status = 'failed', updated_at = '2001-01-01', started_at = NULL"
    writer.connection.execute(f"UPDATE workflow.workflow_runs SET {past} WHERE id = %s".encode(), (run,))
    writer.event(run, "run_failed")
    later = of(RunSeen, all_of(world, seen))[run]
    assert later.status == "failed" and later.source_ns >= first.source_ns
    assert all_of(world, seen) == [], "and once is enough"
    world.close()


def test_created_at_of_another_time_zone_is_corrected_and_told(postgres_database):
    empty_world(postgres_database)
    name = postgres_database.rpartition("/")[2]
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE \"{name}\" SET timezone = 'America/New_York'".encode())
    with Writer(postgres_database) as writer:
        run = writer.run()
        writer.chunk(stream_of(run))
        writer.end(run)
    world = PostgresWorld(postgres_database)
    found = all_of(world, Seen())
    seen, chunk = of(RunSeen, found)[run], next(iter(of(ChunkSeen, found).values()))
    assert abs(seen.created_ns - seen.started_ns) < 60 * NS_PER_S
    assert abs(chunk.stored_ns - chunk.minted_ms * 1_000_000) < 60 * NS_PER_S
    fact = next(one for one in world.facts() if one.label == "Clock of created_at")
    assert fact.is_warning and fact.value in ("UTC-5", "UTC-4")
    check = next(one for one in world.check() if one.name == "time zone")
    assert check.ok is None and "UTC" in check.fix
    world.close()


def test_a_database_in_utc_is_not_corrected(url, writer):
    writer.run()
    world = PostgresWorld(url)
    all_of(world, Seen())
    assert not next(one for one in world.facts() if one.label == "Clock of created_at").is_warning
    world.close()


def test_columns_that_no_version_has_are_kept_and_missing_ones_are_named(url, writer):
    alter = "ALTER TABLE workflow.workflow_runs ADD COLUMN priority integer DEFAULT 7, DROP COLUMN expired_at"
    writer.connection.execute(alter.encode())
    writer.connection.execute(b"ALTER TABLE workflow.workflow_steps DROP COLUMN attempt")
    run = writer.run()
    world = PostgresWorld(url)
    assert of(RunSeen, all_of(world, Seen()))[run].attributes == {"column:priority": "7"}
    facts = {one.label: one for one in world.facts()}
    assert facts["Missing columns"].value == "workflow_runs.expired_at, workflow_steps.attempt"
    assert facts["Missing columns"].is_warning
    assert facts["Columns not known here"].value == "workflow_runs.priority"
    world.close()


def test_a_world_without_some_of_its_tables_is_read_as_far_as_it_goes(url, writer):
    run = writer.run()
    writer.connection.execute(b"DROP TABLE workflow.workflow_events, workflow.workflow_hooks")
    world = PostgresWorld(url)
    assert run in of(RunSeen, all_of(world, Seen()))
    assert {one.label for one in world.facts()} >= {"Not there"}
    world.close()


def test_enums_that_stayed_in_public_are_read_like_those_that_moved(url, writer):
    writer.connection.execute(b"ALTER TYPE workflow.status SET SCHEMA public")
    run = writer.run()
    assert of(RunSeen, read(url))[run].status == "running"


def test_another_schema_is_read_where_the_url_names_it(url, writer):
    writer.run()
    writer.connection.execute(b'ALTER SCHEMA workflow RENAME TO "Odd ""%s"')
    place = PostgresWorld.parse(url + "?schema=Odd%20%22%25s")
    assert place is not None and len(of(RunSeen, read(place.location))) == 1
    with pytest.raises(WorldError, match="no tables of the Workflow SDK"):
        read(url)


def test_a_reader_with_the_printed_grants_reads_all_and_each_missing_one_is_named(url, writer):
    run = writer.run()
    writer.chunk(stream_of(run))
    role = f"reader_{ulid().lower()}"
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN".encode())
        name = url.rpartition("/")[2]
        owner.execute(f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC'.encode())
        reader = url.replace("postgres@", f"{role}@")
        wanted = [line for line in grants_sql(reader).splitlines() if line.startswith(("GRANT", "ALTER"))]
        for statement in [line for line in wanted if "graphile" not in line]:
            fixes = [one.fix for one in _failed(reader)]
            if statement.startswith("GRANT SELECT"):
                assert len(fixes) == 6 and all(fix.startswith("GRANT SELECT ON workflow.") for fix in fixes)
            elif statement.startswith("GRANT"):
                assert statement in fixes
            owner.execute(statement.encode())
        assert _failed(reader) == []
        world = PostgresWorld(reader)
        assert len(of(ChunkSeen, all_of(world, Seen()))) == 1
        world.close()
        owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def _failed(url: str) -> list[Check]:
    return [one for one in PostgresWorld(url).check() if one.ok is False]


def test_a_table_that_may_not_be_read_is_named_and_the_rest_is_read(url, writer):
    run = writer.run()
    role = f"reader_{ulid().lower()}"
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA workflow TO {role};"
                      f" GRANT SELECT ON workflow.workflow_runs TO {role}".encode())  # fmt: skip
        world = PostgresWorld(url.replace("postgres@", f"{role}@"))
        assert run in of(RunSeen, all_of(world, Seen()))
        assert "workflow_events" in next(one.value for one in world.facts() if one.label == "Not readable")
        world.close()
        owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_our_session_can_write_nothing_and_is_bounded(url):
    link = Link(url, "")
    with pytest.raises(WorldError, match="read-only"):
        link.rows("CREATE TABLE workflow.x (a integer)")
    with pytest.raises(WorldError, match="too slow"):
        link.rows("SELECT pg_sleep(30)")
    named = link.rows("SELECT current_setting('application_name'), current_setting('lock_timeout')")
    assert named == [("tailrace", "1s")]
    link.close()


def test_through_a_pooler_each_transaction_is_read_only_by_itself(url, writer, monkeypatch):
    """A pooler refuses settings at the start of a connection, and must not be left with any."""
    connect = Link._connect

    def pooled(self: Link, target: object, options: str | None) -> psycopg.Connection:
        if options is not None:
            raise psycopg.OperationalError("FATAL: unsupported startup parameter: options")
        return connect(self, target, None)

    monkeypatch.setattr(Link, "_connect", pooled)
    run = writer.run()
    world = PostgresWorld(url)
    assert run in of(RunSeen, all_of(world, Seen()))
    with pytest.raises(WorldError, match="read-only"):
        world._link.rows("CREATE TABLE workflow.x (a integer)")
    assert world._link.connection().execute(b"SHOW default_transaction_read_only").fetchone() == ("off",)
    assert any("pooler" in one.value for one in world.facts())
    checks = {one.name: one for one in world.check()}
    assert checks["LISTEN"].ok is None and "pooler" in checks["LISTEN"].message
    world.close()


def test_jobs_of_the_queue_are_told_where_they_may_be_read(url, writer):
    writer.connection.execute(
        b"CREATE SCHEMA graphile_worker; CREATE VIEW graphile_worker.jobs AS SELECT 1 AS id, 'workflow_steps' AS"
        b" task_identifier, 3 AS attempts, 3 AS max_attempts, 'boom' AS last_error, now() AS run_at,"
        b" NULL::timestamptz AS locked_at, 'step_01M803XX9EKPGB0DR66MWJRZ8Z' AS key"
        b" UNION ALL SELECT 2, 'workflow_flows', 0, 3, NULL, now(), now(), 'msg_1'"
    )
    world = PostgresWorld(url)
    all_of(world, Seen())
    fact = next(one for one in world.facts() if one.label == "Queue")
    assert fact.is_warning and fact.value == "2 jobs, 1 being worked on, 0 failing, 1 given up"
    assert fact.hint == "Last error (step step_01M803XX9EKPGB0DR66MWJRZ8Z, attempt 3 of 3): boom"
    world.close()


def test_what_the_listener_heard_is_told_with_the_chunks(url, writer):
    run = writer.run()
    world, seen = PostgresWorld(url), Seen()
    all_of(world, seen)
    ids = [writer.put(stream_of(run), b"x") for _ in range(3)]
    for place, chunk_id in enumerate(reversed(ids)):
        world._beside.tell(ChunkTold(stream_of(run), chunk_id, place, 1, "session"))
    found = all_of(world, seen, frozenset())
    assert [one.chunk_id for one in found if isinstance(one, ChunkSeen)] == ids
    assert [one.chunk_id for one in found if isinstance(one, ChunkTold)] == ids[::-1]
    assert all_of(world, seen, frozenset()) == [] and not world._beside.notes
    world.close()


def test_what_was_heard_is_kept_when_storing_it_fails(url, writer):
    run = writer.run()
    world = PostgresWorld(url)
    told = ChunkTold(stream_of(run), writer.put(stream_of(run)), 0, 1, "session")
    world._beside.tell(told)
    reading = world.read(Seen(), frozenset())
    assert told in next(reading)
    reading.close()  # the storing process broke off here
    assert list(world._beside.notes) == [told]
    world._beside.notes.clear()
    world.close()


def test_what_was_dropped_to_make_room_while_it_was_stored_costs_no_other_note(url, writer, monkeypatch):
    run = writer.run()
    world, seen = PostgresWorld(url), Seen()
    all_of(world, seen)
    ids = [writer.put(stream_of(run)) for _ in range(2)]
    notes = [ChunkTold(stream_of(run), one, at, 1, "session") for at, one in enumerate(ids)]
    world._beside.tell(notes[0])
    for batch in world.read(seen, frozenset()):
        if notes[0] in batch:  # it is being stored, and the listener makes room for another
            world._beside.notes.popleft()
            world._beside.tell(notes[1])
            break
    assert [note for batch in world.read(seen, frozenset()) for note in batch if note == notes[1]] == notes[
        1:
    ]
    world.close()


def test_notes_of_another_schema_leave_the_world_calm(url, writer):
    world, seen = PostgresWorld(url), Seen()
    all_of(world, seen)
    world._beside.lively_until = 0.0
    world._beside.tell(ChunkTold(stream_of(f"wrun_{ulid()}"), f"chnk_{ulid()}", 0, 1, "session"))
    assert all_of(world, seen, frozenset()) == [] and not world._beside.is_lively and not world._beside.notes
    world.close()


def test_a_stream_that_is_asked_for_is_read_although_nothing_speaks_of_it(url, writer):
    run = writer.run(status="completed")
    world, seen = PostgresWorld(url), Seen()
    all_of(world, seen)
    before = writer.put(stream_of(run), chunk_id=f"chnk_{ulid(1_000_000)}")
    late = writer.put(stream_of(run), b"late")
    now_ms = time.time_ns() // 1_000_000
    assert all_of(world, seen, frozenset({stream_place("strm_not_there", now_ms)})) == []
    found = all_of(world, seen, frozenset({stream_place(stream_of(run), now_ms)}))
    assert [one.chunk_id for one in found if isinstance(one, ChunkSeen)] == [late]
    found = all_of(world, seen, frozenset({stream_place(stream_of(run), 0)}))
    assert [one.chunk_id for one in found if isinstance(one, ChunkSeen)] == [before]
    world.close()


def test_a_schema_that_is_upgraded_while_it_is_followed_is_read_as_it_is_then(postgres_database, monkeypatch):
    """4.1 to 4.3 moves the enums; 5.0 adds columns."""
    restore(postgres_database, EMPTY)
    with Writer(postgres_database) as writer:
        world, seen = PostgresWorld(postgres_database), Seen()
        all_of(world, seen)
        first = writer.run()
        assert first in of(RunSeen, all_of(world, seen))
        assert "4.1" in str(world.facts())
        writer.connection.execute(
            "ALTER TYPE public.status SET SCHEMA workflow;"
            "ALTER TABLE workflow.workflow_runs ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}'"
        )
        all_of(world, seen)
        monkeypatch.setattr(world, "_fresh_until", 0.0)
        all_of(world, seen)
        second = writer.run()
        writer.connection.execute(
            "UPDATE workflow.workflow_runs SET attributes = %s WHERE id = %s", ('{"team": "red"}', second)
        )
        assert of(RunSeen, all_of(world, seen))[second].attributes == {"team": "red"}
        assert "5.0" in str(world.facts())
        world.close()


def test_a_table_that_is_dropped_while_it_is_followed_is_said_and_the_rest_is_read(url, writer):
    world, seen = PostgresWorld(url), Seen()
    all_of(world, seen)
    writer.connection.execute("DROP TABLE workflow.workflow_steps")
    run = writer.run()
    with pytest.raises(WorldError, match="workflow_steps"):
        all_of(world, seen)
    world.close()  # as whoever reads it does
    event = writer.event(run, "run_started")
    assert event in of(EventSeen, all_of(world, seen))
    assert next(fact for fact in world.facts() if fact.label == "Not there").value == "workflow_steps"
    world.close()
