"""Judging as reports and chunks come in: a finding appears, is made surer, and goes when better evidence comes."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from dashboard.anomalies import detect
from dashboard.anomalies.detect import judge_world, worlds_to_judge
from dashboard.anomalies.models import Anomaly, Checkpoint, Finding
from dashboard.lib.clock import NS_PER_S, now_ns
from runs.models import InboxItem, Run, World
from streams import arrivals
from streams.inbox import apply
from streams.models import Chunk, Stream, Write
from streams.order import MOVED_PROVED
from tests.factories import START_NS, make_run, make_stream, make_world
from tests.streams.written import CLOSE, RUN, START_MS, STREAM, chunk, exact, look, report, store, write

pytestmark = pytest.mark.django_db
STOP = threading.Event()


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def run(world) -> Run:
    """A run that goes on, with the stream that is written to in its list."""
    run = make_run(world, RUN, status="running", completed_ns=None)
    make_stream(world, STREAM, run, listed=True)
    return run


def push(world: World, number: int, *records: Any, process: str = "p1", **batch: Any) -> None:
    """As a probe with a clock like ours sends it, applied at once."""
    whole = {"process": process, "number": number, "sent": START_MS, "records": records} | batch
    whole["clock"] = {"offset": 0, "rtt": 0}
    InboxItem.objects.create(
        world=world, process=process, number=number, received_ns=START_NS, body=json.dumps(whole).encode()
    )
    apply(world.pk, STOP)


def judged(world: World) -> dict[str, Finding]:
    judge_world(world.pk, STOP)
    return {finding.kind: finding for finding in Finding.objects.filter(stream__world=world)}


def again(world: World) -> dict[str, Finding]:
    """Once the time has come that a detector named."""
    Checkpoint.objects.exclude(due_ns=None).update(due_ns=1)
    return judged(world)


def test_a_finding_appears_when_reports_prove_it_and_marks_the_chunks(world, run):
    store(world, chunk(1, b"a", 1), chunk(2, b"c", 11), chunk(3, b"b", 21))
    assert judged(world) == {}
    push(world, 1, exact(1, b"a", 0), exact(2, b"b", 5, took=20), exact(3, b"c", 6, took=20))
    found = judged(world)["out_of_order"]
    assert (found.certainty, found.severity, found.step_id) == ("proved", "error", "step_1")
    assert found.run == run and found.anomaly.kind == "out_of_order"
    stream = Stream.objects.get()
    assert stream.moved_count == 1
    marked = Chunk.objects.filter(marks__gte=MOVED_PROVED).values_list("arrival", flat=True)
    assert list(marked) == [one["arrival"] for one in found.chunks]


def test_a_loss_is_told_after_a_look_and_taken_back_when_the_chunk_turns_up(world, run):
    store(world, chunk(1, b"a", 1))
    push(world, 1, exact(1, b"a", 0), exact(2, b"b", 10))
    assert judged(world) == {}
    assert "not found in storage so far" in json.dumps(Checkpoint.objects.get().unchecked)
    look(world, 10_000)
    found = again(world)["chunk_lost"]
    assert (found.certainty, found.evidence["chunks"]) == ("proved", 1)
    store(world, chunk(2, b"b", 12))
    assert judged(world) == {}
    assert Anomaly.objects.get().count == 0, "it leaves the inbox, and its history says why"
    assert Checkpoint.objects.get().due_ns is None


def test_what_was_suspected_is_proved_by_later_reports(world, run):
    push(world, 1, write(1, b"a", 0, acquired=2))
    store(world, chunk(1, b"a", 1))
    assert judged(world) == {}, "while the run goes on, the step may write to more streams"
    Run.objects.update(status="completed", completed_ns=START_NS + NS_PER_S)
    arrivals.touch_streams_of({run.pk})
    suspected = judged(world)["racing_writers"]
    assert (suspected.certainty, suspected.severity) == ("suspected", "warning")
    push(world, 2, write(2, b"b", 2, acquired=2, overlaps=[1]))
    proved = judged(world)["racing_writers"]
    assert (proved.pk, proved.certainty, proved.severity) == (suspected.pk, "proved", "error")
    assert proved.found_ns == suspected.found_ns


def test_a_suspicion_goes_when_the_steps_other_stream_is_known(world, run):
    Run.objects.update(status="completed", completed_ns=START_NS)
    push(world, 1, write(1, b"a", 0, acquired=2))
    assert "racing_writers" in judged(world)
    push(world, 2, write(2, b"b", 1, acquired=2, stream="strm_other"), write(3, b"c", 2, acquired=2))
    assert "racing_writers" not in judged(world)


def test_a_rejection_is_told_at_once_and_made_harmless_by_the_close_that_came_through(world, run):
    store(world, chunk(1, b"a", 1))
    push(
        world,
        1,
        exact(1, b"a", 0),
        write(2, CLOSE, 5, ok=False, error={"message": "HTTP 409", "status": 409}),
    )
    assert judged(world)["write_rejected"].severity == "error"
    store(world, chunk(2, CLOSE, 4))
    push(world, 2, write(3, CLOSE, 3))
    assert judged(world)["write_rejected"].severity == "info"


def test_judging_again_without_news_changes_nothing(world, run):
    store(world, chunk(1, b"b", 1), chunk(2, b"a", 2))
    push(world, 1, exact(1, b"a", 0), exact(2, b"b", 0))
    judged(world)
    before = list(Finding.objects.values()), list(Stream.objects.values())
    assert before[0]
    Checkpoint.objects.update(changes=-1)
    judged(world)
    assert (list(Finding.objects.values()), list(Stream.objects.values())) == before


def test_reports_in_pieces_are_judged_as_if_they_had_come_at_once(world, run):
    """The facts kept in memory, against those read anew."""
    for n in range(1, 30):
        data = b" " if n % 3 else b"%d" % n
        if n % 2:
            store(world, chunk(n, data, 3 * n + 1))
            push(world, n, exact(n, data, 3 * n))
        else:
            push(world, n, exact(n, data, 3 * n))
            store(world, chunk(n, data, 3 * n + 1))
        if n % 4 == 0:
            judged(world)
    pieces = judged(world)
    (fed,) = detect._judges.values()
    kept = fed.writes.facts
    detect.forget()
    Checkpoint.objects.update(changes=-1)
    assert judged(world).keys() == pieces.keys() == set()
    (fresh,) = detect._judges.values()
    assert fresh.writes.facts == kept and len(kept) == 29


def test_a_renumbered_stream_keeps_what_is_known_of_its_writes(world, run):
    store(world, chunk(2, b"b", 20))
    push(world, 1, exact(1, b"a", 9), exact(2, b"b", 19))
    judged(world)
    store(world, chunk(1, b"a", 10))
    assert judged(world) == {}
    assert set(Write.objects.values_list("outcome", flat=True)) == {"stored"}
    (fed,) = detect._judges.values()
    assert len(fed.writes) == 2 and fed.renumbered == Stream.objects.get().renumbered > 0


def test_reports_that_come_while_a_stream_is_judged_are_judged_too(world, run, monkeypatch):
    """They raise the write revision behind the back of the judge."""
    store(world, chunk(1, b"b", 1), chunk(2, b"a", 2))
    push(world, 1, exact(2, b"b", 0))
    late = [exact(1, b"a", 0)]
    stream_facts = detect.stream_facts

    def while_judging(stream: Stream) -> Any:
        if late:
            report(world, late.pop())
        return stream_facts(stream)

    monkeypatch.setattr(detect, "stream_facts", while_judging)
    assert judged(world)["out_of_order"].certainty == "proved"
    assert worlds_to_judge() == []


def test_a_stream_renumbered_while_it_is_judged_is_judged_again(world, run, monkeypatch):
    store(world, chunk(2, b"a", 20))
    push(world, 1, exact(1, b"a", 19), exact(2, b"b", 9))
    late = [chunk(1, b"b", 10)]
    stream_facts = detect.stream_facts

    def while_judging(stream: Stream) -> Any:
        if late:
            store(world, late.pop())
        return stream_facts(stream)

    monkeypatch.setattr(detect, "stream_facts", while_judging)
    assert judged(world)["out_of_order"].evidence["moved"] == 1
    assert worlds_to_judge() == []


def test_a_world_that_nobody_reads_is_judged_by_its_reports_alone():
    world = make_world(kind="probe")
    push(world, 1, write(1, b"a", 0), write(2, b"b", 1, overlaps=[1]), write(3, b"c", 2, ok=False))
    look(world, 1e9)
    found = judged(world)
    assert found.keys() == {"racing_writers", "write_rejected"}
    told = {one["kind"]: one["reason"] for one in Checkpoint.objects.get().unchecked}
    assert "nobody reads the storage of this world" in told["chunk_lost"]


def test_without_reports_it_says_what_it_could_not_check(world, run):
    store(world, chunk(1, b"a", 1), chunk(2, CLOSE, 2))
    assert judged(world) == {}
    told = {one["kind"] for one in Checkpoint.objects.get().unchecked}
    assert told >= {"chunk_lost", "out_of_order", "racing_writers", "write_rejected"}


def test_a_waiting_close_is_asked_for_until_it_is_told(world, run):
    """Otherwise the whole world would be looked at for it for ever."""
    push(world, 1, write(1, CLOSE, 0))
    judged(world)
    due_ns = Checkpoint.objects.get().due_ns
    assert due_ns is not None and due_ns > now_ns() - 60 * NS_PER_S
    look(world, 10_000)
    again(world)
    assert Write.objects.get().outcome == "lost" and Checkpoint.objects.get().due_ns is None


def test_evidence_of_hostile_reports_can_be_stored(world, run):
    bad = "\x00\ud800" * 2000
    refused = {"ok": False, "error": {"message": bad, "status": 2**31 - 1}}
    push(world, 1, *(write(n, b"%d" % n, n, step=f"{bad}{n}", **refused) for n in range(1, 40)))
    found = judged(world)
    assert found.keys() == {"write_rejected", "chunk_lost"}
    assert all(len(json.dumps(one.evidence)) < 60_000 and len(one.message) <= 2000 for one in found.values())
