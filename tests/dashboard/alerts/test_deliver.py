"""The outbox: once where all goes well, again where it does not, never silently lost."""

from __future__ import annotations

import pytest

from dashboard.alerts import deliver, editing, outbox
from dashboard.alerts.channels.base import DeliveryError, Message
from dashboard.alerts.models import AlertChannel, Delivery
from dashboard.alerts.outbox import Parcel
from dashboard.lib.clock import NS_PER_S
from tests.dashboard.alerts.telling import NEVER, delivery, forget_first_rules, make_channel, make_rule, send
from tests.factories import make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def channel(clock, counting):
    forget_first_rules()
    return make_channel()


def put(*channels: AlertChannel, title: str = "Something") -> Delivery:
    return outbox.put([Parcel(Message("anomaly", "", title), channels)])[0]


def refused(**how) -> DeliveryError:
    return DeliveryError("No, said the receiver.", **how)


def test_it_sends_what_waits_and_keeps_the_answer(channel, counting, clock):
    put(channel)
    send()
    row = delivery()
    assert (row.state, row.attempts, row.answer, row.sent_ns) == ("sent", 1, "kept as number 1", clock.ns)
    assert [message.key for message in counting.sent] == [row.key]
    assert AlertChannel.objects.get().last_success_ns == clock.ns
    send()
    assert len(counting.sent) == 1


def test_what_fails_is_tried_again_later_with_the_same_key(channel, counting, clock):
    counting.fail_with(refused(), refused())
    put(channel)
    send()
    first = delivery()
    assert (first.state, first.error) == ("waiting", "No, said the receiver.")
    assert 2 * NS_PER_S <= first.due_ns - clock.ns <= 15 * NS_PER_S
    send()
    assert delivery().attempts == 1
    clock.forward(16)
    send()
    clock.forward(31)
    send()
    assert delivery().state == "sent" and counting.sent[0].key == first.key
    assert AlertChannel.objects.get().failures == 0


def test_it_waits_longer_each_time_but_never_shorter_than_asked():
    longest = [max(deliver.wait_s(attempts, None) for _ in range(200)) for attempts in (1, 4, 30)]
    assert longest[0] <= 15 < longest[1] <= 120 < longest[2] <= 3600
    assert min(deliver.wait_s(1, 90) for _ in range(200)) >= 90
    assert min(deliver.wait_s(1, None) for _ in range(200)) >= 2


def test_it_waits_as_long_as_the_receiver_asks(channel, counting, clock):
    counting.fail_with(refused(retry_after_s=600))
    put(channel)
    send()
    assert delivery().due_ns >= clock.ns + 600 * NS_PER_S


def test_it_gives_up_after_a_day(channel, counting, clock):
    counting.fail_with(refused(), refused())
    put(channel)
    send()
    clock.forward(86_401)
    send()
    assert delivery().state == "failed"
    send()
    assert counting.sent == []


def test_a_channel_that_fails_for_good_is_switched_off_and_another_one_tells(channel, counting):
    beside, apart = make_channel("Beside"), make_channel("Apart")
    make_rule(channel, beside)
    make_rule(apart)
    counting.fail_with(refused(permanent=True))
    put(channel)
    put(channel, title="waits")
    send()
    row = AlertChannel.objects.get(name="Ops")
    assert (row.is_on, row.disabled_reason, row.failures) == (False, "No, said the receiver.", 1)
    assert Delivery.objects.get(title="waits").state == "held"
    send()
    assert counting.titles() == ["Alerts no longer go to Ops"]
    assert Delivery.objects.get(event="notice").channel == beside


def test_one_message_that_is_not_taken_fails_and_the_channel_stays_on(channel, counting):
    counting.fail_with(refused(of_message=True))
    put(channel, title="odd")
    put(channel, title="fine")
    send()
    assert Delivery.objects.get(title="odd").state == "failed"
    assert counting.titles() == ["fine"]
    row = AlertChannel.objects.get()
    assert row.is_on and row.refused == [] and row.last_failure == "No, said the receiver."


def test_a_channel_that_takes_no_message_any_more_is_switched_off(channel, counting):
    for at in range(3):
        assert AlertChannel.objects.get().is_on
        counting.fail_with(refused(of_message=True))
        put(channel, title=str(at))
        send()
    row = AlertChannel.objects.get()
    assert not row.is_on and row.disabled_reason == "No, said the receiver."
    editing.switch_channel(channel.pk, True)
    assert AlertChannel.objects.get().refused == []


def test_the_same_message_again_and_again_is_one_that_is_not_taken(channel, counting):
    row = put(channel)
    for _ in range(4):
        counting.fail_with(refused(of_message=True))
        send()
        assert editing.try_again(row.pk)
    assert AlertChannel.objects.get().is_on


def test_a_channel_that_keeps_failing_is_switched_off(channel, counting, clock):
    other = make_channel("Other")
    put(channel)
    for _ in range(10):
        counting.fail_with(refused())
        Delivery.objects.filter(state="waiting", channel=channel).update(due_ns=clock.ns)
        deliver.work_off(channel.pk, NEVER)
        assert AlertChannel.objects.get(pk=channel.pk).is_on
        clock.forward(60)
    clock.forward(3600)
    counting.fail_with(refused())
    deliver.work_off(channel.pk, NEVER)
    assert not AlertChannel.objects.get(pk=channel.pk).is_on
    assert Delivery.objects.get(event="notice").channel == other


def test_what_is_held_goes_out_when_its_channel_is_on_again(channel, counting, clock):
    editing.switch_channel(channel.pk, False)
    put(AlertChannel.objects.get(), title="old")
    clock.forward(86_401)
    put(AlertChannel.objects.get(), title="new")
    send()
    assert set(Delivery.objects.values_list("state", flat=True)) == {"held"}
    editing.switch_channel(channel.pk, True)
    send()
    assert counting.titles() == ["new"]
    assert Delivery.objects.get(title="old").reason == outbox.TOO_OLD


def test_a_claim_belongs_to_one_until_it_runs_out(channel, counting, clock):
    row = put(channel)
    mine = deliver.claim(row.pk)
    assert mine is not None and deliver.claim(row.pk) is None
    clock.forward(121)
    second = deliver.claim(row.pk)
    assert second is not None and second.attempts == 2
    assert deliver._deliver(mine) and delivery().state == "claimed"  # too late to mark it: another one has it
    assert deliver._deliver(second) and delivery().state == "sent"


def test_the_end_does_not_overtake_the_beginning(channel, counting, clock):
    counting.fail_with(refused())
    first = put(channel)
    deliver.work_off(channel.pk, NEVER)
    last = outbox.put([Parcel(Message("recovered", "", "Over"), (channel,))])[0]
    rule = make_rule(channel)
    alert = rule.alerts.create(subject="x", world=make_world("app"), opened_ns=1, last_ns=1)
    Delivery.objects.filter(pk__in=(first.pk, last.pk)).update(alert=alert)
    send()
    assert counting.sent == []
    clock.forward(60)
    send()
    send()
    assert counting.titles() == ["Something", "Over"]


def test_a_channel_with_a_bug_is_no_end_of_delivery(channel, counting):
    counting.fail_with(RuntimeError("token=s3cret"))
    put(channel)
    send()
    assert "RuntimeError" in delivery().error and "s3cret" not in delivery().error


def test_a_channel_of_a_kind_that_is_gone_fails_for_good(channel):
    AlertChannel.objects.update(kind="pigeon")
    put(AlertChannel.objects.get())
    send()
    assert delivery().state == "failed" and "pigeon" in delivery().error


def test_a_person_may_try_again_what_has_failed(channel, counting):
    counting.fail_with(refused(permanent=True))
    row = put(channel)
    send()
    editing.switch_channel(channel.pk, True)
    assert editing.try_again(row.pk)
    send()
    assert delivery().state == "sent" and not editing.try_again(row.pk)


def test_the_log_is_kept_for_a_month(channel, clock):
    put(channel, title="sent")
    send()
    editing.switch_channel(channel.pk, False)
    clock.forward(31 * 86_400)
    assert outbox.forget_old() == 1 and outbox.forget_old() == 0


def test_a_channel_that_is_away_is_not_asked_for_everything(channel, counting):
    counting.fail_with(*(refused() for _ in range(9)))
    for at in range(9):
        put(channel, title=str(at))
    send()
    assert Delivery.objects.filter(attempts=1).count() == deliver.STOP_AFTER
