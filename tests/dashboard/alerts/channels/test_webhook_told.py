"""What is really told of anomalies, against the documented schema and through every kind of channel."""

from __future__ import annotations

import json

import pytest

from dashboard.alerts import absence, outbox, testing
from dashboard.alerts.channels._sending import CLOSING
from dashboard.alerts.channels.base import CHANNELS, EVENTS, DeliveryError, Message
from dashboard.alerts.channels.webhook import Webhook, body
from dashboard.alerts.models import AlertChannel
from dashboard.alerts.outbox import Parcel
from dashboard.anomalies.models import WorldTime
from runs.models import World
from tests.dashboard.alerts.channels.test_services import ALL
from tests.dashboard.alerts.channels.test_webhook import DOCS, deviations
from tests.dashboard.alerts.conftest import Counting
from tests.dashboard.alerts.telling import forget_first_rules, make_channel, make_rule, run, send
from tests.dashboard.anomalies.found import find, make_stream_of, withdraw
from tests.factories import make_run, make_world

MORE = {  # what docs/alerts.md says that an event has beside what all of them have
    "anomaly": ("rule", "why", "count", "episode", "is_flapping", "anomaly", "evidence"),
    "recovered": ("rule", "why", "count", "episode", "is_flapping", "anomaly", "duration_s"),
    "absent": ("rule", "why", "count", "absence"),
    "present": ("rule", "why", "count", "absence"),
    "digest": ("rule", "count", "digest"),
    "report": ("report",),
    "notice": (),
    "test": (),
}
pytestmark = pytest.mark.django_db


HOUR_S = 3600


@pytest.fixture
def told(clock, counting, monkeypatch):
    """One message of each event at least, as they come to be."""
    forget_first_rules()
    monkeypatch.setattr(absence, "_started_ns", 0)
    monkeypatch.setattr(testing, "in_background", lambda work: work())
    channel = make_channel()
    clock.forward(1)
    world = make_world("app")
    one_run = make_run(world, created_ns=clock.ns)
    make_rule(channel, hourly_cap=2)
    _alert_recovery_and_digest(one_run, clock)
    _absence_and_its_end(channel, world, clock)
    _report_notice_and_test(channel)
    assert set(counting.events()) == set(EVENTS)
    return counting.sent


def _alert_recovery_and_digest(one_run, clock):
    finding = find(make_stream_of(one_run))
    run()
    clock.forward(60)
    withdraw(finding)
    run()
    for number in range(4):
        find(make_stream_of(one_run), step_name=f"step {number}")
    run()
    clock.forward(400)
    run()


def _absence_and_its_end(channel, world, clock):
    make_rule(channel, triggers=["absent"], workflows=["*"], period_s=HOUR_S)
    WorldTime.objects.update_or_create(world=world, defaults={"newest_ns": clock.ns, "observed_ns": clock.ns})
    for _ in range(2):
        clock.forward(HOUR_S)
        World.objects.update(read_ns=clock.ns)
        run()
    make_run(world, created_ns=clock.ns)
    clock.forward(60)
    World.objects.update(read_ns=clock.ns)
    run()


def _report_notice_and_test(channel):
    AlertChannel.objects.filter(pk=channel.pk).update(report_weekday=0, report_due_ns=1)
    Counting.fail_with(DeliveryError("410 Gone", permanent=True))
    outbox.put([Parcel(Message("anomaly", "", "not taken"), (make_channel("Broken"),))])
    send()
    run()
    testing.start(channel)


def test_every_message_is_posted_as_the_schema_says(told, receiver):
    schema = json.loads((DOCS / "webhook.schema.json").read_text())
    receiver.will_answer(200, b"")
    for message in told:
        Webhook({"url": receiver.url}, {}).send(message)
        posted = receiver.requests[-1].json
        assert deviations(posted, schema) == [], message.event
        assert set(MORE[message.event]) <= set(posted), message.event
    assert len(receiver.requests) == len(told)


@pytest.mark.parametrize("event", ["absent", "report"])
def test_what_lacks_a_part_of_its_event_is_noticed(told, event):
    schema = json.loads((DOCS / "webhook.schema.json").read_text())
    (member,) = set(MORE[event]) & {"absence", "report"}
    posted = body(next(message for message in told if message.event == event))
    assert deviations(posted | {member: {}}, schema)


def test_alert_and_recovery_are_about_the_same_subject(told):
    by_event = {message.event: message for message in reversed(told)}
    assert by_event["anomaly"].subject == by_event["recovered"].subject != by_event["digest"].subject


@pytest.mark.parametrize("kind", sorted(ALL))
def test_every_kind_takes_every_message(told, service, kind):
    service.will_answer(200, b'{"ok": true}')
    settings, secrets = ALL[kind]
    for message in told:
        assert CHANNELS.found[kind](settings, secrets).send(message)
    expected = [message for message in told if kind != "sentry" or message.event not in CLOSING]
    assert len(service.requests) == len(expected)
