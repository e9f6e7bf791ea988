from __future__ import annotations

import json

import pytest

from dashboard.alerts.channels.base import Message
from dashboard.alerts.models import AlertChannel, Delivery
from dashboard.alerts.pages.toasts import alert_toasts
from dashboard.lib.clock import now_ns

pytestmark = pytest.mark.django_db


@pytest.fixture
def told():
    channel = AlertChannel.objects.create(kind="browser", name="Open pages", created_ns=now_ns())
    message = Message("anomaly", "k1", "<b>title</b>", "error", ("line",))
    return Delivery.objects.create(
        channel=channel,
        event="anomaly",
        title=message.title,
        severity="error",
        message=message.as_json(),
        key="k1",
        state="sent",
        created_ns=now_ns(),
        due_ns=now_ns(),
        sent_ns=now_ns(),
    )


def ask(rf, **query):
    answer = alert_toasts(rf.get("/alerts/toasts/", query))
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    return json.loads(answer.content)


def test_it_gives_what_is_new_and_where_to_go_on(rf, told):
    found = ask(rf, since=str(told.sent_ns - 1))
    assert [toast["key"] for toast in found["toasts"]] == ["k1"]
    assert ask(rf, since=found["since"])["toasts"] == []


@pytest.mark.parametrize("query", [{}, {"since": ""}, {"since": "-1"}, {"since": "x"}, {"since": "9" * 30}])
def test_a_page_that_has_no_place_yet_begins_now(rf, told, query):
    found = ask(rf, **query)
    assert found["toasts"] == [] and int(found["since"]) > told.sent_ns


def test_it_is_only_asked(rf):
    assert alert_toasts(rf.post("/alerts/toasts/")).status_code == 405
