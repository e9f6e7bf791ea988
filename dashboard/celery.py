"""Tasks carry no data: each says that a world has something, and the worker reads it from there.

A task is lost with its broker or its worker; the sweep asks again every few seconds, so work is late, never lost.
"""

from __future__ import annotations

import os
import threading
from datetime import timedelta

from celery import Celery

from dashboard.alerts import bell

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

app = Celery("tailrace")
app.config_from_object("django.conf:settings", namespace="CELERY")
JUDGE_PAUSE = 0.25  # seconds: many small batches of a live stream are judged together
stopping = threading.Event()  # set when this process shuts down: tasks look at it between batches


@app.on_after_finalize.connect
def _beat(sender: Celery, **_: object) -> None:
    """For `celery beat` of a scaled-out set-up; the embedded process has its own ticker."""
    from django.conf import settings

    sender.add_periodic_task(timedelta(seconds=settings.SWEEP_SECONDS), sweep.s())


@app.task
def pull(world_id: int) -> None:
    from streams.ingest import pull as read_world

    read_world(world_id, stopping, changed=lambda: ask_for_judging(world_id))


@app.task
def apply_inbox(world_id: int) -> None:
    """Apply what an app pushed into the inbox of a world."""
    from streams.inbox import apply

    apply(world_id, stopping, changed=lambda: ask_for_judging(world_id))


@app.task
def judge(world_id: int) -> None:
    from dashboard.anomalies.detect import judge_world
    from dashboard.anomalies.detect_runs import judge_runs

    stopping.wait(JUDGE_PAUSE)
    _waiting.discard(world_id)
    judge_world(world_id, stopping)
    judge_runs(world_id, stopping)


@app.task
def alert() -> None:
    """Route what was committed about anomalies, and send what is due."""
    from dashboard.alerts.work import work

    work(stopping)


@app.task
def sweep() -> None:
    """Ask for a look at every world not read for a while, and for what is due to be judged (again)."""
    from dashboard.alerts import outbox
    from dashboard.anomalies import life, redetect, threshold_learning
    from dashboard.anomalies.detect import worlds_to_judge
    from dashboard.anomalies.detect_runs import worlds_with_runs_to_judge
    from dashboard.prune import prune_if_due
    from streams.inbox import forget_applied, worlds_to_apply
    from streams.ingest import worlds_to_read

    for world_id in worlds_to_apply():
        apply_inbox.delay(world_id)
    for world_id in worlds_to_read():
        pull.delay(world_id)
    redetect.look()
    for world_id in {*worlds_to_judge(), *worlds_with_runs_to_judge()}:
        ask_for_judging(world_id)
    life.wake()
    alert.delay()
    outbox.forget_old()
    forget_applied()
    prune_if_due()
    threshold_learning.look()


_waiting: set[int] = set()  # worlds whose judging is enqueued by this process and has not begun


def ask_for_judging(world_id: int) -> None:
    """Enqueue one judging, not one per batch."""
    if world_id not in _waiting:
        _waiting.add(world_id)
        judge.delay(world_id)


def _ask_for_alerts() -> None:
    alert.delay()


bell.answer_with(_ask_for_alerts)
