"""Conditions, quiet hours, and what is wrong with a rule. Pure."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from dashboard.alerts.models import AlertRule
from dashboard.alerts.rules import Conditions, Facts, problems_of, quiet_of
from dashboard.lib.clock import NS_PER_S

CHAT = "workflow//./workflows/chat//chatTurn"
FACTS = Facts("chunk_lost", 2, 2, 7, CHAT, frozenset(("dpl_1", "dpl_2")))
VIENNA = "Europe/Vienna"


@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(),
        Conditions(kinds=frozenset(("chunk_lost", "out_of_order"))),
        Conditions(min_severity=2, min_certainty=2),
        Conditions(worlds=frozenset((7, 8))),
        Conditions(workflows=("other", "chat*")),
        Conditions(workflows=(CHAT,)),
        Conditions(deployments=("*_2",)),
    ],
)
def test_it_fits(conditions):
    assert conditions.match(FACTS)


@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(kinds=frozenset(("out_of_order",))),
        Conditions(min_severity=3),
        Conditions(min_certainty=2, min_severity=3),
        Conditions(worlds=frozenset((8,))),
        Conditions(workflows=("Chat*", "chat")),
        Conditions(deployments=("prd_*",)),
    ],
)
def test_it_does_not_fit(conditions):
    assert not conditions.match(FACTS)


def ns(text: str, zone: str = VIENNA) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * NS_PER_S


def quiet(start: str, end: str, zone: str = VIENNA):
    return quiet_of(AlertRule(quiet_from=start, quiet_until=end, time_zone=zone))


@pytest.mark.parametrize(
    ("start", "end", "now", "ends"),
    [
        ("22:00", "07:00", "2026-11-22 22:00", "2026-11-23 07:00"),
        ("22:00", "07:00", "2026-11-22 03:00", "2026-11-22 07:00"),
        ("22:00", "07:00", "2026-11-22 07:00", None),
        ("22:00", "07:00", "2026-11-22 21:59", None),
        ("12:00", "13:00", "2026-11-22 12:30", "2026-11-22 13:00"),
        ("12:00", "13:00", "2026-11-22 13:00", None),
        # The night in which clocks go forward: it is an hour shorter, and 02:30 does not exist.
        ("22:00", "07:00", "2026-03-28 23:00", "2026-03-29 07:00"),
        ("22:00", "02:30", "2026-03-28 23:00", "2026-03-29 03:30"),
        # The one in which they go back: 02:30 exists twice, quiet ends at the first.
        ("22:00", "02:30", "2026-10-24 23:00", "2026-10-25 02:30"),
    ],
)
def test_quiet_hours_end_by_the_local_clock(start, end, now, ends):
    assert quiet(start, end).ends_ns(ns(now)) == (ns(ends) if ends else None)


@pytest.mark.parametrize(
    "rule", [("", "", "UTC"), ("22:00", "22:00", "UTC"), ("x", "07:00", "UTC"), ("22:00", "07:00", "Mars")]
)
def test_what_is_no_pair_of_times_withholds_nothing(rule):
    assert quiet(*rule) is None


def rule(**fields) -> AlertRule:
    return AlertRule(**({"name": "R", "triggers": ["first_time"]} | fields))


def test_a_rule_that_is_right_has_no_problems():
    assert problems_of(rule(), ()) == {}
    assert (
        problems_of(
            rule(triggers=["absent"], workflows=["chat*"], quiet_from="22:00", quiet_until="06:00"), ()
        )
        == {}
    )


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("name", {"name": " "}),
        ("kinds", {"kinds": ["nonsense"]}),
        ("min_severity", {"min_severity": 9}),
        ("min_certainty", {"min_certainty": -1}),
        ("triggers", {"triggers": []}),
        ("triggers", {"triggers": ["sometimes"]}),
        ("triggers", {"triggers": ["absent", "every"], "workflows": ["x"]}),
        ("workflows", {"triggers": ["absent"]}),
        ("workflows", {"workflows": [""]}),
        ("deployments", {"deployments": ["x" * 301]}),
        ("threshold", {"triggers": ["more_than"], "threshold": 0}),
        ("period_s", {"triggers": ["more_than"], "period_s": 86_401}),
        ("period_s", {"triggers": ["silent"], "period_s": 1}),
        ("time_zone", {"time_zone": "../etc/passwd"}),
        ("quiet_from", {"quiet_from": "22:00"}),
        ("quiet_from", {"quiet_from": "22:00", "quiet_until": "25:00"}),
        ("cooldown_s", {"cooldown_s": -1}),
        ("hourly_cap", {"hourly_cap": 0}),
    ],
)
def test_what_is_wrong_is_said_by_field(field, fields):
    assert field in problems_of(rule(**fields), ("chunk_lost",))
