"""The table of how right the detectors of streams are, over the recordings that come with the tests."""

from __future__ import annotations

from tests.accuracy_streams import Result, results, table
from tests.recordings import RECORDINGS


def test_nothing_that_is_true_is_missed_and_nothing_that_is_not_is_found():
    found = list(results(RECORDINGS))
    assert len(found) >= 6
    for result in found:
        assert (result.name, result.missed, result.false) == (result.name, set(), set())
    assert sum(len(result.expected) for result in found) > 50


def test_the_table_counts_what_is_missed_and_what_is_false():
    result = Result("app", expected={("never_closed", "r1"), ("write_after_close", "r2")})
    lines = list(table([result]))
    assert any(line.split() == ["never_closed", "app", "1", "0", "1", "0", "0"] for line in lines)
    told = Result("app", expected={("never_closed", "r1")}, unchecked={("never_closed", "r1")})
    assert any(line.split() == ["never_closed", "app", "1", "0", "0", "0", "1"] for line in table([told]))
