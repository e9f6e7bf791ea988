"""Numbers on the time axis of the lanes."""

from __future__ import annotations

import pytest

from streams._lanes_axis import axis_over
from tests.factories import MS
from tests.factories import START_NS as T


@pytest.mark.parametrize(
    ("length_ms", "unit", "numbers"),
    [
        (500, "ms", ["0", "100", "200"]),
        (2, "ms", ["0.0", "0.5", "1.0"]),
        (60_000, "s", ["0", "10", "20"]),
        (7_200_000, "min", ["0", "20", "40"]),
    ],
)
def test_numbers_on_the_axis_are_round(length_ms, unit, numbers):
    axis = axis_over(T, T + length_ms * MS, zero_ns=T, is_fit=False)

    assert axis.unit == unit and [number for _, number in axis.ticks][:3] == numbers
    assert axis.ticks[0][0] == 0 and len(axis.ticks) <= 11


def test_an_axis_of_nothing_still_has_a_length():
    axis = axis_over(T, T, zero_ns=T, is_fit=False)

    assert axis.to_ns > axis.from_ns and axis.x(T) == 0
