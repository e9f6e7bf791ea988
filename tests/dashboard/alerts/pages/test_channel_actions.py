from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from dashboard.alerts import editing, testing
from dashboard.alerts.channels.base import DeliveryError
from dashboard.alerts.models import AlertChannel, Delivery
from dashboard.lib.clock import now_ns
from tests.dashboard.alerts.telling import make_channel, make_rule, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bare")]


@pytest.fixture
def later(monkeypatch):
    """What was begun in the background, to be done when a test wants it."""
    begun = []
    monkeypatch.setattr(testing, "in_background", begun.append)
    return begun


def do(client, channel, action="", **fields):
    path = "test" if not action else "actions"
    return client.post(f"/alerts/channels/{channel.pk}/{path}/", {"action": action} | fields)


def outcome(client, row):
    return client.get(f"/alerts/channels/{row.channel_id}/test/{row.pk}/").content.decode()


def test_a_test_is_sent_in_the_background_and_its_answer_shown(client, counting, later):
    channel = make_channel("Ops <b>")
    html = do(client, channel).content.decode()
    row = Delivery.objects.get()
    assert "On its way" in html and f'hx-get="/alerts/channels/{channel.pk}/test/{row.pk}/"' in html
    assert counting.sent == []
    later.pop()()
    html = outcome(client, row)
    assert "It went out." in html and "kept as number 1" in html and "hx-get" not in html
    assert f'id="delivery-{row.pk}"' in html.partition('id="channel-log"')[2].partition("</section>")[0]
    assert counting.events() == ["test"] and counting.sent[0].key == row.key


def test_a_test_that_fails_says_why_and_does_not_count_against_the_channel(client, counting, later):
    counting.fail_with(DeliveryError("410 <script>Gone", permanent=True))
    channel = make_channel()
    do(client, channel)
    later.pop()()
    html = outcome(client, Delivery.objects.get())
    assert "It failed." in html and "410 &lt;script&gt;Gone" in html
    channel.refresh_from_db()
    assert channel.is_on and channel.failures == 0


def test_a_fault_of_the_channel_itself_shows_no_secret(client, counting, later):
    counting.fail_with(RuntimeError("token=hunter2"))
    do(client, make_channel())
    later.pop()()
    html = outcome(client, Delivery.objects.get())
    assert "failed in a way it should not: RuntimeError" in html and "hunter2" not in html


def test_a_channel_that_is_off_can_be_tested(client, counting, later):
    do(client, make_channel(is_on=False))
    later.pop()()
    assert Delivery.objects.get().state == "sent"


def test_a_second_press_waits_for_the_first(client, counting, later):
    channel = make_channel()
    do(client, channel)
    do(client, channel)
    assert Delivery.objects.count() == 1 and len(later) == 1


def test_one_whose_process_died_has_failed_and_is_not_sent_again(client, counting, later):
    channel = make_channel()
    do(client, channel)
    testing.give_up()
    assert Delivery.objects.get().state == "claimed"  # it may still be on its way
    Delivery.objects.update(claimed_until_ns=0)
    send()
    testing.give_up()
    row = Delivery.objects.get()
    assert (row.state, row.error) == ("failed", testing.LOST) and counting.sent == []
    assert (
        not editing.try_again(row.pk)
        and "Send again" not in client.get(f"/alerts/deliveries/{row.pk}/").content.decode()
    )
    channel.refresh_from_db()
    assert channel.is_on and channel.failures == 0 and channel.last_failure == ""


def test_the_page_stops_asking_after_a_while(client, counting, later):
    do(client, make_channel())
    Delivery.objects.update(created_ns=now_ns() - testing.LOOKED_FOR_NS)
    html = outcome(client, Delivery.objects.get())
    assert "No answer yet." in html and "hx-get" not in html


def test_the_thread_of_a_test_gives_its_connection_back(monkeypatch):
    ran, closed = threading.Event(), threading.Event()
    monkeypatch.setattr(testing, "connection", SimpleNamespace(close=closed.set))
    testing.in_background(ran.set)
    assert ran.wait(10) and closed.wait(10)


def test_a_test_of_another_channel_is_not_found(client, counting, later):
    first, second = make_channel(), make_channel()
    do(client, first)
    row = Delivery.objects.get()
    assert client.get(f"/alerts/channels/{second.pk}/test/{row.pk}/").status_code == 404
    Delivery.objects.update(event="anomaly")
    assert client.get(f"/alerts/channels/{first.pk}/test/{row.pk}/").status_code == 404


def test_it_is_switched_off_and_on_and_what_was_held_goes_out(client, counting):
    channel = make_channel()
    do(client, channel, "off")
    assert not AlertChannel.objects.get().is_on
    do(client, channel, "report")
    assert Delivery.objects.get().state == "held"
    response = do(client, channel, "on", **{"from": "list"})
    assert response["Location"] == "/alerts/channels/?said=on"
    send()
    assert counting.events() == ["report"]


def test_a_report_is_sent_now(client, counting):
    channel = make_channel()
    response = do(client, channel, "report")
    assert response["Location"] == f"/alerts/channels/{channel.pk}/?said=report"
    send()
    assert counting.titles()[0].startswith("Weekly report: 0 streams checked")


def test_it_is_deleted_with_its_log_and_rules_stay(client, counting):
    channel = make_channel()
    rule = make_rule(channel)
    do(client, channel, "report")
    assert do(client, channel, "delete")["Location"] == "/alerts/channels/?said=deleted"
    assert not AlertChannel.objects.exists() and not Delivery.objects.exists()
    assert not rule.channels.exists()
    assert do(client, channel, "delete").status_code == 404


def test_an_unknown_action_is_refused(client, counting):
    assert do(client, make_channel(), "explode").status_code == 400


def test_only_the_owner_may(nobody, counting, later):
    channel = make_channel()
    for action in ("", "on", "delete", "report"):
        assert do(nobody, channel, action).status_code == 403
    assert AlertChannel.objects.exists() and not later and not Delivery.objects.exists()
