"""What is really told of anomalies, against the documented schema and through every kind of channel."""

from __future__ import annotations

import json

import pytest

from dashboard.alerts.channels.base import CHANNELS
from dashboard.alerts.channels.webhook import body
from dashboard.alerts.editing import send_test
from tests.dashboard.alerts.channels.test_services import ALL
from tests.dashboard.alerts.channels.test_webhook import DOCS, deviations
from tests.dashboard.alerts.telling import forget_first_rules, make_channel, make_rule, run
from tests.dashboard.anomalies.found import find, make_stream_of, withdraw
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(clock, counting):
    """An anomaly, its recovery, a digest of what was held back, and a test."""
    forget_first_rules()
    channel = make_channel()
    clock.forward(1)
    one_run = make_run(make_world("app"))
    make_rule(channel, hourly_cap=2)
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
    send_test(channel)
    assert {"anomaly", "recovered", "digest", "test"} <= set(counting.events())
    return counting.sent


def test_every_message_is_as_the_schema_says(told):
    schema = json.loads((DOCS / "webhook.schema.json").read_text())
    for message in told:
        assert deviations(json.loads(json.dumps(body(message))), schema) == [], message.event


def test_alert_and_recovery_are_about_the_same_subject(told):
    by_event = {message.event: message for message in reversed(told)}
    assert by_event["anomaly"].subject == by_event["recovered"].subject != by_event["digest"].subject


@pytest.mark.parametrize("kind", sorted(ALL))
def test_every_kind_takes_every_message(told, service, kind):
    service.will_answer(200, b'{"ok": true}')
    settings, secrets = ALL[kind]
    for message in told:
        assert CHANNELS.found[kind](settings, secrets).send(message)
    expected = [message for message in told if kind != "sentry" or message.event != "recovered"]
    assert len(service.requests) == len(expected)
