from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.datadir import DataDirError, ensure_secret_key, lock, migrate

KNOWN = {("runs", "0001_initial"), ("streams", "0001_initial")}


def database(path: Path, *applied: tuple[str, str]) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE django_migrations (app TEXT, name TEXT)")
        connection.executemany("INSERT INTO django_migrations VALUES (?, ?)", applied)
        connection.execute("CREATE TABLE kept (value TEXT)")
        connection.execute("INSERT INTO kept VALUES ('precious')")
    return path


def never() -> None:
    raise AssertionError("nothing was to be migrated")


def test_a_second_start_names_the_first_ones_pid_and_port(tmp_path):
    held = lock(tmp_path)
    held.describe(port=8123, host="127.0.0.1")
    code = "import sys; from pathlib import Path; from dashboard.datadir import lock; lock(Path(sys.argv[1]))"
    second = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert second.returncode != 0
    assert f"pid {os.getpid()}, port 8123" in second.stderr


def test_the_lock_of_a_process_that_died_is_free(tmp_path):
    code = "import os, sys; from pathlib import Path; from dashboard.datadir import lock;"
    code += " held = lock(Path(sys.argv[1])); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert lock(tmp_path)


def test_a_directory_that_cannot_be_made_is_one_clear_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirError, match=r"cannot use .*file"):
        lock(tmp_path / "file")


def test_the_secret_key_is_made_once_and_only_for_its_owner(tmp_path):
    key = ensure_secret_key(tmp_path)
    assert len(key) > 50
    assert ensure_secret_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "secret-key").stat().st_mode) == 0o600


def test_an_older_database_is_backed_up_before_it_is_migrated(tmp_path):
    path = database(tmp_path / "t.sqlite3", ("runs", "0001_initial"))
    ran = []
    note = migrate(path, KNOWN, lambda: ran.append(True))
    [copy] = (tmp_path / "backups").iterdir()
    assert ran and str(copy) in note
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == ("precious",)


def test_a_database_that_is_up_to_date_is_left_alone(tmp_path):
    assert migrate(database(tmp_path / "t.sqlite3", *KNOWN), KNOWN, never) == ""
    assert not (tmp_path / "backups").exists()


def test_a_newer_database_is_refused(tmp_path):
    path = database(tmp_path / "t.sqlite3", *KNOWN, ("runs", "0007_more"))
    with pytest.raises(DataDirError, match=r"newer Tailrace.*runs\.0007_more"):
        migrate(path, KNOWN, never)


def test_a_damaged_database_is_one_clear_sentence(tmp_path):
    path = tmp_path / "t.sqlite3"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(DataDirError, match="not a readable database"):
        migrate(path, KNOWN, never)


def test_a_failed_migration_names_the_copy(tmp_path):
    def fail() -> None:
        raise ValueError("disk full")

    with pytest.raises(DataDirError, match=r"disk full.*backups"):
        migrate(database(tmp_path / "t.sqlite3", ("runs", "0001_initial")), KNOWN, fail)


def test_a_new_database_needs_no_backup(tmp_path):
    ran = []
    assert migrate(tmp_path / "new.sqlite3", KNOWN, lambda: ran.append(True)) == ""
    assert ran
