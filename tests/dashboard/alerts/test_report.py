"""The weekly report: when it is due, and what it says."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from dashboard.alerts import editing, outbox, report, testing
from dashboard.alerts.channels.base import Message
from dashboard.alerts.editing import ChannelForm
from dashboard.alerts.models import AlertChannel
from dashboard.alerts.outbox import Parcel
from dashboard.lib.clock import NS_PER_S
from tests.dashboard.alerts.telling import forget_first_rules, make_channel, run
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_stream, make_world

pytestmark = pytest.mark.django_db
DAY_S = 86_400


@pytest.fixture
def channel(clock, counting):
    forget_first_rules()
    return make_channel()


def ns(text: str, zone: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * NS_PER_S


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-22 10:00", "2026-11-23 09:00"),  # a Sunday
        ("2026-11-23 08:59", "2026-11-23 09:00"),
        ("2026-11-23 09:00", "2026-11-30 09:00"),
        ("2026-03-23 09:00", "2026-03-30 09:00"),  # clocks go forward in between
    ],
)
def test_it_is_due_at_an_hour_of_a_weekday(now, due):
    zone = "Europe/Vienna"
    assert report.next_due_ns(0, 9, zone, ns(now, zone)) == ns(due, zone)


def test_it_is_sent_each_week_to_who_asked_for_it(channel, counting, clock):
    make_channel("Other")
    form = ChannelForm("counting", "Ops", report_weekday=3, report_hour=8, report_time_zone="Asia/Tokyo")
    editing.save_channel(channel.pk, form)
    run()
    assert counting.sent == []
    clock.forward(7 * DAY_S)
    run()
    run()
    assert counting.events() == ["report"]
    clock.forward(7 * DAY_S)
    run()
    assert counting.events() == ["report", "report"]
    editing.save_channel(channel.pk, ChannelForm("counting", "Ops"))
    clock.forward(7 * DAY_S)
    run()
    assert len(counting.sent) == 2


def test_it_counts_what_was_sent_without_tests(channel, counting, clock, monkeypatch):
    monkeypatch.setattr(testing, "in_background", lambda work: work())
    testing.start(channel)
    assert counting.events() == ["test"] and report.week_before(clock.ns).sent == 0
    outbox.put([Parcel(Message("anomaly", "", "Something"), (channel,))])
    run()
    assert report.week_before(clock.ns).sent == 1


def test_it_says_what_was_checked_and_what_is_new(channel, counting, clock):
    run_ = make_run(make_world("app"))
    stream = make_stream_of(run_)
    find(stream)
    find(make_stream_of(run_), "chunk_lost")
    make_stream(run_.world, "strm_a_user", run_, verdict=70, last_stored_ns=clock.ns)
    make_stream(run_.world, "strm_b_user", run_, verdict=0, last_stored_ns=clock.ns)
    make_stream(run_.world, "strm_c_user", run_, verdict=30, last_stored_ns=clock.ns)
    make_stream(run_.world, "strm_d_user", run_, verdict=0, last_stored_ns=clock.ns - report.WEEK_NS - 1)
    AlertChannel.objects.update(report_weekday=0, report_due_ns=clock.ns)
    run()
    message = counting.sent[0]
    assert message.title == "Weekly report: 2 streams checked, 2 new anomalies"
    facts = dict(message.facts)
    assert (facts["Error"], facts["Clean"], facts["Waiting"]) == ("1", "1", "2")
    assert facts["New kinds"] == "chunk_lost, write_after_close"
    assert facts["Workflow chatTurn"] == "2 findings"
    clock.forward(8 * DAY_S)
    week = report.week_before(clock.ns)
    assert (week.checked, week.opened, week.new_kinds, week.worst) == (0, 0, (), ())
    assert week.waiting == 2
