from __future__ import annotations

import pytest
from django.test import Client

from dashboard.alerts.channel_secrets import secrets_of
from dashboard.alerts.channels.base import CHANNELS
from dashboard.alerts.models import AlertChannel
from dashboard.lib.clock import now_ns
from tests.dashboard.alerts.telling import make_channel, make_rule

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bare", "counting")]
LIST = "/alerts/channels/"
NEW = f"{LIST}new/"
SECRET = "sixteen letters and more"


@pytest.fixture(autouse=True)
def sealing_key(settings):
    settings.KEY_SECRET = "a secret from the environment"


def typed(**fields):
    return {
        "name": "Hook", "field-url": "https://example.com/hook", "field-secret": SECRET, "report_weekday": "",
        "report_hour": "9", "report_time_zone": "UTC",
    } | {name.replace("__", "-"): value for name, value in fields.items()}  # fmt: skip


def text(response):
    return response.content.decode()


def test_every_kind_can_be_chosen_and_has_a_form_made_from_its_fields(client):
    html = text(client.get(NEW))
    for kind, made in CHANNELS.found.items():
        assert f'href="{NEW}{kind}/"' in html
        form = text(client.get(f"{NEW}{kind}/"))
        for field in made.fields:
            assert f'name="field-{field.name}"' in form, kind
        assert form.count('type="password"') == sum(field.kind == "secret" for field in made.fields)


def test_a_kind_that_there_is_not_is_not_found(client):
    assert client.get(f"{NEW}pigeon/").status_code == 404
    assert client.post(f"{NEW}base/", typed()).status_code == 404


def test_a_channel_is_added_with_its_secret_sealed(client):
    response = client.post(f"{NEW}webhook/", typed())
    row = AlertChannel.objects.get()
    assert response.status_code == 303 and response["Location"] == f"{LIST}{row.pk}/?said=created"
    assert row.settings == {"url": "https://example.com/hook"} and secrets_of(row)["secret"] == SECRET
    assert SECRET.encode() not in bytes(row.sealed)


def test_a_secret_is_never_shown_again_and_stays_until_it_is_replaced(client):
    client.post(f"{NEW}webhook/", typed())
    row = AlertChannel.objects.get()
    page = f"{LIST}{row.pk}/"
    html = text(client.get(page))
    assert SECRET not in html and "stored; type to replace it" in html
    client.post(page, typed(field__secret="", name="Renamed"))
    row.refresh_from_db()
    assert row.name == "Renamed" and secrets_of(row)["secret"] == SECRET
    refused = client.post(page, typed(field__secret="a different secret here", field__url="ftp://x"))
    assert refused.status_code == 422 and "a different secret here" not in text(refused)
    client.post(page, typed(field__secret="another secret of mine"))
    assert secrets_of(AlertChannel.objects.get())["secret"] == "another secret of mine"


def test_an_optional_secret_can_be_taken_away(client):
    client.post(f"{NEW}webhook/", typed())
    row = AlertChannel.objects.get()
    page = f"{LIST}{row.pk}/"
    assert 'name="forget-secret"' in text(client.get(page))
    refused = client.post(page, typed(field__secret="", **{"forget-secret": "1", "name": ""}))
    assert 'name="forget-secret" value="1" checked' in text(refused)
    assert secrets_of(AlertChannel.objects.get())["secret"] == SECRET
    client.post(page, typed(field__secret="", **{"forget-secret": "1"}))
    assert "secret" not in secrets_of(AlertChannel.objects.get())
    assert 'name="forget-secret"' not in text(client.get(page))


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"name": ""}, "name", "A channel needs a name."),
        ({"field__url": ""}, "url", "this is needed"),
        ({"field__url": "javascript:alert(1)"}, "url", "begins with http:// or https://"),
        ({"field__url": "http://192.168.1.7/hook"}, "url", "is a private address; TAILRACE_OUTBOUND_ALLOW"),
        ({"field__secret": "short"}, "secret", "at least 16 characters"),
        ({"report_weekday": "9"}, "report_weekday", "A day of the week"),
        ({"report_time_zone": "Mars/Base"}, "report_time_zone", "There is no such time zone"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(client, fields, field, said):
    response = client.post(f"{NEW}webhook/", typed(**fields))
    assert response.status_code == 422 and not AlertChannel.objects.exists()
    assert said in text(response).partition(f'id="{field}-problem"')[2].partition("</p>")[0]
    assert SECRET not in text(response)


def test_without_a_key_to_seal_with_it_says_what_to_set(client, settings):
    settings.KEY_SECRET, settings.DATABASE_URL = "", "postgresql://elsewhere/x"
    html = text(client.get(f"{NEW}webhook/"))
    assert "TAILRACE_KEY_SECRET" in html
    response = client.post(f"{NEW}webhook/", typed())
    assert response.status_code == 422 and "The secrets cannot be kept" in text(response)
    assert not AlertChannel.objects.exists()


def test_it_says_when_its_secrets_no_longer_open(client, settings):
    client.post(f"{NEW}webhook/", typed())
    settings.KEY_SECRET = "another secret altogether"
    html = text(client.get(f"{LIST}{AlertChannel.objects.get().pk}/"))
    assert "Its secrets cannot be opened" in html


def test_the_weekly_report_is_asked_for_by_day_hour_and_zone(client):
    client.post(
        f"{NEW}webhook/", typed(report_weekday="0", report_hour="7", report_time_zone="Europe/Vienna")
    )
    row = AlertChannel.objects.get()
    assert (row.report_weekday, row.report_hour, row.report_time_zone) == (0, 7, "Europe/Vienna")
    html = text(client.get(f"{LIST}{row.pk}/"))
    assert '<option value="0" selected>every Monday' in html and "next on" in html
    client.post(f"{LIST}{row.pk}/", typed())
    assert AlertChannel.objects.get().report_due_ns is None


def test_the_page_says_how_it_is_doing_and_which_rules_use_it(client):
    channel = make_channel(failures=3, last_failure="500 <b>Oops", last_failure_ns=now_ns())
    make_rule(channel, name="Rule <i>")
    html = text(client.get(f"{LIST}{channel.pk}/"))
    assert "failed 3 times in a row" in html and "500 &lt;b&gt;Oops" in html and "Rule &lt;i&gt;" in html
    assert "1 rule will tell it nothing any more" in html
    assert "nothing sent yet" in text(client.get(f"{LIST}{make_channel('Fresh').pk}/"))


def test_a_kind_of_another_version_is_shown_and_can_be_deleted(client):
    channel = make_channel("Old", kind="carrier_pigeon")
    html = text(client.get(f"{LIST}{channel.pk}/"))
    assert "This version has no channels of kind carrier_pigeon." in html
    assert client.post(f"{LIST}{channel.pk}/", typed()).status_code == 200
    assert AlertChannel.objects.get().name == "Old"
    assert "Old" in text(client.get(LIST))


def test_an_empty_list_says_what_to_do(client):
    assert "There is no channel, so nobody can be told." in text(client.get(LIST))


def test_only_the_owner_sees_settings_or_changes_them(nobody, stranger):
    channel = make_channel()
    for path in (NEW, f"{NEW}webhook/", f"{LIST}{channel.pk}/"):
        assert nobody.get(path).status_code == 403
        assert stranger.get(path).status_code == 302
    assert nobody.post(f"{NEW}webhook/", typed()).status_code == 403
    assert AlertChannel.objects.count() == 1


def test_a_post_from_another_site_is_refused():
    assert Client(enforce_csrf_checks=True).post(f"{NEW}webhook/", typed()).status_code == 403
