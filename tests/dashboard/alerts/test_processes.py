"""Alerts in real processes on real database files and on PostgreSQL: killed, slow, and many at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.needs import ROOT
from tests.processes import end

WITHIN_S = 90


def start(what: str, folder: Path, database: str = "") -> subprocess.Popen[str]:
    env = {
        **os.environ, "TAILRACE_DATA": str(folder), "TAILRACE_SECRET_KEY": "k" * 50, "TAILRACE_SIGN_IN": "0",
        "DJANGO_SETTINGS_MODULE": "dashboard.settings", "TAILRACE_DATABASE_URL": database,
    }  # fmt: skip
    argv = [sys.executable, "-m", "tests.dashboard.alerts.program", what, str(folder)]
    return subprocess.Popen(
        argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(what: str, folder: Path, database: str = "") -> dict:
    output, errors = start(what, folder, database).communicate(timeout=WITHIN_S)
    assert output, errors
    return json.loads(output.splitlines()[-1])


def check_killed(folder: Path, database: str = "") -> None:
    process = start("send-and-hang", folder, database)
    try:
        sent, until = folder / "one", time.monotonic() + WITHIN_S
        while not (sent.exists() and sent.read_text().endswith("\n")) and time.monotonic() < until:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)  # after it was sent, before it is marked
        process.communicate()
    finally:
        end(process)
    (folder / "go").touch()
    done = run("go-on", folder, database)
    keys = [line.split()[0] for line in sent.read_text().splitlines()]
    assert keys == [done["key"]] * 2  # one repeat, which the key tells
    assert (done["state"], done["attempts"], done["due_before"]) == ("sent", 2, [])


def check_many(folder: Path, database: str = "") -> None:
    done = run("many", folder, database)
    assert done["alerts"] == 10_000
    assert done["events"] == [["anomaly", "sent"]] * 5 + [["digest", "sent"]]
    assert done["held_back"] == 9_995


def test_a_process_killed_between_sending_and_marking_repeats_once(tmp_path):
    check_killed(tmp_path)


def test_the_same_on_postgresql(tmp_path, postgres_database):
    check_killed(tmp_path, postgres_database)


def test_a_slow_channel_keeps_no_other_waiting(tmp_path):
    done = run("slow-and-quick", tmp_path)
    assert done["early"] == [["quick", "sent"], ["slow", "claimed"]]
    assert done["late"] == [["quick", "sent"], ["slow", "sent"]]


def test_of_many_that_route_while_ten_thousand_come_each_is_counted_once(tmp_path):
    check_many(tmp_path)


def test_of_many_on_postgresql_each_is_counted_once(tmp_path, postgres_database):
    check_many(tmp_path, postgres_database)
