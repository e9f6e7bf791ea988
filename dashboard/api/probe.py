"""`POST /api/v1/probe`: takes a batch of what happened in a process of an app, as docs/probe.md says.

The batch is stored as it came before it is answered; a worker applies it. One that is sent again is taken once.
"""

from __future__ import annotations

import logging

from django.db import Error as DatabaseTrouble
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from dashboard.api._batch import Batch, read_batch
from dashboard.api._limits import check_backlog, note_stored, take_records, take_request
from dashboard.api._refused import Refused
from dashboard.api._sender import find_sender, find_world
from dashboard.api._store import store
from dashboard.lib.clock import NS_PER_MS, now_ns
from runs.models import InboxItem, World

PROBE_PATH = "/api/v1/probe"
NOT_STORED_RETRY = 5
log = logging.getLogger("tailrace.intake")


@csrf_exempt  # no cookie gives any right here
def probe(request: HttpRequest) -> HttpResponse:
    received = now_ns()
    if request.method != "POST":
        return JsonResponse({"error": "Send a batch with POST."}, status=405, headers={"Allow": "POST"})
    try:
        batch, world = _take(request, received)
    except Refused as refused:
        return refused.response()
    except DatabaseTrouble as error:
        log.warning("a batch could not be stored: %s", error)
        return Refused(503, "Not stored: the database is away.", retry_after=NOT_STORED_RETRY).response()
    accepted = {"accepted": batch.records, "world": world.slug, "received": _ms(received)}
    return JsonResponse(accepted | {"answered": _ms(now_ns())}, status=202)


def _take(request: HttpRequest, received: int) -> tuple[Batch, World]:
    """Raises Refused, or a database error if it is not stored."""
    sender = find_sender(request)
    take_request(sender.key)
    batch = read_batch(request)
    take_records(sender.key, batch.records)
    world = find_world(sender, batch.world)
    check_backlog(world.pk)
    number, body = batch.number, batch.body
    item = InboxItem(world=world, process=batch.process, number=number, received_ns=received, body=body)
    store(item, sender.token)
    note_stored(world.pk, len(batch.body))
    # A worker that cannot be asked is no trouble of the sender: the sweep asks again.
    transaction.on_commit(lambda: _ask(world.pk), robust=True)
    return batch, world


def _ask(world_id: int) -> None:
    from dashboard.celery import apply_inbox

    apply_inbox.delay(world_id)


def _ms(ns: int) -> float:
    return round(ns / NS_PER_MS, 3)


urlpatterns = [path(PROBE_PATH.lstrip("/"), probe, name="probe-intake")]
