"""Trying a PostgreSQL world out, right by right, with the statement that grants each."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from runs.worlds._postgres_clock import clock_of
from runs.worlds._postgres_jobs import MAY_READ
from runs.worlds._postgres_link import Link, error_of
from runs.worlds._postgres_place import Target, target_of
from runs.worlds._postgres_schema import CATALOG, EVENTS, NEEDED, TABLES, Schema, schema_of
from runs.worlds._postgres_sql import Statements, quoted
from runs.worlds.base import Check, WorldError

CHANNEL = "workflow_event_chunk"
OLDEST_SERVER = 120000


def grants_sql(location: str) -> str:
    """What an owner of the database runs for the role that the location names, as text for `psql`."""
    target = target_of(location)
    role, database, schema = _names(target)
    return "\n".join((
        f"CREATE ROLE {role} LOGIN PASSWORD '…';",
        f"GRANT CONNECT ON DATABASE {database} TO {role};",
        f"GRANT USAGE ON SCHEMA {schema} TO {role};",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role};",
        "-- for tables that later versions add (run it as the role that runs the SDK's migrations):",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {role};",
        "-- optional, for jobs that wait or fail in the queue:",
        f"GRANT USAGE ON SCHEMA graphile_worker TO {role};",
        f"GRANT SELECT ON graphile_worker.jobs TO {role};",
    ))  # fmt: skip


def _names(target: Target) -> tuple[str, str, str]:
    user = target.parameters.get("user", "tailrace")
    return quoted_(user), quoted_(target.parameters.get("dbname", user)), quoted_(target.schema)


def quoted_(name: str) -> str:
    """As in a statement, with quotes only where a name needs them."""
    return (
        name
        if name.isidentifier() and name.isascii() and name.islower()
        else '"' + name.replace('"', '""') + '"'
    )


def checks(location: str, secret: str) -> Iterator[Check]:
    link = Link(location, secret)
    try:
        yield from _tried(link)
    except WorldError as error:  # it was there a moment ago
        yield Check("reading", False, str(error))
    finally:
        link.close()


def _tried(link: Link) -> Iterator[Check]:
    target = target_of(link.location)
    try:
        connection = link.connection()
    except psycopg.Error as error:
        yield from _refused(error_of(error, link.secret), target)
        return
    info = connection.info
    yield Check("reach", True, f"{info.host or 'a socket'}, port {info.port}")
    yield _tls(connection)
    yield Check("sign-in", True, f"as {info.user}")
    yield _server(link)
    yield _read_only(link)
    yield from _rights(link, target)
    yield from _listening(link, connection)


def _refused(error: WorldError, target: Target) -> Iterator[Check]:
    """Which of the first steps it was."""
    said, (role, database, _) = str(error), _names(target)
    if "CONNECT privilege" in said or "permission denied for database" in said:
        yield Check("reach", True, "the server answers")
        yield Check("sign-in", False, said, f"GRANT CONNECT ON DATABASE {database} TO {role};")
    elif error.permanent:
        yield Check("reach", True, "the server answers")
        fix = f"CREATE ROLE {role} LOGIN PASSWORD '…';" if "role" in said else "the password, or pg_hba.conf"
        yield Check("sign-in", False, said, fix if "database" not in said.partition(":")[0] else "")
    else:
        yield Check("reach", False, said, "the host, the port, and what stands between here and there")


def _tls(connection: psycopg.Connection[tuple[object, ...]]) -> Check:
    is_on = bool(connection.pgconn.ssl_in_use)
    if is_on:
        return Check("TLS", True, "the connection is encrypted")
    return Check(
        "TLS",
        None,
        "the connection is not encrypted",
        "add sslmode=require to the URL, where the server has TLS",
    )


def _server(link: Link) -> Check:
    number = link.server_version
    words = f"PostgreSQL {number // 10000}.{number % 10000}"
    if number < OLDEST_SERVER:
        return Check("version", False, f"{words}: older than 12, which the statements here need")
    return Check("version", True, words)


def _read_only(link: Link) -> Check:
    if link.is_pooled:
        return Check(
            "read only", True, "a pooler is in between: every transaction is made read only by itself",
            "a URL that leads to the database itself, for a session of our own and its notifications",
        )  # fmt: skip
    is_on = link.rows("SELECT current_setting('default_transaction_read_only')")[0][0] == "on"
    return Check("read only", is_on, "the session cannot write" if is_on else "the session could write")


def _rights(link: Link, target: Target) -> Iterator[Check]:
    role, _, schema = _names(target)
    there = link.rows(
        "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %s", target.schema
    )
    if not there:
        yield Check(
            "schema", False, f"there is no schema {target.schema}", "the setup of the SDK's PostgreSQL world"
        )
        return
    usage = bool(there[0][0])
    fix = "" if usage else f"GRANT USAGE ON SCHEMA {schema} TO {role};"
    yield Check("USAGE on the schema", usage, "granted" if usage else "missing", fix)
    found = schema_of(
        target.schema, link.rows(CATALOG, target.schema, list(TABLES)), has_creation_index=False
    )
    for table in TABLES:
        yield _right(table, found, f"GRANT SELECT ON {schema}.{quoted_(table)} TO {role};")
    yield _columns(found)
    yield _queue(link, role)
    yield _zone(link, found)


def _columns(found: Schema) -> Check:
    short = [
        f"{table}.{column}"
        for table, columns in found.columns.items()
        for column in NEEDED[table]
        if column not in columns
    ]
    if short:
        return Check(
            "columns", False, "missing: " + ", ".join(short), "the setup of the SDK's PostgreSQL world"
        )
    return Check("columns", True, "those that are needed are there")


def _right(table: str, found: Schema, fix: str) -> Check:
    name = f"SELECT on {table}"
    if table in found.absent:
        return Check(name, False, "there is no such table", "the setup of the SDK's PostgreSQL world")
    if table in found.denied:
        return Check(name, False, "missing", fix)
    return Check(name, True, "granted")


def _queue(link: Link, role: str) -> Check:
    may = link.rows(MAY_READ)
    if not may:
        return Check("queue (optional)", None, "there is no graphile_worker here")
    if may[0][0]:
        return Check("queue (optional)", True, "graphile_worker.jobs can be read")
    fix = f"GRANT USAGE ON SCHEMA graphile_worker TO {role}; GRANT SELECT ON graphile_worker.jobs TO {role};"
    return Check("queue (optional)", None, "graphile_worker.jobs may not be read", fix)


def _listening(link: Link, connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[Check]:
    standby = bool(link.rows("SELECT pg_is_in_recovery()")[0][0])
    if standby or link.is_pooled:
        what = "a standby" if standby else "a pooler"
        message = f"{what} passes no notifications on: chunks are found by looking for them"
        yield Check("LISTEN", None, message, "a URL that leads to the primary itself")
        return
    try:
        connection.execute(f"LISTEN {quoted(CHANNEL)}".encode())
        connection.execute(f"UNLISTEN {quoted(CHANNEL)}".encode())
    except psycopg.Error as error:
        yield Check(
            "LISTEN", False, str(error_of(error, link.secret)), "a URL that leads to the primary itself"
        )
    else:
        yield Check("LISTEN", True, "notifications of chunks arrive")


def _zone(link: Link, schema: Schema) -> Check:
    """What `created_at` really holds, by the ids of the newest events."""
    if not schema.has(EVENTS):
        return Check("time zone", None, "not tried: it is told by events, and there is no right to read them")
    rows = link.rows(Statements(schema).clock.text, 200)
    clock = clock_of((row[0], row[1]) for row in rows)
    if not rows:
        return Check("time zone", None, "there are no events yet to tell it by")
    if clock.is_utc:
        return Check("time zone", True, "created_at is in UTC, as the SDK takes it")
    fix = "ALTER DATABASE … SET timezone = 'UTC', for the SDK's own sake: it reads created_at as UTC"
    return Check(
        "time zone", None, f"created_at is in {clock.in_words()}: corrected by the times in ids", fix
    )
