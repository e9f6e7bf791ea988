from __future__ import annotations

from bisect import bisect_left

import pytest

from runs.worlds import _vercel_pacing
from runs.worlds._vercel_pacing import Pacer, retry_after_s
from runs.worlds.base import WorldError


class _Clock:
    """A clock that moves when someone sleeps."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def time(self):
        return 1_800_000_000.0 + self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = _Clock()
    monkeypatch.setattr(_vercel_pacing, "time", clock)
    return clock


@pytest.mark.parametrize("budget", [10, 120, 600])
def test_no_minute_has_more_requests_than_the_budget(clock, budget):
    pacer, taken = Pacer(budget), []
    while clock.now < 1180:
        pacer.take()
        taken.append(clock.now)

    most = max(bisect_left(taken, start + 60) - number for number, start in enumerate(taken))
    assert most <= budget
    assert len(taken) > 1.5 * budget, "and what is allowed is used"


def test_a_quarter_may_be_sent_at_once(clock):
    pacer = Pacer(120)
    for _ in range(30):
        pacer.take()
    assert clock.now == 1000.0
    pacer.take()
    assert clock.now > 1000.0


def test_what_can_be_done_without_leaves_half_of_it(clock):
    pacer = Pacer(120)
    assert sum(pacer.try_take() for _ in range(100)) == 15
    assert clock.now == 1000.0


def test_used_counts_the_last_minute(clock):
    pacer = Pacer(120)
    for _ in range(5):
        pacer.take()
    assert pacer.used() == 5
    clock.now += 61
    assert pacer.used() == 0


def test_a_pause_that_is_asked_for_is_kept(clock):
    pacer = Pacer(120)
    error = pacer.throttled("30", "the server asked (429)")
    assert str(error).startswith("the server asked (429): nothing is asked before ")
    with pytest.raises(WorldError, match="429"):
        pacer.take()
    assert not pacer.try_take()
    assert pacer.paused_until_ns() is not None
    clock.now += 30
    pacer.take()
    assert pacer.paused_until_ns() is None


def test_pauses_after_failures_grow_and_end_with_the_first_answer(clock):
    pacer, pauses = Pacer(120), []
    for _ in range(12):
        pacer.failed("away")
        pauses.append(pacer.paused_s())
        clock.now += 100
    assert pauses[0] <= 0.5
    assert pauses[8] > pauses[0]
    assert max(pauses) <= 30
    pacer.answered()
    pacer.failed("away again")
    assert pacer.paused_s() <= 0.5


def test_a_refused_token_is_remembered_for_a_while_and_no_other(clock):
    pacer = Pacer(120)
    pacer.refused("old")
    assert pacer.is_refused("old")
    assert not pacer.is_refused("new")
    clock.now += 61
    assert not pacer.is_refused("old")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("99999999999999", 3600.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("٣", None),
    ],
)
def test_retry_after_is_seconds(value, seconds):
    assert retry_after_s(value) == seconds


def test_retry_after_is_a_date(clock):
    assert retry_after_s("Fri, 15 Jan 2027 08:17:10 GMT") == 30.0
    assert retry_after_s("Fri, 15 Jan 2020 08:17:10 GMT") == 0.0
    assert retry_after_s("Fri, 15 Jan 2030 08:17:10 GMT") == 3600.0
