"""Which of the SDK's schemas a database holds: told by its columns, since versions are written down nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from runs.worlds._postgres_link import Link
from runs.worlds.base import WorldError

RUNS, EVENTS, STEPS = "workflow_runs", "workflow_events", "workflow_steps"
HOOKS, WAITS, CHUNKS = "workflow_hooks", "workflow_waits", "workflow_stream_chunks"
TABLES = (RUNS, EVENTS, STEPS, HOOKS, WAITS, CHUNKS)

# All columns that some version has, and what they are read as. A jsonb column is the older form of the
# value that today's versions keep in the `_cbor` column beside it.
_VALUE = {"input": "jsonb", "output": "jsonb", "error": "text", "input_cbor": "bytea", "output_cbor": "bytea"}
_VALUE |= {"error_cbor": "bytea"}
_TIMES = dict.fromkeys(("created_at", "updated_at", "started_at", "completed_at"), "timestamp")
KNOWN: dict[str, dict[str, str]] = {
    RUNS: {
        "id": "text", "status": "text", "name": "text", "deployment_id": "text", "spec_version": "text",
        "execution_context": "jsonb", "execution_context_cbor": "bytea", "error_code": "text",
        "attributes": "jsonb", "encryption_public_key": "text", "expired_at": "timestamp", **_TIMES, **_VALUE,
    },
    EVENTS: {
        "id": "text", "type": "text", "correlation_id": "text", "created_at": "timestamp", "run_id": "text",
        "payload": "jsonb", "payload_cbor": "bytea", "spec_version": "integer",
    },
    STEPS: {
        "step_id": "text", "run_id": "text", "step_name": "text", "status": "text", "attempt": "integer",
        "retry_after": "timestamp", "spec_version": "integer", **_TIMES, **_VALUE,
    },
    HOOKS: {
        "hook_id": "text", "run_id": "text", "token": "text", "owner_id": "text", "project_id": "text",
        "environment": "text", "created_at": "timestamp", "metadata": "jsonb", "metadata_cbor": "bytea",
        "spec_version": "integer", "is_webhook": "boolean", "is_system": "boolean", "resume_context": "bytea",
    },
    WAITS: {
        "wait_id": "text", "run_id": "text", "status": "text", "resume_at": "timestamp",
        "completed_at": "timestamp", "created_at": "timestamp", "updated_at": "timestamp",
        "spec_version": "integer",
    },
    CHUNKS: {
        "id": "text", "stream_id": "text", "data": "bytea", "created_at": "timestamp", "eof": "boolean",
        "run_id": "text",
    },
}  # fmt: skip
# Without these a table says nothing.
NEEDED: dict[str, tuple[str, ...]] = {
    RUNS: ("id", "status"),
    EVENTS: ("id", "type", "run_id"),
    STEPS: ("step_id", "run_id", "status"),
    HOOKS: ("hook_id", "run_id"),
    WAITS: ("wait_id", "run_id"),
    CHUNKS: ("id", "stream_id", "data", "eof"),
}
# These came with later versions: one that lacks them lacks nothing.
_LATER = {
    RUNS: {"error_code", "attributes", "encryption_public_key", "error_cbor"},
    HOOKS: {"is_system", "resume_context", "is_webhook"},
    CHUNKS: {"run_id"},
}

# One look at the catalog: the SDK's tables with their columns, the namespace of enum types, and whether we may
# read them. Its answer is small whatever the size of the world.
CATALOG = """
SELECT c.relname::text, a.attname::text, t.typname::text, tn.nspname::text,
       has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
WHERE n.nspname = %s AND c.relname = ANY(%s) AND c.relkind IN ('r', 'p', 'v', 'm')
ORDER BY c.relname, a.attnum
"""
CREATION_INDEX = """
SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = 'workflow_events_entity_creation_unique'
"""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables and columns that are there and may be read."""

    name: str
    columns: dict[str, frozenset[str]]
    version: str  # in words: "4.3", "5.0 beta"
    denied: tuple[str, ...] = ()  # tables that may not be read
    absent: tuple[str, ...] = ()  # tables that are not there
    missing: tuple[str, ...] = ()  # `table.column` that every known version has
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict)  # by table, columns that none has

    def has(self, table: str) -> bool:
        return set(NEEDED[table]) <= self.columns.get(table, frozenset())


def read_schema(link: Link, name: str) -> Schema:
    """Raises WorldError where there is none that can be read."""
    rows = link.rows(CATALOG, name, list(TABLES))
    creation = bool(link.rows(CREATION_INDEX, name)[0][0])
    schema = schema_of(name, rows, has_creation_index=creation)
    if not rows:
        raise WorldError(
            f"there are no tables of the Workflow SDK in schema {name!r}: run the setup of its PostgreSQL world,"
            " or name the schema that has them with ?schema=",
        )
    if not schema.has(RUNS) and not schema.has(CHUNKS):
        raise WorldError(f"a right is missing: the tables in schema {name!r} may not be read", permanent=True)
    return schema


def schema_of(name: str, rows: Iterable[tuple[Any, ...]], *, has_creation_index: bool) -> Schema:
    """From rows of the catalog: table, column, type, namespace of the type, whether it may be read."""
    columns: dict[str, set[str]] = {}
    denied: dict[str, None] = {}
    is_public = False
    found: set[str] = set()
    for table, column, _type, namespace, readable in rows:
        found.add(table)
        if not readable:
            denied[table] = None
            continue
        columns.setdefault(table, set()).add(column)
        is_public = is_public or (column == "status" and namespace == "public")
    return Schema(
        name,
        {table: frozenset(names) for table, names in columns.items()},
        _version(columns, is_public, has_creation_index),
        tuple(denied),
        tuple(table for table in TABLES if table not in found),
        tuple(_missing(columns)),
        {
            table: extra
            for table, names in columns.items()
            if (extra := tuple(sorted(names - KNOWN[table].keys())))
        },
    )


def _missing(columns: dict[str, set[str]]) -> Iterable[str]:
    for table, names in columns.items():
        for column in KNOWN[table].keys() - names - _LATER.get(table, set()):
            if not column.startswith("spec_"):
                yield f"{table}.{column}"


def _version(columns: dict[str, set[str]], is_public: bool, has_creation_index: bool) -> str:
    """Of the SDK's PostgreSQL world. 4.3 moves the enums out of `public`, except where something uses them."""
    if "attributes" in columns.get(RUNS, ()) or "is_system" in columns.get(HOOKS, ()):
        return "5.0 beta"
    if has_creation_index or not is_public:
        return "4.3"
    return "4.1"
