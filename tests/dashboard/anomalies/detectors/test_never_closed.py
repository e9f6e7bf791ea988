from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.anomalies.detectors.base import Found, NotChecked
from dashboard.anomalies.detectors.never_closed import NeverClosed
from dashboard.anomalies.thresholds import DEFAULTS
from dashboard.lib.clock import NS_PER_S
from streams.facts import RunFacts, StreamFacts
from tests.examples import NOW_NS, RUN_ID, STREAM, example, facts_of, values_of

GRACE_NS = int(DEFAULTS.close_s * NS_PER_S)


def asked(
    line: str, ended_ns: int | None, now_ns: int = NOW_NS, listed: bool = True
) -> list[Found | NotChecked]:
    detector = NeverClosed()
    for chunk in facts_of(values_of(line)):
        detector.feed(chunk)
    run = RunFacts(RUN_ID, status="completed", ended_ns=ended_ns)
    return list(detector.finish(StreamFacts(STREAM, run, listed), now_ns))


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_it_finds_an_open_stream_of_a_run_that_is_over(status: str):
    (found,) = example(f'run={status} "a" "b"').verdict().found
    assert (found.kind, found.severity, found.certainty) == ("never_closed", "info", "proved")
    assert status in found.message
    assert [chunk.arrival for chunk in found.chunks] == [2]


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("start text-start(t1)", "warning"),
        ("text-start(t1) text-end(t1)", "warning"),
        ("start text-start(t1) text-end(t1) finish", "info"),
        ("start text-start(t1) error", "info"),
        ("text-delta(t1) text-delta(t1)", "info"),
        ("data-status", "info"),
    ],
)
def test_an_unfinished_message_makes_it_a_warning(line: str, severity: str):
    (found,) = asked(line, 0)
    assert isinstance(found, Found) and found.severity == severity
    assert ("unfinished" in found.message) is (severity == "warning")


@pytest.mark.parametrize(
    "line",
    [
        'run=completed "a" close',
        'run=running "a"',
        'run=pending "a"',
        '"a"',
        'run=completed system=yes "a"',
        'run=completed expired=yes "a"',
        "run=completed listed=no",
    ],
)
def test_it_says_nothing_of_streams_that_are_closed_alive_or_not_there(line: str):
    assert [word for word in example(line).results() if "never_closed" in word] == []


def test_a_listed_stream_without_a_chunk_counts():
    (found,) = asked("", 0)
    assert isinstance(found, Found) and found.chunks == ()


def test_it_waits_for_the_last_close_and_says_until_when():
    ended_ns = NOW_NS - GRACE_NS + 1
    (waiting,) = asked('"a"', ended_ns)
    assert isinstance(waiting, NotChecked) and waiting.due_ns == NOW_NS + 1
    (found,) = asked('"a"', ended_ns, now_ns=NOW_NS + 1)
    assert isinstance(found, Found)


def test_a_world_whose_clock_is_years_ahead_is_not_waited_for():
    (found,) = asked('"a"', NOW_NS + 10 * 365 * 86_400 * 10**9)
    assert isinstance(found, Found) and found.certainty == "suspected" and found.missing


def test_the_verdict_follows_the_newest_facts():
    detector = NeverClosed()
    first, close = facts_of(values_of('"a" close'))
    stream = StreamFacts(STREAM, RunFacts(RUN_ID, status="running"))
    detector.feed(first)
    assert list(detector.finish(stream, NOW_NS)) == []
    over = replace(stream, run=RunFacts(RUN_ID, status="completed", ended_ns=0))
    assert len(list(detector.finish(over, NOW_NS))) == 1
    detector.feed(close)
    assert list(detector.finish(over, NOW_NS)) == []
