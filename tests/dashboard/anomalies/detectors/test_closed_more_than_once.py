from __future__ import annotations

import pytest

from tests.examples import example


def severity_of(line: str) -> str | None:
    found = [one for one in example(line).verdict().found if one.kind == "closed_more_than_once"]
    return found[0].severity if found else None


def test_a_repeated_close_alone_is_only_worth_knowing():
    assert severity_of('"a" close close close') == "info"


def test_with_data_behind_it_is_a_warning():
    assert severity_of('"a" close "b" close') == "warning"


def test_it_names_all_end_markers():
    (found,) = example('"a" close close close').verdict().found
    assert [chunk.arrival for chunk in found.chunks] == [2, 3, 4]
    assert found.message == "The stream was closed 3 times."


@pytest.mark.parametrize("line", ['"a" close', '"a"', "system=yes close close", "expired=yes close close"])
def test_one_end_marker_is_as_it_should_be(line: str):
    assert severity_of(line) is None
