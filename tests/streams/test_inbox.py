"""Batches that wait are applied: in order, once, whatever stands in them."""

from __future__ import annotations

import json
import random
import threading
from typing import Any

import pytest
from django.db import DataError, OperationalError

from runs.models import AppError, AppProcess, Event, InboxItem, Run, Step, World
from streams import inbox
from streams.inbox import apply, forget_applied, worlds_to_apply
from streams.models import Stream, Write
from tests.factories import START_NS, make_run, make_step, make_world
from tests.streams.written import CLOSE, RUN, START_MS, exact, state, write

pytestmark = pytest.mark.django_db
STEP_NAME = "step//./chat//emit"


@pytest.fixture
def world() -> World:
    return make_world()


def push(
    world: World, number: int, *records: Any, process: str = "p1", body: bytes | None = None, **batch: Any
) -> InboxItem:
    whole = {"v": 1, "process": process, "number": number, "sent": START_MS, "records": records} | batch
    return InboxItem.objects.create(
        world=world, process=process, number=number, received_ns=START_NS,
        body=json.dumps(whole).encode() if body is None else body,
    )  # fmt: skip


def applied(world: World) -> int:
    """Applies what waits; how many batches that were."""
    calls: list[None] = []
    apply(world.pk, threading.Event(), changed=lambda: calls.append(None))
    return len(calls)


def event(kind: str, at: int, step: str = "", n: int = 0, **fields: Any) -> dict[str, Any]:
    record = {
        "type": "event",
        "n": n or at,
        "event": kind,
        "run": RUN,
        "id": step,
        "called": START_MS + at,
        "ok": True,
    }
    return record | fields


LIFE = [
    event("run_created", 1, workflow="workflow//./chat//turn"),
    event("run_started", 2),
    event("step_created", 3, "step_1", step_name=STEP_NAME),
    event("step_started", 4, "step_1"),
    event("step_completed", 9, "step_1"),
    event("run_completed", 10),
]


def test_it_applies_what_waits_in_order_and_empties_the_bodies(world):
    push(world, 1, exact(1, b"a"), app={"sdk": "4.8.9"})
    push(world, 2, exact(2, b"b"), {"type": "error", "at": START_MS, "run": RUN, "message": "HTTP 409"})
    assert worlds_to_apply() == [world.pk]
    assert applied(world) == 2
    assert worlds_to_apply() == []
    assert [
        (bytes(one.body), one.problem, one.applied_ns is not None) for one in InboxItem.objects.all()
    ] == [(b"", "", True)] * 2
    assert Write.objects.count() == 2 and AppError.objects.get().run.run_id == RUN
    assert (AppProcess.objects.get().sdk_version, AppProcess.objects.get().batches) == ("4.8.9", 2)


def test_with_nothing_waiting_nothing_is_done(world):
    assert applied(world) == 0
    assert worlds_to_apply() == []


def test_more_batches_than_one_query_fetches(world):
    for number in range(1, inbox.AT_ONCE + 4):
        push(world, number, exact(number, b"a", number))
    assert applied(world) == inbox.AT_ONCE + 3
    assert Write.objects.count() == inbox.AT_ONCE + 3


def rows() -> dict[str, Any]:
    """All that batches come down to, without the counters that say that something was told."""
    kept = {
        "writes": list(
            Write.objects.order_by("process", "number", "place").values_list(
                "process", "number", "place", "outcome", "sequence"
            )
        )
    }
    kept["events"] = list(Event.objects.order_by("event_id").values_list("event_id", "type"))
    kept["steps"] = list(Step.objects.order_by("step_id").values_list("step_id", "status", "attempt", "name"))
    kept["runs"] = list(
        Run.objects.order_by("run_id").values_list("run_id", "status", "started_ns", "completed_ns")
    )
    kept["errors"] = list(
        AppError.objects.order_by("number", "place").values_list("process", "number", "place", "message")
    )
    return kept


BATCH = [
    *LIFE,
    exact(20, b"a"),
    write(21, CLOSE, ok=False),
    {"type": "error", "at": START_MS, "message": "no"},
]


@pytest.mark.parametrize("kind", ["local", "probe"])
def test_a_batch_applied_once_more_changes_nothing(kind):
    world = make_world(kind=kind)
    push(world, 1, *BATCH)
    applied(world)
    before = rows()
    assert before["writes"] and before["errors"]
    InboxItem.objects.all().delete()
    push(world, 1, *BATCH)
    applied(world)
    assert rows() == before


def test_a_crash_before_the_mark_leaves_nothing_and_the_batch_waits(world, monkeypatch):
    push(world, 1, exact(1, b"a"))

    def crash(*_: Any) -> list[str]:
        inbox_take(*_)
        raise SystemExit("killed")

    inbox_take = inbox._take
    monkeypatch.setattr(inbox, "_take", crash)
    with pytest.raises(SystemExit):
        applied(world)
    assert (Write.objects.count(), AppProcess.objects.count()) == (0, 0)
    monkeypatch.undo()
    assert applied(world) == 1
    assert (Write.objects.count(), AppProcess.objects.get().batches) == (1, 1)


def test_a_batch_that_the_database_refuses_is_kept_and_the_next_are_applied(world, monkeypatch):
    refused = push(world, 1, exact(1, b"a"))
    push(world, 2, exact(2, b"b"))

    def refuse(world: World, item: InboxItem) -> list[str]:
        if item.pk == refused.pk:
            raise DataError("integer out of range")
        return inbox_take(world, item)

    inbox_take = inbox._take
    monkeypatch.setattr(inbox, "_take", refuse)
    assert applied(world) == 2
    refused.refresh_from_db()
    assert refused.applied_ns is not None and "DataError: integer out of range" in refused.problem
    assert json.loads(bytes(refused.body))["number"] == 1, "its body is all that is left of it"
    assert [row.number for row in Write.objects.all()] == [2]


def test_while_the_database_is_away_everything_waits(world, monkeypatch):
    push(world, 1, exact(1, b"a"))

    def away(*_: Any) -> list[str]:
        raise OperationalError("deadlock detected")

    monkeypatch.setattr(inbox, "_take", away)
    with pytest.raises(OperationalError):
        applied(world)
    monkeypatch.undo()
    assert worlds_to_apply() == [world.pk] and applied(world) == 1


BODIES = [b"", b"{", b"[]", b"7", b"null", b"\xff\xfe", b"{}", b'{"process": "p1"}', b'{"process": "p1", "records": 7}',
          b'{"process": "p1", "records": null}', b"[" * 100_000, b'{"n": ' + b"9" * 5000 + b"}"]  # fmt: skip


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_batch_that_cannot_be_read_is_told_and_stops_nothing(world, body):
    bad = push(world, 1, body=body)
    push(world, 2, exact(1, b"a"))
    assert applied(world) == 2
    bad.refresh_from_db()
    assert bad.problem.startswith("the batch cannot be")
    assert Write.objects.count() == 1


def test_records_that_cannot_be_read_are_told_and_the_others_applied(world):
    item = push(world, 1, exact(1, b"a"), {"type": "wrote"}, exact(2, b"b") | {"n": "x"}, *[7] * 40)
    applied(world)
    item.refresh_from_db()
    lines = item.problem.splitlines()
    assert lines[0].startswith("record 1: unknown type 'wrote'") and lines[1].startswith(
        "record 2: n is missing"
    )
    assert lines[-1] == "and 27 more"
    assert Write.objects.count() == 1


HOSTILE: list[dict[str, Any]] = [
    {"app": {"sdk": [[[]]], "pid": 10**300}, "dropped": {"records": 2**90}, "clock": {"offset": 1e300, "rtt": 0}},
    {"sent": 1e300}, {"ending": "yes"}, {"app": {"sdk": "\x00\ud800"}},
    {"records": [exact(1, b"a", 0, called=3.9e12, took=3.9e12)]},
    {"records": [exact(2**53, b"a", 0, group=2**42, writer="w")]},
    {"records": [write(1, b"a", 0, ok=False, error={"message": "\x00" * 10**6, "status": 2**40}, acquired=2**40)]},
    {"records": [{"type": "error", "at": -3.9e12, "kind": "\x00", "message": "\ud800", "write": 2**60, "run": "\x00"}]},
    {"records": [event("step_started", 1, "\x00" * 999, step_name="\ud800", workflow="\x00", run="\ud800" * 999)]},
]  # fmt: skip


@pytest.mark.parametrize("kind", ["local", "probe"])
@pytest.mark.parametrize("batch", HOSTILE, ids=range(len(HOSTILE)))
def test_whatever_passes_the_intake_can_be_stored(kind, batch):
    world = make_world(kind=kind)
    item = push(world, 1, **batch)
    applied(world)
    item.refresh_from_db()
    assert (item.problem, bytes(item.body)) == ("", b"")


def test_it_stops_when_it_is_told_to(world):
    for number in (1, 2, 3):
        push(world, number, exact(number, b"a"))
    stop = threading.Event()
    apply(world.pk, stop, changed=stop.set)
    assert InboxItem.objects.filter(applied_ns=None).count() == 2


def test_if_another_thread_is_at_it_it_leaves_it_to_that_one(world):
    push(world, 1, exact(1, b"a"))
    with inbox._locks.setdefault(world.pk, threading.Lock()):
        assert applied(world) == 0
    assert applied(world) == 1


def test_what_comes_in_while_it_is_applied_is_applied_too(world):
    push(world, 1, exact(1, b"a"))
    late: list[int] = [2]

    def changed() -> None:
        if late:
            push(world, late.pop(), exact(2, b"b"))

    apply(world.pk, threading.Event(), changed)
    assert Write.objects.count() == 2


def test_worlds_are_kept_apart(world):
    other = make_world("other")
    push(world, 1, exact(1, b"a"))
    push(other, 1, exact(1, b"a"))
    assert applied(world) == 1 and worlds_to_apply() == [other.pk]
    applied(other)
    assert {(stream.world_id, stream.run.world_id) for stream in Stream.objects.all()} == {
        (world.pk,) * 2,
        (other.pk,) * 2,
    }


@pytest.mark.parametrize("seed", range(4))
def test_batches_of_several_processes_in_any_order_end_in_the_same_rows(seed):
    pieces = [(process, n, exact(n, b"%d" % n, n, order=n)) for process in ("p1", "p2") for n in range(1, 8)]

    def told(slug: str, order: list[tuple[str, int, Any]]) -> dict[str, Any]:
        world = make_world(slug)
        for process, number, record in order:
            push(world, number, record, process=process)
        applied(world)
        found = state()
        world.delete()
        return found

    expected = told("in-order", pieces)
    random.Random(seed).shuffle(pieces)
    assert told("shuffled", pieces) == expected


def test_a_restarted_process_that_took_its_old_id_does_not_overwrite_what_it_wrote(world):
    """It should not; its numbers begin anew, and what is known first stays."""
    push(world, 1, exact(1, b"old"))
    applied(world)
    InboxItem.objects.all().delete()
    push(world, 1, exact(1, b"new!"), exact(2, b"more"))
    applied(world)
    assert list(Write.objects.order_by("number").values_list("number", "size")) == [(1, 3), (2, 4)]


# --- what only a world of kind `probe` takes from events ----------------------------------------------------------


def test_a_world_known_only_from_a_probe_gets_its_runs_and_steps_from_events():
    world = make_world(kind="probe")
    push(world, 1, *LIFE[:4], app={"sdk": "4.8.9"})
    applied(world)
    run, step = Run.objects.get(), Step.objects.get()
    assert (run.status, run.workflow, run.sdk_version) == ("running", "workflow//./chat//turn", "4.8.9")
    assert (step.status, step.name, step.attempt) == ("running", STEP_NAME, 1)
    push(world, 2, *LIFE[4:])
    applied(world)
    run.refresh_from_db(), step.refresh_from_db()
    assert (run.status, step.status) == ("completed", "completed")
    assert run.completed_ns == START_NS + 10_000_000
    assert Event.objects.count() == len(LIFE)


@pytest.mark.parametrize("seed", range(4))
def test_events_in_any_batches_and_order_fold_to_the_same_rows(seed):
    found = []
    for slug in ("in-order", "shuffled"):
        world, events = make_world(slug, kind="probe"), LIFE.copy()
        if slug == "shuffled":
            random.Random(seed).shuffle(events)
        for number, one in enumerate(events, 1):
            push(world, number, one)
        applied(world)
        found.append(rows())
        world.delete()
    assert found[0] == found[1] and found[0]["steps"]


def test_the_end_of_a_run_makes_its_streams_be_judged_again():
    world = make_world(kind="probe")
    push(world, 1, *LIFE[:5], exact(20, b"a"))
    applied(world)
    before = Stream.objects.get().changes
    push(world, 2, LIFE[5])
    applied(world)
    assert Stream.objects.get().changes > before


def test_events_do_not_touch_the_rows_of_a_world_that_is_read(world):
    run = make_run(world, RUN, status="running", completed_ns=None, source_ns=1)
    make_step(run, "step_1", status="running", name="as read", completed_ns=None)
    push(world, 1, *LIFE, exact(20, b"a"))
    applied(world)
    run.refresh_from_db()
    assert (run.status, run.completed_ns, Step.objects.get().name, Event.objects.count()) == (
        "running",
        None,
        "as read",
        0,
    )
    assert Stream.objects.get().run == run


def test_applied_batches_are_forgotten_after_a_while_and_problems_later(world, monkeypatch):
    push(world, 1, exact(1, b"a")), push(world, 2, 7), push(world, 3, exact(3, b"a"))
    applied(world)
    assert forget_applied() == 0
    now = max(InboxItem.objects.values_list("applied_ns", flat=True))
    monkeypatch.setattr(inbox, "now_ns", lambda: now + inbox.APPLIED_KEPT_NS + 1)
    push(world, 4, exact(4, b"a"))
    assert forget_applied() == 2
    assert list(InboxItem.objects.values_list("number", flat=True)) == [2, 4]
    monkeypatch.setattr(inbox, "now_ns", lambda: now + inbox.PROBLEMS_KEPT_NS + 1)
    assert forget_applied() == 1
    assert list(InboxItem.objects.values_list("number", flat=True)) == [4], "what waits is never forgotten"
