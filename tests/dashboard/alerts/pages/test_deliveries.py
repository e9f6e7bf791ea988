from __future__ import annotations

import re

import pytest

from dashboard.alerts import outbox
from dashboard.alerts.channels.base import DeliveryError, Message
from dashboard.alerts.models import Delivery
from dashboard.alerts.outbox import Parcel
from dashboard.alerts.queries import PAGE
from dashboard.lib.clock import now_ns
from tests.dashboard.alerts.telling import make_channel, make_rule, run, send
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bare", "counting")]
LOG = "/alerts/deliveries/"


def text(response):
    assert response.status_code == 200
    return response.content.decode()


def shown(client, query=""):
    return [int(pk) for pk in re.findall(r'<tr id="delivery-(\d+)"', text(client.get(LOG + query)))]


def put(channel, number=1, rule=None, event="anomaly", title="Title", **fields):
    message = Message(
        event, "", title, "error", ("line",), (("What", "chunk_lost"),), "do this", "", now_ns()
    )
    rows = outbox.put([Parcel(message, (channel,), rule)] * number)
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(**fields)
    return [row.pk for row in rows]


def test_it_lists_what_was_told_the_newest_first_with_what_came_of_it(client):
    make_rule(make_channel("Ops"), name="All")
    find(make_stream_of(make_run(make_world("app"))), "chunk_lost")
    run()
    html = text(client.get(LOG))
    assert "Chunk lost in chatTurn" in html and "kept as number 1" in html and "Ops" in html and "All" in html


def test_filters_are_in_the_url(client):
    ops, other = make_channel("Ops"), make_channel("Other")
    rule = make_rule(ops)
    (sent,) = put(ops, rule=rule, state="sent")
    (held,) = put(other, state="held", reason="its channel is off")
    (report,) = put(ops, event="report", state="sent")
    assert shown(client) == [report, held, sent]
    assert shown(client, f"?channel={ops.pk}") == [report, sent]
    assert shown(client, "?state=held") == [held]
    assert shown(client, f"?rule={rule.pk}") == [sent]
    assert shown(client, f"?event=report&channel={ops.pk}&state=sent") == [report]
    assert "its channel is off" in text(client.get(LOG + "?state=held"))


def test_words_that_name_nothing_are_ignored_and_nothing_found_says_so(client):
    (one,) = put(make_channel())
    assert shown(client, "?state=odd&event=<b>&channel=x&rule=-1&older=zzz") == [one]
    assert shown(client, f"?channel={'9' * 30}") == [one]
    assert "No delivery matches these filters." in text(client.get(LOG + "?channel=999999"))


def test_pages_follow_each_other_without_a_gap(client):
    ids = put(make_channel(), 2 * PAGE + 7)
    seen, query = [], ""
    for _ in range(3):
        seen += shown(client, query)
        link = re.search(r'href="(\?[^"]*older=\d+)"', text(client.get(LOG + query)))
        query = link[1].replace("&amp;", "&") if link else query
    assert seen == ids[::-1]
    assert "Nothing is older than this." in text(client.get(f"{LOG}?older={ids[0]}"))


def test_a_message_is_shown_plain_rich_and_as_json(client):
    evil = "<img src=x onerror=alert(1)>"
    (pk,) = put(make_channel(), title=evil)
    html = text(client.get(f"{LOG}{pk}/"))
    assert evil not in html and "How to fix it: do this" in html
    frame = re.search(r'<iframe class="rich" sandbox[^>]*srcdoc="([^"]*)"', html)[1]
    assert "&lt;p&gt;line&lt;/p&gt;" in frame
    assert "&quot;event&quot;: &quot;anomaly&quot;" in html


def test_a_message_of_another_version_is_shown_as_it_is_stored(client):
    (pk,) = put(make_channel(), message={"odd": "<b>"})
    html = text(client.get(f"{LOG}{pk}/"))
    assert "Another version has written this message" in html and "&lt;b&gt;" in html


def test_what_failed_is_sent_again_with_the_same_key(client, counting):
    counting.fail_with(DeliveryError("400 Bad Request", permanent=True))
    channel = make_channel()
    (pk,) = put(channel)
    send()
    assert "400 Bad Request" in text(client.get(f"{LOG}{pk}/")) and "Send again" in text(
        client.get(f"{LOG}{pk}/")
    )
    client.post(f"/alerts/channels/{channel.pk}/actions/", {"action": "on"})
    html = text(client.post(f"{LOG}{pk}/again/", follow=True))
    assert "in the outbox again" in html
    send()
    assert [message.key for message in counting.sent] == [Delivery.objects.get(pk=pk).key]


def test_what_went_out_is_not_sent_again(client, counting):
    (pk,) = put(make_channel())
    send()
    html = text(client.post(f"{LOG}{pk}/again/", follow=True))
    assert "nothing was changed" in html and len(counting.sent) == 1
    assert f'action="{LOG}{pk}/again/"' not in html


def test_an_empty_log_says_how_it_fills(client):
    assert "Nothing was told yet." in text(client.get(LOG))
    assert client.get(f"{LOG}999999/").status_code == 404
    assert client.get(f"{LOG}{'9' * 30}/").status_code == 404


def test_only_the_owner_reads_a_message_or_sends_it_again(nobody, stranger):
    (pk,) = put(make_channel(), state="failed")
    assert nobody.get(f"{LOG}{pk}/").status_code == 403
    assert nobody.post(f"{LOG}{pk}/again/").status_code == 403
    assert stranger.get(LOG).status_code == 302
    assert Delivery.objects.get().state == "failed"
