"""What people change, and what of it is kept to itself."""

from __future__ import annotations

import pytest

from dashboard.alerts import editing, outbox, queries
from dashboard.alerts.channel_secrets import secrets_of
from dashboard.alerts.channels.base import CHANNELS, Field, Message
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


def test_an_optional_secret_is_taken_away_and_a_needed_one_is_not(secretive, monkeypatch):
    row = editing.save_channel(None, form())
    with pytest.raises(NotSaved) as refused:
        editing.save_channel(row.pk, form(secrets={}, forgotten=frozenset(("token",))))
    assert "token" in refused.value.problems and secrets_of(AlertChannel.objects.get()) == {"token": "s3cret"}
    monkeypatch.setattr(secretive, "fields", (Field("token", "Token", "secret"),))
    editing.save_channel(row.pk, form(secrets={"token": "new"}, forgotten=frozenset(("token",))))
    assert secrets_of(AlertChannel.objects.get()) == {"token": "new"}
    editing.save_channel(row.pk, form(secrets={}, forgotten=frozenset(("token",))))
    assert AlertChannel.objects.get().sealed is None


@pytest.mark.parametrize("url", ["http://10.1.2.3/x", "https://[::1]/x", "http://169.254.169.254/latest"])
def test_an_address_that_will_be_refused_is_refused_at_its_field(secretive, settings, url):
    with pytest.raises(NotSaved) as refused:
        editing.save_channel(None, form(settings={"url": url}))
    assert "TAILRACE_OUTBOUND_ALLOW can allow it" in refused.value.problems["url"]
    settings.OUTBOUND_ALLOW = ("10.0.0.0/8", "::1", "169.254.169.254")
    assert editing.save_channel(None, form(settings={"url": url})).pk


def test_a_host_by_name_is_not_looked_up_before_something_is_sent(secretive):
    assert editing.save_channel(None, form(settings={"url": "http://nowhere.invalid/"})).pk


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
    assert [one.channel for one in queries.deliveries(DeliveryFilter(channel=channel.pk)).rows] == [channel]
    assert len(queries.deliveries(DeliveryFilter(rule=rule.pk, event="anomaly")).rows) == 2
    for nothing in (
        {"channel": off.pk + 99},
        {"rule": rule.pk + 99},
        {"event": "digest"},
        {"state": "failed"},
    ):
        assert queries.deliveries(DeliveryFilter(**nothing)).rows == []
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


@pytest.mark.parametrize("wanted", [{"channel": 1}, {"rule": 1}, {"state": "sent"}, {"event": "digest"}])
def test_no_filter_walks_the_log(wanted):
    plan = queries.delivery_rows(DeliveryFilter(**wanted)).explain()
    assert "deliveries_" in plan and "TEMP B-TREE" not in plan, plan
