"""Many at once, on PostgreSQL: processes that find the same thing while people act on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise

from tests.needs import ROOT

PROGRAM = """
import json, threading
import django; django.setup()
from django.core.management import call_command
from django.db import connection, transaction
call_command("migrate", verbosity=0)
from dashboard.anomalies import life
from dashboard.anomalies.models import Anomaly, AnomalyEvent, AnomalyHour, AnomalySeenIn
from dashboard.anomalies.states import Asked, Mute
from dashboard.lib.clock import now_ns
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world

world = make_world("app")
find(make_stream_of(make_run(world)))
pk = Anomaly.objects.get().pk
life.act([pk], Asked("mute", now_ns(), Mute(left=20)), "me")
failed = []

def work(streams):
    try:
        for stream in streams:
            with transaction.atomic():
                find(stream)
    except Exception as error:
        failed.append(repr(error))
    finally:
        connection.close()

def people():
    for _ in range(10):
        life.act([pk], Asked("mute", now_ns(), Mute(left=20)), "other")
    connection.close()

parts = [[make_stream_of(make_run(world)) for _ in range(10)] for _ in range(4)]
threads = [threading.Thread(target=work, args=(part,)) for part in parts]
for thread in threads: thread.start()
for thread in threads: thread.join()
counted = list(Anomaly.objects.filter(pk=pk).values_list("count", "total", "runs", "streams", "state"))[0]
reopened = AnomalyEvent.objects.filter(what="reopened").count()
life.act([pk], Asked("resolve", now_ns()), "me")
parts = [[make_stream_of(make_run(world)) for _ in range(5)] for _ in range(4)]
threads = [threading.Thread(target=work, args=(part,)) for part in parts] + [threading.Thread(target=people)]
for thread in threads: thread.start()
for thread in threads: thread.join()
changes = AnomalyEvent.objects.filter(revision__isnull=False).order_by("id")
print(json.dumps({
    "failed": failed, "counted": counted, "reopened": reopened,
    "hours": sum(AnomalyHour.objects.values_list("count", flat=True)),
    "sdk": AnomalySeenIn.objects.get(what="sdk").count,
    "revisions": list(changes.values_list("revision", flat=True)),
    "revision": Anomaly.objects.get(pk=pk).revision,
    "chain": list(changes.values_list("before", "after")),
}))
"""


def test_nothing_is_counted_twice_or_lost_and_each_state_follows_from_the_one_before(
    postgres_database, tmp_path
):
    env = {
        **os.environ, "TAILRACE_DATABASE_URL": postgres_database, "TAILRACE_DATA": str(tmp_path),
        "TAILRACE_SECRET_KEY": "k" * 50, "DJANGO_SETTINGS_MODULE": "dashboard.settings", "TAILRACE_SIGN_IN": "0",
    }  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["failed"] == []
    assert told["counted"] == [41, 41, 41, 41, "open"] and told["reopened"] == 1
    assert told["hours"] == told["sdk"] == 61
    assert sorted(told["revisions"]) == list(range(1, told["revision"] + 1)), "one line for each change"
    in_order = [change for _, change in sorted(zip(told["revisions"], told["chain"], strict=True))]
    assert all(now[0] == before[1] for before, now in pairwise(in_order))
