"""Lists of runs and events by keyset."""

from __future__ import annotations

import pytest

from runs import queries
from runs.queries import Key, RunFilter, parse_key
from tests.factories import MS, START_NS, make_event, make_run, make_step, make_unreadable, make_world

pytestmark = pytest.mark.django_db
ALL = RunFilter()


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(queries, "RUNS_PAGE", 2)
    return make_world()


def names(runs):
    return [run.run_id for run in runs]


def make_runs(world, count, **fields):
    return [make_run(world, f"r{at}", created_ns=START_NS + at, **fields) for at in range(count)]


def test_it_pages_through_runs_in_both_directions(world):
    make_runs(world, 5)
    first = queries.run_list(world.pk, ALL)
    assert (names(first.runs), first.newer) == (["r4", "r3"], None)
    second = queries.run_list(world.pk, ALL, older=first.older)
    assert names(second.runs) == ["r2", "r1"]
    third = queries.run_list(world.pk, ALL, older=second.older)
    assert (names(third.runs), third.older) == (["r0"], None)
    back = queries.run_list(world.pk, ALL, newer=third.newer)
    assert names(back.runs) == ["r2", "r1"]
    assert names(queries.run_list(world.pk, ALL, older=back.older).runs) == ["r0"]


def test_it_fills_the_first_page_when_less_than_a_page_is_newer(world):
    runs = make_runs(world, 3)
    found = queries.run_list(world.pk, ALL, newer=Key(runs[1].created_ns, runs[1].pk))
    assert (names(found.runs), found.newer) == (["r2", "r1"], None)


def test_it_keeps_runs_of_one_time_apart_by_their_id(world):
    for at in range(3):
        make_run(world, f"r{at}", created_ns=START_NS)
    first = queries.run_list(world.pk, ALL)
    assert names(first.runs) + names(queries.run_list(world.pk, ALL, older=first.older).runs) == [
        "r2",
        "r1",
        "r0",
    ]


def test_it_shows_only_runs_of_its_world(world):
    make_run(make_world("other"), "theirs")
    assert queries.run_list(world.pk, ALL).runs == []
    assert queries.run_named(world.pk, "theirs") is None


def test_it_filters_by_status_workflow_and_text(world):
    make_run(world, "wrun_A", status="failed", workflow="workflow//x//alpha")
    make_run(world, "wrun_B", status="completed", workflow="workflow//x//beta")
    assert names(queries.run_list(world.pk, RunFilter(status="failed")).runs) == ["wrun_A"]
    assert names(queries.run_list(world.pk, RunFilter(workflow="workflow//x//beta")).runs) == ["wrun_B"]
    assert names(queries.run_list(world.pk, RunFilter(text="RUN_b")).runs) == ["wrun_B"]
    assert names(queries.run_list(world.pk, RunFilter(text="alph")).runs) == ["wrun_A"]
    assert queries.run_list(world.pk, RunFilter(text="%")).runs == []
    assert queries.run_list(world.pk, RunFilter(status="failed", text="beta")).runs == []


def test_it_keeps_the_rows_that_are_open_and_counts_what_came_above(world):
    runs = make_runs(world, 5)
    rows, fresh = queries.run_list_from(world.pk, ALL, Key(runs[2].created_ns, runs[2].pk))
    assert (names(rows), fresh) == (["r2", "r1"], 2)
    assert queries.run_list_from(world.pk, RunFilter(status="failed"), Key(START_NS, 0)) == ([], 0)


def test_it_counts_runs_by_status_with_one_query(world, django_assert_num_queries):
    make_runs(world, 2)
    make_run(world, status="running")
    make_run(make_world("other"))
    with django_assert_num_queries(1):
        assert queries.status_counts(world.pk) == {"completed": 2, "running": 1}


def test_it_names_each_workflow_once(world):
    for name in ("b", "a", "b", ""):
        make_run(world, workflow=name)
    assert queries.workflow_names(world.pk) == ["a", "b"]


@pytest.mark.parametrize("text", ["", "1", ".1", "1.", "a.b", "1.2.3", f"{2**63}.1", "1.-1", "٣.٣"])
def test_it_takes_no_key_from_other_text(text):
    assert parse_key(text) is None


def test_it_reads_the_key_it_writes():
    assert parse_key(str(Key(-5, 7))) == Key(-5, 7)


def test_it_numbers_events_in_the_order_of_their_ids(world, monkeypatch):
    monkeypatch.setattr(queries, "EVENTS_PAGE", 2)
    run = make_run(world)
    for event_id in ("e3", "e1", "e2"):
        make_event(run, "step_created", event_id=event_id)
    first = queries.events_of(run.pk)
    assert [(row.number, row.event_id) for row in first.events] == [(1, "e1"), (2, "e2")]
    second = queries.events_of(run.pk, first.later)
    assert [(row.number, row.event_id) for row in second.events] == [(3, "e3")]
    assert (first.total, second.later) == (3, "")


def test_it_reads_only_the_head_of_large_values_for_lists(world):
    run = make_run(world)
    make_event(run, "run_created", "x" * 50_000)
    make_step(run, error=b"JSON" + b"y" * 50_000)
    event = queries.events_of(run.pk).events[0]
    assert (len(event.data), event.size) == (queries.LIST_BYTES, 50_006)
    assert len(queries.steps_of(run.pk)[0].error_head) == queries.LIST_BYTES


def test_it_shows_the_newest_of_what_could_not_be_read(world):
    for at in range(3):
        make_unreadable(world, f"f{at}", since_ns=START_NS + at * MS)
    shown, total = queries.unreadable_in(world.pk, 2)
    assert ([one.where for one in shown], total) == (["f2", "f1"], 3)
    assert queries.unreadable_in(make_world("other").pk, 2) == ([], 0)
