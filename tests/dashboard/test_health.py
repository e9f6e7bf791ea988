"""What machines are told of worlds: which can be read, which are left alone on purpose."""

from __future__ import annotations

import pytest

from dashboard.lib.clock import now_ns
from dashboard.worlds import manage
from tests.factories import make_world

pytestmark = pytest.mark.django_db


def test_it_names_each_world_and_its_state(client):
    make_world("shop", read_ns=now_ns())
    make_world("gone", trouble="the host does not answer")
    manage.pause(make_world("idle", trouble="left alone meanwhile"))
    manage.archive(make_world("old"))
    manage.remove(make_world("away"))
    told = client.get("/health/ready")
    assert told.status_code == 200, "a world that is away makes nobody unready"
    states = {"shop": "ok", "gone": "the host does not answer", "idle": "paused", "old": "archived"}
    assert told.json()["worlds"] == states


def test_a_world_that_is_paused_is_neither_up_nor_behind(client):
    make_world("shop", read_ns=now_ns())
    make_world("gone", trouble="the host does not answer")
    manage.pause(make_world("idle", read_ns=5))
    lines = client.get("/metrics").content.decode().splitlines()
    assert 'tailrace_world_up{world="shop",kind="local"} 1' in lines
    assert 'tailrace_world_up{world="gone",kind="local"} 0' in lines
    assert 'tailrace_world_paused{world="idle"} 1' in lines
    assert any(line.startswith('tailrace_world_read_age_seconds{world="shop"} 0.') for line in lines)
    assert not any("idle" in line and "age" in line for line in lines)
    assert not any("gone" in line and "age" in line for line in lines)
