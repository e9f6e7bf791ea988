"""Which clock the lanes say their times are of."""

from __future__ import annotations

import pytest

from streams._lanes_clocks import ProcessClock, clock_words
from tests.factories import MS


def test_a_process_clock_is_set_right_only_where_it_is_known_to_differ():
    assert ProcessClock(50 * MS, MS).shift_ns == 50 * MS
    assert ProcessClock(MS, 2 * MS).shift_ns == 0, "the same as far as can be told"
    assert ProcessClock(50 * MS, None).shift_ns == 0, "a bound, not an offset"
    assert ProcessClock(None, None).shift_ns == 0


@pytest.mark.parametrize(
    ("clocks", "said"),
    [
        ([ProcessClock(None, None)], "never compared with another"),
        ([ProcessClock(MS, 2 * MS)], "the same as this machine's to within 2.0 ms"),
        ([ProcessClock(-50 * MS, MS)], "set right by −50.0 ± 1.0 ms to this machine's"),
        (
            [ProcessClock(50 * MS, MS), ProcessClock(None, None)],
            "1 of 2 set right to this machine's; 1 never compared",
        ),
    ],
)
def test_the_picture_says_which_clock_it_is(clocks, said):
    words = clock_words(clocks, 0, has_calls=True)

    assert said in words[0] and "world's clock" in words[-1]


def test_without_calls_only_the_clocks_of_chunks_and_steps_are_named():
    words = clock_words([], 3, has_calls=False)

    assert len(words) == 2 and "3 ids hold none" in words[0]
