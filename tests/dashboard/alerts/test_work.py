"""What the task does, and what a start of the one process does."""

from __future__ import annotations

import pytest

from dashboard.alerts import bell, claim, deliver, outbox, work
from dashboard.alerts.channels.base import Message
from dashboard.alerts.models import Delivery
from dashboard.alerts.outbox import Parcel
from tests.dashboard.alerts.telling import NEVER, forget_first_rules, make_channel, make_rule
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(monkeypatch, clock, counting):
    """How many deliveries there were each time delivery was started."""
    forget_first_rules()
    found: list[int] = []
    monkeypatch.setattr(deliver, "start", lambda stop: found.append(Delivery.objects.count()))
    return found


def test_it_starts_delivery_as_soon_as_there_is_a_message(waiting):
    make_rule(make_channel())
    find(make_stream_of(make_run(make_world("app"))))
    work.work(NEVER)
    assert waiting == [1, 1]


def test_it_looks_for_what_is_due_where_nothing_is_new(waiting):
    work.work(NEVER)
    assert waiting == [0]


def test_what_is_committed_after_it_has_begun_rings_again(waiting, monkeypatch):
    rings: list[int] = []
    monkeypatch.setattr(bell, "_ask", lambda: rings.append(1))
    bell.begun()
    bell.ring()
    work.work(NEVER)
    bell.ring()
    assert rings == [1, 1]


def test_the_one_process_of_a_database_waits_for_no_dead_one(waiting, clock):
    outbox.put([Parcel(Message("anomaly", "", "Something"), (make_channel(),))])
    assert deliver.claim(Delivery.objects.get().pk) is not None and claim.take() is not None
    assert deliver.due_channels() == [] and claim.take() is None
    work.release_all()
    assert len(deliver.due_channels()) == 1 and claim.take() is not None
