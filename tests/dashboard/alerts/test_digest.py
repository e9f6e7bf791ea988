"""What is held back, by the cap or at night, and the one message that tells it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dashboard.alerts.models import Alert, AlertRule
from dashboard.alerts.queries import untold
from dashboard.anomalies.models import Anomaly
from dashboard.lib.clock import NS_PER_S
from tests.dashboard.alerts.telling import forget_first_rules, make_channel, make_rule, run, seen_once
from tests.dashboard.anomalies.found import find, make_stream_of, withdraw
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def channel(clock, counting):
    forget_first_rules()
    return make_channel()


@pytest.fixture
def one_run(channel):
    return make_run(make_world("app"))


def find_kinds(run, number: int, **values) -> list:
    """As many anomalies, each of a step of its own."""
    return [find(make_stream_of(run), step_name=f"step {at}", **values) for at in range(number)]


def at(clock, text: str) -> None:
    """Move to a time of day (UTC) of the next day."""
    now = datetime.fromtimestamp(clock.ns / NS_PER_S, UTC)
    hour, minute = map(int, text.split(":"))
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    clock.forward((then - now).total_seconds() + 86_400)


def test_what_is_beyond_the_hourly_cap_is_told_in_one_digest(channel, counting, one_run, clock):
    rule = make_rule(channel, hourly_cap=3)
    find_kinds(one_run, 10)
    run()
    assert counting.events() == ["anomaly"] * 3 and untold(rule.pk) == 7
    clock.forward(290)
    run()
    assert len(counting.sent) == 3
    clock.forward(20)
    run()
    assert counting.events()[3:] == ["digest"]
    digest = counting.sent[3]
    assert digest.title == "7 alerts held back"
    assert digest.lines == ("7 × write_after_close in chatTurn (7 alerts)",)
    assert digest.data["digest"]["count"] == 7 and untold(rule.pk) == 0
    clock.forward(3600)
    run()
    assert len(counting.sent) == 4


def test_the_second_digest_of_an_hour_waits_for_its_end(channel, counting, one_run, clock):
    make_rule(channel, hourly_cap=1)
    find_kinds(one_run, 2)
    run()
    clock.forward(301)
    run()
    find(make_stream_of(one_run), "chunk_lost")
    run()
    assert counting.events() == ["anomaly", "digest"]
    clock.forward(1000)
    run()
    assert len(counting.sent) == 2
    clock.forward(2400)
    run()
    assert counting.events() == ["anomaly", "digest", "digest"]


def test_in_the_next_hour_there_is_room_again(channel, counting, one_run, clock):
    make_rule(channel, hourly_cap=1)
    find(make_stream_of(one_run))
    run()
    clock.forward(3601)
    find(make_stream_of(one_run), "chunk_lost")
    run()
    assert counting.events() == ["anomaly", "anomaly"]


def test_in_quiet_hours_it_is_held_until_they_end(channel, counting, one_run, clock):
    at(clock, "20:00")
    make_rule(channel, quiet_from="22:00", quiet_until="07:00", time_zone="Europe/Vienna")
    clock.forward(3600)  # 22:00 in winter, or 23:00 in summer
    finding = find(make_stream_of(one_run))
    find(make_stream_of(one_run), "chunk_lost", severity="critical")
    run()
    assert counting.titles() == ["Chunk lost in chatTurn"]  # critical: through
    withdraw(finding)
    clock.forward(7 * 3600)
    run()
    assert len(counting.sent) == 1
    clock.forward(2.5 * 3600)
    run()
    assert counting.events() == ["anomaly", "digest"]


def test_in_quiet_hours_nothing_critical_comes_through_where_the_rule_says_so(
    channel, counting, one_run, clock
):
    at(clock, "23:00")
    make_rule(channel, quiet_from="22:00", quiet_until="07:00", lets_critical=False)
    find(make_stream_of(one_run), severity="critical")
    run()
    assert counting.sent == []


def test_the_end_of_what_a_digest_told_is_told_in_one(channel, counting, one_run, clock):
    make_rule(channel, hourly_cap=1)
    findings = find_kinds(one_run, 4)
    run()
    clock.forward(301)
    run()
    assert counting.events() == ["anomaly", "digest"]
    for finding in findings:
        withdraw(finding)
    clock.forward(4000)
    run()
    clock.forward(4000)
    run()
    assert counting.events() == ["anomaly", "digest", "recovered", "digest"]
    assert counting.sent[-1].title == "3 alerts over"


def test_a_rule_that_is_off_digests_nothing(channel, counting, one_run, clock):
    rule = make_rule(channel, hourly_cap=1)
    find_kinds(one_run, 3)
    run()
    AlertRule.objects.filter(pk=rule.pk).update(is_on=False)
    clock.forward(301)
    run()
    assert counting.events() == ["anomaly"]


def test_ten_thousand_at_once_are_a_handful_of_messages_and_one_digest(channel, counting, one_run, clock):
    rule = make_rule(channel)
    numbers = range(10_000)
    seen_once(
        Anomaly(
            world=one_run.world, kind="chunk_lost", workflow=f"chat{at % 3}", step_name=f"step {at}", count=1, total=1,
            fingerprint=f"{at:064}", first_seen_ns=clock.ns, last_seen_ns=clock.ns, severity=2, certainty=2,
        )
        for at in numbers
    )  # fmt: skip
    run()
    assert counting.events() == ["anomaly"] * 5
    assert Alert.objects.filter(rule=rule).count() == 10_000
    clock.forward(301)
    run()
    assert counting.events() == ["anomaly"] * 5 + ["digest"]
    told = counting.sent[-1].data["digest"]
    assert told["alerts"] == told["count"] == sum(group["count"] for group in told["groups"]) == 9_995
    run()
    assert len(counting.sent) == 6
