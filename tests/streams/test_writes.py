"""Reported writes as rows: once each, numbered in their writers' order, whatever order reports come in."""

from __future__ import annotations

import random

import pytest

from runs.models import World
from streams.ledger import WriteLedger
from streams.models import Stream, Write, Writer
from streams.writes import facts_since, streams_of_steps, worlds_with_open_writes
from tests.factories import make_run, make_world
from tests.streams.written import (
    CLOSE,
    RUN,
    STREAM,
    chunk,
    exact,
    joined,
    look,
    outcomes,
    processes,
    report,
    store,
    write,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def sequences() -> dict[tuple[str, int, int], int | None]:
    return {key: sequence for key, (_, _, sequence) in outcomes().items()}


def test_it_stores_writes_with_their_writer_stream_and_run(world):
    run = make_run(world, RUN)
    (stream,) = report(
        world, exact(1, b"abc", 0), write(2, CLOSE, 5, ok=False, error={"message": "no", "status": 409})
    )
    assert (stream.name, stream.run, stream.write_revision, stream.changes) == (STREAM, run, 1, 1)
    first, second = Write.objects.order_by("number")
    assert (first.outcome, first.size, first.order, first.sequence, first.revision) == (
        "unmatched",
        3,
        1,
        0,
        1,
    )
    assert (second.outcome, second.is_close, second.error, second.status) == ("rejected", True, "no", 409)
    assert (first.writer.known, first.writer.step_name) == ("exact", "step//./chat//step_1")
    assert (first.writer.key, first.writer.scope) == ("p1 step_1 1 pair 1", "p1 step_1 1")
    assert second.writer.known == "step only"


def test_writes_are_kept_once_however_often_they_are_told(world):
    for _ in range(2):
        report(world, exact(1, b"a"), exact(2, b"b"), exact(2, b"other"))
    assert sequences() == {("p1", 1, 0): 0, ("p1", 2, 0): 1}
    assert Write.objects.get(number=2).size == 1
    assert Stream.objects.get().write_revision == 2


def test_nothing_told_is_nothing_done(world):
    assert report(world) == []
    assert not Stream.objects.exists()


def test_one_batch_may_tell_of_several_streams_and_worlds_are_kept_apart(world):
    names = [f"{STREAM}_{n}" for n in range(3)]
    found = report(world, *(exact(n, b"a", stream=name) for n, name in enumerate(names)))
    assert sorted(stream.name for stream in found) == names
    report(make_world("other"), exact(1, b"a", stream=names[0]))
    assert Stream.objects.filter(name=names[0]).count() == 2
    assert Write.objects.count() == 4


def test_what_never_left_the_step_is_lost_at_once(world):
    unsent = {
        "type": "unsent", "n": 5, "stream": STREAM, "at": 10, "why": "one before was refused",
        "chunks": [{"pair": 1, "order": 6}, {"pair": 1, "order": 7}],
    }  # fmt: skip
    report(
        world, unsent | {"step": {"id": "step_1", "attempt": 1, "known": "exact"}}, exact(4, b"a", order=5)
    )
    assert outcomes() == {
        ("p1", 4, 0): ("unmatched", None, 0),
        ("p1", 5, 0): ("lost", None, 1),
        ("p1", 5, 1): ("lost", None, 2),
    }
    assert set(Write.objects.filter(is_sent=False).values_list("error", flat=True)) == {
        "one before was refused"
    }


def test_the_writers_order_counts_from_0_in_each_step_attempt_of_each_process(world):
    report(
        world,
        exact(1, order=10),
        exact(2, order=20, step="step_2"),
        exact(3, order=30),
        exact(4, order=40, attempt=2),
    )
    report(world, exact(1, order=10), process="p2")
    assert sequences() == {
        ("p1", 1, 0): 0, ("p1", 2, 0): 0, ("p1", 3, 0): 1, ("p1", 4, 0): 0, ("p2", 1, 0): 0,
    }  # fmt: skip


def test_several_writables_of_a_step_attempt_share_one_order(world):
    report(world, exact(1, order=1, pair=1), exact(2, order=2, pair=2), exact(3, order=3, pair=1))
    assert list(sequences().values()) == [0, 1, 2]
    assert Writer.objects.count() == 2


def test_each_writer_of_the_sdk_has_an_order_of_its_own(world):
    def group(n: int, writer: str, number: int) -> None:
        report(world, write(n, b"a", writer=writer, group=number))

    group(1, "wrtr_1", 0), group(2, "wrtr_1", 1), group(3, "wrtr_2", 0), group(4, "wrtr_1", 2)
    assert list(sequences().values()) == [0, 1, 0, 2]


def test_closes_and_writes_of_unknown_order_have_no_number(world):
    report(world, write(1, b"a"), write(2, CLOSE, pair=1), exact(3, b"b"))
    assert list(sequences().values()) == [None, None, 0]


@pytest.mark.parametrize("seed", range(5))
def test_numbers_do_not_depend_on_the_order_of_reports(world, seed):
    numbers, dice = list(range(1, 41)), random.Random(seed)
    dice.shuffle(numbers)
    while numbers:
        some = [numbers.pop() for _ in range(min(len(numbers), dice.randint(1, 7)))]
        report(world, *(exact(n, b"%d" % n, n, order=3 * n, pair=n % 3) for n in some))
        if dice.random() < 0.3:
            store(world, chunk(some[0], b"%d" % some[0], some[0]))
            joined()
    assert {key[1]: number for key, number in sequences().items()} == {n: n - 1 for n in range(1, 41)}
    for row in Write.objects.filter(arrival__isnull=False):
        assert row.stream.chunks.get(arrival=row.arrival).sequence == row.sequence


def test_a_number_that_changes_is_a_change(world):
    report(world, exact(2, b"b", order=2))
    report(world, exact(1, b"a", order=1))
    assert {fact.number for fact in facts_since(Stream.objects.get().pk, 1)} == {1, 2}


def test_thousands_of_writables_in_one_batch_fit_into_the_statements(world):
    call = write(1, b"a")
    call["chunks"] = [{"size": 1, "hash": "a" * 16, "pair": n, "order": n} for n in range(4000)]
    for _ in range(2):
        report(world, call)
    assert (Writer.objects.count(), Write.objects.count()) == (4000, 4000)
    assert Write.objects.get(place=3999).sequence == 3999


def test_hostile_names_can_be_stored_and_told_apart(world):
    bad = "\x00\ud800" + "n" * 5000
    report(world, exact(1, b"a", stream=bad, run=bad, step=bad))
    report(world, exact(1, b"a", stream=bad, run=bad, step=bad))
    row = Write.objects.select_related("writer", "stream").get()
    assert len(row.stream.name) <= 255 and len(row.writer.key) <= 400 and "\x00" not in row.writer.key


def test_facts_are_what_changed_since_a_revision(world):
    store(world, chunk(1, b"a", 2))
    report(world, exact(1, b"a", 0))
    stream = Stream.objects.get()
    (fact,) = facts_since(stream.pk, 0)
    assert (fact.outcome, fact.step_id, fact.known, fact.sequence, fact.by.process) == (
        "unmatched",
        "step_1",
        "exact",
        0,
        "p1",
    )
    assert list(facts_since(stream.pk, stream.write_revision)) == []
    joined()
    (fact,) = facts_since(stream.pk, stream.write_revision)
    assert (fact.outcome, fact.arrival) == ("stored", 1)


def test_it_counts_the_streams_of_steps_that_say_how_many_writables_they_acquired(world):
    report(
        world,
        write(1, b"a", acquired=2),
        write(2, b"a", acquired=2, stream=f"{STREAM}_other"),
        write(3, b"a", step="step_2"),
    )
    ledger = WriteLedger()
    ledger.put(facts_since(Stream.objects.get(name=STREAM).pk, 0))
    (counted,) = streams_of_steps(world.pk, ledger).items()
    assert (counted[0].step_id, counted[1]) == ("step_1", 2)


def test_a_world_is_looked_at_while_acknowledged_writes_are_not_found(world):
    processes(world, p1=0)
    assert worlds_with_open_writes() == []
    report(world, exact(1, b"a", 0), write(2, CLOSE, 5))
    assert worlds_with_open_writes() == [world.pk]
    look(world, 1e6)
    joined()
    assert worlds_with_open_writes() == [], "what is lost is not looked for all the time"


@pytest.mark.parametrize("fields", [{"took": None, "ok": None}, {"ok": False}])
def test_it_is_not_for_what_was_not_acknowledged(world, fields):
    report(world, exact(1, b"a", 0, **fields))
    assert worlds_with_open_writes() == []


@pytest.mark.parametrize("values", [{"expired": True}, {"pruned_ns": 5}])
def test_it_is_not_for_streams_that_are_gone(world, values):
    report(world, exact(1, b"a", 0))
    Stream.objects.update(**values)
    assert worlds_with_open_writes() == []


def test_it_is_not_for_a_world_that_cannot_be_read():
    report(make_world(kind="probe"), exact(1, b"a", 0))
    assert worlds_with_open_writes() == []
