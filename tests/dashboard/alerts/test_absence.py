"""Alerts about what does not happen, by the world's own data and clock."""

from __future__ import annotations

import pytest

from dashboard.alerts import absence
from dashboard.alerts.models import Alert
from dashboard.anomalies.models import WorldTime
from dashboard.lib.clock import NS_PER_S
from runs.models import World
from tests.dashboard.alerts.telling import forget_first_rules, make_channel, make_rule, run
from tests.factories import make_chunks, make_run, make_stream, make_world, text_chunks

pytestmark = pytest.mark.django_db
HOUR_S = 3600
WORKFLOW = "workflow//./workflows/chat//chatTurn"


@pytest.fixture
def channel(clock, counting, monkeypatch):
    forget_first_rules()
    monkeypatch.setattr(absence, "_started_ns", 0)
    return make_channel()


@pytest.fixture
def world(channel, clock):
    made = make_world("app")
    make_run(made, created_ns=clock.ns, workflow=WORKFLOW)
    make_run(made, created_ns=clock.ns - 10**15, workflow="nightly")
    WorldTime.objects.create(world=made, newest_ns=clock.ns, observed_ns=clock.ns)
    return made


def expecting(channel, **fields):
    defaults = {"triggers": ["absent"], "workflows": ["chat*"], "period_s": HOUR_S}
    return make_rule(channel, **(defaults | fields))


def look(clock, seconds: float = 0) -> None:
    """Some time later, the world having been read just now."""
    clock.forward(seconds)
    World.objects.update(read_ns=clock.ns)
    run()


def test_it_tells_that_no_run_has_begun_and_that_one_has(channel, counting, world, clock):
    expecting(channel)
    look(clock, HOUR_S - 60)
    assert counting.sent == []
    look(clock, 120)
    look(clock, 60)
    assert counting.titles() == ["No run of chatTurn for 1 h 0 m"]
    told = counting.sent[0].data["absence"]
    assert (told["what"], told["workflow"], told["world"]) == ("absent", WORKFLOW, "app") and told[
        "last_seen"
    ]
    make_run(world, created_ns=clock.ns, workflow=WORKFLOW)
    look(clock, 60)
    assert counting.events() == ["absent", "present"]
    assert counting.titles()[1] == "chatTurn runs again"
    look(clock, HOUR_S)
    assert counting.events() == ["absent", "present", "absent"] and Alert.objects.count() == 1


def test_it_expects_nothing_of_a_workflow_that_never_ran_or_is_not_named(channel, counting, world, clock):
    expecting(channel, workflows=["other*"])
    look(clock, 10 * HOUR_S)
    assert counting.sent == []


def test_a_world_that_is_paused_is_not_blamed_and_the_rule_says_so(channel, counting, world, clock):
    expecting(channel)
    World.objects.update(paused_ns=clock.ns)
    look(clock, 2 * HOUR_S)
    look(clock, 60)
    assert counting.titles() == ["Nobody can tell what is absent in app"]
    assert "it is paused" in counting.sent[0].text()
    World.objects.update(paused_ns=None)
    look(clock, 60)
    assert counting.titles()[1:] == ["No run of chatTurn for 1 h 0 m", "app is read again"]


def test_what_was_absent_stays_so_while_the_world_cannot_be_read(channel, counting, world, clock):
    expecting(channel)
    look(clock, 2 * HOUR_S)
    make_run(world, created_ns=clock.ns, workflow=WORKFLOW)
    World.objects.update(trouble="cannot open it: Permission denied")
    look(clock, 60)
    assert counting.events() == ["absent", "absent"]
    assert "Permission denied" in counting.sent[1].text()


def test_a_world_that_nobody_has_read_for_a_while_tells_nothing(channel, counting, world, clock, monkeypatch):
    expecting(channel)
    clock.forward(2 * HOUR_S)
    monkeypatch.setattr(absence, "_started_ns", clock.ns)
    run()
    assert counting.sent == []  # this process has just begun
    clock.forward(121)
    run()
    assert "not been read for a while" in counting.sent[0].text()


def test_a_bundle_is_never_waited_for(channel, counting, world, clock):
    World.objects.update(kind="bundle")
    expecting(channel)
    look(clock, 10 * HOUR_S)
    assert counting.sent == []


def test_it_tells_of_a_silent_stream_and_of_its_next_chunk(channel, counting, world, clock):
    expecting(channel, triggers=["silent"], period_s=60)
    running = make_run(world, created_ns=clock.ns, started_ns=clock.ns, status="running", workflow=WORKFLOW)
    stream = make_stream(world, run=running)
    make_chunks(stream, text_chunks(2), stored_ns=clock.ns)
    look(clock, 50)
    assert counting.sent == []
    look(clock, 20)
    assert counting.titles() == ["No chunk in chatTurn for 1 m 0 s"]
    assert ("Stream", stream.name) in counting.sent[0].facts
    make_chunks(stream, text_chunks(1), stored_ns=clock.ns)
    look(clock, 20)
    assert counting.events() == ["absent", "present"]


def test_it_tells_nothing_of_streams_that_are_closed_or_whose_run_has_ended(channel, counting, world, clock):
    expecting(channel, triggers=["silent"], period_s=60)
    running = make_run(world, created_ns=clock.ns, started_ns=clock.ns, status="running", workflow=WORKFLOW)
    make_chunks(make_stream(world, "strm_closed_user", running), [*text_chunks(1), None], stored_ns=clock.ns)
    ended = make_run(world, created_ns=clock.ns, status="completed", workflow=WORKFLOW)
    make_chunks(make_stream(world, "strm_open_user", ended), text_chunks(1), stored_ns=clock.ns)
    look(clock, 300)
    assert counting.sent == []


def test_it_goes_by_the_worlds_own_clock(channel, counting, world, clock):
    expecting(channel, triggers=["silent"], period_s=60)
    behind = clock.ns - 100 * NS_PER_S  # this world's clock is 100 s behind ours
    WorldTime.objects.update(newest_ns=behind, observed_ns=clock.ns)
    running = make_run(world, created_ns=behind, started_ns=behind, status="running", workflow=WORKFLOW)
    make_chunks(make_stream(world, run=running), text_chunks(1), stored_ns=behind)
    look(clock, 50)
    assert counting.sent == []
    look(clock, 20)
    assert counting.events() == ["absent"]
