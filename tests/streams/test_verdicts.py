"""The stored verdict of a stream: raised at once, cleared by a judge alone, and never for a state it did not see."""

from __future__ import annotations

import threading

import pytest

from dashboard import prune
from dashboard.anomalies.detect import judge_world
from dashboard.anomalies.models import Checkpoint, Finding
from dashboard.lib.clock import NS_PER_S
from runs.models import Run
from streams import arrivals
from streams.models import Stream
from streams.verdicts import Level, doubt, is_judged, level_of, level_of_finding, settle
from tests.factories import START_NS, make_run, make_stream, make_world
from tests.streams.written import CLOSE, RUN, STREAM, chunk, exact, report, store

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_world()


@pytest.fixture
def run(world):
    return make_run(world, RUN, status="running", completed_ns=None)


def judged(world) -> Level:
    judge_world(world.pk, threading.Event())
    return verdict()


def verdict() -> Level:
    return Level(Stream.objects.get(name=STREAM).verdict)


def link(run) -> None:
    Stream.objects.filter(name=STREAM).update(run=run, listed=True)


@pytest.mark.parametrize(
    ("severity", "certainty", "level"),
    [
        ("critical", "proved", Level.CRITICAL), ("error", "proved", Level.ERROR),
        ("error", "suspected", Level.SUSPECTED),
        ("error", "at_risk", Level.SUSPECTED), ("warning", "proved", Level.WARNING), ("info", "suspected", Level.INFO),
        ("new word", "proved", Level.ERROR),
    ],
)  # fmt: skip
def test_what_is_not_proved_is_suspected_at_most(severity, certainty, level):
    assert level_of_finding(severity, certainty) == level


def test_it_goes_from_not_judged_to_running_to_an_end(world, run):
    store(world, chunk(1, b"a", 1))
    link(run)
    assert verdict() == Level.UNJUDGED
    assert judged(world) == Level.RUNNING
    store(world, chunk(2, b"b", 2))
    assert verdict() == Level.RUNNING, "a stream that is being written does not flicker"
    store(world, chunk(3, CLOSE, 3))
    assert verdict() == Level.UNJUDGED
    assert judged(world) == Level.NONE_FOUND


def test_it_is_clean_only_if_everything_was_checked(world, run):
    store(world, chunk(1, b"a", 1), chunk(2, b"b", 11), chunk(3, CLOSE, 20))
    link(run)
    assert judged(world) == Level.NONE_FOUND
    report(world, exact(1, b"a", 0), exact(2, b"b", 10), exact(3, CLOSE, 19))
    assert verdict() == Level.UNJUDGED
    Run.objects.update(status="completed", completed_ns=START_NS + NS_PER_S)
    arrivals.touch_streams_of({run.pk})
    found = judged(world)
    assert list(Finding.objects.all()) == []
    told = Checkpoint.objects.get().unchecked
    assert (found == Level.CLEAN) == (not told or {one["kind"] for one in told} == set()), told


def test_chunks_behind_the_end_marker_accuse_before_any_judge(world, run):
    store(world, chunk(1, b"a", 1), chunk(2, CLOSE, 2), chunk(3, b"late", 3))
    assert verdict() == Level.ERROR
    assert judged(world) == Level.ERROR


def test_it_is_lowered_when_a_finding_is_withdrawn(world, run):
    store(world, chunk(1, b"a", 1), chunk(2, b"c", 11), chunk(3, b"b", 21))
    report(world, exact(1, b"a", 0), exact(2, b"b", 5, took=20), exact(3, b"c", 6, took=20))
    assert judged(world) == Level.ERROR
    stream = Stream.objects.get()
    settle(stream, [Level.SUSPECTED], False)
    assert verdict() == Level.SUSPECTED, "what the counts say stays"
    Stream.objects.update(moved_count=0)
    settle(stream, [], False)
    assert verdict() in (Level.RUNNING, Level.NONE_FOUND)


def test_what_came_in_while_it_was_judged_is_not_cleared(world):
    store(world, chunk(1, b"a", 1), chunk(2, CLOSE, 2))
    stream = Stream.objects.get()
    Stream.objects.update(changes=stream.changes + 1)
    settle(stream, [], True)
    assert verdict() == Level.UNJUDGED


def test_a_verdict_that_clears_is_not_shown_for_another_state(world):
    clean = make_stream(world, "a", verdict=Level.CLEAN, changes=4, judged=4)
    assert (level_of(clean), is_judged(clean)) == (Level.CLEAN, True)
    clean.changes = 5
    assert level_of(clean) == Level.UNJUDGED
    accused = make_stream(world, "b", verdict=Level.ERROR, changes=5, judged=4)
    assert level_of(accused) == Level.ERROR


def test_doubt_takes_back_what_cleared_and_nothing_that_accuses(world):
    for level in Level:
        make_stream(world, str(level), verdict=level)
    doubt(Stream.objects.all())
    kept = {int(name): verdict for name, verdict in Stream.objects.values_list("name", "verdict")}
    assert all(now == max(before, Level.UNJUDGED) for before, now in kept.items())


def test_a_pruned_stream_keeps_what_its_counts_say(world):
    bad = make_stream(world, "bad", verdict=Level.CRITICAL, behind_count=1, close_count=1)
    fine = make_stream(world, "fine", verdict=Level.WARNING, close_count=1)
    prune._drop_streams([bad.pk, fine.pk])
    assert dict(Stream.objects.values_list("name", "verdict")) == {
        "bad": Level.ERROR,
        "fine": Level.NONE_FOUND,
    }
    assert is_judged(Stream.objects.get(name="bad"))


def test_settling_again_without_news_says_so(world):
    store(world, chunk(1, b"a", 1), chunk(2, CLOSE, 2))
    assert settle(Stream.objects.get(), [], False)
    assert not settle(Stream.objects.get(), [], False)
