"""The data directory: one process at a time, a backup before a migration, and never an older program on newer data."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO


class DataDirError(Exception):
    """The data directory cannot be used now; the message says why and what to do."""


@dataclass(slots=True)
class Lock:
    """Held by one process as long as its file is open; the kernel lets go of it when the process dies."""

    file: IO[str]

    def describe(self, **about: object) -> None:
        """Say who holds it, for the one that comes second."""
        self.file.seek(0)
        self.file.truncate()
        self.file.write(json.dumps({"pid": os.getpid(), **about}))
        self.file.flush()


def lock(data: Path) -> Lock:
    """Create the directory if need be and take its lock. Raises DataDirError if another process has it."""
    try:
        data.mkdir(parents=True, exist_ok=True)
        file = (data / "lock").open("a+")
    except OSError as error:
        raise DataDirError(f"cannot use {data} for data: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DataDirError(_who_has(data)) from None
    return Lock(file)


def _who_has(data: Path) -> str:
    try:
        about = json.loads((data / "lock").read_text())
        return (
            f"Tailrace is already running on {data}: pid {about['pid']}, port {about['port']}"
            f" (http://{about['host']}:{about['port']}/). Stop it, or give another --data."
        )
    except (OSError, ValueError, KeyError, TypeError):
        return f"another process is using {data}. Stop it, or give another --data."


def ensure_secret_key(data: Path) -> str:
    """The key of a data directory, made at its first use and readable by its owner alone."""
    path = data / "secret-key"
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(64))
    return path.read_text().strip()


def migrate(database: Path | None, known: set[tuple[str, str]], run: Callable[[], None]) -> str:
    """Bring the database up to date by `run`; returns a sentence if an older one was backed up first.

    `known` are the migrations (app, name) of this program, `database` the SQLite file (None: not SQLite,
    whose backup is its operator's). Raises DataDirError for a database of a newer program, a damaged one, and
    a migration that failed (naming the backup).
    """
    if database is None or not database.exists() or database.stat().st_size == 0:
        run()
        return ""
    applied = _applied(database)
    newer = sorted(f"{app}.{name}" for app, name in applied - known if app in {app for app, _ in known})
    if newer:
        raise DataDirError(
            f"{database} was written by a newer Tailrace (it has {newer[-1]}, which this version does not know)."
            " Install that version again, or start with an empty --data."
        )
    if known <= applied:
        return ""
    copy = _back_up(database)
    try:
        run()
    except Exception as error:
        raise DataDirError(
            f"the migration of {database} failed ({error}); the copy before it is {copy}"
        ) from error
    return f"the database was brought up to date; a copy of the older one is {copy}"


def _applied(database: Path) -> set[tuple[str, str]]:
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            has = connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'django_migrations'"
            ).fetchone()
            return set(connection.execute("SELECT app, name FROM django_migrations")) if has else set()
    except sqlite3.DatabaseError as error:
        raise DataDirError(
            f"{database} is not a readable database ({error}). Move it away to start afresh."
        ) from error


def _back_up(database: Path) -> Path:
    folder = database.parent / "backups"
    folder.mkdir(exist_ok=True)
    copy = folder / f"{database.stem}-{datetime.now(UTC):%Y%m%dT%H%M%S}.sqlite3"
    with sqlite3.connect(database) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    return copy
