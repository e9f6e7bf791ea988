"""What the envelope of a batch says of its process, whatever order batches come in."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from runs.models import AppError, AppProcess, InboxItem, World
from runs.observations import AppFailed
from runs.processes import GAPS_KEPT, note_batch, record_failures
from tests.factories import MS, START_NS, make_run, make_world

pytestmark = pytest.mark.django_db
SENT_MS = START_NS / MS
APP = {
    "probe": "1", "language": "js", "runtime": "node v20.20.2", "sdk": "4.8.9", "pid": 31167, "host": "laptop",
    "world": "local", "location": "/srv/shop", "exact": True, "env": "development",
}  # fmt: skip


@pytest.fixture
def world() -> World:
    return make_world()


def item(world: World, number: int = 1, received_ns: int = START_NS, process: str = "p1") -> InboxItem:
    return InboxItem(world=world, process=process, number=number, received_ns=received_ns, body=b"")


def note(world: World, number: int = 1, received_ns: int = START_NS, **batch: Any) -> AppProcess:
    return note_batch(
        world, item(world, number, received_ns), {"records": [], "sent": SENT_MS, "app": APP} | batch
    )


def test_it_notes_the_process_and_its_app(world):
    row = note(world, 3, records=[{}, {}])
    assert (row.process, row.last_number, row.batches, row.records) == ("p1", 3, 1, 2)
    assert (row.sdk_version, row.language, row.is_exact, row.has_ended) == ("4.8.9", "js", True, False)
    assert row.about == {key: str(value) for key, value in APP.items() if key != "exact"}
    assert AppProcess.objects.get() == row


def test_it_sums_up_batches_of_one_process_and_keeps_processes_apart(world):
    note(world, 1, START_NS, records=[{}])
    note(world, 2, START_NS + 7, records=[{}, {}], ending=True)
    note_batch(world, item(world, process="p2"), {"records": []})
    row = AppProcess.objects.get(process="p1")
    assert (row.batches, row.records, row.last_number, row.has_ended) == (2, 3, 2, True)
    assert (row.first_seen_ns, row.last_seen_ns) == (START_NS, START_NS + 7)
    assert AppProcess.objects.get(process="p2").batches == 1


def test_the_same_process_in_two_worlds_is_two(world):
    note(world)
    note(make_world("other"))
    assert AppProcess.objects.filter(process="p1").count() == 2


def test_batches_in_any_order_say_the_same(world):
    batches = [
        {"number": 1, "received_ns": START_NS + 1, "app": APP | {"sdk": "old"}, "dropped": {"records": 5}},
        {"number": 2, "received_ns": START_NS + 2, "app": APP, "dropped": {"records": 9, "batches": 1}},
        {"number": 3, "received_ns": START_NS + 3, "app": None, "ending": True},
    ]
    told = []
    for turn, order in enumerate(itertools.permutations(batches)):
        here = make_world(f"turn{turn}")
        for batch in order:
            note(here, **batch)
        row = AppProcess.objects.get(world=here)
        told.append(
            (
                row.last_number,
                row.batches,
                row.has_ended,
                row.first_seen_ns,
                row.last_seen_ns,
                row.clock_offset_ns,
            )
        )
    assert told == [told[0]] * len(told)


def test_an_older_batch_does_not_overwrite_what_a_newer_one_said(world):
    note(world, 2, app=APP | {"sdk": "5.0"}, dropped={"records": 9})
    row = note(world, 1, app=APP | {"sdk": "4.0"}, dropped={"records": 4})
    assert (row.sdk_version, row.dropped_records, row.last_number) == ("5.0", 9, 2)


def test_it_keeps_what_never_got_here(world):
    spans = [{"from": SENT_MS, "to": SENT_MS + 5, "records": 500}]
    row = note(world, dropped={"batches": 1, "records": 500, "spans": spans})
    assert (row.dropped_batches, row.dropped_records) == (1, 500)
    assert row.gaps == [{"from": START_NS, "to": START_NS + 5 * MS, "records": 500}]
    later = note(world, 2, dropped={"batches": 1, "records": 500})
    assert later.gaps == row.gaps


def test_it_keeps_the_latest_gaps_only(world):
    spans = [{"from": at, "to": at + 1, "records": 1} for at in range(GAPS_KEPT + 5)]
    row = note(world, dropped={"records": 25, "spans": spans})
    assert len(row.gaps) == GAPS_KEPT and row.gaps[-1]["from"] == (GAPS_KEPT + 4) * MS


def test_without_the_processs_own_estimate_the_quickest_way_here_counts(world):
    assert note(world, 1, START_NS + 50 * MS).clock_offset_ns == 50 * MS
    assert note(world, 2, START_NS + 20 * MS).clock_offset_ns == 20 * MS
    row = note(world, 3, START_NS + 90 * MS)
    assert (row.clock_offset_ns, row.clock_error_ns) == (20 * MS, None)


def test_the_processs_own_estimate_is_taken_with_half_its_round_trip_as_error(world):
    note(world, 1, START_NS + 50 * MS)
    row = note(world, 2, clock={"offset": -3.5, "rtt": 4.0})
    assert (row.clock_offset_ns, row.clock_error_ns) == (-3_500_000, 2 * MS)
    row = note(world, 3, START_NS + 1)
    assert (row.clock_offset_ns, row.clock_error_ns) == (-3_500_000, 2 * MS)


def test_a_later_estimate_wins_and_of_older_ones_a_surer(world):
    note(world, 5, clock={"offset": 10, "rtt": 4})
    assert note(world, 6, clock={"offset": 3_600_000, "rtt": 50}).clock_offset_ns == 3_600_000 * MS
    assert note(world, 4, clock={"offset": 11, "rtt": 60}).clock_offset_ns == 3_600_000 * MS
    assert note(world, 3, clock={"offset": 12, "rtt": 1}).clock_offset_ns == 12 * MS


@pytest.mark.parametrize(
    "clock",
    [None, 7, "x", [], {}, {"offset": 1}, {"rtt": 1}, {"offset": "1", "rtt": 1}, {"offset": 1, "rtt": -1},
     {"offset": math.nan, "rtt": 1}, {"offset": True, "rtt": 1}, {"offset": 1e30, "rtt": 1},
     {"offset": 1, "rtt": 10**400}],
)  # fmt: skip
def test_an_estimate_that_is_none_is_left_out(world, clock):
    row = note(world, 1, START_NS + 50 * MS, clock=clock)
    assert (row.clock_offset_ns, row.clock_error_ns) == (50 * MS, None)


@pytest.mark.parametrize("sent", [None, "now", math.nan, math.inf, True, 1e300, 10**400])
def test_without_a_time_of_sending_the_clock_is_not_known(world, sent):
    assert note(world, sent=sent).clock_offset_ns is None


HOSTILE = [
    7, "x", [], [1], {}, None, {"sdk": 7, "language": [], "exact": "yes", "pid": {"a": 1}, "host": "\x00\ud800" * 900},
    {"sdk": "x" * 10_000_000, "language": "\x00", "host": None, "pid": 10**300},
]  # fmt: skip


@pytest.mark.parametrize("app", HOSTILE)
def test_any_app_can_be_stored(world, app):
    row = note(world, app=app)
    assert AppProcess.objects.get(pk=row.pk).about == row.about
    assert len(row.sdk_version) <= 100 and len(row.language) <= 20
    assert all(len(value) <= 300 and "\x00" not in value for value in row.about.values())


@pytest.mark.parametrize(
    "dropped",
    [7, [], {"batches": -1, "records": "9", "spans": 7}, {"spans": [7, None, {}, {"from": math.nan, "to": 1}]},
     {"batches": 2**80, "records": True, "spans": [{"from": 1e300, "to": 2}]}],
)  # fmt: skip
def test_any_account_of_drops_can_be_stored(world, dropped):
    row = note(world, dropped=dropped)
    assert (row.dropped_batches, row.dropped_records, row.gaps) == (0, 0, [])


def failed(**fields: Any) -> AppFailed:
    defaults = {
        "run_id": "", "kind": "log", "at_ns": START_NS, "name": "Error", "message": "HTTP 409", "step_id": "",
        "write_number": None, "place": 0,
    }  # fmt: skip
    return AppFailed(**(defaults | fields))


def test_it_stores_failures_with_their_runs_once(world):
    run = make_run(world, "wrun_1")
    one = [failed(run_id="wrun_1", place=0, write_number=17), failed(run_id="wrun_9", place=1)]
    for _ in range(2):
        assert record_failures(world, item(world, 4), one, {"wrun_1": run})
    first, second = AppError.objects.order_by("place")
    assert (first.run, first.process, first.number, first.write_number) == (run, "p1", 4, 17)
    assert second.run is None


def test_it_stores_hostile_text_of_failures_and_nothing_for_none(world):
    text = "\x00\ud800" * 5_000_000
    record_failures(world, item(world), [failed(kind=text, name=text, message=text, step_id=text)], {})
    row = AppError.objects.get()
    assert len(row.kind) <= 40 and len(row.message) <= 2000 and "\x00" not in row.message
    assert not record_failures(world, item(world, 2), [], {})
