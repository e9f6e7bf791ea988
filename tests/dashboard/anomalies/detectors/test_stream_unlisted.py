from __future__ import annotations

import pytest

from dashboard.anomalies.detectors.base import Found, NotChecked
from dashboard.anomalies.detectors.stream_unlisted import StreamUnlisted
from dashboard.anomalies.thresholds import DEFAULTS
from dashboard.lib.clock import NS_PER_S
from streams.facts import RunFacts, StreamFacts
from tests.examples import NOW_NS, RUN_ID, STREAM, example, facts_of, values_of

GRACE_NS = int(DEFAULTS.list_s * NS_PER_S)


def asked(
    run: RunFacts | None, listed: bool | None, stored_ns: int = 0, now_ns: int = NOW_NS
) -> list[Found | NotChecked]:
    detector = StreamUnlisted()
    for chunk in facts_of(values_of('"a" close'), stored_ns=stored_ns):
        detector.feed(chunk)
    return list(detector.finish(StreamFacts(STREAM, run, listed), now_ns))


def test_it_finds_a_stored_stream_that_its_runs_list_has_lost():
    (found,) = asked(RunFacts(RUN_ID, status="completed"), False)
    assert isinstance(found, Found)
    assert (found.kind, found.severity, found.certainty) == ("stream_unlisted", "info", "proved")
    assert (found.run_id, found.message) == (
        RUN_ID,
        "The stream is stored, but missing from the list of its run.",
    )


def test_it_finds_a_stream_that_no_list_knows():
    (found,) = asked(None, False)
    assert isinstance(found, Found) and found.run_id == "" and "any run" in found.message


def test_it_does_not_take_a_missing_list_for_an_answer():
    (unchecked,) = asked(RunFacts(RUN_ID, status="completed"), None)
    assert isinstance(unchecked, NotChecked) and unchecked.stream == STREAM


@pytest.mark.parametrize(
    "line",
    [
        'run=completed listed=yes "a" close',
        "run=completed listed=no",
        'run=completed listed=no system=yes "a" close',
        'run=completed listed=no expired=yes "a" close',
    ],
)
def test_it_says_nothing_of_streams_that_are_listed_or_not_stored(line: str):
    assert example(line).results() == []


def test_while_the_run_goes_on_a_new_stream_gets_time_to_be_listed():
    running = RunFacts(RUN_ID, status="running")
    stored_ns = NOW_NS - GRACE_NS + 1
    (waiting,) = asked(running, False, stored_ns)
    assert isinstance(waiting, NotChecked) and waiting.due_ns == NOW_NS + 1
    (found,) = asked(running, False, stored_ns, now_ns=NOW_NS + 1)
    assert isinstance(found, Found)


def test_once_the_run_is_over_there_is_nothing_to_wait_for():
    (found,) = asked(RunFacts(RUN_ID, status="failed"), False, stored_ns=NOW_NS)
    assert isinstance(found, Found)
