"""From what is committed about anomalies to messages: who hears of what, once."""

from __future__ import annotations

import pytest
from django.db import IntegrityError

from dashboard.alerts import claim
from dashboard.alerts import route as route_module
from dashboard.alerts.models import Alert, Delivery, Routing, Watched
from dashboard.alerts.route import route
from dashboard.anomalies import life
from dashboard.anomalies.models import Anomaly
from dashboard.anomalies.states import Asked, Mute
from dashboard.lib.clock import NS_PER_S, now_ns
from tests.dashboard.alerts.telling import NEVER, alert, forget_first_rules, make_channel, make_rule, run
from tests.dashboard.anomalies.found import find, make_stream_of, withdraw
from tests.factories import START_NS, make_run, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def channel(clock, counting):
    forget_first_rules()
    clock.forward(1)
    return make_channel()


@pytest.fixture
def one_run(channel):
    return make_run(make_world("app"))


def act(action: str, **how) -> None:
    life.act(Anomaly.objects.values_list("pk", flat=True), Asked(action, now_ns(), **how), "mira")


def test_it_tells_of_an_anomaly_once(channel, counting, one_run, clock):
    make_rule(channel)
    find(make_stream_of(one_run))
    run()
    assert counting.events() == ["anomaly"]
    assert counting.titles() == ["Write after close in chatTurn"]
    assert (alert().count, alert().pending, alert().told) == (1, 0, "message")
    clock.forward(60)
    find(make_stream_of(one_run))  # the same anomaly again: counted, no reason for a word
    run()
    assert len(counting.sent) == 1 and alert().count == 2
    run()
    assert len(counting.sent) == 1 and alert().count == 2


def test_what_lay_in_a_world_when_it_was_added_is_no_news(channel, counting, clock):
    make_rule(channel, triggers=["first_time", "regressed", "every"])
    long_ago = START_NS - 86_400 * NS_PER_S
    world = make_world("old")
    old = make_run(world, created_ns=long_ago, completed_ns=long_ago)
    find(make_stream_of(old))
    run()
    assert counting.sent == [] and Watched.objects.count() == 1
    find(make_stream_of(old))  # the import goes on
    run()
    assert counting.sent == []
    find(make_stream_of(make_run(world)))  # and now it happens again
    run()
    assert counting.events() == ["anomaly"]


def test_a_bundle_is_told_by_nobody_however_new_it_is(channel, counting, one_run):
    make_rule(channel, triggers=["first_time", "every"])
    find(make_stream_of(make_run(make_world("opened", kind="bundle"))))
    run()
    assert counting.sent == [] and Watched.objects.count() == 1
    find(make_stream_of(one_run))
    run()
    assert counting.events() == ["anomaly"]


def test_it_tells_nothing_of_what_no_rule_asks_for(channel, counting, one_run):
    make_rule(channel, min_severity=3)
    make_rule(channel, kinds=["chunk_lost"])
    make_rule(channel, workflows=["other*"])
    make_rule(channel, deployments=["dpl_9*"])
    make_rule(channel, worlds=(make_world("other"),))
    make_rule(channel, is_on=False)
    find(make_stream_of(one_run))
    run()
    assert counting.sent == [] and not Alert.objects.exists()
    assert Watched.objects.count() == 1


def test_it_tells_when_all_conditions_fit(channel, counting, one_run):
    one_run.deployment = "dpl_1"
    one_run.save()
    make_rule(
        channel, min_severity=2, min_certainty=2, kinds=["write_after_close"], workflows=["chat*"],
        deployments=["dpl_?"], worlds=(one_run.world,),
    )  # fmt: skip
    find(make_stream_of(one_run))
    run()
    assert counting.events() == ["anomaly"]


def test_it_tells_when_a_suspicion_becomes_a_proof(channel, counting, one_run, clock):
    make_rule(channel, min_certainty=2)
    stream = make_stream_of(one_run)
    find(stream, certainty="suspected")
    run()
    assert counting.sent == []
    clock.forward(5)
    find(stream, certainty="proved")
    run()
    assert counting.events() == ["anomaly"]


def test_it_tells_nothing_of_what_was_there_before_the_rule(channel, counting, one_run, clock):
    find(make_stream_of(one_run))
    run()
    clock.forward(5)
    make_rule(channel)
    find(make_stream_of(one_run))
    run()
    assert counting.sent == []
    clock.forward(5)
    act("resolve")
    clock.forward(5)
    find(make_stream_of(one_run))  # that it comes back is news
    run()
    assert counting.events() == ["anomaly"]


def test_it_tells_nothing_of_what_was_there_before_alerts(channel, counting, one_run, clock):
    find(make_stream_of(one_run))
    clock.forward(5)
    Routing.objects.update(since_ns=now_ns())
    make_rule(channel, triggers=["first_time", "every", "regressed"])
    run()
    assert counting.sent == []


def test_every_time_is_told_with_its_count(channel, counting, one_run, clock):
    make_rule(channel, triggers=["every"])
    find(make_stream_of(one_run))
    run()
    clock.forward(5)
    for _ in range(3):
        find(make_stream_of(one_run))
    run()
    assert [message.data["count"] for message in counting.sent] == [1, 3]
    assert "(3 times)" in counting.sent[1].title


def test_more_than_so_often_is_told_when_it_is(channel, counting, one_run, clock):
    make_rule(channel, triggers=["more_than"], threshold=2, period_s=60)
    for _ in range(2):
        find(make_stream_of(one_run))
    run()
    clock.forward(90)
    find(make_stream_of(one_run))  # the third, but not within a minute
    run()
    assert counting.sent == []
    clock.forward(1)
    for _ in range(2):
        find(make_stream_of(one_run))
    run()
    assert counting.events() == ["anomaly"]
    assert "more than 2 times" in counting.sent[0].text()


def test_what_is_muted_or_acknowledged_makes_no_message(channel, counting, one_run, clock):
    make_rule(channel, triggers=["every"])
    find(make_stream_of(one_run))
    clock.forward(1)
    act("acknowledge")
    run()
    clock.forward(1)
    act("mute", mute=Mute())
    clock.forward(1)
    find(make_stream_of(one_run))
    run()
    assert counting.sent == []
    act("reopen")
    clock.forward(1)
    find(make_stream_of(one_run))
    run()
    assert [message.data["count"] for message in counting.sent] == [1]  # what was known then is not told now


def test_a_channel_hears_once_whatever_the_number_of_rules(channel, counting, one_run):
    other = make_channel("Other")
    make_rule(channel)
    make_rule(channel, other)
    find(make_stream_of(one_run))
    run()
    assert sorted(Delivery.objects.values_list("channel__name", flat=True)) == ["Ops", "Other"]
    assert Alert.objects.count() == 2


def test_the_end_is_told_to_those_who_heard_of_it(channel, counting, one_run, clock):
    late = make_channel("Late")
    rule = make_rule(channel)
    finding = find(make_stream_of(one_run))
    run()
    rule.channels.add(late)
    clock.forward(90)
    withdraw(finding)
    run()
    assert counting.events() == ["anomaly", "recovered"]
    assert counting.titles()[1] == "Over after 1 m 30 s: write after close in chatTurn"
    assert set(Delivery.objects.values_list("channel__name", flat=True)) == {"Ops"}
    run()
    assert len(counting.sent) == 2


def test_the_end_is_not_told_where_nothing_was_told_or_nobody_asks(channel, counting, one_run, clock):
    make_rule(channel, tells_recovery=False)
    find(make_stream_of(one_run))
    run()
    clock.forward(1)
    act("resolve")
    run()
    assert counting.events() == ["anomaly"] and alert().recovered_ns == now_ns()


def test_what_comes_back_is_told_again(channel, counting, one_run, clock):
    make_rule(channel)
    finding = find(make_stream_of(one_run))
    run()
    clock.forward(90)
    withdraw(finding)
    run()
    clock.forward(90)
    find(make_stream_of(one_run))
    run()
    assert counting.events() == ["anomaly", "recovered", "anomaly"]
    assert alert().episodes == 2 and alert().recovered_ns is None


def test_within_its_cooldown_it_is_counted_and_told_at_the_end(channel, counting, one_run, clock):
    make_rule(channel, triggers=["every"], cooldown_s=600)
    for _ in range(4):
        find(make_stream_of(one_run))
        run()
        clock.forward(10)
    assert len(counting.sent) == 1 and alert().pending == 3
    clock.forward(600)
    run()
    assert [message.data["count"] for message in counting.sent] == [1, 3]
    clock.forward(6000)
    run()
    assert len(counting.sent) == 2


def test_what_comes_and_goes_is_told_once_until_it_is_calm(channel, counting, one_run, clock):
    make_rule(channel)
    for _ in range(5):
        finding = find(make_stream_of(one_run))
        run()
        clock.forward(60)
        withdraw(finding)
        run()
        clock.forward(60)
    assert counting.events() == ["anomaly", "recovered", "anomaly", "recovered", "anomaly"]
    assert "comes and goes" in counting.sent[-1].text() and alert().is_flapping
    clock.forward(1700)
    run()
    assert len(counting.sent) == 5
    clock.forward(200)
    run()
    assert counting.events()[5:] == ["recovered"] and not alert().is_flapping
    assert alert().count == 5


def test_an_anomaly_whose_step_becomes_known_goes_on_as_the_same(channel, counting, one_run, clock):
    make_rule(channel, triggers=["first_time", "regressed", "every"])
    stream = make_stream_of(one_run)
    find(stream)
    run()
    clock.forward(5)
    find(stream, step_name="emit")
    run()
    assert counting.events() == ["anomaly"]
    assert alert().anomaly == Anomaly.objects.get(step_name="emit") and alert().recovered_ns is None


def test_it_looks_at_all_of_them_now_and_then(channel, counting, one_run, clock):
    make_rule(channel)
    run()
    clock.forward(1800)
    run()
    find(make_stream_of(one_run))
    Anomaly.objects.update(last_seen_ns=now_ns() - 1000 * NS_PER_S)  # as after a clock that was set back
    run()
    assert counting.sent == []
    clock.forward(3600)
    run()
    assert counting.events() == ["anomaly"]


def test_one_process_routes_at_a_time_and_a_dead_one_stands_in_no_ones_way(channel, counting, one_run, clock):
    make_rule(channel)
    find(make_stream_of(one_run))
    held = claim.take()
    route(NEVER)
    assert not Delivery.objects.exists()
    clock.forward(61)
    run()
    assert counting.events() == ["anomaly"]
    with pytest.raises(claim.LostClaim), claim.step(held):
        pytest.fail("another process has the claim")


def test_the_first_rules_are_there_from_the_start(clock, counting, one_run_only):
    find(make_stream_of(one_run_only), severity="warning")
    find(make_stream_of(one_run_only), "chunk_lost", severity="info")
    find(make_stream_of(one_run_only), "out_of_order", severity="error", certainty="suspected")
    find(make_stream_of(one_run_only), "never_closed", severity="critical", certainty="suspected")
    route(NEVER)
    told = Delivery.objects.order_by("title").values_list("channel__kind", "title")
    assert list(told) == [
        ("browser", "Never closed in chatTurn"),
        ("browser", "Write after close in chatTurn"),
    ]


@pytest.fixture
def one_run_only(clock):
    return make_run(make_world("app"))


def test_the_end_of_what_was_muted_in_the_meantime_is_not_told(channel, counting, one_run, clock):
    make_rule(channel)
    finding = find(make_stream_of(one_run))
    run()
    clock.forward(1)
    act("mute", mute=Mute())
    withdraw(finding)
    run()
    assert counting.events() == ["anomaly"] and alert().recovered_ns == now_ns()


def test_what_has_gone_in_the_meantime_is_no_end_of_routing(channel, counting, one_run, monkeypatch):
    make_rule(channel)
    find(make_stream_of(one_run))

    def is_gone(alerts):
        raise IntegrityError(
            "no such rule"
        )  # as the database says where a rule was deleted while it was routed

    with monkeypatch.context() as patched:
        patched.setattr(route_module, "save_alerts", is_gone)
        route(NEVER)
    assert not Delivery.objects.exists() and not Watched.objects.exists()
    run()
    assert counting.events() == ["anomaly"]
