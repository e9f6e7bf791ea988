"""On PostgreSQL: workers that find the same kinds in another order do not wait for each other for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.needs import ROOT

PROGRAM = """
import json, threading, time
import django; django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", verbosity=0)
from dashboard.anomalies import detect, detect_runs, life
from dashboard.anomalies.detectors.base import Found
from dashboard.anomalies.judge import Verdict
from dashboard.anomalies.judge_run import RunVerdict
from dashboard.anomalies.models import Anomaly
from dashboard.lib.database import write_transaction
from tests.dashboard.anomalies.found import make_stream_of
from tests.factories import make_run, make_world

world = make_world("app")
failed = []
real = life.stored
def slowly(*given):
    real(*given)
    time.sleep(0.05)  # long enough for the others to come as far
life.stored = slowly

STREAM_KINDS = ["chunk_lost", "never_closed", "out_of_order", "stream_silent"]
RUN_KINDS = ["run_stuck", "wait_overdue", "retry_storm", "error_lost"]

def found(kind):
    return Found(kind, "error", "proved", "Something is wrong.")

def of_streams(streams, kinds):
    for stream in streams:
        for wanted in (kinds[:3], kinds[1:], kinds[2:]):  # some are found, some go
            with write_transaction():
                detect._store(stream, Verdict(found=[found(kind) for kind in wanted]))

def of_runs(runs, kinds):
    for wanted in (kinds[:3], kinds[1:], kinds[2:]):
        verdicts = [(run, RunVerdict(found=[found(kind) for kind in wanted])) for run in runs]
        with write_transaction():
            known = detect_runs._Known.of(runs)
            anomalies = detect_runs._anomalies(world, verdicts, known)
            for run, verdict in verdicts:
                detect_runs._store(run, verdict, known, anomalies)

def work(what, rows, kinds):
    try:
        what(rows, kinds)
    except Exception as error:
        failed.append(repr(error))
    finally:
        connection.close()

threads = []
for turned in (False, True):
    kinds = STREAM_KINDS[::-1] if turned else STREAM_KINDS
    streams = [make_stream_of(make_run(world)) for _ in range(3)]
    threads.append(threading.Thread(target=work, args=(of_streams, streams, kinds)))
    kinds = RUN_KINDS[::-1] if turned else RUN_KINDS
    threads.append(threading.Thread(target=work, args=(of_runs, [make_run(world) for _ in range(3)], kinds)))
for thread in threads: thread.start()
for thread in threads: thread.join()
counted = {kind: [count, total] for kind, count, total in Anomaly.objects.values_list("kind", "count", "total")}
print(json.dumps({"failed": failed, "counted": counted}))
"""


KINDS = (
    "chunk_lost", "never_closed", "out_of_order", "stream_silent",
    "run_stuck", "wait_overdue", "retry_storm", "error_lost",
)  # fmt: skip
COUNTED = {kind: [3, 6] for kind in KINDS}


def test_findings_and_withdrawals_in_opposite_orders_end_and_are_all_counted(postgres_database, tmp_path):
    env = {
        **os.environ, "TAILRACE_DATABASE_URL": postgres_database, "TAILRACE_DATA": str(tmp_path),
        "TAILRACE_SECRET_KEY": "k" * 50, "DJANGO_SETTINGS_MODULE": "dashboard.settings", "TAILRACE_SIGN_IN": "0",
    }  # fmt: skip
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["failed"] == []
    # Each order ends with its last two kinds, so each kind stays in the three streams, or runs, of one of them.
    assert told["counted"] == COUNTED
