"""What people change, and what of it is kept to itself."""

from __future__ import annotations

import pytest

from dashboard.alerts import editing, outbox, queries
from dashboard.alerts.channel_secrets import secrets_of
from dashboard.alerts.channels.base import CHANNELS, DeliveryError, Field, Message
from dashboard.alerts.editing import ChannelForm, NotSaved
from dashboard.alerts.models import AlertChannel, AlertRule, Delivery
from dashboard.alerts.outbox import Parcel
from dashboard.alerts.queries import DeliveryFilter
from tests.dashboard.alerts.conftest import Counting
from tests.dashboard.alerts.telling import forget_first_rules, make_channel, make_rule, run, send
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def secretive(monkeypatch, counting, settings):
    """A kind with a setting and a secret."""
    settings.KEY_SECRET = "a key that is long enough"
    forget_first_rules()

    class Secretive(Counting):
        fields = (Field("url", "URL", "url", required=True), Field("token", "Token", "secret", required=True))

    monkeypatch.setitem(CHANNELS.found, "secretive", Secretive)
    return Secretive


def form(**values) -> ChannelForm:
    defaults = {"settings": {"url": "https://x.example"}, "secrets": {"token": "s3cret"}}
    return ChannelForm("secretive", **({"name": "Hook"} | defaults | values))


def test_secrets_are_sealed_and_kept_where_they_are_not_given_again(secretive):
    row = editing.save_channel(None, form())
    row.refresh_from_db()
    assert b"s3cret" not in bytes(row.sealed) and "s3cret" not in str(row.settings)
    assert secrets_of(row) == {"token": "s3cret"}
    editing.save_channel(row.pk, form(name="Renamed", secrets={"token": ""}))
    row.refresh_from_db()
    assert row.name == "Renamed" and secrets_of(row) == {"token": "s3cret"}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", {"name": " "}),
        ("url", {"settings": {"url": "gopher://x"}}),
        ("token", {"secrets": {}}),
        ("report_weekday", {"report_weekday": 7}),
        ("report_time_zone", {"report_time_zone": "Mars"}),
    ],
)
def test_what_is_wrong_with_a_channel_is_said_by_field(secretive, field, values):
    with pytest.raises(NotSaved) as refused:
        editing.save_channel(None, form(**values))
    assert field in refused.value.problems and not AlertChannel.objects.exists()


def test_a_channel_whose_secrets_cannot_be_opened_says_so_when_it_sends(secretive, settings):
    row = editing.save_channel(None, form())
    settings.KEY_SECRET = "another key, long enough too"
    row.refresh_from_db()
    with pytest.raises(DeliveryError, match="Its secrets cannot be opened"):
        editing.send_test(row)


def test_a_test_is_a_real_message_and_leaves_no_trace(secretive, counting):
    row = editing.save_channel(None, form())
    assert editing.send_test(row) == "kept as number 1"
    assert counting.events() == ["test"] and not Delivery.objects.exists()
    counting.fail_with(DeliveryError("401: who are you?", permanent=True), RuntimeError("s3cret"))
    with pytest.raises(DeliveryError, match="who are you"):
        editing.send_test(row)
    with pytest.raises(DeliveryError, match="RuntimeError"):
        editing.send_test(row)
    assert AlertChannel.objects.get().is_on


def test_a_rule_is_saved_with_its_worlds_and_channels(counting, clock):
    forget_first_rules()
    world, channel = make_world("app"), make_channel()
    rule = editing.save_rule(AlertRule(name=" New ", triggers=["every"]), [world.pk], [channel.pk])
    assert (rule.name, rule.created_ns) == ("New", clock.ns)
    assert [list(rule.worlds.all()), list(rule.channels.all())] == [[world], [channel]]
    AlertRule.objects.update(window_count=3)
    rule.name = "Changed"
    editing.save_rule(rule, [], [])
    assert AlertRule.objects.get().window_count == 3 and AlertRule.objects.get().name == "Changed"
    with pytest.raises(NotSaved, match="when it is told"):
        editing.save_rule(AlertRule(name="x", triggers=[]), [], [])


def test_what_has_not_gone_out_is_dropped_with_its_rule(counting, clock):
    forget_first_rules()
    rule = make_rule(make_channel())
    channels = tuple(AlertChannel.objects.all())
    outbox.put([Parcel(Message("anomaly", "", "Something"), channels, rule)])
    editing.delete_rule(rule.pk)
    send()
    assert counting.sent == [] and Delivery.objects.get().reason == "its rule was deleted"


def test_pages_find_the_log_the_states_and_who_was_told(counting, clock):
    forget_first_rules()
    channel, off = make_channel(), make_channel("Off", is_on=False, disabled_reason="gone", disabled_ns=1)
    rule = make_rule(channel, off)
    finding = find(make_stream_of(make_run(make_world("app"))))
    run()
    states = queries.channel_states([channel.pk, off.pk])
    assert (states[channel.pk].waiting, states[off.pk].held) == (0, 1)
    assert queries.rule_states([rule.pk])[rule.pk].open == 1
    assert queries.disabled_channels() == [off]
    assert [one.state for one in queries.deliveries(DeliveryFilter()).rows] == ["held", "sent"]
    assert [one.channel for one in queries.deliveries(DeliveryFilter(state="held")).rows] == [off]
    assert queries.deliveries(DeliveryFilter(channel=channel.pk + 99)).rows == []
    assert len(queries.deliveries_of_anomaly(finding.anomaly_id)) == 2
    assert [one.anomaly_id for one in queries.alerts_of(rule.pk)] == [finding.anomaly_id]


def test_the_log_is_read_in_pages(counting, clock):
    forget_first_rules()
    channel = make_channel()
    outbox.put(Parcel(Message("anomaly", "", str(at)), (channel,)) for at in range(70))
    first = queries.deliveries(DeliveryFilter(channel=channel.pk))
    second = queries.deliveries(DeliveryFilter(channel=channel.pk), first.older)
    titles = [one.title for one in (*first.rows, *second.rows)]
    assert titles == [str(at) for at in range(69, -1, -1)] and second.older is None
