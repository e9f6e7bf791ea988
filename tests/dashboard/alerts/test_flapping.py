"""When something counts as coming and going. Pure."""

from __future__ import annotations

from dashboard.alerts.flapping import WITHIN_NS, is_flapping, opened_again


def test_three_times_within_an_hour_is_flapping():
    flips: list[int] = []
    for at in range(3):
        assert not is_flapping(flips)
        flips = opened_again(flips, at * WITHIN_NS // 4)
    assert is_flapping(flips)


def test_what_comes_back_seldom_is_not():
    flips: list[int] = []
    for at in range(20):
        flips = opened_again(flips, at * WITHIN_NS)
    assert not is_flapping(flips) and len(flips) == 1


def test_few_times_are_kept_however_often_it_comes():
    flips: list[int] = []
    for at in range(100):
        flips = opened_again(flips, at)
    assert is_flapping(flips) and len(flips) == 4
