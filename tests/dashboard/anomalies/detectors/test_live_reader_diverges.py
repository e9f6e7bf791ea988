from __future__ import annotations

from dataclasses import replace

from dashboard.anomalies.detectors.base import NotChecked
from dashboard.anomalies.detectors.live_reader_diverges import CAP, LiveReaderDiverges
from streams.facts import RunFacts, StreamFacts
from tests.dashboard.anomalies.detectors.written import OVER, asked, fact, found_in, ledger_of
from tests.examples import CLOSE, STREAM, facts_of

VALUES = ["a", "b", "c", CLOSE]
LOCAL = StreamFacts(STREAM, OVER, True, world="local")
POSTGRES = replace(LOCAL, world="postgres")


def test_chunks_that_came_back_in_another_order_are_proved():
    writes = ledger_of(
        fact(arrival=1, at=0, took=0.1), fact(arrival=2, at=1, took=5), fact(arrival=3, at=2, took=0.1),
        fact(arrival=4, at=9, is_close=True),
    )  # fmt: skip
    one = found_in(LiveReaderDiverges, replace(LOCAL, writes=writes), list(facts_of(VALUES)))
    assert (one.severity, one.certainty) == ("error", "proved")
    assert one.message == "A live reader got 0 2 1; a later reader gets 0..2."
    assert [chunk.position for chunk in one.chunks] == [1, 2]
    assert one.evidence["live"] == [1, 3, 2]


def test_calls_that_came_back_in_order_are_left_alone():
    writes = ledger_of(*(fact(arrival=n, at=n, is_close=n == 4) for n in range(1, 5)))
    assert asked(LiveReaderDiverges, replace(LOCAL, writes=writes), list(facts_of(VALUES))) == []


def test_a_chunk_that_postgresql_told_of_too_late_is_dropped_and_read_again():
    stream = replace(POSTGRES, told={1: 0, 2: 2, 3: 1, 4: 3})
    one = found_in(LiveReaderDiverges, stream, list(facts_of(VALUES)))
    assert one.message == "A live reader got 0 2 2; a later reader gets 0..2."
    assert (
        asked(LiveReaderDiverges, replace(stream, told={1: 0, 2: 1, 3: 2, 4: 3}), list(facts_of(VALUES)))
        == []
    )


def test_where_nobody_observed_the_order_it_is_not_checked():
    (one,) = asked(LiveReaderDiverges, LOCAL, list(facts_of(VALUES)))
    assert isinstance(one, NotChecked)
    assert one.reason == (
        "not checked here: nobody observed in which order live readers were told of the chunks"
    )


def test_where_calls_came_back_too_close_together_it_is_not_checked():
    writes = ledger_of(
        fact(arrival=1, at=0, took=1.0), fact(arrival=2, at=0.5, took=0.50001), fact(arrival=3, at=3),
        fact(arrival=4, at=5, is_close=True),
    )  # fmt: skip
    (one,) = asked(LiveReaderDiverges, replace(LOCAL, writes=writes), list(facts_of(VALUES)))
    assert isinstance(one, NotChecked) and "too close together" in one.reason


def test_versions_whose_rules_are_not_known_are_suspected_or_not_checked():
    told = {1: 0, 2: 2, 3: 1, 4: 3}
    near = replace(OVER, sdk_version="4.8.7")
    one = found_in(LiveReaderDiverges, replace(POSTGRES, run=near, told=told), list(facts_of(VALUES)))
    assert (one.severity, one.certainty) == ("warning", "suspected")
    for unknown in (replace(OVER, language="python"), replace(OVER, sdk_version="9.0.0")):
        (other,) = asked(
            LiveReaderDiverges, replace(POSTGRES, run=unknown, told=told), list(facts_of(VALUES))
        )
        assert isinstance(other, NotChecked)


def test_a_stream_that_is_too_long_is_not_checked():
    many = list(facts_of(["x"] * (CAP + 1)))
    run = RunFacts("wrun_1", status="running", sdk_version="4.8.9")
    stream = StreamFacts(STREAM, run, world="postgres", told={n: n for n in range(1, CAP + 2)})
    (one,) = asked(LiveReaderDiverges, stream, many)
    assert isinstance(one, NotChecked) and "too long" in one.reason
    assert asked(LiveReaderDiverges, stream, many[:100]) == []
