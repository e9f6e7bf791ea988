"""Which chunk each write became, whichever of both is seen first, and what is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.lib.clock import NS_PER_MS
from runs.models import AppProcess, World
from runs.observations import ChunkSeen
from streams.matching import LOST_AFTER_NS, OTHER_BYTES, join
from streams.models import Chunk, Stream, Write
from tests.factories import make_world
from tests.streams.written import (
    CLOSE,
    chunk,
    exact,
    joined,
    look,
    outcomes,
    processes,
    report,
    state,
    store,
    write,
)

pytestmark = pytest.mark.django_db
LOST_AFTER_MS = LOST_AFTER_NS // NS_PER_MS


@pytest.fixture
def world() -> World:
    return make_world()


def test_reports_first_then_chunks(world):
    report(world, exact(1, b"a", 0), exact(2, b"b", 10), write(3, CLOSE, 20, pair=1))
    joined()
    assert {outcome for outcome, *_ in outcomes().values()} == {"unmatched"}
    store(world, chunk(1, b"a", 2), chunk(2, b"b", 12), chunk(3, CLOSE, 22))
    assert joined()
    assert outcomes() == {
        ("p1", 1, 0): ("stored", 1, 0),
        ("p1", 2, 0): ("stored", 2, 1),
        ("p1", 3, 0): ("stored", 3, None),
    }
    rows = Chunk.objects.order_by("arrival").values_list("arrival", "sequence", "writer__key")
    key = "p1 step_1 1 pair 1"
    assert list(rows) == [(1, 0, key), (2, 1, key), (3, None, key)]


def test_chunks_first_then_reports(world):
    store(world, chunk(1, b"a", 2), chunk(2, b"b", 12))
    report(world, exact(1, b"a", 0), exact(2, b"b", 10))
    assert joined()
    assert outcomes() == {("p1", 1, 0): ("stored", 1, 0), ("p1", 2, 0): ("stored", 2, 1)}


def test_nothing_new_is_nothing_to_do(world):
    store(world, chunk(1, b"a", 2))
    report(world, exact(1, b"a", 0))
    joined()
    before = Stream.objects.values().get()
    assert not joined()
    assert Stream.objects.values().get() == before


def test_a_stream_without_reports_is_left_alone(world):
    store(world, chunk(1, b"a", 2))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert not join(Stream.objects.select_related("world").get())
    assert len(queries) == 1


def test_a_call_with_several_chunks_is_matched_chunk_by_chunk(world):
    call = write(1, b"a", 0)
    call["chunks"] = [
        *exact(1, b"a", order=1)["chunks"],
        *exact(1, b"b", order=2)["chunks"],
        *exact(1, b"c", order=3)["chunks"],
    ]
    report(world, call)
    store(world, chunk(1, b"a", 1), chunk(2, b"c", 1), chunk(3, b"b", 1))
    joined()
    assert [outcomes()["p1", 1, place] for place in range(3)] == [
        ("stored", 1, 0),
        ("stored", 3, 1),
        ("stored", 2, 2),
    ]


def test_a_refused_write_stays_refused_and_one_that_was_stored_all_the_same_is_stored(world):
    report(world, write(1, b"a", 0, ok=False, error={"message": "HTTP 409"}), write(2, b"b", 10, ok=False))
    store(world, chunk(1, b"b", 12))
    joined()
    assert [one[0] for one in outcomes().values()] == ["rejected", "stored"]


def test_a_write_that_was_tried_again_takes_the_chunk_of_the_call_that_was_acknowledged(world):
    report(world, write(1, b"a", 0, ok=False, took=3), write(2, b"a", 4, took=3))
    store(world, chunk(1, b"a", 3))
    joined()
    assert outcomes() == {("p1", 1, 0): ("rejected", None, None), ("p1", 2, 0): ("stored", 1, None)}


def test_a_refused_write_gives_its_chunk_back_to_an_acknowledged_one_that_is_told_later(world):
    store(world, chunk(1, b"a", 3))
    report(world, write(1, b"a", 0, ok=False, took=6, error={"message": "HTTP 500", "status": 500}))
    joined()
    assert outcomes()["p1", 1, 0][0] == "stored"
    report(world, write(2, b"a", 1, took=4))
    joined()
    assert outcomes() == {("p1", 1, 0): ("rejected", None, None), ("p1", 2, 0): ("stored", 1, None)}
    assert Write.objects.get(number=1).error == "HTTP 500"


def test_equal_chunks_keep_the_writers_order_though_the_later_was_told_first(world):
    """Both fit both: with the later write alone the earlier chunk seems to be its own."""
    store(world, chunk(1, b" ", 20), chunk(2, b" ", 50))
    report(world, exact(2, b" ", 10, took=50))
    joined()
    assert outcomes()["p1", 2, 0] == ("stored", 1, 0)
    report(world, exact(1, b" ", 0, took=100))
    joined()
    assert outcomes() == {("p1", 1, 0): ("stored", 1, 0), ("p1", 2, 0): ("stored", 2, 1)}
    assert list(Chunk.objects.order_by("arrival").values_list("sequence", flat=True)) == [0, 1]


def test_equal_chunks_keep_the_writers_order_though_the_later_was_stored_first(world):
    report(world, exact(1, b" ", 0, took=60), exact(2, b" ", 1, took=60))
    store(world, chunk(2, b" ", 30))
    joined()
    store(world, chunk(1, b" ", 20))
    joined()
    assert {key[1]: value[2] for key, value in outcomes().items()} == {1: 0, 2: 1}
    by_id = Chunk.objects.order_by("chunk_id").values_list("sequence", flat=True)
    assert list(by_id) == [0, 1]


def test_a_chunk_is_found_anywhere_within_a_call_that_took_long(world):
    store(world, chunk(1, b"a", 5), chunk(2, b"b", 9_995), chunk(3, b"c", 60_000))
    joined()
    report(
        world,
        exact(1, b"a", 0, took=10_000),
        exact(2, b"b", 1, took=10_000),
        exact(3, b"c", 10, took=None, ok=None),
    )
    joined()
    assert {outcome for outcome, *_ in outcomes().values()} == {"stored"}


def test_a_chunk_of_another_writer_is_not_looked_for_by_a_clock_that_is_not_its_own(world):
    """The clock of p2 is an hour behind: its chunks come between, and say nothing of when p1 wrote."""
    hour = 3_600_000
    store(world, chunk(1, b"a", 2), chunk(2, b"b", 12 - hour), chunk(3, b"c", 22 - hour))
    report(world, exact(1, b"b", 10 - hour), exact(2, b"c", 20 - hour), process="p2")
    joined()
    report(world, exact(1, b"a", 0), process="p1")
    joined()
    assert {outcome for outcome, *_ in outcomes().values()} == {"stored"}


def test_a_chunk_id_without_a_time_is_matched_by_bytes_and_order(world):
    ids = [
        chunk(n, data, 0)._replace(chunk_id=f"{n}", minted_ms=None)
        for n, data in enumerate((b"a", b"b", b"a"))
    ]
    store(world, *ids[:2])
    report(world, exact(2, b"a", 50), exact(1, b"a", 0), exact(3, b"b", 60))
    joined()
    store(world, ids[2])
    joined()
    assert {key[1]: value[1] for key, value in outcomes().items()} == {1: 1, 2: 3, 3: 2}


# --- any order of coming -----------------------------------------------------------------------------------------

Piece = Callable[[], Any]


def chat(world: World) -> list[Piece]:
    """Two steps in two processes at once, equal pieces of text, calls of several chunks, refusals, a loss, closes."""
    text = [b"no", b" ", b"vo", b" ", b" ", b"e2e", b" ", b"ok"]
    reports: list[Piece] = []
    chunks: list[ChunkSeen] = []
    for process, shift in (("p1", 0), ("p2", 3)):
        for n, data in enumerate(text, 1):
            call = exact(n, data, shift + 7 * n, took=30)
            reports.append(partial(report, world, call, process=process))
            chunks.append(chunk(100 * n + shift, data, shift + 7 * n + 2))
        again = exact(50, b" ", shift + 80, took=9, order=50)
        refused = exact(49, b" ", shift + 70, took=9, order=50, ok=False)
        reports.append(partial(report, world, again, refused, process=process))
        chunks.append(chunk(5000 + shift, b" ", shift + 84))
    multi = write(60, b"m", 120)
    multi["chunks"] = [one for data in (b"m", b" ", b"m") for one in write(0, data)["chunks"]]
    reports += [
        partial(report, world, multi),
        partial(report, world, write(61, b" ", 140, took=None, ok=None)),
    ]
    reports.append(partial(report, world, write(70, CLOSE, 160), exact(71, b"lost", 150)))
    chunks += [chunk(6000 + n, data, 121) for n, data in enumerate((b"m", b" ", b"m"))]
    chunks += [chunk(7000, b" ", 141), chunk(7001, CLOSE, 161), chunk(7002, b"nobody's", 162)]
    return reports + [partial(store, world, one) for one in chunks]


def told_at_once() -> dict[str, Any]:
    world = make_world("at-once")
    for piece in chat(world):
        piece()
    joined()
    processes(world, p1=0, p2=0)
    look(world, 170 + LOST_AFTER_MS)
    joined()
    found = state()
    Stream.objects.all().delete()
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_end_is_the_same_in_whatever_pieces_and_order_all_of_it_comes(seed):
    expected = told_at_once()
    world, dice = make_world(), random.Random(seed)
    pieces = chat(world)
    dice.shuffle(pieces)
    for piece in pieces:
        piece()
        if dice.random() < 0.5 and Stream.objects.exists():
            joined()
    joined()
    processes(world, p1=0, p2=0)
    look(world, 170 + LOST_AFTER_MS)
    joined()
    assert state() == expected


def test_what_is_told_at_once_is_true():
    found = told_at_once()
    by_outcome = {key: value[0] for key, value in found["writes"].items()}
    assert [key for key, outcome in by_outcome.items() if outcome == "lost"] == [("p1", 71, 0)]
    assert {key for key, outcome in by_outcome.items() if outcome == "rejected"} == {
        ("p1", 49, 0),
        ("p2", 49, 0),
    }
    assert [key for key, _ in found["chunks"].values()].count(None) == 1
    for process in ("p1", "p2"):
        ids = [found["writes"][process, n, 0][1] for n in range(1, 9)]
        assert ids == sorted(ids), "equal pieces of text are not taken for moved ones"


# --- lost --------------------------------------------------------------------------------------------------------


def lost_at(world: World, look_at: float) -> bool:
    look(world, look_at)
    joined()
    return "lost" in {outcome for outcome, *_ in outcomes().values()}


def test_a_write_is_lost_after_a_look_that_began_long_enough_after_it_was_acknowledged(world):
    processes(world, p1=0)
    report(world, exact(1, b"a", 0, took=10))
    joined()
    assert outcomes()["p1", 1, 0][0] == "unmatched", "nobody has looked so far"
    assert not lost_at(world, 10 + LOST_AFTER_MS)
    assert lost_at(world, 11 + LOST_AFTER_MS)


@pytest.mark.parametrize("offset", [-3_600_000, 5000])
def test_by_our_clock_not_by_that_of_the_process(world, offset):
    processes(world, p1=offset)
    report(world, exact(1, b"a", 0, took=10))
    assert not lost_at(world, 10 + offset + LOST_AFTER_MS)
    assert lost_at(world, 11 + offset + LOST_AFTER_MS)


def test_as_far_as_the_two_clocks_are_known(world):
    processes(world, p1=0)
    AppProcess.objects.update(clock_error_ns=500 * NS_PER_MS)
    report(world, exact(1, b"a", 0, took=10))
    assert not lost_at(world, 510 + LOST_AFTER_MS)
    assert lost_at(world, 511 + LOST_AFTER_MS)


def test_of_a_process_whose_clock_is_not_known_nothing_is_lost(world):
    AppProcess.objects.create(world=world, process="p1", first_seen_ns=0, last_seen_ns=0)
    report(world, exact(1, b"a", 0), process="p1")
    report(world, exact(1, b"a", 0), process="unheard-of")
    assert not lost_at(world, 1e9)


def test_each_process_is_judged_by_its_own_clock(world):
    processes(world, p1=0, p2=60_000)
    report(world, exact(1, b"a", 0), process="p1")
    report(world, exact(1, b"b", 0), process="p2")
    assert lost_at(world, 100 + LOST_AFTER_MS)
    assert {key[0]: one[0] for key, one in outcomes().items()} == {"p1": "lost", "p2": "unmatched"}


def test_what_never_came_back_or_was_refused_is_not_lost(world):
    processes(world, p1=0)
    report(world, write(1, b"a", 0, took=None, ok=None), write(2, b"b", 1, ok=False))
    assert not lost_at(world, 1e9)


def test_a_close_that_was_acknowledged_and_is_not_there_is_lost_too(world):
    processes(world, p1=0)
    report(world, write(1, CLOSE, 0))
    assert lost_at(world, 1e6)


def test_a_lost_one_that_turns_up_is_stored_again(world):
    processes(world, p1=0)
    report(world, exact(1, b"a", 0), exact(2, b"b", 10))
    assert lost_at(world, 1e6)
    store(world, chunk(2, b"b", 12))
    joined()
    assert [one[0] for one in outcomes().values()] == ["lost", "stored"]
    assert Chunk.objects.get().sequence == 1


@pytest.mark.parametrize("values", [{"expired": True}, {"pruned_ns": 5}])
def test_of_a_stream_that_was_purged_nothing_is_lost(world, values):
    processes(world, p1=0)
    report(world, exact(1, b"a", 0))
    Stream.objects.update(**values)
    assert not lost_at(world, 1e6)


def test_nothing_is_lost_in_a_world_that_nobody_reads():
    world = make_world(kind="probe")
    processes(world, p1=0)
    report(world, exact(1, b"a", 0))
    assert not lost_at(world, 1e6)


def test_what_may_lie_behind_an_end_that_hides_it_is_not_lost():
    world = make_world(kind="vercel")
    processes(world, p1=0, p2=0)
    report(world, exact(1, b"a", 0), exact(2, b"b", 10), write(3, CLOSE, 50, pair=1), exact(4, b"c", 60))
    report(world, exact(1, b"d", 5), process="p2")
    store(world, chunk(1, b"a", 2), chunk(3, CLOSE, 52))
    assert lost_at(world, 1e6)
    assert {key[:2]: one[0] for key, one in outcomes().items()} == {
        ("p1", 1): "stored",
        ("p1", 2): "lost",  # its own process closed the stream later
        ("p1", 3): "stored",
        ("p1", 4): "hidden",
        ("p2", 1): "hidden",  # by another clock: it may have come later
    }
    store(world, chunk(5, b"c", 62))
    joined()
    assert outcomes()["p1", 4, 0][0] == "stored"


def test_without_an_end_nothing_hides_there():
    world = make_world(kind="vercel")
    processes(world, p1=0)
    report(world, exact(1, b"a", 0))
    assert lost_at(world, 1e6)


def test_losses_are_told_once(world):
    processes(world, p1=0)
    report(world, *(exact(n, b"%d" % n, n) for n in range(1, 1203)))
    look(world, 1e6)
    assert joined()
    revision = Stream.objects.get().write_revision
    look(world, 2e6)
    assert not joined()
    assert Stream.objects.get().write_revision == revision
    assert Write.objects.filter(outcome="lost").count() == 1202


# --- other bytes -------------------------------------------------------------------------------------------------


def test_bytes_of_the_same_size_stored_at_that_time_are_the_write_stored_otherwise(world):
    processes(world, p1=0)
    report(world, exact(1, b"abc", 0), exact(2, b"known", 50))
    store(world, chunk(1, b"ABC", 2), chunk(2, b"known", 52))
    joined()
    assert outcomes()["p1", 1, 0][0] == "unmatched", "its chunk may still come"
    look(world, 1e6)
    joined()
    assert outcomes()["p1", 1, 0] == ("stored", 1, 0)
    assert Write.objects.get(number=1).error == OTHER_BYTES


def test_where_no_hash_ever_fits_the_time_is_enough(world):
    """Something below the probe compresses or encrypts."""
    processes(world, p1=0)
    report(world, exact(1, b"abc", 0), exact(2, b"def", 50))
    store(world, chunk(1, b"longer", 2), chunk(2, b"still longer", 52))
    look(world, 1e6)
    joined()
    assert {one[0] for one in outcomes().values()} == {"stored"}


def test_a_chunk_of_somebody_else_does_not_hide_a_loss(world):
    """The hashes of this process do fit; the chunk of that time is longer and came from a process without a probe."""
    processes(world, p1=0)
    report(world, exact(1, b"abc", 0), exact(2, b"known", 50))
    store(world, chunk(1, b"somebody else's", 2), chunk(2, b"known", 52))
    look(world, 1e6)
    joined()
    assert [one[0] for one in outcomes().values()] == ["lost", "stored"]


def test_a_write_with_the_very_bytes_takes_its_chunk_back(world):
    processes(world, p1=0, p2=0)
    report(world, exact(1, b"abc", 0))
    store(world, chunk(1, b"ABC", 2))
    look(world, 1e6)
    joined()
    report(world, exact(1, b"ABC", 0), process="p2")
    joined()
    assert {key[0]: one[:2] for key, one in outcomes().items()} == {"p1": ("lost", None), "p2": ("stored", 1)}
    assert Write.objects.get(process="p1").error == ""
    assert Chunk.objects.get().writer.process == "p2"


def test_a_write_reported_without_a_hash_is_found_by_time(world):
    processes(world, p1=0)
    bare = exact(1, b"abc", 0)
    bare["chunks"] = [{"pair": 1, "order": 1}]
    report(world, bare, exact(2, b"known", 50))
    store(world, chunk(1, b"abc", 2), chunk(2, b"known", 52))
    look(world, 1e6)
    joined()
    assert outcomes()["p1", 1, 0] == ("stored", 1, 0)


# --- how much it reads -------------------------------------------------------------------------------------------


def queries_to_join() -> int:
    with CaptureQueriesContext(connection) as queries:
        assert joined()
    return len(queries)


def test_it_reads_no_more_of_a_long_stream_than_of_a_short_one(world):
    """500 a second: a batch is matched with the chunks of its own seconds, however many there were before."""
    read: list[int] = []
    for at in range(4):
        numbers = range(1000 * at + 1, 1000 * at + 1001)
        store(world, *(chunk(n, b"%d" % n, 2 * n) for n in numbers))
        report(world, *(exact(n, b"%d" % n, 2 * n - 1) for n in numbers))
        read.append(queries_to_join())
    assert len(set(read[1:])) == 1
    assert Write.objects.filter(outcome="stored").count() == 4000


def test_the_same_chunk_id_in_two_streams_is_two_chunks(world):
    other = "strm_01M803XX9EKPGB0DR66MWJRZ8Z_user_other"
    store(world, chunk(1, b"a", 2), chunk(1, b"a", 2, stream=other))
    report(world, exact(1, b"a", 0), exact(2, b"a", 1, stream=other))
    joined()
    joined(other)
    assert outcomes() == {("p1", 1, 0): ("stored", 1, 0)}
    assert outcomes(other) == {("p1", 2, 0): ("stored", 1, 0)}
