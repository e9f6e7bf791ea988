"""Our own connection to a PostgreSQL world: read only, bounded in time, and polite about it.

Nothing is ever written: the session is read only, and through a pooler each transaction is. Plans are held to
the indexes that are there, without workers beside them and without JIT, so that one statement costs the
user's database little and never a scan of a large table.
"""

from __future__ import annotations

import logging
import re
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg
from psycopg import adapt
from psycopg.abc import Buffer
from psycopg.pq import Format

from dashboard.lib.clock import NS_PER_S, clamp_ns
from runs.worlds._postgres_place import Target, target_of
from runs.worlds.base import WorldError

log = logging.getLogger(__name__)

Row: TypeAlias = tuple[Any, ...]

NAME = "tailrace"
CONNECT_S = 5
STATEMENT_MS = 4_000
SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": str(STATEMENT_MS),
    "lock_timeout": "1000",
    "idle_in_transaction_session_timeout": "10000",
    "TimeZone": "UTC",
    "enable_seqscan": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
# A host that is gone does not answer: what was sent is given up by the second, silence by the others.
KEEPALIVES = {
    "keepalives": "1",
    "tcp_user_timeout": "15000",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
_EPOCH_2000_NS = 946_684_800 * NS_PER_S
_INFINITE = (2**63 - 1, -(2**63))
_TEXT_OIDS = ("text", "varchar", "bpchar", "name")


class _TimestampLoader(adapt.Loader):
    """A timestamp as nanoseconds, taken as UTC: any year that the column holds, and None for infinity."""

    format = Format.BINARY

    def load(self, data: Buffer) -> int | None:
        (micros,) = struct.unpack("!q", data)
        return None if micros in _INFINITE else clamp_ns(_EPOCH_2000_NS + micros * 1000)


class _TextLoader(adapt.Loader):
    """Text of a database that does not check its encoding (SQL_ASCII) may be anything."""

    format = Format.BINARY

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "replace")


@dataclass(slots=True)
class Link:
    """A connection that is opened when it is needed and again when it broke."""

    location: str
    secret: str
    settings: dict[str, str] = field(default_factory=lambda: dict(SETTINGS))
    is_pooled: bool = False  # a pooler is in between: settings go into each transaction
    server_version: int = 0
    slowest_s: float = 0.0  # of the statements since it was last asked
    _connection: psycopg.Connection[Row] | None = None

    def rows(self, statement: str, *parameters: Any) -> list[Row]:
        """All rows of one short statement. Raises WorldError."""
        with self._translated():
            was_open = self._connection is not None
            try:
                return self._run(statement, parameters)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                # What broke while nobody used it (a restart, an idle time-out) is worth one more try.
                if not was_open or not self.is_closed:
                    raise
                self.close()
                return self._run(statement, parameters)

    def _run(self, statement: str, parameters: Sequence[Any]) -> list[Row]:
        connection = self.connection()
        began = time.monotonic()
        try:
            with self._transaction(connection), connection.cursor(binary=True) as cursor:
                return cursor.execute(statement.encode(), parameters or None).fetchall()
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    @contextmanager
    def _transaction(self, connection: psycopg.Connection[Row]) -> Iterator[None]:
        if not self.is_pooled:
            yield
            return
        with connection.transaction():
            connection.execute(b"SET TRANSACTION READ ONLY")
            for name, value in self.settings.items():
                if name != "default_transaction_read_only":
                    connection.execute("SELECT set_config(%s, %s, true)", (name, value))
            yield

    def connection(self) -> psycopg.Connection[Row]:
        """The open connection, in autocommit. Raises psycopg's errors."""
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
        return self._connection

    def _open(self) -> psycopg.Connection[Row]:
        target = target_of(self.location)
        try:
            found = self._connect(target, self._options(target))
        except psycopg.OperationalError as error:
            if "startup parameter" not in str(error):
                raise
            found = self._connect(target, None)
        if not _is_read_only(found):
            self.is_pooled = True
            found.prepare_threshold = None
        self.server_version = found.info.server_version
        return found

    def _connect(self, target: Target, options: str | None) -> psycopg.Connection[Row]:
        parameters = {"connect_timeout": str(CONNECT_S), **KEEPALIVES, **target.parameters}
        parameters |= {"application_name": NAME, "client_encoding": "UTF8"}
        parameters.pop("options", None)
        if options is not None:
            parameters["options"] = options
        if self.secret:
            parameters["password"] = self.secret
        connection = psycopg.connect("", autocommit=True, **parameters)  # type: ignore[arg-type]
        connection.adapters.register_loader("timestamp", _TimestampLoader)
        connection.adapters.register_loader("timestamptz", _TimestampLoader)
        for name in _TEXT_OIDS:
            connection.adapters.register_loader(name, _TextLoader)
        return connection

    def _options(self, target: Target) -> str:
        """The person's own options first: ours are what keeps the session from harm."""
        ours = " ".join(f"-c {name}={value}" for name, value in self.settings.items())
        return f"{target.parameters.get('options', '')} {ours}".strip()

    def take_slowest(self) -> float:
        slowest, self.slowest_s = self.slowest_s, 0.0
        return slowest

    @property
    def is_closed(self) -> bool:
        return self._connection is None or self._connection.closed or self._connection.broken

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if self.is_closed:
                self.close()
            raise error_of(error, self.secret) from None


def _is_read_only(connection: psycopg.Connection[Row]) -> bool:
    """A pooler may drop the settings that a connection begins with: then they did not arrive."""
    row = connection.execute(b"SHOW default_transaction_read_only").fetchone()
    return row is not None and row[0] == "on"


def error_of(error: psycopg.Error, secret: str) -> WorldError:
    """A sentence for people, without the password."""
    said = _told(error)
    if secret:
        said = said.replace(secret, "***")
    words, permanent = _words_for(error, said)
    return WorldError(words, permanent=permanent)


def _words_for(error: psycopg.Error, said: str) -> tuple[str, bool]:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"the database was too slow: a statement took longer than {STATEMENT_MS / 1000:g} s", False
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return "a table is locked by someone else (a migration?)", False
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return f"a right is missing: {said}", True
    if re.search(
        r"password authentication failed|no password supplied|no pg_hba.conf entry|role \S+ does not", said
    ):
        return f"the database refuses the sign-in: {said}", True
    if re.search(r"database \S+ does not exist", said):
        return said, True
    if isinstance(error, psycopg.OperationalError):
        return f"the database cannot be reached: {said}", False
    return f"the database answered with an error: {said}", False


def _told(error: psycopg.Error) -> str:
    """The server's own message, or the lines of the client's library as one."""
    primary = error.diag.message_primary
    if primary:
        return primary.strip()
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:500] or type(error).__name__
