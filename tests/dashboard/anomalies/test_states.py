"""The states of an anomaly as a table: a life, what happens, the life after it."""

from __future__ import annotations

import pytest

from dashboard.anomalies.states import Asked, Life, Mute, Passed, Seen, applies, decide, words_of

HOUR = 3_600_000_000_000
OPEN, ACKNOWLEDGED, REGRESSED = (Life(state, 10) for state in ("open", "acknowledged", "regressed"))
RESOLVED = Life("resolved", 10)
BY_NEXT = Life("resolved", 10, by_next=True)


def muted(**mute) -> Life:
    return Life("muted", 10, Mute(**mute))


SEEN = [
    (OPEN, Seen(20), None),
    (ACKNOWLEDGED, Seen(20, is_newer=True), None),
    (REGRESSED, Seen(20), None),
    (RESOLVED, Seen(20), ("regressed", "seen again")),
    (RESOLVED, Seen(20, is_newer=True), ("regressed", "seen in a newer deployment or SDK version")),
    (RESOLVED, Seen(10), None),  # found before it was resolved
    (BY_NEXT, Seen(20), None),
    (BY_NEXT, Seen(20, is_newer=True), ("regressed", "seen in a newer deployment or SDK version")),
    (muted(), Seen(20, recent=99, is_newer=True), None),
    (muted(until_ns=30), Seen(29), None),
    (muted(until_ns=30), Seen(30), ("open", "its mute has ended")),
    (muted(left=0), Seen(20), ("open", "seen more often than it was muted for")),
    (muted(left=0), Seen(9), None),
    (muted(rate=5, per_ns=HOUR), Seen(20, recent=4), None),
    (muted(rate=5, per_ns=HOUR), Seen(20, recent=5), ("open", "seen 5 times within an hour")),
    (muted(until_ns=30), Passed(29), None),
    (muted(until_ns=30), Passed(30), ("open", "its mute has ended")),
    (muted(left=0), Passed(99), None),
    (muted(), Passed(99), None),
    (RESOLVED, Passed(99), None),
    (OPEN, Passed(99), None),
]


@pytest.mark.parametrize(("life", "event", "after"), SEEN)
def test_what_happens_changes_the_state_as_the_table_says(life, event, after):
    change = decide(life, event)
    assert (change and (change.life.state, change.note)) == after
    if change is not None:
        assert change.life.since_ns == event.at_ns and change.life.mute is None and change.what


def test_a_mute_for_so_many_more_counts_down_and_says_nothing():
    change = decide(muted(left=2), Seen(20))
    assert change is not None
    assert (change.life.state, change.life.mute, change.life.since_ns, change.what) == (
        "muted",
        Mute(left=1),
        10,
        "",
    )


@pytest.mark.parametrize(
    ("action", "state", "after"),
    [
        ("acknowledge", "open", "acknowledged"),
        ("acknowledge", "regressed", "acknowledged"),
        ("acknowledge", "muted", "acknowledged"),
        ("acknowledge", "acknowledged", None),
        ("acknowledge", "resolved", None),
        ("resolve", "open", "resolved"),
        ("resolve", "regressed", "resolved"),
        ("resolve", "acknowledged", "resolved"),
        ("resolve", "muted", "resolved"),
        ("resolve", "resolved", None),
        ("mute", "open", "muted"),
        ("mute", "regressed", "muted"),
        ("mute", "acknowledged", "muted"),
        ("mute", "muted", "muted"),
        ("mute", "resolved", None),
        ("reopen", "open", None),
        ("reopen", "regressed", None),
        ("reopen", "acknowledged", "open"),
        ("reopen", "muted", "open"),
        ("reopen", "resolved", "open"),
    ],
)
def test_a_wish_applies_in_some_states_only(action, state, after):
    change = decide(Life(state, 10), Asked(action, 20))
    assert (change and change.life.state) == after
    assert applies(action, state) == (after is not None)


def test_a_wish_keeps_how_it_was_meant():
    resolved = decide(OPEN, Asked("resolve", 20, by_next=True))
    assert resolved is not None and resolved.life == Life("resolved", 20, by_next=True)
    silenced = decide(OPEN, Asked("mute", 20, Mute(left=3)))
    assert silenced is not None and (silenced.life.mute, silenced.note) == (Mute(left=3), "for 3 more")


@pytest.mark.parametrize(
    ("mute", "words"),
    [
        (Mute(), "for good"),
        (Mute(left=1200), "for 1,200 more"),
        (Mute(rate=5, per_ns=HOUR), "while under 5 per hour"),
        (Mute(until_ns=1), "until a time"),
    ],
)
def test_a_mute_is_told_in_words(mute, words):
    assert words_of(mute) == words
