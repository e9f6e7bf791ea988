"""The bell: rings when something was committed, once for many findings, and not at all for what never was."""

from __future__ import annotations

import pytest

from dashboard.alerts import bell
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world


@pytest.fixture
def rung(monkeypatch):
    rings: list[int] = []
    monkeypatch.setattr(bell, "_ask", lambda: rings.append(1))
    bell.begun()
    return rings


@pytest.mark.django_db
def test_it_rings_when_a_finding_is_committed(rung, django_capture_on_commit_callbacks):
    stream = make_stream_of(make_run(make_world("app")))
    with django_capture_on_commit_callbacks(execute=True):
        find(stream)
        assert rung == []
    assert rung == [1]


@pytest.mark.django_db
def test_it_does_not_ring_for_what_has_nothing_to_do_with_anomalies(rung, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        make_run(make_world("app"))
    assert rung == []


def test_it_rings_once_until_someone_has_begun(rung):
    bell.ring()
    bell.ring()
    assert rung == [1]
    bell.begun()
    bell.ring()
    assert rung == [1, 1]


def test_a_ring_that_another_process_took_up_stands_in_no_ones_way(rung, monkeypatch):
    bell.ring()
    monkeypatch.setattr(bell, "AGAIN_S", 0)
    bell.ring()
    assert rung == [1, 1]


def test_a_broker_that_is_away_is_not_the_trouble_of_who_judges(monkeypatch):
    def away() -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(bell, "_ask", away)
    bell.begun()
    bell.ring()
    assert bell._rung is not None
