"""No statement scans a large table: each is asked for its plan on 200,000 runs, 500,000 events and as many chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from runs.worlds._postgres_link import SETTINGS, Link
from runs.worlds._postgres_schema import RUNS, STEPS, read_schema
from runs.worlds._postgres_sql import Statement, Statements
from runs.worlds.postgres import PostgresWorld
from tests import servers
from tests.postgres_worlds import empty_world

pytestmark = pytest.mark.postgres

RUNS_MADE, EVENTS_MADE = 200_000, 500_000
_ID = "'01M8' || lpad(n::text, 22, '0')"
_FILL = (
    f"INSERT INTO workflow.workflow_runs (id, deployment_id, status, name) SELECT 'wrun_' || {_ID}, 'd',"
    " (CASE WHEN n %% 1000 = 0 THEN 'running' ELSE 'completed' END)::workflow.status, 'w'"
    f" FROM generate_series(1, {RUNS_MADE}) n",
    f"INSERT INTO workflow.workflow_events (id, type, correlation_id, run_id) SELECT 'wevt_' || {_ID}, 'step_started',"
    f" 'step_' || n, 'wrun_01M8' || lpad((n %% {RUNS_MADE})::text, 22, '0') FROM generate_series(1, {EVENTS_MADE}) n",
    f"INSERT INTO workflow.workflow_stream_chunks (id, stream_id, data, eof, run_id) SELECT 'chnk_' || {_ID},"
    f" 'strm_01M8' || lpad((n %% {RUNS_MADE})::text, 22, '0') || '_user', 'x', false,"
    f" 'wrun_01M8' || lpad((n %% {RUNS_MADE})::text, 22, '0') FROM generate_series(1, {EVENTS_MADE}) n",
    f"INSERT INTO workflow.workflow_steps (run_id, step_id, step_name, status, attempt) SELECT"
    f" 'wrun_' || {_ID}, 'step_' || n, 's', 'completed', 1 FROM generate_series(1, {RUNS_MADE}) n",
    f"INSERT INTO workflow.workflow_hooks (run_id, hook_id, token, owner_id, project_id, environment) SELECT"
    f" 'wrun_' || {_ID}, 'hook_' || n, 't' || n, '', '', '' FROM generate_series(1, {RUNS_MADE // 4}) n",
    f"INSERT INTO workflow.workflow_waits (run_id, wait_id, status) SELECT 'wrun_' || {_ID},"
    f" 'wrun_' || {_ID} || '-wait_' || n, 'waiting' FROM generate_series(1, {RUNS_MADE // 4}) n",
)


@pytest.fixture(scope="module")
def large(postgres_url: str) -> Iterator[str]:
    with servers.database(postgres_url, "large_world") as url:
        empty_world(url)
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in _FILL:
                connection.execute(statement.replace("%%", "%").encode())
            connection.execute(b"ANALYZE")
        yield url


def statements(url: str) -> dict[str, Statement]:
    return Statements(read_schema(Link(url, ""), "workflow")).all()


def plan_of(connection: psycopg.Connection, statement: Statement) -> str:
    row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement.text}".encode(), statement.example).fetchone()
    assert row is not None
    return json.dumps(row[0])


def test_every_statement_goes_by_an_index(large):
    named = statements(large)
    assert len(named) >= 30
    with psycopg.connect(large, autocommit=True) as connection:
        for name, value in SETTINGS.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        for name, statement in named.items():
            plan = plan_of(connection, statement)
            assert "Seq Scan" not in plan, (name, plan)
            assert "Index" in plan, (name, plan)


def test_no_statement_needs_to_be_held_to_it(large):
    """The indexes are what the planner takes by itself: `enable_seqscan` is for worlds without statistics."""
    with psycopg.connect(large, autocommit=True) as connection:
        plans = {name: plan_of(connection, statement) for name, statement in statements(large).items()}
    assert {name for name, plan in plans.items() if "Seq Scan" in plan} == set()


def test_no_statement_sorts_or_reads_more_than_it_gives(large):
    """As it runs: rows that are read and thrown away say that an index does not fit."""
    with psycopg.connect(large, autocommit=True) as connection:
        for name, statement in statements(large).items():
            asked = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement.text}"
            row = connection.execute(asked.encode(), statement.example).fetchone()
            assert row is not None
            assert _removed(row[0][0]["Plan"]) <= 100, name


def test_the_plan_of_a_filter_by_time_would_be_seen_here(large):
    with psycopg.connect(large, autocommit=True) as connection:
        wrong = Statement("SELECT id FROM workflow.workflow_runs WHERE updated_at > %s", ("2026-01-01",))
        assert "Seq Scan" in plan_of(connection, wrong)


def test_all_statements_are_those_that_the_adapter_sends(large, monkeypatch):
    """What is sent while a world is read and looked into, without what is asked of catalogs."""
    sent: set[str] = set()
    rows = Link.rows

    def noted(self: Link, statement: str, *parameters: object) -> list:
        sent.add(statement)
        return rows(self, statement, *parameters)

    monkeypatch.setattr(Link, "rows", noted)
    world = PostgresWorld(large)
    reading = world._opened()
    found = reading.whole(["wrun_01M80000000000000000000001"], lambda stream: "")
    assert sum(map(len, found)) > 3
    list(world.check())
    world.close()
    of_tables = {one for one in sent if '"workflow_' in one}
    known = {one.text for one in statements(large).values()}
    assert of_tables and of_tables <= known
    assert RUNS in " ".join(of_tables) and STEPS in " ".join(of_tables)


def _removed(plan: dict) -> int:
    own = plan.get("Rows Removed by Filter", 0) * plan.get("Actual Loops", 1)
    return own + sum(_removed(inner) for inner in plan.get("Plans", ()))
