"""Settings with which a channel cannot be saved, each with the field that is named."""

from __future__ import annotations

import pytest

from dashboard.alerts.channels.base import CHANNELS, FieldError
from tests.dashboard.alerts.channels.test_services import ALL, NTFY, PAGERDUTY, TELEGRAM


@pytest.mark.parametrize("kind", sorted(ALL))
def test_each_kind_is_saved_with_what_it_needs(kind):
    CHANNELS.found[kind].check(*ALL[kind])


@pytest.mark.parametrize(
    ("kind", "settings", "secrets", "field"),
    [
        ("slack", {}, {"url": "https://hooks.slack.com.evil.example/services/T/B/x"}, "url"),
        ("discord", {}, {"url": "https://discord.com.evil.example/api/webhooks/1/x"}, "url"),
        ("telegram", {"chat": "1"}, {"token": "../../evil"}, "token"),
        ("telegram", {"chat": "1 OR 1"}, TELEGRAM, "chat"),
        ("teams", {}, {"url": "http://insecure.example/"}, "url"),
        ("ntfy", {}, {"topic": "a/b"}, "topic"),
        ("ntfy", {"server": "ftp://x"}, NTFY, "server"),
        ("pagerduty", {}, {"key": "short"}, "key"),
        ("pagerduty", {"region": "mars"}, PAGERDUTY, "region"),
        ("opsgenie", {}, {"key": "a\r\nb"}, "key"),
        ("sentry", {}, {"dsn": "https://sentry.io/1"}, "dsn"),
        ("sentry", {}, {"dsn": "ftp://key@sentry.io/1"}, "dsn"),
        ("sentry", {}, {"dsn": "https://key@2130706433/1"}, "dsn"),
        ("sentry", {}, {"dsn": "https://key@sentry.io:x/1"}, "dsn"),
    ],
)
def test_it_names_the_field_with_which_a_service_cannot_be_saved(kind, settings, secrets, field):
    with pytest.raises(FieldError) as told:
        CHANNELS.found[kind].check(settings, secrets)
    assert told.value.field == field
