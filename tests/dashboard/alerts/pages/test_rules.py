from __future__ import annotations

import pytest
from django.test import Client

from dashboard.alerts.models import AlertRule, Delivery
from dashboard.alerts.route import route
from dashboard.anomalies.detectors.base import SEVERITIES
from tests.dashboard.alerts.telling import NEVER, make_channel, make_rule
from tests.dashboard.anomalies.found import find, make_stream_of
from tests.factories import make_run, make_world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bare", "counting")]
LIST, NEW, DRAFT = "/alerts/rules/", "/alerts/rules/new/", "/alerts/rules/draft/"


def typed(**fields):
    """What a browser sends of a form that is filled in sensibly."""
    return {
        "name": "Errors", "is_on": "1", "watched": "anomalies", "min_severity": "2", "min_certainty": "1",
        "triggers": ["first_time", "regressed"], "threshold": "10", "period": "1", "period_unit": "hours",
        "workflows": "", "deployments": "", "quiet_from": "", "quiet_until": "", "time_zone": "UTC",
        "lets_critical": "1", "cooldown": "30", "cooldown_unit": "minutes", "hourly_cap": "5", "tells_recovery": "1",
    } | fields  # fmt: skip


def text(response):
    return response.content.decode()


def test_a_rule_is_made_with_all_its_conditions(client):
    world, channel = make_world("app"), make_channel()
    response = client.post(
        NEW,
        typed(
            kinds=["chunk_lost"], worlds=[world.pk], channels=[channel.pk], workflows="chat*\r\n\r\n chat* \nother",
            quiet_from="22:00", quiet_until="07:00", time_zone="Europe/Vienna", triggers=["more_than"], threshold="3",
        ),
    )  # fmt: skip
    rule = AlertRule.objects.get()
    assert response.status_code == 303 and response["Location"] == f"{LIST}{rule.pk}/?said=created"
    assert (rule.kinds, rule.min_severity, rule.min_certainty) == (["chunk_lost"], 2, 1)
    assert rule.workflows == ["chat*", "other"] and rule.triggers == ["more_than"] and rule.threshold == 3
    assert (rule.period_s, rule.cooldown_s, rule.hourly_cap) == (3600, 1800, 5)
    assert (rule.quiet_from, rule.quiet_until, rule.time_zone) == ("22:00", "07:00", "Europe/Vienna")
    assert list(rule.worlds.all()) == [world] and list(rule.channels.all()) == [channel]
    assert rule.tells_recovery and rule.lets_critical and not rule.with_payload


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"name": " "}, "name", "A rule needs a name."),
        ({"triggers": []}, "triggers", "Say when it is told."),
        ({"kinds": ["<b>odd"]}, "kinds", "Nothing detects &lt;b&gt;odd."),
        ({"min_severity": "9"}, "min_severity", "There is no such level."),
        ({"min_certainty": "x"}, "min_certainty", "There is no such level."),
        ({"hourly_cap": "many"}, "hourly_cap", "A whole number."),
        ({"hourly_cap": "0"}, "hourly_cap", "From 1 to 1,000 messages an hour."),
        ({"cooldown": "-1"}, "cooldown", "A whole number of seconds, minutes, hours or days."),
        ({"cooldown": "99", "cooldown_unit": "days"}, "cooldown", "From 0 seconds to 30 days."),
        ({"cooldown_unit": "moons"}, "cooldown", "A whole number of seconds"),
        ({"quiet_from": "22:00"}, "quiet_from", "Two different times of day"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone", "There is no such time zone"),
        ({"watched": "absent"}, "workflows", "Name the workflow whose runs are expected."),
        ({"triggers": ["more_than"], "threshold": "0"}, "threshold", "From 1 to 100,000 times."),
        (
            {"watched": "silent", "period": "1", "period_unit": "seconds"},
            "period",
            "From 10 seconds to 30 days.",
        ),
    ],
)
def test_what_is_wrong_is_said_at_its_field(client, fields, field, said):
    response = client.post(NEW, typed(**fields))
    assert response.status_code == 422 and not AlertRule.objects.exists()
    problem = text(response).partition(f'id="{field}-problem"')[2].partition("</p>")[0]
    assert said in problem
    assert f'aria-describedby="{field}-problem"' in text(response) or field in ("kinds", "triggers")


def test_hostile_text_is_escaped_wherever_a_rule_is_named(client):
    evil = '"><script>alert(1)</script>'
    rule = make_rule(make_channel(evil), name=evil, workflows=[evil], worlds=(make_world("app", name=evil),))
    for path in (LIST, f"{LIST}{rule.pk}/", f"{NEW}?copy={rule.pk}", "/alerts/"):
        assert "<script>alert(1)" not in text(client.get(path)), path


def test_an_edited_rule_keeps_what_routing_counts(client):
    rule = make_rule(make_channel(), window_count=4, digest_due_ns=77)
    client.post(f"{LIST}{rule.pk}/", typed(name="Other"))
    rule.refresh_from_db()
    assert rule.name == "Other" and not rule.channels.exists()
    assert (rule.window_count, rule.digest_due_ns) == (4, 77)


def test_a_form_with_a_fault_does_not_rename_the_page_or_store_anything(client):
    rule = make_rule(make_channel(), name="As it was")
    html = text(client.post(f"{LIST}{rule.pk}/", typed(name="New name", hourly_cap="")))
    assert "<h1>As it was</h1>" in html and 'value="New name"' in html
    rule.refresh_from_db()
    assert rule.name == "As it was"


def test_it_is_switched_and_deleted(client):
    rule = make_rule(make_channel())
    find(make_stream_of(make_run(make_world("app"))))
    route(NEVER)
    actions = f"{LIST}{rule.pk}/actions/"
    assert client.post(actions, {"action": "off"})["Location"] == f"{LIST}{rule.pk}/?said=off"
    assert not AlertRule.objects.get().is_on
    assert client.post(actions, {"action": "on", "list": "1"})["Location"] == f"{LIST}?said=on"
    assert client.post(actions, {"action": "explode"}).status_code == 400
    assert "Deleted." in text(client.post(actions, {"action": "delete"}, follow=True))
    assert Delivery.objects.get().reason == "its rule was deleted"
    assert client.post(actions, {"action": "on"}).status_code == 404


def test_a_copy_begins_with_all_of_it_and_is_another_rule(client):
    rule = make_rule(
        make_channel(), name="First", kinds=["chunk_lost"], triggers=["every"], workflows=["chat*"]
    )
    html = text(client.get(f"{NEW}?copy={rule.pk}"))
    assert 'value="First (copy)"' in html and ">chat*</textarea>" in html
    assert 'value="chunk_lost" checked' in html and 'value="every" checked' in html
    assert client.get(f"{NEW}?copy=999999").status_code == 200


def test_a_rule_about_an_anomaly_is_filled_in_and_fits_it_alone(client):
    found = find(
        make_stream_of(make_run(make_world("app"), workflow="workflow//./app//chat[id]")), "chunk_lost"
    )
    other = find(
        make_stream_of(make_run(found.anomaly.world, workflow="workflow//./app//chati")), "chunk_lost"
    )
    html = text(client.get(f"{NEW}?anomaly={found.anomaly_id}"))
    assert 'value="chunk_lost in chat[id]"' in html and ">chat[[]id]</textarea>" in html
    shown = text(client.post(DRAFT, typed(workflows="chat[[]id]", kinds=["chunk_lost"], triggers=["every"])))
    assert f"/anomalies/{found.anomaly_id}/" in shown and f"/anomalies/{other.anomaly_id}/" not in shown
    assert "workflows like chat[id]" in shown


def test_the_draft_says_what_it_does_and_how_often_it_would_have_fired(client):
    find(make_stream_of(make_run(make_world("app"))), "chunk_lost")
    html = text(client.post(DRAFT, typed(name="")))
    assert "error or worse" in html and "It would have fired 1 time in the last week." in html
    html = text(client.post(DRAFT, typed(min_severity=str(SEVERITIES.index("critical")))))
    assert "It would not have fired in the last week." in html
    assert not AlertRule.objects.exists()


def test_a_draft_that_is_no_rule_yet_says_what_it_needs(client):
    html = text(client.post(DRAFT, typed(triggers=[])))
    assert "Not a rule yet: Say when it is told." in html and "in the last week" not in html
    assert "Silence leaves no trace" in text(client.post(DRAFT, typed(watched="silent")))
    assert client.post(DRAFT, {}).status_code == 200
    assert client.get(DRAFT).status_code == 405


def test_a_kind_that_is_no_longer_detected_can_be_taken_away(client):
    rule = make_rule(make_channel(), kinds=["long_gone"])
    assert "no longer detected" in text(client.get(f"{LIST}{rule.pk}/"))


def test_an_empty_list_says_what_to_do(client):
    assert "There is no rule, so nobody is told anything." in text(client.get(LIST))


def test_only_the_owner_may_make_or_change_one(nobody, stranger):
    rule = make_rule(make_channel())
    assert nobody.get(NEW).status_code == 403
    assert nobody.post(NEW, typed()).status_code == 403
    assert nobody.post(f"{LIST}{rule.pk}/", typed()).status_code == 403
    assert nobody.post(f"{LIST}{rule.pk}/actions/", {"action": "delete"}).status_code == 403
    assert stranger.get(LIST).status_code == 302
    assert AlertRule.objects.count() == 1


def test_a_post_from_another_site_is_refused():
    assert Client(enforce_csrf_checks=True).post(NEW, typed()).status_code == 403
    assert not AlertRule.objects.exists()


def test_its_page_shows_what_it_fired_for_and_what_is_over(client):
    rule = make_rule(make_channel("Ops"))
    page = f"{LIST}{rule.pk}/"
    assert "Fired for" not in text(client.get(page))
    find(make_stream_of(make_run(make_world("app"))), "chunk_lost")
    route(NEVER)
    html = text(client.get(page))
    assert (
        "Fired for" in html and "chunk_lost" in html and "over</span>" not in html.partition("Fired for")[2]
    )
    rule.alerts.update(recovered_ns=1)
    assert "over</span>" in text(client.get(page)).partition("Fired for")[2]
