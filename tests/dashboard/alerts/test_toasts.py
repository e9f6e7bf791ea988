from __future__ import annotations

import pytest

from dashboard.alerts import toasts
from dashboard.alerts.channels.base import Message
from dashboard.alerts.models import AlertChannel, Delivery
from dashboard.lib.clock import NS_PER_S

pytestmark = pytest.mark.django_db

NOW = 1_790_000_000 * NS_PER_S
URL = "https://tailrace.example.com/sub/anomalies/7/?x=1"


@pytest.fixture
def channel():
    return AlertChannel.objects.create(kind="browser", name="Open pages", created_ns=NOW)


def delivery(channel, key, state="sent", sent_ns=NOW, **message):
    values = {"url": URL, "lines": ("first", "second")} | message
    told = Message("anomaly", key, f"title of {key}", "error", **values)
    return Delivery.objects.create(
        channel=channel,
        event=told.event,
        title=told.title,
        severity=told.severity,
        message=told.as_json(),
        key=key,
        state=state,
        created_ns=NOW,
        due_ns=NOW,
        sent_ns=sent_ns,
    )


def keys(since, now=NOW + NS_PER_S):
    return [toast.key for toast in toasts.since(since, now)]


def test_it_gives_what_was_sent_since_oldest_first(channel):
    delivery(channel, "old", sent_ns=NOW - NS_PER_S)
    first, second = delivery(channel, "a"), delivery(channel, "b")
    assert [toast.id for toast in toasts.since(NOW - 1, NOW + 1)] == [first.pk, second.pk]
    assert toasts.since(NOW, NOW + 1) == []
    assert toasts.since(NOW - 1, NOW + 1)[0].as_json() == {
        "id": first.pk,
        "key": "a",
        "event": "anomaly",
        "severity": "error",
        "title": "title of a",
        "text": "first",
        "link": "/sub/anomalies/7/?x=1",
    }


def test_it_gives_what_is_on_its_way_since_the_ring_is_a_part_of_sending(channel):
    delivery(channel, "on its way", state="claimed", sent_ns=None)
    assert keys(NOW) == ["on its way"]


@pytest.mark.parametrize("state", ["waiting", "held", "failed", "dropped"])
def test_it_gives_nothing_that_is_not_told(channel, state):
    delivery(channel, "a", state=state, sent_ns=None)
    assert keys(0) == [] and toasts.head() == (0, 0)


def test_it_gives_nothing_of_another_channel(channel):
    other = AlertChannel.objects.create(kind="webhook", name="Hook", created_ns=NOW)
    delivery(other, "a")
    assert keys(0) == []


def test_a_page_that_slept_for_long_is_not_flooded(channel):
    delivery(channel, "long ago", sent_ns=NOW - 2 * 3600 * NS_PER_S)
    assert keys(0) == []
    for n in range(toasts.NEWEST + 5):
        delivery(channel, f"n{n}")
    assert len(keys(0)) == toasts.NEWEST


def test_the_head_changes_with_what_is_there_to_show(channel):
    assert toasts.head() == (0, 0)
    row = delivery(channel, "a", state="claimed", sent_ns=None)
    assert toasts.head() == (row.pk, 0)
    Delivery.objects.filter(pk=row.pk).update(state="sent", sent_ns=NOW)
    assert toasts.head() == (row.pk, NOW)


@pytest.mark.parametrize(
    "url", ["", "https://evil.example", "https://a.example//evil.example/", "javascript:alert(1)"]
)
def test_a_link_leads_nowhere_but_to_this_server(channel, url):
    delivery(channel, "a", url=url)
    assert toasts.since(0, NOW + 1)[0].link == ""


def test_a_row_that_is_broken_is_shown_as_far_as_it_goes(channel):
    row = delivery(channel, "a")
    Delivery.objects.filter(pk=row.pk).update(message=["no message"])
    (toast,) = toasts.since(0, NOW + 1)
    assert (toast.title, toast.text, toast.link) == ("title of a", "", "")
